package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// alertScan is how many alerts are looked at in one statement.
const alertScan = 1000

// Alerts lists alerts, newest first, without their bodies. A filter that the store does not know goes through them in pages, each in a
// view of its own: there are few views at once, and the engine reads by the same.
func (s *Store) Alerts(ctx context.Context, f AlertFilter) ([]Alert, error) {
	needles, err := f.needles()
	if err != nil || f.none() {
		return nil, err
	}
	search := alertSearch{f: f, needles: needles, before: f.Before}
	for more := true; more && err == nil; {
		err = s.read(ctx, "list alerts", func(ctx context.Context, q querier) (err error) {
			more, err = search.page(ctx, q)
			return err
		})
	}
	return search.found, err
}

// alertSearch goes through alerts, from the newest on.
type alertSearch struct {
	f       AlertFilter
	needles []string
	found   []Alert
	before  int64
	// Of the newest page: how many there were, and how many of them came too early.
	seen, early int
}

// page goes through the next ones, and tells whether there are more.
func (s *alertSearch) page(ctx context.Context, q querier) (more bool, err error) {
	where, args := s.f.where()
	count := alertScan
	if s.f.whole() {
		count = limitOr(s.f.Limit)
	}
	if s.before > 0 {
		where, args = where+" AND n < ?", append(args, s.before)
	}
	s.seen, s.early = 0, 0
	err = eachAlert(ctx, q, s.take, alertColumns+where+" ORDER BY n DESC LIMIT ?", append(args, count)...)
	// They came in the order of their numbers, also those that came anew, but for clocks that were set.
	return !s.full() && s.seen == count && s.early < s.seen, err
}

func (s *alertSearch) full() bool { return len(s.found) == limitOr(s.f.Limit) }

// take takes an alert, if it is one of those.
func (s *alertSearch) take(a Alert, text string) error {
	s.seen++
	s.before = a.N
	switch {
	case a.Received.Before(s.f.From):
		s.early++
		return nil
	case s.full() || slices.ContainsFunc(s.needles, func(n string) bool { return !strings.Contains(text, n) }):
		return nil
	}
	a, err := a.read(text)
	if a.Body = nil; err == nil && s.f.fits(a) {
		s.found = append(s.found, a)
	}
	return err
}

// where is what the store can tell by itself.
func (f AlertFilter) where() (string, []any) {
	where, args := []string{"n > 0"}, []any{}
	add := func(condition string, arg any) { where, args = append(where, condition), append(args, arg) }
	switch { // with what lets the best partial index serve
	case f.State == AlertPending:
		where = append(where, "done = 0")
	case f.State != "" && f.ofResources():
		add("state = ?", f.State)
	case f.State != "":
		add("state = ? AND done <> 0", f.State)
	}
	if f.Run != "" {
		add("run = ?", f.Run)
	}
	if f.ofResources() { // said, so that the index of these is used
		where = append(where, "resource <> ''")
	}
	if f.Resource != (galen.Resource{}) {
		add("resource = ?", f.Resource.String())
	}
	return strings.Join(where, " AND "), args
}

// none: there can be no such alert, for only a matched one has a resource.
func (f AlertFilter) none() bool {
	return f.ofResources() && f.State != "" && f.State != AlertMatched
}

// ofResources: only alerts that were matched to a resource, or to this one.
func (f AlertFilter) ofResources() bool { return f.Owned || f.Resource != (galen.Resource{}) }

// whole: whatever the store finds is wanted.
func (f AlertFilter) whole() bool {
	return f.Fingerprint == "" && len(f.Labels) == 0 && f.From.IsZero()
}

// needles are texts that the document of each wanted alert has: most others need not be read for it.
func (f AlertFilter) needles() ([]string, error) {
	parts := []any{}
	for name, value := range f.Labels {
		parts = append(parts, map[string]string{name: value})
	}
	if f.Fingerprint != "" {
		parts = append(parts, map[string]string{"fingerprint": f.Fingerprint})
	}
	var out []string
	for _, part := range parts {
		text, err := json.Marshal(part)
		if err != nil {
			return nil, fmt.Errorf("list alerts: %w", err)
		}
		out = append(out, strings.Trim(string(text), "{}"))
	}
	return out, nil
}

func (f AlertFilter) fits(a Alert) bool {
	for name, value := range f.Labels {
		if is, has := a.Labels[name]; !has || is != value {
			return false
		}
	}
	return f.Fingerprint == "" || f.Fingerprint == a.Fingerprint
}
