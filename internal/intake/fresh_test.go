package intake

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
)

// send hands an inbox calls, each with some alerts about the node that is down.
func send(t *testing.T, in *Inbox, fingerprints ...string) {
	t.Helper()
	alerts := make([]string, 0, len(fingerprints))
	for _, f := range fingerprints {
		alerts = append(alerts, one(f))
	}
	if _, err := in.Alertmanager(t.Context(), []byte(post(alerts...))); err != nil {
		t.Fatal(err)
	}
}

func TestFreshAlertsAreNotReadAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		come  func(t *testing.T, m *Matcher, s *store)
		reads int // of the journal
		done  int
	}{
		{"a few", func(t *testing.T, m *Matcher, _ *store) { send(t, m.o.Inbox, "a", "b") }, 0, 2},
		{"none", func(*testing.T, *Matcher, *store) {}, 0, 0},
		{"more than are kept at hand", func(t *testing.T, m *Matcher, _ *store) {
			for i := range freshAlerts + 1 {
				send(t, m.o.Inbox, fmt.Sprint(i))
			}
		}, 2, freshAlerts + 1}, // a window, and what is left
		{"larger than is kept at hand", func(t *testing.T, m *Matcher, _ *store) {
			m.o.Inbox.fresh.bytes = freshBytes
			send(t, m.o.Inbox, "a")
		}, 1, 1},
		{"a matched one again", func(t *testing.T, m *Matcher, s *store) {
			send(t, m.o.Inbox, "a")
			deal(t, m)
			s.reads = 0
			for id := range s.states {
				s.states[id] = Matched
			}
			send(t, m.o.Inbox, "a")
		}, 0, 1},
		{"an unmatched one again", func(t *testing.T, m *Matcher, s *store) {
			send(t, m.o.Inbox, "a")
			deal(t, m)
			s.reads = 0
			send(t, m.o.Inbox, "a")
		}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore()
			m := matcher(s, world{demo(): members()}, &runs{})
			c.come(t, m, s)
			s.reads = 0
			deal(t, m)
			if len(s.done) != c.done || s.reads != c.reads {
				t.Errorf("%d done with %d reads of the journal, want %d with %d", len(s.done), s.reads, c.done, c.reads)
			}
		})
	}
}

// deal deals with what has just come.
func deal(t *testing.T, m *Matcher) {
	t.Helper()
	if left, err := m.deal(t.Context(), false); left != 0 || err != nil {
		t.Fatalf("%d left, %v", left, err)
	}
}

// TestFreshTrouble: what could not be dealt with at once stands in the journal, and is read from there.
func TestFreshTrouble(t *testing.T) {
	s, r := newStore(), &runs{fail: errors.New("disk full")}
	m := matcher(s, world{demo(): members()}, r)
	if _, err := m.o.Inbox.store.StoreAlerts(t.Context(), down("f", noon())); err != nil {
		t.Fatal(err)
	}
	a := down("f", noon())
	a.State = Pending
	m.o.Inbox.arrived([]Alert{a})
	if left, err := m.deal(t.Context(), false); left != 1 || !errors.Is(err, r.fail) || s.reads != 0 {
		t.Fatalf("%d left, %v, %d reads", left, err, s.reads)
	}
	r.fail = nil
	if left, err := m.deal(t.Context(), true); left != 0 || err != nil || len(s.done) != 1 {
		t.Errorf("%d left, %v, %d done", left, err, len(s.done))
	}
}

// TestDirectory: the resources that an alert names are those that match its labels, in their order, however they are found.
func TestDirectory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom([]string{"", "x", "y", "x\x00", "\x00\x02"}), 0, 3)
		var all []Resource
		for i, with := range rapid.SliceOfN(labels, 0, 8).Draw(t, "resources") {
			all = append(all, Resource{
				Resource: galen.Resource{Kind: "k", Name: fmt.Sprint(i)}, Labels: with,
				Matches: func(of map[string]string) bool {
					for name, value := range with {
						if got, has := of[name]; !has || got != value {
							return false
						}
					}
					return true
				},
			})
		}
		d := newDirectory(all)
		for _, of := range rapid.SliceOfN(labels, 1, 5).Draw(t, "alerts") {
			var want []galen.Resource
			for _, r := range all {
				if r.Matches(of) {
					want = append(want, r.Resource)
				}
			}
			if got := d.named(of); !slices.Equal(got, want) {
				t.Fatalf("labels %q name %v, want %v", of, got, want)
			}
		}
	})
}
