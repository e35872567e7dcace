package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/galenhq/galen"
)

// Inbox bounds what is taken in.
type Inbox struct {
	// MaxPending is how many alerts may wait to be dealt with; absent: the inbox's own default.
	MaxPending *int `json:"max_pending,omitempty"`
	// RunsPerSecond is how many runs are started or woken in a second; absent: [DefaultRunsPerSecond].
	RunsPerSecond *int `json:"runs_per_second,omitempty"`
}

// DefaultRunsPerSecond holds where the configuration says nothing else.
const DefaultRunsPerSecond = 100

// PerSecond is [Inbox.RunsPerSecond], or the default.
func (i Inbox) PerSecond() int { return or(i.RunsPerSecond, DefaultRunsPerSecond) }

// Pending is [Inbox.MaxPending], 0 for the default.
func (i Inbox) Pending() int { return or(i.MaxPending, 0) }

// or is what is written, or what holds where nothing is: a written zero is no default.
func or[T any](written *T, absent T) T {
	if written == nil {
		return absent
	}
	return *written
}

// Alertmanager is where silences are kept while runs work; without a URL nowhere.
type Alertmanager struct {
	URL string `json:"url,omitempty"`
	// TokenFile holds a bearer token for it; absolute after [Load].
	TokenFile string `json:"token_file,omitempty"`
}

func (a Alertmanager) check() error {
	u, err := url.Parse(a.URL)
	switch {
	case a.URL == "" && a.TokenFile == "":
		return nil
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("alertmanager.url: %q: want one such as http://127.0.0.1:9093", a.URL)
	case u.User != nil:
		return errors.New("alertmanager.url: it holds a password: put a token into a file, and name that as alertmanager.token_file")
	}
	if err := reachable(u); err != nil {
		return fmt.Errorf("alertmanager.url: %w", err)
	}
	return nil
}

// NamedBy is a matcher by which alerts name a resource.
type NamedBy struct {
	Name, Value string
	Regexp, Not bool
}

// NamedBy are the matchers by which alerts name the resource, see [Resource.Named].
func (r Resource) NamedBy() []NamedBy {
	var out []NamedBy
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		out = append(out, NamedBy{Name: name, Value: r.Labels[name]})
	}
	for _, m := range r.Matchers {
		out = append(out, NamedBy{
			Name: m.is.Name, Value: m.is.Value, Regexp: m.is.Type == labels.MatchRegexp || m.is.Type == labels.MatchNotRegexp,
			Not: m.is.Type == labels.MatchNotEqual || m.is.Type == labels.MatchNotRegexp,
		})
	}
	return out
}

// maxPending is the greatest [Inbox.MaxPending].
const maxPending = 1_000_000

// maxRunsPerSecond is the greatest [Inbox.RunsPerSecond].
const maxRunsPerSecond = 1000

// AlertRule maps an alert to a problem code: closed world, no field of an alert reaches a command.
type AlertRule struct {
	// Alertname is short for the matcher alertname="…". It, Matchers or both.
	Alertname string     `json:"alertname,omitempty"`
	Matchers  []Matcher  `json:"matchers,omitempty"`
	Code      galen.Code `json:"code"`
	// MemberLabel is the label that names the member, by address (a port is ignored) or host ID.
	MemberLabel string `json:"member_label"`
}

// Matches tells whether the rule is for an alert with these labels.
func (r AlertRule) Matches(of map[string]string) bool {
	if r.Alertname != "" && of["alertname"] != r.Alertname {
		return false
	}
	return (r.Alertname != "" || len(r.Matchers) > 0) && matchAll(r.Matchers, of)
}

// Named tells whether an alert with these labels names the resource. One without labels and matchers is never named.
func (r Resource) Named(of map[string]string) bool {
	for name, value := range r.Labels {
		if got, has := of[name]; !has || got != value {
			return false
		}
	}
	return len(r.Labels)+len(r.Matchers) > 0 && matchAll(r.Matchers, of)
}

// Matcher is one of Alertmanager's: name="value", name!="value", name=~"regexp", name!~"regexp"; a label that is not there is
// empty, and a regular expression is for the whole value.
type Matcher struct{ is *labels.Matcher }

func matchAll(all []Matcher, of map[string]string) bool {
	for _, m := range all {
		if m.is == nil || !m.is.Matches(of[m.is.Name]) {
			return false
		}
	}
	return true
}

// UnmarshalJSON reads its text.
func (m *Matcher) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("a matcher is text such as 'severity=~\"page|critical\"': %w", err)
	}
	is, err := labels.ParseMatcher(text)
	if err != nil {
		return fmt.Errorf("matcher %q: %w; write it as Alertmanager does: 'severity=~\"page|critical\"' (=, !=, =~, !~)", text, err)
	}
	m.is = is
	return nil
}

// MarshalJSON writes it as it is read.
func (m Matcher) MarshalJSON() ([]byte, error) {
	if m.is == nil {
		return nil, errors.New("a matcher without contents")
	}
	return json.Marshal(m.is.String())
}

// ofNothing tells whether an alert without any label matches: then the matchers say nothing.
func ofNothing(all []Matcher) bool { return matchAll(all, nil) }

func (c *Config) checkAlerts() []error {
	var errs []error
	for i, r := range c.Alerts {
		if r.Alertname == "" && ofNothing(r.Matchers) {
			errs = append(errs, fmt.Errorf("alerts[%d]: it matches every alert: name an alertname, or a matcher that an alert without that label does not match", i))
		}
	}
	for i, r := range c.Resources {
		if len(r.Matchers) > 0 && len(r.Labels) == 0 && ofNothing(r.Matchers) {
			errs = append(errs, fmt.Errorf("resources[%d].matchers: every alert names %s by them: name a label, or a matcher that an alert without that label does not match", i, r.Resource))
		}
	}
	return append(errs, c.Inbox.check(), c.Alertmanager.check())
}

func (i Inbox) check() error {
	var errs []error
	if n := or(i.MaxPending, 1); n < 1 || n > maxPending {
		errs = append(errs, fmt.Errorf("inbox.max_pending: %d: want 1 to %d, or leave it out for the default", n, maxPending))
	}
	if n := i.PerSecond(); n < 1 || n > maxRunsPerSecond {
		errs = append(errs, fmt.Errorf("inbox.runs_per_second: %d: want 1 to %d, or leave it out for %d", n, maxRunsPerSecond, DefaultRunsPerSecond))
	}
	return errors.Join(errs...)
}
