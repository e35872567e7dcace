package journal

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestListsGoByAnIndex: what a list chooses by has an index in SQLite, and none that has much more in it.
func TestListsGoByAnIndex(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"), Options{Now: time.Now, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := galen.Resource{Kind: "cassandra", Name: "orders"}
	alerts := func(f AlertFilter) (string, []any) {
		where, args := f.where()
		return alertColumns + where + " ORDER BY n DESC LIMIT 10", args
	}
	events := func(f EventFilter) (string, []any) {
		where, args := f.where()
		return "SELECT " + eventColumns + " FROM events WHERE " + where + " ORDER BY seq DESC LIMIT 10", args
	}
	for name, c := range map[string]planned{
		"pending alerts":                 both(alerts(AlertFilter{State: AlertPending})).by("alerts_pending"),
		"alerts of a state":              both(alerts(AlertFilter{State: AlertUnmatched})).by("alerts_state"),
		"alerts of a resource":           both(alerts(AlertFilter{Resource: r})).by("alerts_resource"),
		"matched alerts of a resource":   both(alerts(AlertFilter{Resource: r, State: AlertMatched})).by("alerts_resource"),
		"alerts of whatever resource":    both(alerts(AlertFilter{Owned: true})).by("alerts_owned"),
		"events of a resource":           both(events(EventFilter{Resource: r})).by("events_resource"),
		"events of a run":                both(events(EventFilter{Run: "r"})).by("events_run"),
		"events of a kind":               both(events(EventFilter{Kind: galen.EventAlert})).by("events_kind"),
		"events of a kind of a resource": both(events(EventFilter{Kind: galen.EventDecided, Resource: r})).by("events_kind"),
	} {
		var plan []string
		err := s.read(t.Context(), "explain", func(ctx context.Context, q querier) error {
			plan = nil
			return each(ctx, q, func(rows cursor) error {
				var id, parent, unused int64
				var detail string
				err := rows.Scan(&id, &parent, &unused, &detail)
				plan = append(plan, detail)
				return err
			}, "EXPLAIN QUERY PLAN "+c.query, c.args...)
		})
		if got := fmt.Sprint(plan); err != nil || !strings.Contains(got, "INDEX "+c.index+" ") && !strings.Contains(got, "INDEX "+c.index+"]") {
			t.Errorf("%s: %s, %v; want the index %s", name, got, err, c.index)
		}
	}
	for _, state := range []string{AlertPending, AlertUnmatched, AlertRefused} {
		if f := (AlertFilter{State: state, Resource: r}); !f.none() {
			t.Errorf("%+v goes through alerts of which none has a resource", f)
		}
	}
}

type planned struct {
	query string
	args  []any
	index string
}

func both(query string, args []any) planned { return planned{query: query, args: args} }

func (p planned) by(index string) planned { p.index = index; return p }
