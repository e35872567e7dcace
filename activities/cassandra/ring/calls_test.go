package ring_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func TestFaultsOfCalls(t *testing.T) {
	for _, c := range []struct {
		fault    ring.Fault
		accepted bool
		settled  galen.EffectStatus
	}{
		{ring.Fault{Kind: ring.LostReply}, true, galen.EffectDone},
		{ring.Fault{Kind: ring.HungAfter}, true, galen.EffectDone},
		{ring.Fault{Kind: ring.Delayed, By: galen.Duration(4 * time.Second)}, true, galen.EffectDone},
		{ring.Fault{Kind: ring.HungBefore}, false, galen.EffectAbsent},
		{ring.Fault{Kind: ring.Dropped, Verb: cassandra.VerbStart}, false, galen.EffectAbsent},
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			p := newPatient(t)
			p.make(ring.Kill, "n2")
			p.until("n2 down", time.Minute, down("n2"))
			p.ring.Strike(c.fault)
			if _, err := p.do(cassandra.Start(p.node("n2"))); err == nil {
				t.Fatal("the caller hears of an error")
			}
			p.settle(c.settled, time.Minute)
			calls := p.ring.Calls()
			if len(calls) != 1 || calls[0].Accepted != c.accepted {
				t.Errorf("calls %+v, want one, accepted %t", calls, c.accepted)
			}
		})
	}
}

// As TestAFolderHasOneFence wants of the real host: the highest fence counts, whatever the orders call it.
func TestAHostHasOneFence(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Kill, "n2")
	start := func(intent, target string, fence int64) error {
		in := galen.Intent{ID: intent, Step: cassandra.Start(p.node("n2")), Fence: fence}
		in.Step.Target.ID = target
		_, err := p.ring.Do(t.Context(), in)
		return err
	}
	node := p.node("n2").HostID
	if err := start("a", node, 7); err != nil {
		t.Error(err)
	}
	for _, late := range []error{start("b", "instance/n2", 5), start("c", "instance/n2", 7), start("d", node, 6), start("e", p.node("n3").HostID, 4)} {
		var overtaken *galen.OvertakenError
		if !errors.As(late, &overtaken) || overtaken.By != "a" {
			t.Errorf("a late order under another name: %v", late)
		}
	}
	if err := start("f", "instance/n2", 8); errors.Is(err, galen.ErrOvertaken) {
		t.Errorf("a later one: %v", err)
	}
	if err := start("a", node, 7); !errors.Is(err, galen.ErrOvertaken) {
		t.Errorf("the order that was the highest before: %v", err)
	}
}

func TestHostRefuses(t *testing.T) {
	p := newPatient(t)
	in := galen.Intent{ID: "a", Step: cassandra.Start(p.node("n2")), Fence: 1}
	if _, err := p.ring.Do(t.Context(), in); err == nil {
		t.Error("starts a node that runs")
	}
	p.make(ring.Kill, "n2")
	if _, err := p.ring.Do(t.Context(), in); err != nil {
		t.Error(err)
	}
	p.make(ring.Kill, "n2")
	if _, err := p.ring.Do(t.Context(), in); err == nil {
		t.Error("starts twice for one intent")
	}
	fence := galen.Intent{ID: "f", Step: cassandra.Fence(p.node("n2")), Fence: 2}
	for range 2 {
		if _, err := p.ring.Do(t.Context(), fence); err != nil {
			t.Errorf("a fence completes what is missing: %v", err)
		}
	}
	in.ID, in.Fence = "b", 3
	if _, err := p.ring.Do(t.Context(), in); err == nil {
		t.Error("starts a fenced instance")
	}
	in.ID, in.Fence = "c", 1
	if _, err := p.ring.Do(t.Context(), in); !errors.Is(err, galen.ErrOvertaken) {
		t.Errorf("an engine that slept since its commit: %v", err)
	}
	in.ID, in.Fence = "d", 0
	if _, err := p.ring.Do(t.Context(), in); err == nil {
		t.Error("a call without a fence")
	}
	if got := ring.Doubled(p.ring.Calls()); !slices.Equal(got, []string{"f"}) {
		t.Errorf("doubled %v, want the fence", got)
	}
}

// As the real driver: what goes to the node alone is admitted by its host first.
func TestHostAdmitsOrdersToItsNode(t *testing.T) {
	p := newPatient(t)
	n := p.node("n1")
	raise := cassandra.RaiseStream(n, p.view("n1"), 100)
	args, err := galen.Decode[cassandra.RaiseArgs](raise.Args)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		step galen.Step
		from cassandra.Throttle // what the step finds
	}{
		{raise, args.From}, {cassandra.RestoreStream(n, args), args.To}, {cassandra.RepairRanges(p.state, n, "orders"), args.From},
	} {
		before, newer := p.fence(), p.fence()
		do := func(id string, fence int64) error {
			if err := p.ring.SetThrottle("n1", c.from); err != nil {
				t.Fatal(err)
			}
			_, err := p.ring.Do(t.Context(), galen.Intent{ID: c.step.Verb + id, Step: c.step, Fence: fence})
			return err
		}
		p.make(ring.HideHost, "n1")
		if err := do("-hidden", newer); err == nil {
			t.Errorf("%s, and its host answers nobody", c.step.Verb)
		}
		p.make(ring.Mend, "n1")
		if err := do("-new", newer); err != nil {
			t.Errorf("%s: %v", c.step.Verb, err)
		}
		if err := do("-late", before); !errors.Is(err, galen.ErrOvertaken) {
			t.Errorf("%s of an engine that slept since its commit: %v", c.step.Verb, err)
		}
	}
}
