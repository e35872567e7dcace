package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		{"a pending one again", func(t *testing.T, m *Matcher, _ *store) { // of an engine that died, say
			send(t, m.o.Inbox, "a")
			m.o.Inbox.fresh.take()
			send(t, m.o.Inbox, "a")
		}, 1, 1},
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
	m.o.Inbox.arrived([]Kept{{Alert: down("f", noon()), Pending: true}})
	if left, err := m.deal(t.Context(), false); left != 1 || !errors.Is(err, r.fail) || s.reads != 0 {
		t.Fatalf("%d left, %v, %d reads", left, err, s.reads)
	}
	r.fail = nil
	if left, err := m.deal(t.Context(), true); left != 0 || err != nil || len(s.done) != 1 {
		t.Errorf("%d left, %v, %d done", left, err, len(s.done))
	}
}

// TestNothingIsDealtWithTwice: what a Round has read from the journal may have just come, too.
func TestNothingIsDealtWithTwice(t *testing.T) {
	s, r := newStore(), &runs{}
	m := matcher(s, world{demo(): members()}, r)
	a := down("f", noon())
	if _, err := s.StoreAlerts(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if left, err := m.Round(t.Context()); left != 0 || err != nil {
		t.Fatal(left, err)
	}
	m.o.Inbox.arrived([]Kept{{Alert: a, Pending: true}}) // the Round was between its commit and this
	deal(t, m)
	if len(r.asked) != 1 || s.writes != 1 {
		t.Errorf("asked for %d runs in %d writes", len(r.asked), s.writes)
	}
}

// TestRefusedAreCounted: those that were stored count, also when the call fails after them, and each time: so often they are lost.
func TestRefusedAreCounted(t *testing.T) {
	s := newStore()
	s.fail = func(handed int) error {
		if handed > 1 {
			return errors.New("disk full")
		}
		return nil
	}
	in := inboxOf(s)
	body := []byte(post(one("a"), strings.Replace(one("b"), `"firing"`, `"strange"`, 1)))
	for i := range 2 {
		if _, err := in.Alertmanager(t.Context(), body); (err == nil) != (i == 1) {
			t.Fatalf("call %d: %v", i, err)
		}
		s.fail = nil
	}
	if got := countsOf(t, in); got.Refused != 2 || got.Stored != 1 {
		t.Errorf("counts %+v", got)
	}
}

// playRun plays the matcher's loop in a time of its own.
func playRun(t *testing.T, play func(t *testing.T, m *Matcher, s *store, r *runs)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), &runs{}
		m := matcher(s, world{demo(): members()}, r)
		m.o.Now = time.Now
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); m.Run(ctx) }()
		time.Sleep(time.Millisecond)
		synctest.Wait() // the first Round is over
		play(t, m, s, r)
		cancel()
		<-ended
	})
}

func TestRunDealsAtOnce(t *testing.T) {
	playRun(t, func(t *testing.T, m *Matcher, s *store, _ *runs) {
		send(t, m.o.Inbox, "a")
		synctest.Wait()
		if s.settled() != 1 {
			t.Error("not dealt with")
		}
	})
}

func TestRunTriesAgain(t *testing.T) {
	playRun(t, func(t *testing.T, m *Matcher, s *store, r *runs) {
		r.fails(errors.New("disk full"))
		body := strings.ReplaceAll(message, `"cluster":"demo"`, `"cluster":"demo","env":"prod"`)
		if _, err := m.o.Inbox.Alertmanager(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.fails(nil)
		if s.settled() != 0 {
			t.Fatal("dealt with, in spite of the trouble")
		}
		time.Sleep(retryEvery + time.Millisecond)
		synctest.Wait()
		if s.settled() != 1 {
			t.Error("not tried again")
		}
	})
}

// TestRunReadsEachMinute: however steadily alerts come, what another engine has left is found.
func TestRunReadsEachMinute(t *testing.T) {
	playRun(t, func(t *testing.T, m *Matcher, s *store, _ *runs) {
		if _, err := s.StoreAlerts(t.Context(), down("orphan", time.Now())); err != nil {
			t.Fatal(err)
		}
		for i := range 700 {
			send(t, m.o.Inbox, fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if s.settled() != 701 {
			t.Error("nobody has found it in 70 s")
		}
	})
}

// TestRunDoesNotReadOverAndOver: many that wait are read seldom, also while more of them come.
func TestRunDoesNotReadOverAndOver(t *testing.T) {
	playRun(t, func(t *testing.T, m *Matcher, s *store, _ *runs) {
		unseen := func(i int) []byte {
			return []byte(strings.Replace(post(one(fmt.Sprint(i))), `"cluster":"demo"`, `"cluster":"other"`, 1))
		}
		for i := range 20_000 {
			a := down(fmt.Sprint("waits-", i), time.Now())
			a.Labels["cluster"] = "other"
			if _, err := s.StoreAlerts(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(idleEvery)
		synctest.Wait()
		before := s.windows()
		for i := range 40 {
			if _, err := m.o.Inbox.Alertmanager(t.Context(), unseen(i)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		synctest.Wait()
		if most, read := 2*(20_000/window+1), s.windows()-before; read > most {
			t.Errorf("%d windows were read in 20 s, want at most %d", read, most)
		}
	})
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
