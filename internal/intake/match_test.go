package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func demo() galen.Resource  { return galen.Resource{Kind: "cassandra", Name: "demo"} }
func other() galen.Resource { return galen.Resource{Kind: "cassandra", Name: "other"} }

// ring is a State of members only.
type ring struct {
	galen.State
	members []galen.Member
}

func (r ring) Members() []galen.Member { return r.members }

// world is what is known; a resource that is not in it was not seen yet.
type world map[galen.Resource][]galen.Member

func (w world) Last(r galen.Resource) (galen.State, bool) {
	members, seen := w[r]
	return ring{members: members}, seen
}

// runs records what was asked for.
type runs struct {
	mu    sync.Mutex
	asked []string
	fail  error
}

// fails says what each question is answered with from now on.
func (r *runs) fails(with error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = with
}

func (r *runs) Heals(_ string, code galen.Code) bool { return code != "incurable" }

func (r *runs) OpenHint(_ context.Context, hint galen.Finding, alert string) (galen.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return galen.Run{}, r.fail
	}
	r.asked = append(r.asked, strings.Join([]string{hint.Resource.String(), string(hint.Code), hint.Domain, hint.Targets[0].ID, alert}, " "))
	return galen.Run{ID: "run-" + hint.Domain}, nil
}

func members() []galen.Member {
	return []galen.Member{
		{Target: galen.Target{ID: "11111111-aaaa"}, Instance: "instance/n1", Name: "127.0.0.1", Domain: "dc1/r1"},
		{Target: galen.Target{ID: "22222222-bbbb"}, Instance: "instance/n2", Name: "127.0.0.2", Domain: "dc1/r2"},
		{Target: galen.Target{ID: "99999999-dead"}, Name: "127.0.0.2", Domain: "dc1/r9", Unlisted: true},
		{Target: galen.Target{ID: "33333333-cccc"}, Name: "node3.example:7000", Domain: "dc1/r3"},
		{Target: galen.Target{ID: "44444444-dddd"}, Name: "fd00::4", Domain: "dc1/r4"},
		{Target: galen.Target{ID: "88888888-gone"}, Name: "127.0.0.8", Domain: "dc1/r8", Unlisted: true},
		{Target: galen.Target{ID: "instance/n5"}, Instance: "instance/n5", Name: "127.0.0.5", Domain: "dc1/r5", Spare: true},
	}
}

// has matches labels that have these names and values.
func has(pairs ...string) func(map[string]string) bool {
	return func(labels map[string]string) bool {
		for i := 0; i+1 < len(pairs); i += 2 {
			if labels[pairs[i]] != pairs[i+1] {
				return false
			}
		}
		return true
	}
}

// triage knows three rules and three resources.
func triage() *Triage {
	return NewTriage([]Rule{{has("alertname", "CassandraDown"), "node-down", "instance"}, {has("alertname", "Incurable"), "incurable", "instance"}, {has("alertname", "ByHost"), "node-down", "host_id"}}, []Resource{
		{Resource: demo(), Matches: has("cluster", "demo", "env", "prod")},
		{Resource: other(), Matches: has("cluster", "other")},
		{Resource: galen.Resource{Kind: "cassandra", Name: "unlabelled"}, Matches: func(map[string]string) bool { return false }},
	})
}

// matcher of an inbox that leaves every alert to it.
func matcher(s *store, w world, r *runs) *Matcher {
	return NewMatcher(Options{Inbox: inboxOf(s), World: w, Runs: r, Now: noon, Logger: slog.New(slog.DiscardHandler), Triage: triage()})
}

func TestMatch(t *testing.T) {
	good := func(change ...string) map[string]string {
		out := map[string]string{"alertname": "CassandraDown", "cluster": "demo", "env": "prod", "instance": "127.0.0.2:7070", "severity": "page"}
		for i := 0; i+1 < len(change); i += 2 {
			out[change[i]] = change[i+1]
		}
		return out
	}
	const canary = "$(touch /tmp/x); DROP TABLE"
	for _, c := range []struct {
		name    string
		labels  map[string]string
		status  string
		outcome string
		asked   string
	}{
		{"by address and port", good(), firing, "run run-dc1/r2", "cassandra/demo node-down dc1/r2 22222222-bbbb"},
		{"by address", good("instance", "127.0.0.2"), firing, "run run-dc1/r2", "cassandra/demo node-down dc1/r2 22222222-bbbb"},
		{"by mapped address", good("instance", "[::ffff:127.0.0.1]:9100"), firing, "run run-dc1/r1", "cassandra/demo node-down dc1/r1 11111111-aaaa"},
		{"by IPv6", good("instance", "[fd00:0:0::4]:9100"), firing, "run run-dc1/r4", "cassandra/demo node-down dc1/r4 44444444-dddd"},
		{"by name, other port", good("instance", "NODE3.example:9100"), firing, "run run-dc1/r3", "cassandra/demo node-down dc1/r3 33333333-cccc"},
		{"by host ID", good("alertname", "ByHost", "host_id", "11111111-aaaa"), firing, "run run-dc1/r1", "cassandra/demo node-down dc1/r1 11111111-aaaa"},
		{"by instance and port, other case", good("instance", "N2:7199"), firing, "run run-dc1/r2", "cassandra/demo node-down dc1/r2 22222222-bbbb"},
		{"by instance", good("instance", "n2"), firing, "run run-dc1/r2", "cassandra/demo node-down dc1/r2 22222222-bbbb"},
		{"who vanished", good("instance", "127.0.0.8"), firing, "run run-dc1/r8", "cassandra/demo node-down dc1/r8 88888888-gone"},
		{"resolved cancels nothing", good(), resolved, "resolved", ""},
		{"resolved of somebody else", good("alertname", "Other"), resolved, "no rule", ""},
		{"no rule", good("alertname", "Other"), firing, "no rule", ""},
		{"no member label", good("instance", ""), firing, "no label instance", ""},
		{"unknown member", good("instance", "127.0.0.77:7070"), firing, "no such member", ""},
		{"prefix of a member", good("instance", "127.0.0"), firing, "no such member", ""},
		{"canary", good("instance", canary), firing, "no such member", ""},
		{"canary as alertname", good("alertname", canary), firing, "no rule", ""},
		{"spare", good("instance", "127.0.0.5"), firing, "no such member", ""},
		{"one label differs", good("env", "test"), firing, "no resource has these labels: none of 3 that are configured", ""},
		{"another resource", good("cluster", "other"), firing, "no such member", ""},
		{"incurable", good("alertname", "Incurable"), firing, "no runbook heals", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, r := newStore(), &runs{}
			m := matcher(s, world{demo(): members(), other(): nil}, r)
			if _, err := s.StoreAlerts(t.Context(), Alert{Fingerprint: "f", Status: c.status, Labels: c.labels, Received: noon()}); err != nil {
				t.Fatal(err)
			}
			if left, err := m.Round(t.Context()); err != nil || left != 0 {
				t.Fatalf("%d left, %v", left, err)
			}
			outcome := s.done[s.order[0]]
			if !strings.HasPrefix(outcome, c.outcome) || strings.Contains(outcome, "touch") {
				t.Errorf("outcome %q, want %q", outcome, c.outcome)
			}
			if matched := c.asked != "" || c.outcome == "resolved"; (s.states[s.order[0]] == Matched) != matched {
				t.Errorf("state %q", s.states[s.order[0]])
			}
			var want []string
			if c.asked != "" {
				want = []string{c.asked + " " + s.order[0]}
			}
			if diff := cmp.Diff(want, r.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTheOutcomeIsLogged: who sent an alert and sees no run finds out why, and of which alert, without another log level.
func TestTheOutcomeIsLogged(t *testing.T) {
	for _, c := range []struct {
		name   string
		labels []string
		want   []string
	}{
		{"no rule", []string{"alertname", "Other"}, []string{`"alertname":"Other"`, `"named":""`, `"state":"unmatched","outcome":"no rule: `}},
		{"no member", []string{"instance", "127.0.0.77"}, []string{`"alertname":"CassandraDown"`, `"named":"127.0.0.77"`, `"outcome":"no such member: none of cassandra/demo is called what the label instance says"`}},
		{"long", []string{"instance", strings.Repeat("x", 1000)}, []string{`"named":"` + strings.Repeat("x", logged) + `…"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			s := newStore()
			m := matcher(s, world{demo(): members()}, &runs{})
			m.o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
			a := down("f", noon())
			a.Labels[c.labels[0]] = c.labels[1]
			if _, err := s.StoreAlerts(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("%s is missing in the log %s", want, log.String())
				}
			}
		})
	}
}

func TestAmbiguousMember(t *testing.T) {
	s, r := newStore(), &runs{}
	twice := append(members(), galen.Member{Target: galen.Target{ID: "x"}, Name: "127.0.0.2", Domain: "dc1/r7"})
	m := matcher(s, world{demo(): twice}, r)
	if got, err := m.match(t.Context(), down("f", noon()), nil); err != nil || !strings.HasPrefix(got.Why, "ambiguous") || r.asked != nil {
		t.Errorf("%+v %v %v", got, err, r.asked)
	}
}

// TestAmbiguousWithWhatIsNotSeen: until a resource has been seen nobody knows whether it has a member of that name, too.
func TestAmbiguousWithWhatIsNotSeen(t *testing.T) {
	other := galen.Resource{Kind: "cassandra", Name: "other"}
	about := suspect{rule: Rule{Code: "node-down", MemberLabel: "instance"}, named: []galen.Resource{demo(), other}, member: "127.0.0.2"}
	w := world{demo(): members()}
	m := matcher(newStore(), w, &runs{})
	if places, unseen := m.find(about.named, about.member); len(places) != 1 || !unseen {
		t.Fatalf("%v, unseen %v", places, unseen)
	}
	for name, c := range map[string]struct {
		waited time.Duration
		seen   bool
		want   string
	}{
		"it waits":                  {unseenFor - 1, false, ""},
		"it is never seen":          {unseenFor, false, Matched},
		"both have one of the name": {0, true, Unmatched},
	} {
		delete(w, other)
		if c.seen {
			w[other] = members()
		}
		got, err := m.place(t.Context(), Alert{ID: "a", Received: noon().Add(-c.waited)}, about, map[string]End{})
		if err != nil || got.State != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func down(fingerprint string, received time.Time) Alert {
	return Alert{ID: fingerprint, Fingerprint: fingerprint, Status: firing, Received: received, Labels: map[string]string{
		"alertname": "CassandraDown", "cluster": "demo", "env": "prod", "instance": "127.0.0.2",
	}}
}

func TestWaitsForTheFirstLook(t *testing.T) {
	s, r := newStore(), &runs{}
	w := world{}
	m := matcher(s, w, r)
	for _, a := range []Alert{down("new", noon()), down("old", noon().Add(-unseenFor))} {
		if _, err := s.StoreAlerts(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := m.Round(t.Context()); left != 1 || err != nil || !strings.Contains(s.done[s.order[1]], "not seen within") {
		t.Fatalf("%d left, %v, %v", left, err, s.done)
	}
	if got := m.Waits(s.alerts[s.order[0]]); got != "waits for the first look at cassandra/demo, until 2026-11-23T12:10:00Z at the latest" {
		t.Errorf("unseen: %q", got)
	}
	w[demo()] = members()
	if got := m.Waits(s.alerts[s.order[0]]); !strings.HasPrefix(got, "waits for its turn") {
		t.Errorf("seen: %q", got)
	}
	if left, err := m.Round(t.Context()); left != 0 || err != nil || len(r.asked) != 1 {
		t.Errorf("%d left, %v, %v", left, err, r.asked)
	}
}

func TestTroubleKeepsAlertsPending(t *testing.T) {
	s, r := newStore(), &runs{fail: errors.New("disk full")}
	m := matcher(s, world{demo(): members()}, r)
	if _, err := s.StoreAlerts(t.Context(), down("f", noon())); err != nil {
		t.Fatal(err)
	}
	if left, err := m.Round(t.Context()); left != 1 || !errors.Is(err, r.fail) || len(s.done) != 0 {
		t.Fatalf("%d left, %v, %v", left, err, s.done)
	}
	r.fail = nil
	if left, err := m.Round(t.Context()); left != 0 || err != nil || len(r.asked) != 1 {
		t.Errorf("%d left, %v, %v", left, err, r.asked)
	}
}

// TestCopiesAskOnce: a storm about one problem asks for its run once a round, and is written down in a few writes; alerts that
// must wait for a first look keep no other waiting, however many they are.
func TestCopiesAskOnce(t *testing.T) {
	s, r := newStore(), &runs{}
	m := matcher(s, world{demo(): members()}, r)
	const copies, waiting = 1000, 2 * window
	for i := range waiting {
		a := down(fmt.Sprint("waits-", i), noon())
		a.Labels["cluster"] = "other"
		if _, err := s.StoreAlerts(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	for i := range copies {
		if _, err := s.StoreAlerts(t.Context(), down(fmt.Sprint(i), noon())); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := m.Round(t.Context()); left != waiting || err != nil || len(r.asked) != 1 || len(s.done) != copies || s.writes != copies/settling {
		t.Errorf("%d left, %v, %d asked, %d done in %d writes", left, err, len(r.asked), len(s.done), s.writes)
	}
}

// TestWhatTellsResourcesApart: who labels alerts otherwise is told by what Galen knows its resources.
func TestWhatTellsResourcesApart(t *testing.T) {
	for want, labels := range map[string][]map[string]string{
		"they are told apart by cluster":                   {{"cluster": "a"}, {"cluster": "b"}},
		"they are told apart by cluster, or by dc and job": {{"cluster": "a"}, {"job": "b", "dc": "c"}},
		"none of 1 that are configured":                    {nil},
	} {
		var all []Resource
		for _, l := range labels {
			all = append(all, Resource{Resource: demo(), Labels: l, Matches: func(map[string]string) bool { return false }})
		}
		if got := newDirectory(all).asks(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
