package activities_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
)

// ahead is an engine whose clock is off that of the journal (PostgreSQL): its looks and its now.
type ahead struct {
	*clinic
	by time.Duration
}

func (a *ahead) now() time.Time { return a.cloud.Now().Add(a.by) }

func (a *ahead) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
	s, err := a.clinic.Look(ctx, r, scope, open)
	if err != nil {
		return nil, err
	}
	c := s.(fake.Cluster)
	c.Looked = c.Looked.Add(a.by)
	is := append([]fake.Instance{}, c.Instances...)
	for i := range is {
		is[i].Looked = is[i].Looked.Add(a.by)
	}
	c.Instances = is
	return c, nil
}

func newAhead(t *testing.T) *ahead {
	c := newClinic(t, galen.ModeAct)
	a := &ahead{clinic: c}
	policy := func(galen.Resource) galen.Policy { return c.policy }
	kinds := map[string]galen.ListedKind{fake.KindName: c.kind}
	log := slog.New(slog.DiscardHandler)
	door, err := gate.New(gate.Options{
		Journal: c.store, World: a, Kinds: kinds, Runbooks: c.books, Guards: gate.CommonGuards(), Policy: policy, Now: a.now,
		Mono: func() time.Duration { return c.cloud.Now().Sub(noon) }, Logger: log,
	})
	c.must(err)
	c.acts = activities.New(activities.Options{
		Journal: c.store, Records: c.store, Runs: c.store, World: a, Gate: door, Faults: activities.NewFaults(), Now: a.now, Logger: log,
		DecideLimit: time.Minute,
		Catalogue:   activities.Catalogue{Kinds: kinds, Runbooks: c.books, Policy: policy, Detectors: []galen.Detector[galen.State]{galen.ListDetector(fake.Detectors()[0])}},
	})
	return a
}

// While an engine's clock is off, it must not believe absence (I-34: it only observes): the call may still be on its way.
func TestAbsenceByAWrongClock(t *testing.T) {
	a := newAhead(t)
	c := a.clinic
	run := c.open("k", "fake/tune", "db-2", func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
	d, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID})
	c.must(err)
	// the engine that acts hangs within its call: the intent is committed, the call under way
	c.refuse = context.DeadlineExceeded
	_, err = c.acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Plan})
	c.must(err)
	in := c.ledger(run).Past[0]
	c.cloud.Advance(500 * time.Millisecond)
	a.by = time.Minute // the clock of the engine that looks is a minute ahead of the journal's
	if _, err = c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID}); err != nil {
		t.Log(err)
	}
	got := c.ledger(run).Past[0]
	_, err = c.kind.Do(t.Context(), in) // and now it arrives, within its deadline
	c.must(err)
	a.by = 0
	c.cloud.Advance(time.Minute)
	_, err = c.Look(t.Context(), billing(), nil, nil)
	c.must(err)
	i, _ := c.last.(fake.Cluster).Instance("db-2")
	debts, err := galen.Debts(c.ledger(run).Facts)
	c.must(err)
	t.Logf("0.5 s after its intent the effect is %+v; work_mem is now %s; owed undos: %d; claims %v", got.Effect, i.Settings["work_mem"], len(debts), c.ledger(run).Claims)
	if got.Effect.Settled() {
		t.Error("settled by a clock that cannot be believed")
	}
	if i.Settings["work_mem"] == "8MB" && len(debts) == 0 {
		t.Error("changed, and no undo is owed")
	}
}

// A clock that is ahead makes each open run overdue: held, and counted as a failure for the quarantine of its runbook.
func TestQuarantineByAWrongClock(t *testing.T) {
	var c *clinic
	a := newAhead(t)
	c = a.clinic
	good := newAheadActs(a)
	var runs []galen.Run
	for _, db := range []string{"db-1", "db-2", "db-3"} {
		run := c.open("k"+db, "fake/tune", db, func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
		runs = append(runs, run)
		for range 5 {
			d, err := good.Decide(t.Context(), activities.DecideInput{Run: run.ID})
			c.must(err)
			if d.Steps == 0 {
				c.cloud.Advance(2 * time.Second)
				continue
			}
			_, err = good.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Plan})
			c.must(err)
			break
		}
	}
	c.cloud.Silence("api", true) // so that nobody sees the effects yet, 1-6 s after the intents
	a.by = time.Hour
	for _, run := range runs {
		_, err := c.acts.Decide(t.Context(), activities.DecideInput{Run: run.ID})
		c.must(err)
		t.Log(c.run(run.ID).Status, c.run(run.ID).Why, len(c.ledger(run).Past))
	}
	q, err := c.store.Quarantines(t.Context())
	c.must(err)
	if len(q) > 0 {
		t.Errorf("in quarantine: %+v", q)
	}
	ev, _ := c.store.Events(t.Context(), journal.EventFilter{Kind: galen.EventHeld})
	t.Log("held", len(ev))
}

func newAheadActs(a *ahead) *activities.Activities {
	c := a.clinic
	policy := func(galen.Resource) galen.Policy { return c.policy }
	kinds := map[string]galen.ListedKind{fake.KindName: c.kind}
	log := slog.New(slog.DiscardHandler)
	door, err := gate.New(gate.Options{
		Journal: c.store, World: c, Kinds: kinds, Runbooks: c.books, Guards: gate.CommonGuards(), Policy: policy, Now: c.cloud.Now,
		Mono: func() time.Duration { return c.cloud.Now().Sub(noon) }, Logger: log,
	})
	c.must(err)
	return activities.New(activities.Options{
		Journal: c.store, Records: c.store, Runs: c.store, World: c, Gate: door, Faults: activities.NewFaults(), Now: c.cloud.Now, Logger: log,
		DecideLimit: time.Minute,
		Catalogue:   activities.Catalogue{Kinds: kinds, Runbooks: c.books, Policy: policy, Detectors: []galen.Detector[galen.State]{galen.ListDetector(fake.Detectors()[0])}},
	})
}

// One engine on SQLite: the machine's clock is set forward by a minute while a call is under way; another run on the resource decides.
func TestAbsenceAfterAClockStep(t *testing.T) {
	c := newClinic(t, galen.ModeAct)
	a := &ahead{clinic: c}
	mono := func() time.Duration { return c.cloud.Now().Sub(noon) }
	store, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "j.db"), journal.Options{Now: a.now, Mono: mono, NoSync: true})
	c.must(err)
	defer store.Close()
	c.store = store
	policy := func(galen.Resource) galen.Policy { return c.policy }
	kinds := map[string]galen.ListedKind{fake.KindName: c.kind}
	log := slog.New(slog.DiscardHandler)
	door, err := gate.New(gate.Options{Journal: store, World: a, Kinds: kinds, Runbooks: c.books, Guards: gate.CommonGuards(), Policy: policy, Now: a.now, Mono: mono, Logger: log})
	c.must(err)
	acts := activities.New(activities.Options{
		Journal: store, Records: store, Runs: store, World: a, Gate: door, Faults: activities.NewFaults(), Now: a.now, Logger: log, DecideLimit: time.Minute,
		Catalogue: activities.Catalogue{Kinds: kinds, Runbooks: c.books, Policy: policy, Detectors: []galen.Detector[galen.State]{galen.ListDetector(fake.Detectors()[0])}},
	})
	run := c.open("k", "fake/tune", "db-2", func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
	other := c.open("k2", "fake/heal", "db-1", nil)
	d, err := acts.Decide(t.Context(), activities.DecideInput{Run: run.ID})
	c.must(err)
	c.refuse = context.DeadlineExceeded // under way
	_, err = acts.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Plan})
	c.must(err)
	in := c.ledger(run).Past[0]
	c.cloud.Advance(500 * time.Millisecond)
	a.by = time.Minute // set
	_, err = acts.Decide(t.Context(), activities.DecideInput{Run: other.ID})
	t.Log("the other run decides:", err)
	got := c.ledger(run).Past[0]
	_, err = c.kind.Do(t.Context(), in) // it arrives 0.5 s after its intent
	c.must(err)
	c.cloud.Advance(time.Minute)
	_, err = c.Look(t.Context(), billing(), nil, nil)
	c.must(err)
	i, _ := c.last.(fake.Cluster).Instance("db-2")
	debts, err := galen.Debts(c.ledger(run).Facts)
	c.must(err)
	e, _ := store.Epoch(t.Context())
	t.Logf("effect %+v; work_mem %s; owed %d; epoch %+v", got.Effect, i.Settings["work_mem"], len(debts), e)
	if got.Effect.Settled() || i.Settings["work_mem"] == "8MB" && len(debts) == 0 {
		t.Error("believed absent by a clock that was just set; the change stands and no undo is owed")
	}
}
