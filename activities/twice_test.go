package activities

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/galenhq/galen"
)

type situation = galen.Situation[galen.State, json.RawMessage]

func book(decide func(situation) (galen.Plan, error)) galen.ListedRunbook {
	return galen.ListedRunbook{Name: "fake/book", Version: 1, Decide: decide}
}

func TestDecideTwice(t *testing.T) {
	calls := 0
	waits := galen.Plan{Wait: galen.Duration(time.Second), Why: "w"}
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	cases := []struct {
		name   string
		decide func(situation) (galen.Plan, error)
		want   string
	}{
		{"agrees", func(situation) (galen.Plan, error) { return waits, nil }, ""},
		{"panics", func(situation) (galen.Plan, error) { panic("boom") }, "panicked: boom"},
		{"changes its mind", func(situation) (galen.Plan, error) {
			calls++
			return galen.Plan{Wait: galen.Duration(calls) * galen.Duration(time.Second), Why: "w"}, nil
		}, "two different plans"},
		{"says nothing", func(situation) (galen.Plan, error) { return galen.Plan{}, nil }, "exactly one of"},
		{"no reason", func(situation) (galen.Plan, error) { return galen.Plan{End: galen.EndDone}, nil }, "no reason"},
		{"writes into its facts", func(s situation) (galen.Plan, error) {
			_, had := s.Facts["x"]
			s.Facts["x"] = galen.Fact{}
			if had {
				return galen.Plan{End: galen.EndDone, Why: "w"}, nil
			}
			return waits, nil
		}, ""},
		{"never ends", func(situation) (galen.Plan, error) { <-forever; return waits, nil }, "longer than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			limit := time.Minute
			if c.name == "never ends" {
				limit = 10 * time.Millisecond
			}
			_, err := decideTwice(book(c.decide), thinking(waits, nil).situation, limit)
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestEachDecisionHasTheLimit: two decisions of more than half of it each are in time, one of more than all of it is not,
// however quick the other one is. In the virtual time of a bubble.
func TestEachDecisionHasTheLimit(t *testing.T) {
	const limit = 100 * time.Millisecond
	waits := galen.Plan{Wait: galen.Duration(time.Second), Why: "w"}
	for _, c := range []struct {
		name  string
		takes [2]time.Duration
		late  bool
	}{
		{"both in time", [2]time.Duration{90 * time.Millisecond, 90 * time.Millisecond}, false},
		{"the first too slow", [2]time.Duration{170 * time.Millisecond, 0}, true},
		{"the second too slow", [2]time.Duration{0, 170 * time.Millisecond}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				_, err := decideTwice(book(func(situation) (galen.Plan, error) {
					time.Sleep(c.takes[calls.Add(1)-1])
					return waits, nil
				}), thinking(waits, nil).situation, limit)
				if late := err != nil && strings.Contains(err.Error(), "longer than 100ms"); late != c.late || err != nil && !late {
					t.Errorf("late %v, want %v: %v", late, c.late, err)
				}
				time.Sleep(time.Second) // the late one ends, too
			})
		})
	}
}

func TestFaultsKeepTheFirstReason(t *testing.T) {
	f := NewFaults()
	f.Put("a", "first")
	f.Put("a", "second")
	all := f.All()
	all["b"] = "written into a copy"
	if f.Why("a") != "first" || f.Why("b") != "" || all["a"] != "first" {
		t.Errorf("got %q and %q of %v", f.Why("a"), f.Why("b"), all)
	}
}
