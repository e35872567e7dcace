package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

// store is a journal in memory.
type store struct {
	mu     sync.Mutex
	alerts map[string]Alert // by ID
	order  []string
	done   map[string]string // why
	states map[string]string
	fail   func(handed int) error
	// uncounted is what counting fails with.
	uncounted error
	writes    int // of what became of alerts
	handed    int // to be stored
	together  int // in one transaction, at most
	reads     int // of what is pending
}

func newStore() *store {
	return &store{alerts: map[string]Alert{}, done: map[string]string{}, states: map[string]string{}}
}

func (s *store) StoreAlerts(ctx context.Context, alerts ...Alert) ([]Kept, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed += len(alerts)
	s.together = max(s.together, len(alerts))
	if s.fail != nil {
		if err := s.fail(s.handed); err != nil {
			return nil, err
		}
	}
	out := make([]Kept, 0, len(alerts))
	for _, a := range alerts {
		if a.ID == "" {
			a.ID = fmt.Sprintf("%s/%s/%s", a.Fingerprint, a.Status, a.StartsAt.Format(time.RFC3339))
		}
		_, again := s.alerts[a.ID]
		if !again {
			a.N = int64(len(s.order) + 1)
			s.alerts[a.ID] = a
			s.order = append(s.order, a.ID)
		} else if s.states[a.ID] == Unmatched && s.done[a.ID] != a.Why {
			delete(s.done, a.ID)
			delete(s.states, a.ID)
		}
		if !again && (a.State == Unmatched || a.State == Matched) {
			s.done[a.ID], s.states[a.ID] = a.Why, a.State
		}
		_, done := s.done[a.ID]
		out = append(out, Kept{Alert: a, Again: again, Pending: !done && a.State != Refused})
	}
	return out, nil
}

func (s *store) PendingAlerts(_ context.Context, after int64, limit int) ([]Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var out []Alert
	for _, id := range s.order {
		a := s.alerts[id]
		if _, done := s.done[id]; !done && a.State != Refused && a.N > after && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, nil
}

func (s *store) CountPendingAlerts(ctx context.Context, limit int) (int, error) {
	if s.uncounted != nil {
		return 0, s.uncounted
	}
	all, err := s.PendingAlerts(ctx, 0, limit)
	return len(all), err
}

func (s *store) AlertsDone(_ context.Context, ends ...End) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	for _, end := range ends {
		s.done[end.ID], s.states[end.ID] = end.Why, end.State
	}
	return nil
}

// settled is how many alerts somebody has dealt with, windows how often what is pending was read.
func (s *store) settled() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.done) }
func (s *store) windows() int { s.mu.Lock(); defer s.mu.Unlock(); return s.reads }

// inboxOf a store, at noon.
func inboxOf(s *store) *Inbox { return NewInbox(InboxOptions{Store: s, Now: noon}) }

// taken are the alerts that were not refused.
func (s *store) taken() []Alert {
	var out []Alert
	for _, id := range s.order {
		if s.alerts[id].State != Refused {
			out = append(out, s.alerts[id])
		}
	}
	return out
}

// As Alertmanager 0.27 sends it, with fields that we do not use.
const message = `{"receiver":"galen","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"CassandraDown","cluster":"demo","instance":"127.0.0.2:7070"},
"annotations":{"summary":"down"},"startsAt":"2026-11-23T12:00:00.5Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus/graph?g0=x","fingerprint":"c5b2f1"}],
"groupLabels":{"alertname":"CassandraDown"},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://alertmanager","version":"4","groupKey":"{}:{}","truncatedAlerts":0}`

func post(alerts ...string) string {
	return `{"version":"4","alerts":[` + strings.Join(alerts, ",") + `]}`
}

func one(fingerprint string) string {
	return `{"status":"firing","labels":{"alertname":"x"},"startsAt":"2026-11-23T12:00:00Z","fingerprint":"` + fingerprint + `"}`
}

func many(n int, text func(i int) string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = text(i)
	}
	return out
}

func labels(n int, value string) string {
	out := map[string]string{}
	for i := range n {
		out[fmt.Sprintf("l%d", i)] = value
	}
	b, _ := json.Marshal(out) // a map of text is always encodable
	return `{"status":"firing","fingerprint":"f","startsAt":"2026-11-23T12:00:00Z","labels":` + string(b) + `}`
}

func TestAlertmanager(t *testing.T) {
	deep := strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000)
	for _, c := range []struct {
		name, body string
		want       Receipt
		err, why   string
	}{
		{"real", message, Receipt{Stored: 1}, "", ""},
		{"none", post(), Receipt{}, "", ""},
		{"two and one again", post(one("a"), one("b"), one("a")), Receipt{Stored: 2, Duplicates: 1}, "", ""},
		{"unknown fields", `{"version":"4","alerts":[],"new":{"a":[1]}}`, Receipt{}, "", ""},
		{"empty body", "", Receipt{}, "unexpected EOF", ""},
		{"not JSON", "alerts", Receipt{}, "invalid character", ""},
		{"list", "[]", Receipt{}, "the whole: want an object, not a list", ""},
		{"null", "null", Receipt{}, `version "", want "4"`, ""},
		{"other version", `{"version":"5","alerts":[]}`, Receipt{}, `version "5", want "4"`, ""},
		{"version as a number", `{"version":4,"alerts":[]}`, Receipt{}, "version: want text, not number", ""},
		{"alerts that are no list", `{"version":"4","alerts":{}}`, Receipt{}, "alerts: want a list, not an object", ""},
		{"half an alert left out", `{"version":"4","alerts":[],"truncatedAlerts":0.5}`, Receipt{}, "truncatedAlerts: want a whole number, not number 0.5", ""},
		{"alert that is no object", post(one("a"), "7"), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: the whole: want an object, not number"},
		{"time that is a number", post(one("a"), `{"status":"firing","fingerprint":"f","labels":{"a":"b"},"startsAt":5}`), Receipt{Stored: 1, Refused: 1}, "", `startsAt "5": want a time such as`},
		{"empty time", post(one("a"), `{"status":"firing","fingerprint":"f","labels":{"a":"b"},"startsAt":""}`), Receipt{Stored: 1, Refused: 1}, "", `alerts[1]: startsAt "": want a time such as 2026-11-24T10:00:00Z`},
		{"not UTF-8", "{\"version\":\"4\xff\"}", Receipt{}, "UTF-8", ""},
		{"compressed", "\x1f\x8b\x08\x00", Receipt{}, "compressed (gzip): send it as it is", ""},
		{"deep", `{"version":"4","alerts":[],"x":` + deep + `}`, Receipt{}, "max depth", ""},
		{"cut off", message[:300], Receipt{}, "unexpected EOF", ""},
		{"too many", post(many(maxAlerts+1, func(int) string { return "{}" })...), Receipt{}, "more than 10000", ""},
		{"as many as may be", post(many(maxAlerts, func(int) string { return one("a") })...), Receipt{Stored: 1, Duplicates: maxAlerts - 1}, "", ""},
		{"one of two is refused", post(one("a"), `{"status":"on fire"}`), Receipt{Stored: 1, Refused: 1}, "", `alerts[1]: status "on fire"`},
		{"some were left out", strings.Replace(post(one("a")), `"version":"4"`, `"version":"4","truncatedAlerts":7`, 1), Receipt{Stored: 1, Refused: 1}, "", "has left out 7 alerts"},
		{"all refused", post(`{"status":"firing"}`), Receipt{Refused: 1}, "every alert of it was refused", "fingerprint"},
		{"labels as many as may be", post(labels(maxLabels, "v")), Receipt{Stored: 1}, "", ""},
		{"too many labels", post(one("a"), labels(maxLabels+1, "v")), Receipt{Stored: 1, Refused: 1}, "", "more than 64 labels"},
		{"alerts twice", `{"version":"4","alerts":[` + one("a") + `],"alerts":[` + one("b") + `]}`, Receipt{}, "alerts stands twice", ""},
		{"a name in capitals is another", `{"version":"4","alerts":[` + one("a") + `],"ALERTS":[]}`, Receipt{Stored: 1}, "", ""},
		{"a field twice of which nothing is used", `{"version":"4","alerts":[` + one("a") + `],"receiver":"a","receiver":"b"}`, Receipt{Stored: 1}, "", ""},
		{"a group of another form", `{"version":"4","alerts":[` + one("a") + `],"groupKey":{},"groupKey":7}`, Receipt{Stored: 1}, "", ""},
		{"alerts that are null", `{"version":"4","alerts":null}`, Receipt{}, "no list of alerts", ""},
		{"label twice", post(one("a"), `{"status":"firing","fingerprint":"f","startsAt":"2026-11-23T12:00:00Z","labels":{"a":"1","a":"2"}}`), Receipt{Stored: 1, Refused: 1}, "", `alerts[1]: label "a" stands twice`},
		{"labels twice", post(one("a"), `{"status":"firing","fingerprint":"f","startsAt":"2026-11-23T12:00:00Z","labels":{"a":"1"},"labels":{"b":"2"}}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: labels stands twice"},
		{"labels that are a list", post(one("a"), `{"status":"firing","fingerprint":"f","labels":[]}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: labels: want an object, not a list"},
		{"labels that are null", post(one("a"), `{"status":"firing","fingerprint":"f","labels":null}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: no labels"},
		{"label that is an object", post(one("a"), `{"status":"firing","fingerprint":"f","labels":{"a":{}}}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: labels: want text, not an object"},
		{"status twice", post(one("a"), `{"status":"firing","status":"resolved","fingerprint":"f","startsAt":"2026-11-23T12:00:00Z","labels":{"a":"1"}}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: status stands twice"},
		{"fingerprint twice", post(one("a"), `{"status":"firing","fingerprint":"f","fingerprint":"g","startsAt":"2026-11-23T12:00:00Z","labels":{"a":"1"}}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: fingerprint stands twice"},
		{"start twice", post(one("a"), `{"status":"firing","fingerprint":"f","startsAt":"2026-11-23T12:00:00Z","startsAt":null,"labels":{"a":"1"}}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: startsAt stands twice"},
		{"version twice", `{"version":"3","version":"4","alerts":[]}`, Receipt{}, "version stands twice", ""},
		{"start with an escape", post(strings.Replace(one("a"), `"startsAt":"2026-11-23T12:00:00Z"`, `"startsAt":"2026-11-23T12:00:00\u002b02:00"`, 1)), Receipt{Stored: 1}, "", ""},
		{"start that is null", post(one("a"), `{"status":"firing","fingerprint":"f","labels":{"a":"b"},"startsAt":null}`), Receipt{Stored: 1, Refused: 1}, "", "no startsAt"},
		{"annotations that are a list", post(one("a"), `{"status":"firing","fingerprint":"f","labels":{"a":"b"},"annotations":[]}`), Receipt{Stored: 1, Refused: 1}, "", "annotations: want an object, not a list"},
		{"annotation twice", post(strings.Replace(one("a"), `"labels"`, `"annotations":{"a":"1","a":"2"},"labels"`, 1)), Receipt{Stored: 1}, "", ""},
		{"half a surrogate", post(strings.Replace(one("a"), `"x"`, `"\ud800"`, 1)), Receipt{Stored: 1}, "", ""},
		{"more after the end", post(one("a")) + "{}", Receipt{}, "after top-level value", ""},
		{"no labels", post(one("a"), labels(0, "")), Receipt{Stored: 1, Refused: 1}, "", "no labels"},
		{"long label", post(one("a"), labels(1, strings.Repeat("v", maxLabelValue+1))), Receipt{Stored: 1, Refused: 1}, "", "want at most 256 and 4096"},
		{"label that is no text", post(one("a"), `{"status":"firing","fingerprint":"f","labels":{"a":1}}`), Receipt{Stored: 1, Refused: 1}, "", "alerts[1]: labels: want text, not number"},
		{"time that is none", post(one("a"), `{"status":"firing","fingerprint":"f","labels":{"a":"b"},"startsAt":"noon"}`), Receipt{Stored: 1, Refused: 1}, "", "noon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := inboxOf(newStore()).Alertmanager(t.Context(), []byte(c.body))
			switch {
			case c.err == "" && err != nil:
				t.Fatal(err)
			case c.err != "" && (errors.Is(err, ErrBad) == errors.Is(err, ErrRefused) || errors.Is(err, ErrRefused) != (got.Refused > 0) || !strings.Contains(err.Error(), c.err)):
				t.Fatalf("%v, want %q", err, c.err)
			}
			if c.why != "" && (got.Why == nil || !strings.Contains(got.Why.Error(), c.why)) {
				t.Errorf("refused because of %v, want %q", got.Why, c.why)
			}
			got.Why = nil
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestWhatIsStored(t *testing.T) {
	s := newStore()
	if _, err := inboxOf(s).Alertmanager(t.Context(), []byte(message)); err != nil {
		t.Fatal(err)
	}
	got := s.alerts[s.order[0]]
	if !strings.Contains(string(got.Body), "generatorURL") {
		t.Errorf("body %s is not what was received", got.Body)
	}
	got.Body, got.ID, got.N = nil, "", 0
	want := Alert{
		Source: "alertmanager", Fingerprint: "c5b2f1", Status: "firing", Annotations: map[string]string{"summary": "down"},
		Labels:   map[string]string{"alertname": "CassandraDown", "cluster": "demo", "instance": "127.0.0.2:7070"},
		StartsAt: time.Date(2026, 11, 23, 12, 0, 0, 5e8, time.UTC),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestNothingIsLostOnTrouble: a call that fails in the middle is an error; the same call again stores the rest.
func TestNothingIsLostOnTrouble(t *testing.T) {
	s := newStore()
	disk := errors.New("disk full")
	s.fail = func(n int) error {
		if n > 300 {
			return disk
		}
		return nil
	}
	in := inboxOf(s)
	body := []byte(post(many(1000, func(i int) string { return one(fmt.Sprint(i)) })...))
	if got, err := in.Alertmanager(t.Context(), body); !errors.Is(err, disk) || errors.Is(err, ErrBad) {
		t.Fatalf("%+v %v", got, err)
	}
	if s.handed > 300+storing {
		t.Errorf("%d more were handed over after the disk was full", s.handed-300)
	}
	s.fail = nil
	const whole = 300 / storing * storing // all of a transaction, or none
	got, err := in.Alertmanager(t.Context(), body)
	if err != nil || got.Stored != 1000-whole || got.Duplicates != whole || len(s.order) != 1000 {
		t.Errorf("%+v %v, %d stored", got, err, len(s.order))
	}
	if got := countsOf(t, in); got != (Counts{Stored: 1000, Duplicates: whole, Pending: 1000}) {
		t.Errorf("counts %+v", got)
	}
}

// TestStoredTogether: the journal commits alerts of one call together, but not so many that others wait for long.
func TestStoredTogether(t *testing.T) {
	s := newStore()
	body := []byte(post(many(500, func(i int) string { return one(fmt.Sprint(i)) })...))
	if _, err := inboxOf(s).Alertmanager(t.Context(), body); err != nil || s.together != storing {
		t.Errorf("%d together, want %d; %v", s.together, storing, err)
	}
}

func countsOf(t *testing.T, in *Inbox) Counts {
	t.Helper()
	got, err := in.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestPendingDoesNotDrift: an alert that is stored while the pending ones are counted is there in the count, and added once more. Without
// another call that must not stay so.
func TestPendingDoesNotDrift(t *testing.T) {
	s := newStore()
	now := noon()
	in := NewInbox(InboxOptions{Store: s, Now: func() time.Time { return now }})
	if _, err := in.Alertmanager(t.Context(), []byte(post(one("a"), one("b")))); err != nil {
		t.Fatal(err)
	}
	in.pending.Add(1) // as when one of them was in a count already
	var ends []End
	for _, id := range s.order {
		ends = append(ends, End{ID: id, State: Unmatched})
	}
	if err := in.done(t.Context(), ends); err != nil {
		t.Fatal(err)
	}
	now = now.Add(countEvery)
	if got := countsOf(t, in); got.Pending != 0 || got.Stored != 2 {
		t.Errorf("%+v, and nothing waits", got)
	}
}

// TestFull: an inbox that is full turns away, and takes in again when there is room; nothing that it took is lost.
func TestFull(t *testing.T) {
	s := newStore()
	now := noon()
	in := NewInbox(InboxOptions{Store: s, MaxPending: 10, Now: func() time.Time { return now }})
	take := func(first, n int) error {
		_, err := in.Alertmanager(t.Context(), []byte(post(many(n, func(i int) string { return one(fmt.Sprint(first + i)) })...)))
		return err
	}
	if err := take(0, 8); err != nil {
		t.Fatal(err)
	}
	if err := take(8, 3); !errors.Is(err, ErrFull) || errors.Is(err, ErrBad) || len(s.order) != 8 {
		t.Fatalf("%v, %d stored", err, len(s.order))
	}
	if err := take(8, 2); err != nil {
		t.Fatal(err)
	}
	if err := take(0, 1); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if err := in.done(t.Context(), []End{{ID: s.order[0], State: Unmatched}}); err != nil {
		t.Fatal(err)
	}
	if err := take(10, 1); err != nil {
		t.Fatal(err)
	}
	// Another engine deals with the rest: it is counted anew.
	for _, id := range s.order {
		s.done[id] = "elsewhere"
	}
	now = now.Add(countEvery)
	if err := take(100, 10); err != nil {
		t.Fatal(err)
	}
	in.TurnedAway() // whoever answers counts each call once, whatever it is for
	if got := countsOf(t, in); got != (Counts{Stored: 21, TurnedAway: 1, Pending: 10, Unmatched: 1}) {
		t.Errorf("counts %+v", got)
	}
	now, s.uncounted = now.Add(countEvery), errors.New("disk")
	if err := take(200, 1); !errors.Is(err, s.uncounted) || errors.Is(err, ErrBad) {
		t.Error(err)
	}
}

// TestBusy: only so many calls are at work; who comes on top is told to come again.
func TestBusy(t *testing.T) {
	s := newStore()
	in := inboxOf(s)
	for range maxCalls {
		in.calls <- struct{}{}
	}
	if _, err := in.Alertmanager(t.Context(), []byte(message)); !errors.Is(err, ErrBusy) || len(s.order) != 0 {
		t.Fatalf("%v, %d stored", err, len(s.order))
	}
	<-in.calls
	if _, err := in.Alertmanager(t.Context(), []byte(message)); err != nil {
		t.Fatal(err)
	}
}

// TestStartsThatCannotBeKept: one such start is refused with a short reason, and keeps no other alert out.
func TestStartsThatCannotBeKept(t *testing.T) {
	start := func(at string) string {
		return `{"status":"firing","labels":{"alertname":"x"},"fingerprint":"f",` + at + `"endsAt":"0001-01-01T00:00:00Z"}`
	}
	for at, says := range map[string]string{
		`"startsAt":"9999-12-31T23:59:59-05:00",`: "year 10000",
		`"startsAt":"0001-01-01T00:00:00+05:00",`: "year 0",
		`"startsAt":"0001-01-01T00:00:00Z",`:      "no startsAt",
		``:                                        "no startsAt",
		`"startsAt":"` + strings.Repeat("x", 500_000) + `",`: "want a time such as",
	} {
		s := newStore()
		got, err := inboxOf(s).Alertmanager(t.Context(), []byte(post(one("a"), start(at))))
		if err != nil || got.Stored != 1 || got.Refused != 1 || !strings.Contains(got.Why.Error(), says) || len(got.Why.Error()) > keptWhy {
			t.Errorf("%.60s: %+v %v", at, got.Stored, err)
		}
		for _, a := range s.alerts {
			if _, err := json.Marshal(a); err != nil || len(a.Why) > keptWhy {
				t.Errorf("%.60s: %v, why of %d bytes", at, err, len(a.Why))
			}
		}
	}
}

func TestCallersDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := inboxOf(newStore()).Alertmanager(ctx, []byte(message)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v: an alert that was not stored must not be answered with success", err)
	}
}

func FuzzAlertmanager(f *testing.F) {
	f.Add([]byte(message))
	f.Add([]byte(strings.Replace(message, `"cluster":"demo"`, `"cluster":"other"`, 1))) // one that is true
	f.Add([]byte(post(one("a"), one("a"))))
	f.Add([]byte(post(labels(maxLabels+1, "v"))))
	f.Add([]byte(post(about("f", firing, "alertname", "CassandraDown", "cluster", "demo", "env", "prod", "instance", "127.0.0.2"), about("f", firing, "alertname", "Other"))))
	f.Add([]byte(`{"version":"4","alerts":[{"status":"resolved","labels":{"a":"\u0000"},"fingerprint":"f","startsAt":"2026-11-23T12:00:00+25:00"}]}`))
	f.Add([]byte("{\"version\":\"4\",\"alerts\":[{\"labels\":{\"\xff\":\"\"}}]}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newStore()
		got, err := inboxOf(s).Alertmanager(t.Context(), body)
		if err == nil && got.Stored != len(s.taken()) {
			t.Fatalf("says %d, stored %d", got.Stored, len(s.taken()))
		}
		if err != nil && len(s.taken()) > 0 || err != nil && !errors.Is(err, ErrRefused) && len(s.order) > 0 {
			t.Fatalf("%v, and stored %d", err, len(s.order))
		}
		for _, a := range s.alerts {
			if a.State == Refused && (a.Why == "" || len(a.Fingerprint) > maxFingerprint || len(a.Body) > keptBody || len(a.Labels) > 1) {
				t.Fatalf("kept of a refused one: %+v", a)
			}
		}
		for _, a := range s.taken() {
			if a.Fingerprint == "" || len(a.Labels) == 0 || len(a.Labels) > maxLabels || a.Status != firing && a.Status != resolved {
				t.Fatalf("stored %+v", a)
			}
			if _, err := json.Marshal(a); err != nil {
				t.Fatal(err)
			}
			var as map[string]json.RawMessage // as everybody else reads it
			var labels map[string]string
			if err := errors.Join(json.Unmarshal(a.Body, &as), json.Unmarshal(as["labels"], &labels)); err != nil || !maps.Equal(labels, a.Labels) {
				t.Fatalf("labels %q, %v; read %q", labels, err, a.Labels)
			}
		}
		asked := opensOnlyWhatIsNamed(t, s)
		settled := newStore()
		if _, again := settlingInbox(settled, &runs{}, 0).o.Inbox.Alertmanager(t.Context(), body); (again == nil) != (err == nil) {
			t.Fatalf("%v, and %v where the inbox settles what needs no look", err, again)
		}
		if also := opensOnlyWhatIsNamed(t, settled); !slices.Equal(also, asked) || !maps.Equal(settled.states, s.states) || !maps.Equal(settled.done, s.done) {
			t.Fatalf("asked for %q, became %q; where the inbox settles what needs no look %q, %q", asked, s.done, also, settled.done)
		}
	})
}

// opensOnlyWhatIsNamed: whatever was stored, a run is asked for only where an alert has all the labels that name one of our resources and
// the name of one of its members, and it is asked for in our own words. It returns what was asked for.
func opensOnlyWhatIsNamed(t *testing.T, s *store) (asked []string) {
	t.Helper()
	r := &runs{}
	if _, err := matcher(s, world{demo(): members(), other(): members()}, r).Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, run := range r.asked {
		said := strings.Split(run, " ")
		id := strings.Join(said[4:], " ")
		a := s.alerts[id]
		named := a.Labels["cluster"] == "other" && said[0] == other().String() || a.Labels["cluster"] == "demo" && a.Labels["env"] == "prod" && said[0] == demo().String()
		known := slices.ContainsFunc(members(), func(m galen.Member) bool { return m.Target.ID == said[3] && m.Domain == said[2] && !m.Spare })
		if !named || !known || said[1] != "node-down" || a.Status != firing {
			t.Fatalf("alert %+v opened %q", a, run)
		}
	}
	return r.asked
}
