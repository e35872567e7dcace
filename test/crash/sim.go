// Package crash proves that an engine that dies anywhere does nothing twice and loses nothing. The engine's parts are the
// real ones (watch, detectors, runbooks, decide, gate, journal, Next); the ring is simulated and time is virtual. Only
// Temporal is stood in for: its promise, that the last command is given again, is kept by the driver.
package crash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	"github.com/galenhq/galen/workflows"
)

// Resource of every simulation.
func Resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

// Policy acts by itself with short waits; everything that guards is as it is by default.
func Policy() galen.Policy {
	p := galen.SafePolicy()
	p.Mode = galen.ModeAct
	p.LookEvery, p.LookSoon = galen.Duration(time.Second), galen.Duration(time.Second)
	p.RestartAfter, p.DownFor = galen.Duration(2*time.Second), 0
	p.HoldFor = galen.Duration(6 * time.Second) // thirty more looks at a healed ring prove no more
	return p
}

// errCrashed is what a dead engine's calls return; they have no effect any more.
var errCrashed = errors.New("the engine is dead")

// Sim is one engine life after the other over one ring, one journal and one virtual clock.
type Sim struct {
	now     time.Time
	Ring    *ring.Cluster
	Store   *journal.Store
	policy  galen.Policy
	plan    CrashPlan
	awaits  int
	dead    bool
	Crashes int
	Opened  []galen.Run

	engine *engine
	flows  map[string]*flow // by run ID: what Temporal keeps
}

// flow is one workflow as Temporal keeps it: its state and the command that was given last.
type flow struct {
	key   string
	state workflows.RunState
	cmd   workflows.Command
	due   time.Time
	ended bool
}

// CrashPlan says where the engine dies: at the n-th await (a call of the journal or the world), before or after it.
type CrashPlan struct {
	Await int // from 1; 0: never
	After bool
	// Down is how long it stays dead.
	Down time.Duration
}

// engine is what one process holds in memory.
type engine struct {
	acts   *activities.Activities
	loops  *watch.Loops
	patrol *watch.Patrol
}

// New starts a healthy ring and an engine that watches it. dir holds the journal.
func New(ctx context.Context, dir string, plan CrashPlan) (*Sim, error) {
	s := &Sim{now: time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC), policy: Policy(), plan: plan, flows: map[string]*flow{}}
	spec := ring.Three(s.clock)
	spec.Name = Resource().Name
	var err error
	if s.Ring, err = ring.New(spec); err != nil {
		return nil, fmt.Errorf("simulated ring: %w", err)
	}
	s.Store, err = journal.Open(ctx, dir+"/galen.db", journal.Options{Now: s.clock, Logger: slog.New(slog.DiscardHandler), NoSync: true})
	if err != nil {
		return nil, err
	}
	return s, s.boot()
}

func (s *Sim) clock() time.Time { return s.now }

// boot is a new process: nothing of the old one's memory is left.
func (s *Sim) boot() error {
	s.dead = false
	kinds := map[string]galen.ListedKind{cassandra.KindName: galen.ListKind(cassandra.Kind(), galen.Driver[cassandra.Ring](awaitedRing{s}))}
	log := slog.New(slog.DiscardHandler)
	store := awaitedStore{Store: s.Store, s: s}
	policy := func(galen.Resource) galen.Policy { return s.policy }
	world := watch.NewWorld(kinds, store, log)
	books := map[string]galen.ListedRunbook{}
	for _, rb := range runbooks.All() {
		books[rb.Name] = rb
	}
	door, err := gate.New(gate.Options{
		Journal: store, World: world, Kinds: kinds, Runbooks: books, Policy: policy, Guards: gate.CommonGuards(), Now: s.clock,
		Mono: func() time.Duration { return s.now.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) }, GuardLimit: time.Minute, Logger: log,
	})
	if err != nil {
		return err
	}
	opens := watch.Opener{Runbooks: runbooks.All(), Inbox: store, Policy: policy, Last: world.Last, Now: s.clock, Logger: log}
	s.engine = &engine{
		acts: activities.New(activities.Options{
			Journal: store, Records: store, World: world, Gate: door, Quarantine: activities.NewQuarantine(), Now: s.clock, DecideLimit: time.Minute, Logger: log,
			Catalogue: activities.Catalogue{Kinds: kinds, Runbooks: books, Detectors: detectors.All(), Policy: policy},
		}),
		loops: watch.NewLoops(watch.Options{
			World: world, Kinds: kinds, Detectors: detectors.All(), Journal: store, Runs: waker{opens, s}, Policy: policy, Now: s.clock, Logger: log,
		}),
		patrol: watch.NewPatrol(Resource()),
	}
	return nil
}

// await is a point where the process can die: around every call that leaves it.
func (s *Sim) await(call func() error) error {
	if s.dead {
		return errCrashed
	}
	s.awaits++
	here := s.plan.Await > 0 && s.awaits == s.plan.Await
	if here && !s.plan.After {
		s.dead = true
		return errCrashed
	}
	err := call()
	if here {
		s.dead = true
		return errCrashed
	}
	return err
}

// Awaits is how many points there were so far.
func (s *Sim) Awaits() int { return s.awaits }

// Run lets time pass until done says so, or the limit. A crashed engine stays down for a while and is booted again.
func (s *Sim) Run(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	end := s.now.Add(limit)
	for s.now.Before(end) {
		if err := s.turn(ctx); err != nil {
			return err
		}
		if s.dead {
			s.Crashes++
			s.now = s.now.Add(s.plan.Down)
			if err := s.boot(); err != nil {
				return err
			}
			continue
		}
		if ok, err := done(); ok || err != nil {
			return err
		}
		s.now = s.now.Add(s.pause())
	}
	return fmt.Errorf("not done after %s", limit)
}

// turn does what is due now; errors of a dead engine end the turn, others of the watch wait for the next.
func (s *Sim) turn(ctx context.Context) error {
	if err := s.engine.loops.Round(ctx, s.engine.patrol); err != nil && !s.dead && !errors.Is(err, errCrashed) {
		return fmt.Errorf("watch: %w", err)
	}
	if s.dead {
		return nil
	}
	if err := s.dispatch(ctx); err != nil {
		return err
	}
	for _, run := range s.Opened {
		f := s.flows[run.ID]
		if f == nil || f.ended || s.dead || f.due.After(s.now) {
			continue
		}
		s.step(ctx, f)
	}
	return nil
}

// pause is until the next thing is due, at most one round of the watch.
func (s *Sim) pause() time.Duration {
	pause := Policy().LookEvery.D()
	for _, f := range s.flows {
		if left := f.due.Sub(s.now); !f.ended && left > 0 {
			pause = min(pause, left)
		}
	}
	return max(pause, 10*time.Millisecond)
}

// dispatch starts the workflows of the outbox.
func (s *Sim) dispatch(ctx context.Context) error {
	items, err := s.Store.Outbox(ctx, 100)
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.Kind == journal.OutboxStart && s.flows[item.Run] == nil {
			run, err := s.Store.Run(ctx, item.Run)
			if err != nil {
				return err
			}
			f := &flow{key: item.Key, due: s.now}
			f.state, f.cmd = workflows.Next(workflows.RunState{Run: item.Run}, workflows.Result{})
			s.flows[item.Run] = f
			s.Opened = append(s.Opened, run)
		}
		if err := s.Store.OutboxDone(ctx, item.ID); err != nil {
			return err
		}
	}
	return nil
}

// step gives a workflow's commands until it sleeps. A command whose answer a crash took is given again: deciding and
// closing as they are, acting never (its answer is then "failed").
func (s *Sim) step(ctx context.Context, f *flow) {
	for range 50 {
		if f.cmd.Do == workflows.DoSleep {
			if f.due.After(s.now) {
				return
			}
			f.state, f.cmd = workflows.Next(f.state, workflows.Result{Slept: true})
			continue
		}
		result := s.execute(ctx, f.cmd)
		if s.dead && (f.cmd.Do != workflows.DoAct) {
			return
		}
		f.state, f.cmd = workflows.Next(f.state, result)
		switch f.cmd.Do {
		case workflows.DoFinish:
			f.ended = true
			return
		case workflows.DoSleep:
			f.due = s.now.Add(f.cmd.For)
		default: // given in the next turn of the loop
		}
		if s.dead {
			return
		}
	}
}

func (s *Sim) execute(ctx context.Context, cmd workflows.Command) workflows.Result {
	switch cmd.Do {
	case workflows.DoDecide:
		if d, err := s.engine.acts.Decide(ctx, cmd.Decide); err == nil {
			return workflows.Result{Decided: &d}
		}
	case workflows.DoAct:
		if a, err := s.engine.acts.Act(ctx, cmd.Act); err == nil && !s.dead {
			return workflows.Result{Acted: &a}
		}
	case workflows.DoClose:
		if err := s.engine.acts.Close(ctx, cmd.Close); err == nil {
			return workflows.Result{Closed: true}
		}
	default: // sleep and finish are step's
	}
	return workflows.Result{Failed: true}
}
