package gym

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/detectors"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
	"github.com/galenhq/galen/runbooks"
)

// Engine is what the engines of a play are made of; the zero value is what the product lists.
type Engine struct {
	Runbooks  []galen.ListedRunbook
	Detectors []galen.Detector[galen.State]
	// Newer is what the second engine has in the place of Runbooks: an upgrade under way; nil: the same.
	Newer []galen.ListedRunbook
	// Without names a guard that is left out, of the gate or of the kind.
	Without string
	// Workflows keeps the workflow of a run; nil: its control flow alone is played.
	Workflows func(run string) Workflow
	rows      func(store) store               // what the journal is put behind; nil: nothing
	kind      func(*world, *galen.ListedKind) // what the kind is changed in; nil: nothing
	door      func(*gate.Options)             // what the gate is changed in; nil: nothing
	// spoilt is a guard that panics whenever it is asked.
	spoilt string
	// unchecked is a verb whose own Check accepts everything, so that a guard which says the same stands alone.
	unchecked string
	// untimed: nobody but the gate minds the engine's clock, so that its guard stands alone.
	untimed bool
	// SQLite keeps the journal in a file in this directory instead of in memory.
	SQLite string
}

// epoch is the first moment of every world.
func epoch() time.Time { return time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC) }

// world is one incident under way: one ring, one journal and one virtual clock under one or two engines.
type world struct {
	in     Incident
	of     Engine
	dice   dice // of the awaits, not of the incident
	now    time.Time
	ring   *ring.Cluster
	store  store
	slots  []*slot
	flows  map[string]*flow // by run ID: what Temporal keeps
	order  []*flow
	tasks  []*task
	late   []later
	happen []Happening // not yet
	trace  *trace
	acting *task // the one that runs now
	ids    int
	awaits int
	hold   string               // the newest kill switch
	until  string               // the verb on which a person cancels every open run; "": none
	mixed  bool                 // an engine has become another release
	yes    map[string]time.Time // when a person last approved a run

	outUntil, lagUntil, blindUntil, lieUntil time.Time
	lag                                      time.Duration
	answersLate                              bool // the lag is that of the answer
	lie                                      int
}

// slot is a place where an engine runs, one process after the other.
type slot struct {
	name   int
	skew   time.Duration // of its wall clock
	engine *process
	bootAt time.Time // of the next one, while there is none
	frozen time.Time // until then
	fate   *fate
	round  time.Time // of the next look of its watch
}

// process is what one engine holds in memory.
type process struct {
	slot   *slot
	dead   bool
	acts   *activities.Activities
	loops  *watch.Loops
	patrol *watch.Patrol
	seen   *watch.World
}

// later is a call that is on its way while its engine is dead.
type later struct {
	at time.Time
	do func()
}

// newWorld starts a healthy ring and the engines that watch it.
func newWorld(ctx context.Context, in Incident, of Engine) (*world, error) {
	w := &world{in: in, of: of, dice: newDice(^in.Seed), now: epoch(), flows: map[string]*flow{}, yes: map[string]time.Time{}, happen: in.Happen}
	w.trace = newTrace(in, func() time.Time { return w.now })
	spec := in.Ring.spec(func() time.Time { return w.now })
	spec.Witness = w.trace.accepted
	spec.Hang, spec.Seed = w.hang, in.Seed
	var err error
	if w.ring, err = ring.New(spec); err != nil {
		return nil, fmt.Errorf("simulated ring: %w", err)
	}
	if w.store, err = openStore(ctx, w, of.SQLite); err != nil {
		return nil, err
	}
	if of.rows != nil {
		w.store = of.rows(w.store)
	}
	for i := range in.Engines {
		s := &slot{name: i, round: w.now.Add(time.Duration(i) * time.Second)}
		w.slots = append(w.slots, s)
		if err := w.boot(s); err != nil {
			return nil, errors.Join(err, w.store.Close())
		}
	}
	return w, nil
}

func openStore(ctx context.Context, w *world, dir string) (store, error) {
	opts := journal.Options{Now: func() time.Time { return w.now }, NoSync: true, NewID: func(time.Time) string {
		w.ids++
		return fmt.Sprintf("run%d", w.ids)
	}}
	open := func() (*journal.Store, error) { return journal.OpenMemory(ctx, opts) }
	if dir != "" {
		open = func() (*journal.Store, error) {
			return journal.Open(ctx, fmt.Sprintf("%s/seed-%d.db", dir, w.in.Seed), opts)
		}
	}
	s, err := open()
	if err != nil {
		return nil, err
	}
	policy, err := json.Marshal(w.in.Policy)
	if err == nil {
		err = s.SetResource(ctx, Resource(), policy, "gym") // as the engine does from its configuration
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// boot starts a new process: nothing of the old one's memory is left.
func (w *world) boot(s *slot) error {
	p := &process{slot: s}
	a := awaits{w, p}
	kind := galen.ListKind(cassandra.Kind(), galen.Driver[cassandra.Ring](awaitedRing{a}))
	kind.Guards = w.of.guards(kind.Guards)
	uncheck(kind.Verbs, w.of.unchecked)
	if w.of.kind != nil {
		w.of.kind(w, &kind)
	}
	kinds := map[string]galen.ListedKind{cassandra.KindName: kind}
	log := quietLog()
	rows := awaitedStore{w.store, a}
	clock := func() time.Time { return w.now.Add(s.skew) }
	policy := func(galen.Resource) galen.Policy { return w.in.Policy }
	others := policy // than the gate
	if w.of.untimed {
		others = func(galen.Resource) galen.Policy {
			p := w.in.Policy
			p.ClockSkew = galen.Duration(24 * time.Hour)
			return p
		}
	}
	seen := watch.NewWorld(kinds, rows, log)
	if w.in.Engines > 1 || slices.ContainsFunc(w.in.Happen, func(h Happening) bool { return h.What == Clock }) { // as engines do whose journal is PostgreSQL
		seen.Share(watch.Others{Clock: rows.Clock, Now: clock, Policy: others})
	}
	books := map[string]galen.ListedRunbook{}
	for _, rb := range w.of.books(s.name) {
		books[rb.Name] = rb
	}
	options := gate.Options{
		Journal: rows, Holds: w.store.Holds, Runbooks: books, World: seen, Kinds: kinds, Policy: policy, Guards: w.of.guards(gate.CommonGuards()), Now: clock,
		Mono: func() time.Duration { return w.now.Sub(epoch()) }, GuardLimit: realLimit, Logger: log,
	}
	if w.of.door != nil {
		w.of.door(&options)
	}
	door, err := gate.New(options)
	if err != nil {
		return err
	}
	p.acts = activities.New(activities.Options{
		Journal: rows, Records: rows, Runs: rows, World: seen, Gate: door, Faults: activities.NewFaults(), Now: clock, DecideLimit: realLimit, Logger: log,
		Catalogue: activities.Catalogue{Kinds: kinds, Runbooks: books, Detectors: w.of.Detectors, Policy: others},
	})
	opens := watch.Opener{Runbooks: w.of.books(s.name), Inbox: rows, Policy: policy, Last: seen.Last, Now: clock, Logger: log}
	p.loops = watch.NewLoops(watch.Options{
		World: seen, Kinds: kinds, Detectors: w.of.Detectors, Journal: rows, Runs: waker{opens, w}, Policy: policy, Now: clock, Logger: log,
	})
	p.patrol, p.seen = watch.NewPatrol(Resource()), seen
	s.engine, s.bootAt = p, time.Time{}
	return nil
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// realLimit is how long a runbook or guard may think by the real clock: a busy machine is no fault of theirs.
const realLimit = time.Minute

// guards are those that the gate of this engine asks.
func (e Engine) guards(all []galen.Guard[galen.State]) []galen.Guard[galen.State] {
	var out []galen.Guard[galen.State]
	for _, g := range all {
		if g.Name == e.spoilt {
			g.Check = func(galen.Ask[galen.State]) galen.Verdict { panic("spoilt") }
		}
		if g.Name != e.Without {
			out = append(out, g)
		}
	}
	return out
}

// books are the runbooks of one of the engines.
func (e Engine) books(engine int) []galen.ListedRunbook {
	if engine >= otherRelease {
		out := slices.Clone(e.Runbooks)
		for i := range out {
			out[i].Version++
		}
		return out
	}
	if engine > 0 && e.Newer != nil {
		return e.Newer
	}
	return e.Runbooks
}

// otherRelease is added to an engine's name while it is of another release.
const otherRelease = 10

// version of a runbook that one of the engines has; 0: none.
func (e Engine) version(engine int, runbook string) int {
	for _, rb := range e.books(engine) {
		if rb.Name == runbook {
			return rb.Version
		}
	}
	return 0
}

func uncheck(verbs map[string]galen.Verb[galen.State], name string) {
	if v, known := verbs[name]; known {
		v.Check = func(galen.State, galen.Step) error { return nil }
		verbs[name] = v
	}
}

// orDefault fills in what the product lists.
func (e Engine) orDefault() Engine {
	if e.Runbooks == nil {
		e.Runbooks = runbooks.All()
	}
	if e.Detectors == nil {
		e.Detectors = detectors.All()
	}
	if e.Workflows == nil {
		e.Workflows = bareWorkflow
	}
	return e
}

// waker opens runs as the engine does, and wakes every sleeping workflow.
type waker struct {
	watch.Opener
	w *world
}

// Wake makes every workflow due.
func (k waker) Wake(context.Context, galen.Resource) error {
	for _, f := range k.w.order {
		f.wake(k.w.now)
	}
	return nil
}
