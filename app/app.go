// Package app is the engine as a value: it composes journal, gate, kinds, Temporal, the watch and the ways in, starts
// them in order and stops them in reverse.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
	"github.com/galenhq/galen/internal/trace"
	"github.com/galenhq/galen/internal/watch"
	"github.com/galenhq/galen/workflows"
)

// Options are what an engine is made of.
type Options struct {
	Config    *config.Config
	Catalogue Catalogue
	// Temporal starts or reaches the server, see [External].
	Temporal Temporal
	Logger   *slog.Logger
	// Version of the engine, for health and journal.
	Version string
}

// Engine is a running `galen serve`.
type Engine struct {
	o         Options
	stops     []func() error // in the order of starting
	address   string
	opened    opened
	journal   *journal.Store
	self      journal.Engine
	looks     looks
	tally     *tally
	reach     *pulse // of Temporal
	vigil     *vigil
	trace     *trace.Tracer // nil: off
	world     *watch.World
	runs      *runs
	gate      *gate.Gate
	acts      *activities.Activities
	faults    *activities.Faults
	watch     *watch.Loops
	admission *watch.Admission
	loops     sync.WaitGroup
	cancel    context.CancelFunc
	started   time.Time
	fatal     chan error
	told      journal.Configuration // as it was told to the journal; nil: not yet
	toldHash  string
	aside     aside
	labour    []func() error // ends what the engine does by itself, in the order of starting, see aside
}

// Start brings an engine up; it is ready when Start returns. What was started is stopped again if a later part fails.
func Start(ctx context.Context, o Options) (_ *Engine, err error) {
	if o.Config == nil || o.Temporal == nil || o.Logger == nil {
		return nil, errors.New("app: configuration, Temporal and logger are required")
	}
	e := &Engine{o: o, started: time.Now(), fatal: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Stop())
		}
	}()
	// A port that is taken is told before anything is touched.
	listener, err := net.Listen("tcp", o.Config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; another program has it, or the address is not of this machine", o.Config.Listen, err)
	}
	e.address = listener.Addr().String()
	e.stops = append(e.stops, func() error { return ignoreClosed(listener.Close()) })
	client, err := e.stores(ctx)
	if err != nil {
		return nil, err
	}
	door, err := e.door()
	if err != nil {
		return nil, err
	}
	if err := e.engine(ctx, client); err != nil {
		return nil, err
	}
	if err := e.keepVigil(ctx); err != nil {
		return nil, err
	}
	e.ways(listener, door)
	if err := e.silence(ctx); err != nil {
		return nil, err
	}
	return e, e.count(ctx)
}

// count makes the configuration of an engine that works the one that counts. It is the end of a start: what puts others aside must work itself.
func (e *Engine) count(ctx context.Context) error {
	if err := errors.Join(e.tellStart(ctx), e.configure(ctx)); err != nil {
		return err
	}
	_ = e.vigil.once(ctx) // it may have found that another one counts
	e.standAside(ctx)
	return nil
}

// tellStart records which release works from now on, and what it can carry on.
func (e *Engine) tellStart(ctx context.Context) error {
	body, err := json.Marshal(map[string]any{"is": "started", "serves": e.serves()})
	if err != nil {
		return fmt.Errorf("encode the start of the engine: %w", err)
	}
	return e.journal.Append(ctx, galen.Event{Kind: galen.EventEngine, By: "galen " + e.o.Version, Body: body})
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// stores locks the data directory and opens journal, kinds and Temporal; the two slow ones side by side.
func (e *Engine) stores(ctx context.Context) (*temporal.Client, error) {
	lock, err := lockDir(e.o.Config.Data)
	if err != nil {
		return nil, err
	}
	e.stops = append(e.stops, lock.release)
	if e.trace, err = trace.FromEnv(ctx, os.Getenv, e.o.Version); err != nil {
		return nil, err
	}
	e.stops = append(e.stops, e.endTraces)
	id, err := identity(e.o.Config.Data)
	if err != nil {
		return nil, err
	}
	e.self = newSelf(id)
	type reached struct {
		server Server
		err    error
	}
	reaching := make(chan reached, 1)
	go func() {
		s, err := e.o.Temporal(ctx, e.o.Config.Data, e.o.Logger)
		reaching <- reached{s, err}
	}()
	openErr := e.open(ctx)
	got := <-reaching
	if got.err == nil && got.server.Stop != nil {
		e.stops = append(e.stops, got.server.Stop)
	}
	if err := errors.Join(openErr, got.err); err != nil {
		return nil, err
	}
	e.trace.TellErrors(e.o.Logger, time.Now) // an embedded Temporal has set its own
	name, err := e.journal.Identity(ctx, id)
	if err != nil {
		return nil, err
	}
	o := got.server.dialOptions(name, e.o.Logger)
	o.Identity = nameOf(e.self)
	if o.Interceptors, err = e.trace.Interceptors(); err != nil {
		return nil, err
	}
	client, err := temporal.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	e.stops = append(e.stops, func() error { client.Close(); return nil })
	e.reach = newPulse(client.Reach)
	return client, e.join(ctx, client)
}

// open opens the journal and the kinds.
func (e *Engine) open(ctx context.Context) error {
	err := errors.Join(e.o.Catalogue.CheckPolicies(e.o.Config)...)
	if err != nil {
		return err
	}
	if e.journal, err = e.openJournal(ctx); err != nil {
		return err
	}
	e.stops = append(e.stops, e.journal.Close)
	if err := e.tellEpoch(ctx); err != nil {
		return err
	}
	e.opened, err = e.o.Catalogue.open(e.o.Config.OfKind, e.o.Logger)
	kinds := e.opened.kinds
	e.stops = append(e.stops, func() error {
		for _, k := range kinds {
			k.Close()
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.opened.kinds = attentive(e.looks.counted(traced(e.opened.kinds, e.trace)), e.journal)
	return nil
}

// openJournal opens the journal where the configuration says it is: in PostgreSQL, or in a file of the data directory.
func (e *Engine) openJournal(ctx context.Context) (*journal.Store, error) {
	opts := journal.Options{
		Logger: e.o.Logger, Witness: filepath.Join(e.o.Config.Data, WitnessFile), Engine: nameOf(e.self),
		Mono: uptime,
	}
	place, err := JournalPlace(e.o.Config)
	if err == nil {
		err = notMoved(place)
	}
	if err != nil {
		return nil, err
	}
	if place.URL != "" {
		return journal.OpenPostgres(ctx, place.URL, opts)
	}
	opts.Now = time.Now
	return journal.Open(ctx, place.Path, opts)
}

// tellEpoch warns when the engine only observes.
func (e *Engine) tellEpoch(ctx context.Context) error {
	epoch, err := e.journal.Epoch(ctx)
	if err == nil && !epoch.Armed {
		e.o.Logger.Error("observe only, a person is needed", "why", epoch.Observe())
	}
	return err
}

// engine makes gate, activities, worker, dispatcher and watch, and starts them. What other engines see of it, too, it tells once it has joined them.
func (e *Engine) engine(ctx context.Context, client *temporal.Client) error {
	if err := errors.Join(e.policies(ctx), e.leftovers(ctx), e.journal.KeepMakers(ctx), e.peopleLogIn(ctx)); err != nil {
		return err
	}
	log, policy := e.o.Logger, e.o.Config.Policy
	e.world = watch.NewWorld(e.opened.kinds, e.journal, log)
	if e.shared() {
		e.world.Share(watch.Others{Clock: e.journal.Clock, Now: time.Now, Policy: policy})
	}
	e.tally = newTally(e.journal, e.opened, e.o.Catalogue.Detectors)
	e.runs = &runs{journal: e.journal, temporal: client, Opener: watch.Opener{
		Runbooks: e.o.Catalogue.Runbooks, Inbox: talliedInbox{e.journal, e.tally, e.trace}, Policy: policy, Last: e.world.Last, Now: time.Now, Logger: log,
	}}
	door, err := gate.New(gate.Options{
		Journal: e.journal, Holds: e.journal.Holds, World: e.world, Kinds: e.opened.kinds, Runbooks: e.opened.runbooks, Policy: policy, Guards: gate.CommonGuards(),
		Now: time.Now, Mono: uptime, Logger: log, Overruled: e.overruledOn,
	})
	if err != nil {
		return err
	}
	e.gate, e.faults = door, activities.NewFaults()
	e.acts = activities.New(activities.Options{
		Journal: tracedDecisions{talliedDecisions{e.journal, e.tally}, e.trace}, Records: e.journal, Runs: tracedRuns{talliedRuns{e.journal, e.tally}, e.trace}, World: e.world,
		Gate: tracedGate{talliedGate{door, e.tally}, e.trace}, Faults: e.faults, Now: time.Now, Logger: log,
		Catalogue: e.catalogue(),
	})
	d := e.dispatcher(client)
	if err := e.resume(ctx, client, d); err != nil {
		return err
	}
	if err := e.work(client); err != nil {
		return err
	}
	e.admission = watch.NewAdmission(e.runs, e.flood, time.Now, log)
	e.watch = watch.NewLoops(watch.Options{
		World: e.world, Kinds: e.opened.kinds, Detectors: e.o.Catalogue.Detectors, Journal: talliedFindings{e.journal, e.tally},
		Runs: e.admission, Policy: policy, Now: time.Now, Logger: log,
	})
	var resources []galen.Resource
	for _, r := range e.o.Config.Resources {
		resources = append(resources, r.Resource)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.cancel = cancel
	e.loops.Go(func() { d.run(run) })
	e.loops.Go(func() { e.fireSchedules(run) })
	e.loops.Go(func() { e.leftoversAgain(run) })
	e.loops.Go(func() {
		if e.shared() {
			e.watch.RunShards(run, shards{e}, resources)
			return
		}
		e.watch.Run(run, resources)
	})
	e.labours(func() error { cancel(); e.loops.Wait(); return nil })
	return nil
}

// resume clears what killed engines left: their open activities fail now instead of at their heartbeat, and open runs
// without a workflow are found. What other living engines are at is left to them.
func (e *Engine) resume(ctx context.Context, client *temporal.Client, d *dispatcher) error {
	open, err := e.journal.Runs(ctx, journal.RunFilter{OpenOnly: true, Limit: 10_000})
	if err != nil {
		return fmt.Errorf("list the open runs: %w", err)
	}
	ids := make([]string, 0, len(open))
	for _, run := range open {
		ids = append(ids, run.Key)
	}
	alive, err := e.others(ctx)
	if err != nil {
		return fmt.Errorf("who else works on this journal: %w", err)
	}
	n, err := client.FailStale(ctx, ids, alive)
	if err != nil {
		return fmt.Errorf("take over from the engine before: %w", err)
	}
	if len(open) > 0 {
		e.o.Logger.Info("goes on with open runs", "runs", len(open), "interrupted", n)
	}
	return d.reconcile(ctx)
}

func (e *Engine) catalogue() activities.Catalogue {
	return activities.Catalogue{
		Kinds: e.opened.kinds, Runbooks: e.opened.runbooks, Detectors: e.o.Catalogue.Detectors, Policy: e.o.Config.Policy,
		Gone: func(r galen.Resource) bool { return !e.lookedAfter(r) }, Outdated: e.outdated,
	}
}

// serves are the versions of runbooks that this engine carries on.
func (e *Engine) serves() []string { return slices.Sorted(slices.Values(e.catalogue().Serves())) }

// work starts a worker for each version of a runbook that this release has. What it lacks it does not poll for.
func (e *Engine) work(client *temporal.Client) error {
	var all []worker.Worker
	e.labours(func() error {
		var stopping sync.WaitGroup // each waits for what it has under way
		for _, w := range all {
			stopping.Go(w.Stop)
		}
		stopping.Wait()
		return nil
	})
	for _, needs := range e.serves() {
		w := client.NewWorker(temporal.WorkerOptions{Needs: needs, OnFatal: func(err error) {
			select {
			case e.fatal <- fmt.Errorf("the Temporal worker for %s cannot go on: %w", needs, err):
			default:
			}
		}})
		register(w, e.acts)
		if err := w.Start(); err != nil {
			return fmt.Errorf("start the Temporal worker for %s: %w", needs, err)
		}
		all = append(all, w)
	}
	return nil
}

func register(w worker.Registry, acts *activities.Activities) {
	w.RegisterWorkflowWithOptions(workflows.Run, workflow.RegisterOptions{Name: workflows.RunName})
	w.RegisterWorkflowWithOptions(workflows.RunLocal, workflow.RegisterOptions{Name: workflows.LocalName})
	w.RegisterActivityWithOptions(acts.Decide, activity.RegisterOptions{Name: "Decide"})
	w.RegisterActivityWithOptions(acts.Act, activity.RegisterOptions{Name: "Act"})
	w.RegisterActivityWithOptions(acts.Close, activity.RegisterOptions{Name: "Close"})
}

// Address is where the API listens, host:port.
func (e *Engine) Address() string { return e.address }

// Fatal tells when the engine cannot go on by itself.
func (e *Engine) Fatal() <-chan error { return e.fatal }

// Stop ends everything in reverse order and returns every error of it. It is safe to call twice.
func (e *Engine) Stop() error {
	var errs []error
	for i := len(e.stops) - 1; i >= 0; i-- {
		errs = append(errs, e.stops[i]())
	}
	e.stops = nil
	return errors.Join(errs...)
}
