package activities_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
)

// ahead is an engine whose clock is off: its looks and its now.
type ahead struct {
	*clinic
	by     time.Duration
	vitals func() // what happens while the vitals are read
}

// lateVitals are the journal's records, while whose vitals are read something may happen.
type lateVitals struct {
	*journal.Store
	a *ahead
}

func (r lateVitals) Vitals(ctx context.Context, of galen.Resource, since time.Time) ([]galen.Sample, error) {
	if r.a.vitals != nil {
		r.a.vitals()
	}
	return r.Store.Vitals(ctx, of, since)
}

func (a *ahead) now() time.Time { return a.cloud.Now().Add(a.by) }

// mono is not set with the clock.
func (a *ahead) mono() time.Duration { return a.cloud.Now().Sub(noon) }

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

// engine is one more engine over the clinic's journal.
func (a *ahead) engine() *activities.Activities {
	c := a.clinic
	policy := func(galen.Resource) galen.Policy { return c.policy }
	kinds := map[string]galen.ListedKind{fake.KindName: c.kind}
	log := slog.New(slog.DiscardHandler)
	door, err := gate.New(gate.Options{
		Journal: c.store, Holds: c.store.Holds, World: a, Kinds: kinds, Runbooks: c.books, Guards: gate.CommonGuards(), Policy: policy, Now: a.now, Mono: a.mono, Logger: log,
	})
	c.must(err)
	return activities.New(activities.Options{
		Journal: c.store, Records: lateVitals{c.store, a}, Runs: c.store, World: a, Gate: door, Faults: activities.NewFaults(), Now: a.now, Logger: log, DecideLimit: time.Minute,
		Catalogue: activities.Catalogue{Kinds: kinds, Runbooks: c.books, Policy: policy, Detectors: []galen.Detector[galen.State]{galen.ListDetector(fake.Detectors()[0])}},
	})
}

// tune asks for a setting that is put back later.
func (a *ahead) tune(db string) galen.Run {
	return a.open("tune "+db, "fake/tune", db, func(r *galen.Run) { r.Params = []byte(`{"setting":"work_mem","value":"8MB","for":"10m0s"}`) })
}

// underWay commits the run's first step, whose call is in the air half a second later.
func (a *ahead) underWay(t *testing.T, e *activities.Activities, run galen.Run) galen.Intent {
	t.Helper()
	d, err := e.Decide(t.Context(), activities.DecideInput{Run: run.ID})
	a.must(err)
	a.refuse = context.DeadlineExceeded
	_, err = e.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Plan})
	a.must(err)
	a.cloud.Advance(500 * time.Millisecond)
	return a.ledger(run).Past[0]
}

// arrives lets the call arrive within its deadline, and wants it to be open still, and the undo owed.
func (a *ahead) arrives(t *testing.T, run galen.Run, in galen.Intent) {
	t.Helper()
	got := a.ledger(run).Past[0].Effect
	_, err := a.kind.Do(t.Context(), in)
	a.must(err)
	a.cloud.Advance(time.Minute)
	_, err = a.clinic.Look(t.Context(), billing(), nil, nil)
	a.must(err)
	i, _ := a.last.(fake.Cluster).Instance("db-2")
	debts, err := galen.Debts(a.ledger(run).Facts)
	a.must(err)
	if got.Settled() || i.Settings["work_mem"] != "8MB" || len(debts) != 1 {
		t.Errorf("half a second after its intent the effect is %+v; work_mem is %s then, and %d undos are owed", got, i.Settings["work_mem"], len(debts))
	}
}

// A call is not believed to be absent by a clock that is not the journal's (PostgreSQL): it may still be on its way.
func TestAbsenceByAWrongClock(t *testing.T) {
	a := &ahead{clinic: newClinic(t, galen.ModeAct)}
	e, run := a.engine(), a.tune("db-2")
	in := a.underWay(t, e, run)
	a.by = time.Minute
	_, err := e.Decide(t.Context(), activities.DecideInput{Run: run.ID})
	a.must(err)
	a.by = 0
	a.arrives(t, run, in)
}

// Nor is it by a clock that was set with the journal's (SQLite), whichever run decides.
func TestAbsenceAfterAClockStep(t *testing.T) {
	a := &ahead{clinic: newClinic(t, galen.ModeAct)}
	store, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "j.db"), journal.Options{Now: a.now, Mono: a.mono, NoSync: true})
	a.must(err)
	t.Cleanup(func() { a.must(store.Close()) })
	a.store = store
	e, run, other := a.engine(), a.tune("db-2"), a.open("heal", "fake/heal", "db-1", nil)
	in := a.underWay(t, e, run)
	a.by = time.Minute
	_, err = e.Decide(t.Context(), activities.DecideInput{Run: other.ID})
	a.must(err)
	a.arrives(t, run, in)
}

// Nor by one that is set while the resource is looked at, though it was believed before.
func TestAbsenceByAClockThatIsSetMeanwhile(t *testing.T) {
	for name, lacks := range map[string]bool{"its own release": false, "a release without its runbook": true} {
		t.Run(name, func(t *testing.T) {
			a := &ahead{clinic: newClinic(t, galen.ModeAct)}
			e, run := a.engine(), a.tune("db-2")
			in := a.underWay(t, e, run)
			if lacks {
				a.newRelease("fake/tune")
				a.must(a.store.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"))
			}
			looked := false
			a.after = func() { a.by, looked = time.Minute, true }
			_, err := e.Decide(t.Context(), activities.DecideInput{Run: run.ID})
			if lacks {
				a.must(err)
				_, err = e.EndForeign(t.Context(), a.run(run.ID))
			}
			if err != nil || !looked {
				t.Errorf("looked %t, %v", looked, err)
			}
			a.after, a.by = nil, 0
			a.arrives(t, run, in)
		})
	}
}

// TestAHoldingTimeByAClockThatIsSetMeanwhile: half a second is not half a minute because the clock says so.
func TestAHoldingTimeByAClockThatIsSetMeanwhile(t *testing.T) {
	for name, during := range map[string]func(a *ahead, set func()){
		"the look":                func(a *ahead, set func()) { a.after = set },
		"the reading of the rest": func(a *ahead, set func()) { a.vitals = set },
	} {
		t.Run(name, func(t *testing.T) {
			a := &ahead{clinic: newClinic(t, galen.ModeAct)}
			e, run := a.engine(), a.open("k", "fake/heal", "db-3", nil)
			d, err := e.Decide(t.Context(), activities.DecideInput{Run: run.ID})
			if err != nil || !d.Done {
				t.Fatalf("%+v, %v", d, err)
			}
			a.cloud.Advance(500 * time.Millisecond)
			during(a, func() { a.by = 30 * time.Second })
			d, err = e.Decide(t.Context(), activities.DecideInput{Run: run.ID})
			if now := a.run(run.ID); err != nil || d.Done || now.Status != galen.RunWaiting || !strings.Contains(now.Why, "the engine's clock was set by 30s") {
				t.Errorf("%+v, %v; the run is %s: %s", d, err, now.Status, now.Why)
			}
		})
	}
}

// A clock that is ahead makes no run overdue: none is held, and no runbook is put in quarantine.
func TestQuarantineByAWrongClock(t *testing.T) {
	a, good := &ahead{clinic: newClinic(t, galen.ModeAct)}, &ahead{}
	good.clinic = a.clinic
	e, sound := a.engine(), good.engine()
	var runs []galen.Run
	for _, db := range []string{"db-1", "db-2", "db-3"} {
		run := a.tune(db)
		runs = append(runs, run)
		for try := 0; len(a.ledger(run).Past) == 0 && try < 5; try++ {
			d, err := sound.Decide(t.Context(), activities.DecideInput{Run: run.ID})
			a.must(err)
			if d.Steps == 0 {
				a.cloud.Advance(2 * time.Second)
				continue
			}
			_, err = sound.Act(t.Context(), activities.ActInput{Run: run.ID, Plan: d.Plan})
			a.must(err)
		}
		if len(a.ledger(run).Past) == 0 {
			t.Fatalf("run %s does nothing: %s", run.Key, a.run(run.ID).Why)
		}
	}
	a.cloud.Silence("api", true) // so that nobody sees the effects yet
	a.by = time.Hour             // past each step
	for _, run := range runs {
		_, err := e.Decide(t.Context(), activities.DecideInput{Run: run.ID})
		a.must(err)
		if now := a.run(run.ID); now.Status != galen.RunWaiting {
			t.Errorf("run %s is %s: %s", run.Key, now.Status, now.Why)
		}
	}
	if q, err := a.store.Quarantines(t.Context()); err != nil || len(q) > 0 {
		t.Errorf("in quarantine: %+v, %v", q, err)
	}
}
