package activities

import (
	"encoding/json"
	"strings"
	"testing"
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

func TestQuarantineKeepsTheFirstReason(t *testing.T) {
	q := NewQuarantine()
	q.Put("a", "first")
	q.Put("a", "second")
	if q.Why("a") != "first" || q.Why("b") != "" {
		t.Errorf("got %q and %q", q.Why("a"), q.Why("b"))
	}
}
