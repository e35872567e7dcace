package race

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// Where a process can be suspended on its way to a call.
const (
	lookEnds = "at the end of its look"
	ledger   = "before it reads the ledger again"
	commit   = "before it commits"
)

// late is what holds a gate up at one place, once.
type late struct {
	place     string
	meanwhile func()
}

func (l *late) at(place string) {
	if l.place == place && l.meanwhile != nil {
		do := l.meanwhile
		l.meanwhile = nil
		do()
	}
}

// lateEyes are a driver of the real simulated ring: what is done shows.
type lateEyes struct {
	*ring.Cluster
	*late
}

func (e lateEyes) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	out, err := e.Cluster.Look(ctx, r, scope, open)
	if len(scope) > 0 { // the gate's
		e.at(lookEnds)
	}
	return out, err
}

// lateBooks are a journal of which the gate reads the ledger before its look and after it.
type lateBooks struct {
	*journal.Store
	*late
	read int
}

func (b *lateBooks) Ledger(ctx context.Context, run string) (galen.Ledger, error) {
	if b.read++; b.read == 2 {
		b.at(ledger)
	}
	return b.Store.Ledger(ctx, run)
}

func (b *lateBooks) Commit(ctx context.Context, c galen.Commit) (galen.Intent, error) {
	b.at(commit)
	return b.Store.Commit(ctx, c)
}

// TestALateGate: one gate is held up while the other stops a node of another rack, sees it down and settles that. The first one
// must not act on what it saw before: there is no intent left that would tell it.
func TestALateGate(t *testing.T) {
	c := pgtest.Start(t)
	for i, place := range []string{"nowhere", lookEnds, ledger, commit} {
		t.Run("held up "+place, func(t *testing.T) {
			a := &arena{clock: clock{now: time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)}, policy: galen.SafePolicy()}
			a.policy.Mode = galen.ModeAct
			spec := ring.Three(a.clock.read)
			spec.Name = "one"
			cluster, err := ring.New(spec)
			if err != nil {
				t.Fatal(err)
			}
			hold := &late{place: place}
			url := c.URL(fmt.Sprint("late_", i))
			a.engines = append(a.engines, a.engine(t, url, lateEyes{cluster, hold}, func(s *journal.Store) gate.Journal { return &lateBooks{Store: s, late: hold} }))
			a.engines = append(a.engines, a.engine(t, url, cluster, direct))
			nodes := a.known(t)
			hold.meanwhile = func() { a.stopped(t, nodes[1]) }
			got, _, err := a.start(t.Context(), a.engines[0], "late", stop(nodes[0]))
			if err != nil {
				t.Fatal(err)
			}
			if want := place == "nowhere"; (got.Answer == gate.Sent) != want || !want && gate.Worst(got.Verdicts).Guard != "I-02 quorum" {
				t.Errorf("%s: %s", got.Answer, got.Why)
			}
			if hold.meanwhile != nil && place != "nowhere" {
				t.Error("it was not held up")
			}
			if harms := cluster.Harms(); len(harms) > 0 {
				t.Errorf("harm: %+v", harms)
			}
		})
	}
}

// known lets both engines see the healthy ring for a while, and gives its nodes.
func (a *arena) known(t *testing.T) []cassandra.Node {
	t.Helper()
	var seen galen.State
	for _, pause := range []time.Duration{5 * time.Second, 5 * time.Second, 10 * time.Minute} {
		a.clock.skip(pause)
		for _, e := range a.engines {
			var err error
			if seen, err = e.world.Look(t.Context(), resource("one"), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	return seen.(cassandra.Ring).Nodes
}

// stopped lets the second engine stop a node, and look until the effect is settled, within the time that a view lives.
func (a *arena) stopped(t *testing.T, n cassandra.Node) {
	t.Helper()
	e, kind := a.engines[1], galen.ListKind(cassandra.Kind(), galen.Driver[cassandra.Ring](&a.hands))
	got, run, err := a.start(t.Context(), e, "meanwhile", stop(n))
	if err != nil || got.Answer != gate.Sent {
		t.Fatalf("%+v, %v", got, err)
	}
	for range 16 {
		a.clock.skip(500 * time.Millisecond)
		open, err := e.store.OpenIntents(t.Context(), resource("one"))
		if err != nil {
			t.Fatal(err)
		}
		if len(open) == 0 {
			return
		}
		state, err := e.world.Look(t.Context(), resource("one"), nil, open)
		if err != nil {
			t.Fatal(err)
		}
		changes, unjudged := activities.Settlements(kind, state, open, a.policy, a.clock.read())
		if len(unjudged) > 0 {
			t.Fatal(unjudged)
		}
		if err := e.store.Settle(t.Context(), run.ID, changes[run.ID]); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the stop is not settled in time")
}
