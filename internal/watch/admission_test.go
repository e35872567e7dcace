package watch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/watch"
)

// crowd is many resources with a finding each.
type crowd struct {
	now     time.Time
	desk    *desk
	floods  []int
	broken  error
	door    *watch.Admission
	waiting []galen.Finding
	rand    *rand.Rand
}

func newCrowd(n int, urgency func(i int) galen.Urgency) *crowd {
	c := &crowd{now: noon, desk: &desk{free: true}, rand: rand.New(rand.NewPCG(1, 2))}
	c.door = watch.NewAdmission(c.desk, func(_ context.Context, waiting int) error {
		if c.broken != nil {
			return c.broken
		}
		c.floods = append(c.floods, waiting)
		return nil
	}, func() time.Time { return c.now }, quiet())
	for i := range n {
		r := galen.Resource{Kind: "fake", Name: fmt.Sprint("r", i)}
		c.waiting = append(c.waiting, galen.Finding{Resource: r, Code: "odd", Domain: "d", Urgency: urgency(i), Targets: []galen.Target{{ID: "x"}}})
	}
	return c
}

// round lets each that waits ask again, in any order.
func (c *crowd) round(t testing.TB) {
	t.Helper()
	c.rand.Shuffle(len(c.waiting), func(i, k int) { c.waiting[i], c.waiting[k] = c.waiting[k], c.waiting[i] })
	var left []galen.Finding
	for _, f := range c.waiting {
		taken, err := c.door.Open(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if !taken {
			left = append(left, f)
		}
	}
	c.waiting = left
}

// TestFiveThousandFindingsAtOnce: one page, runs at a bounded rate, the urgent ones first, none forgotten.
func TestFiveThousandFindingsAtOnce(t *testing.T) {
	const all, urgent = 5000, 100
	c := newCrowd(all, func(i int) galen.Urgency {
		if i%(all/urgent) == 0 {
			return galen.Critical
		}
		return galen.Medium
	})
	c.round(t)
	if n := len(c.desk.asked); n > 20 {
		t.Errorf("%d runs in the first round, at most 20 may be opened at once", n)
	}
	if n := c.door.Waiting(); n != len(c.waiting) {
		t.Errorf("it says that %d wait, %d do", n, len(c.waiting))
	}
	first := len(c.desk.asked)
	rounds := 0
	for ; len(c.waiting) > 0; rounds++ {
		c.now = c.now.Add(5 * time.Second)
		before := len(c.desk.asked)
		c.round(t)
		if n := len(c.desk.asked) - before; n > 20 {
			t.Fatalf("round %d: %d runs", rounds, n)
		}
	}
	if len(c.floods) != 1 {
		t.Errorf("told %d times", len(c.floods))
	}
	if want := all / 10; rounds > want+10 {
		t.Errorf("%d rounds of 5 s, 2 runs a second would be %d", rounds, want)
	}
	ordinary := 0
	for i, f := range c.desk.asked {
		if f.Urgency == galen.Medium && i >= first && i < urgent {
			ordinary++
		}
	}
	if ordinary > 0 {
		t.Errorf("%d of the first %d runs are ordinary ones although critical ones waited", ordinary, urgent)
	}
	if len(c.desk.asked) != all {
		t.Errorf("%d runs of %d", len(c.desk.asked), all)
	}
	if n := c.door.Waiting(); n != 0 {
		t.Errorf("it says that %d wait after the flood", n)
	}
	// A second flood is told again.
	more := newCrowd(all, func(int) galen.Urgency { return galen.Low })
	c.waiting = more.waiting
	c.now = c.now.Add(time.Hour)
	c.round(t)
	if len(c.floods) != 2 {
		t.Errorf("the second flood: told %d times", len(c.floods))
	}
}

// TestAFewFindingsDoNotWait: what is usual is not slowed down, and an urgent finding passes while others have had their share.
func TestAFewFindingsDoNotWait(t *testing.T) {
	c := newCrowd(10, func(int) galen.Urgency { return galen.Medium })
	c.round(t)
	if len(c.waiting) != 0 {
		t.Fatalf("%d wait", len(c.waiting))
	}
	c.waiting = newCrowd(30, func(int) galen.Urgency { return galen.Medium }).waiting
	c.round(t)
	before := len(c.desk.asked)
	c.waiting = []galen.Finding{{Resource: billing(), Code: "grave", Urgency: galen.High}}
	c.round(t)
	if len(c.desk.asked) != before+1 || len(c.floods) != 0 {
		t.Errorf("the urgent one waits; floods %v", c.floods)
	}
}

// TestMemoryOfAFlood: what is remembered of a flood is bounded, and the most urgent are not what is forgotten.
func TestMemoryOfAFlood(t *testing.T) {
	c := newCrowd(0, nil)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	open := func(i int, u galen.Urgency) {
		if _, err := c.door.Open(t.Context(), galen.Finding{Resource: billing(), Code: "odd", Domain: fmt.Sprint("d", i), Urgency: u}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200_000 {
		open(i, galen.Low)
	}
	c.desk.asked = nil
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("%d bytes for 200,000 findings", grown)
	}
	for i := range 50 {
		open(1_000_000+i, galen.Critical)
	}
	c.now = c.now.Add(time.Minute)
	open(1, galen.Low)
	if len(c.desk.asked) == 0 || c.desk.asked[len(c.desk.asked)-1].Urgency == galen.Low {
		t.Errorf("an ordinary one goes before the urgent ones that wait: %d asked", len(c.desk.asked))
	}
	// Who asks no more is forgotten.
	c.now = c.now.Add(3 * time.Minute)
	open(2, galen.Low)
	if f := c.desk.asked[len(c.desk.asked)-1]; f.Urgency != galen.Low {
		t.Error("one that is gone still keeps the others waiting")
	}
}

// TestAFloodThatCannotBeTold is told at the next try.
func TestAFloodThatCannotBeTold(t *testing.T) {
	c := newCrowd(500, func(int) galen.Urgency { return galen.Low })
	c.broken = errors.New("the disk is full")
	failed := 0
	for _, f := range c.waiting {
		if _, err := c.door.Open(t.Context(), f); err != nil {
			failed++
		}
	}
	c.broken = nil
	c.round(t)
	if failed == 0 || len(c.floods) != 1 {
		t.Errorf("failed %d times, told %d times", failed, len(c.floods))
	}
}

// TestWhoeverAsksInVainStarvesNobody: findings that wait for an open run of another key ask again at each round.
func TestWhoeverAsksInVainStarvesNobody(t *testing.T) {
	c := newCrowd(12, func(int) galen.Urgency { return galen.Medium })
	c.desk.free = false
	for range 120 {
		c.round(t)
		c.now = c.now.Add(5 * time.Second)
	}
	c.round(t)
	c.desk.free = true
	if taken, err := c.door.Open(t.Context(), finding("new", galen.Medium)); err != nil || !taken {
		t.Errorf("the new finding: taken %v, %v", taken, err)
	}
	c.desk.free = false
	c.desk.err = errors.New("the journal is away")
	failed := 0
	for range 100 { // who may have opened a run has had the token
		if _, err := c.door.Open(t.Context(), finding("new", galen.Medium)); err != nil {
			failed++
		}
	}
	if failed >= 20 {
		t.Errorf("%d tries at once against a journal that errs", failed)
	}
}
