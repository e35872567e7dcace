package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// Journal is what the loops read and write.
type Journal interface {
	OpenIntents(ctx context.Context, r galen.Resource) ([]galen.Intent, error)
	Findings(ctx context.Context, r galen.Resource) ([]galen.Finding, error)
	SaveFindings(ctx context.Context, r galen.Resource, now []galen.Finding) (news, gone []galen.Finding, err error)
	SaveVitals(ctx context.Context, r galen.Resource, samples []galen.Sample) error
	// Abandoned is what runs which have ended still owe.
	Abandoned(ctx context.Context, r galen.Resource) (undos []galen.Debt, duties []galen.Duty, err error)
}

// Runs is how a finding becomes a run, and how a waiting run is woken.
type Runs interface {
	// Open opens the run that heals the finding, see [Opener.Open].
	Open(ctx context.Context, f galen.Finding) (taken bool, err error)
	// Left tells whether a finding that was taken is left alone, see [Opener.Left].
	Left(ctx context.Context, f galen.Finding) (bool, error)
	// Wake wakes every open run of the resource.
	Wake(ctx context.Context, r galen.Resource) error
}

// Options of the loops.
type Options struct {
	World     *World
	Kinds     map[string]galen.ListedKind
	Detectors []galen.Detector[galen.State]
	Journal   Journal
	Runs      Runs
	Policy    func(galen.Resource) galen.Policy
	Now       func() time.Time
	Logger    *slog.Logger
}

// Loops watch resources, one loop each.
type Loops struct {
	o Options

	mu    sync.Mutex
	beats map[galen.Resource]time.Time
}

// NewLoops watches nothing before [Loops.Run].
func NewLoops(o Options) *Loops { return &Loops{o: o, beats: map[galen.Resource]time.Time{}} }

// Beat is when the loop that is furthest behind ended its newest round, whatever that saw; zero without a loop. An engine
// whose beat does not move watches no more (L-3).
func (l *Loops) Beat() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest time.Time
	for _, at := range l.beats {
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest
}

// Watching are the resources whose rounds this engine makes now.
func (l *Loops) Watching() []galen.Resource {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []galen.Resource
	for r := range l.beats {
		if r != (galen.Resource{}) { // the engine itself, among others
			out = append(out, r)
		}
	}
	return out
}

func (l *Loops) beat(r galen.Resource) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beats[r] = l.o.Now()
}

// Run watches the resources until the context ends.
func (l *Loops) Run(ctx context.Context, resources []galen.Resource) {
	var wg sync.WaitGroup
	for _, r := range resources {
		l.beat(r) // from now on it is expected
	}
	for _, r := range resources {
		wg.Go(func() { l.watch(ctx, r) })
	}
	wg.Wait()
}

// Patrol is what one loop remembers between its rounds.
type Patrol struct {
	r        galen.Resource
	known    map[string]galen.Finding // by key, nil before they were read
	taken    map[string]bool          // by key: the finding has its run, or needs none
	sure     map[string]time.Time     // by key: when that was asked last
	basis    string
	vitalsAt time.Time
	blind    string // the newest error, told once
}

// NewPatrol remembers nothing yet.
func NewPatrol(r galen.Resource) *Patrol {
	return &Patrol{r: r, taken: map[string]bool{}, sure: map[string]time.Time{}}
}

func (l *Loops) watch(ctx context.Context, r galen.Resource) {
	p := NewPatrol(r)
	log := l.o.Logger.With("resource", r.String())
	for {
		err := l.Round(ctx, p)
		l.beat(r)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != p.blind:
			p.blind = err.Error()
			log.Warn("the watch cannot do its round", append(place(err), "error", p.blind)...)
		case err == nil && p.blind != "":
			p.blind = ""
			log.Info("the watch sees again")
		}
		t := time.NewTimer(l.o.Policy(r).LookEvery.D())
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// place is where a panic was, for the log.
func place(err error) []any {
	var p *panicked
	if !errors.As(err, &p) {
		return nil
	}
	return []any{"stack", string(p.stack)}
}

// Round looks once: it folds, detects, opens runs for news, wakes runs whose world has changed and records vitals. A
// panic in any of that is an error of this resource alone: the engine goes on watching all others.
func (l *Loops) Round(ctx context.Context, p *Patrol) (err error) {
	defer func() { err = recovered(recover(), "watch "+p.r.String(), err) }()
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	open, err := l.o.Journal.OpenIntents(ctx, p.r)
	if err != nil {
		return fmt.Errorf("read open intents: %w", err)
	}
	lookCtx, stop := context.WithTimeout(ctx, lookLimit)
	state, basis, err := l.o.World.look(lookCtx, p.r, nil, open)
	stop()
	if err != nil {
		return err
	}
	// One that fails does not keep the others from their work.
	return errors.Join(l.findings(ctx, p, state, open), l.wake(ctx, p, state, basis, open), l.vitals(ctx, p, state))
}

// findings opens the runs first and stores the news after: a crash between the two repeats the first, which is
// harmless, and loses nothing.
func (l *Loops) findings(ctx context.Context, p *Patrol, state galen.State, open []galen.Intent) error {
	if p.known == nil {
		stored, err := l.o.Journal.Findings(ctx, p.r)
		if err != nil {
			return fmt.Errorf("read findings: %w", err)
		}
		p.known = byKey(stored)
	}
	now, wrong := l.found(ctx, p, state)
	wrong = errors.Join(wrong, l.review(ctx, p, now))
	changed, untaken := p.compare(now)
	if changed || untaken { // else nobody is told of it
		margin, err := l.margin(p.r, state, open)
		wrong = errors.Join(wrong, err)
		for i := range now {
			now[i].Margin = margin
		}
	}
	var failed error
	for _, f := range now {
		failed = errors.Join(failed, l.ask(ctx, p, f))
	}
	if failed == nil && changed {
		failed = l.tell(ctx, p, now)
	}
	return errors.Join(wrong, failed)
}

// margin is what the kind says; one that panics keeps nothing from being found.
func (l *Loops) margin(r galen.Resource, state galen.State, open []galen.Intent) (text string, err error) {
	defer func() { err = recovered(recover(), "ask "+r.String()+" for its margin", err) }()
	return l.o.Kinds[r.Kind].Margin(state, open, l.o.Policy(r)), nil
}

// compare tells whether the findings are others than those that are known, and whether one has no run that it needs.
func (p *Patrol) compare(now []galen.Finding) (changed, untaken bool) {
	changed = len(now) != len(p.known)
	for _, f := range now {
		was, had := p.known[f.Key()]
		switch {
		case !had || !was.Same(f):
			changed, p.taken[f.Key()] = true, false
		case f.Since.After(was.Since): // it went, and came back between two rounds: the run of the trouble before may have ended
			p.known[f.Key()], p.taken[f.Key()] = f, false
		}
		untaken = untaken || !f.Note && !p.taken[f.Key()]
	}
	return changed, untaken
}

// sureFor is how long a finding that has its run is not asked about again.
const sureFor = time.Minute

// review finds out which of the findings that have their run are left alone by it.
func (l *Loops) review(ctx context.Context, p *Patrol, now []galen.Finding) error {
	var failed error
	for _, f := range now {
		key := f.Key()
		if f.Note || !p.taken[key] || l.o.Now().Sub(p.sure[key]).Abs() < sureFor {
			continue
		}
		left, err := l.o.Runs.Left(ctx, f)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("see to the run of %s: %w", key, err))
			continue
		}
		if p.taken[key], p.sure[key] = !left, l.o.Now(); left {
			l.o.Logger.Warn("stands, though its run was verified", "resource", p.r.String(), "code", string(f.Code), "domain", f.Domain)
		}
	}
	return failed
}

// ask asks for the run of a finding, unless it has it or needs none.
func (l *Loops) ask(ctx context.Context, p *Patrol, f galen.Finding) (err error) {
	key := f.Key()
	if p.taken[key] || f.Note {
		return nil
	}
	if p.taken[key], err = l.o.Runs.Open(ctx, f); err != nil {
		return fmt.Errorf("open a run for %s: %w", key, err)
	}
	p.sure[key] = l.o.Now()
	return nil
}

// tell stores the findings as they are now, and logs what is new and what is gone.
func (l *Loops) tell(ctx context.Context, p *Patrol, now []galen.Finding) error {
	news, gone, err := l.o.Journal.SaveFindings(ctx, p.r, now)
	if err != nil {
		return fmt.Errorf("store findings: %w", err)
	}
	for _, f := range news {
		if f.Code == galen.CodeStorm {
			l.o.Logger.Error("a storm, a person is needed", "resource", p.r.String(), "group", f.Domain, "why", f.Why)
			continue
		}
		l.o.Logger.Warn("found", "note", f.Note, "resource", p.r.String(), "code", string(f.Code), "domain", f.Domain, "why", f.Why)
	}
	for _, f := range gone {
		l.o.Logger.Info("gone", "resource", p.r.String(), "code", string(f.Code), "domain", f.Domain)
	}
	p.known, p.basis = byKey(now), "" // a trouble is found when it has lasted, with no fact changed: whoever keeps its target to itself looks now
	return nil
}

func byKey(fs []galen.Finding) map[string]galen.Finding {
	out := make(map[string]galen.Finding, len(fs))
	for _, f := range fs {
		out[f.Key()] = f
	}
	return out
}

// wake wakes the runs of the resource when a fact of the State or the effect of an open intent has changed.
func (l *Loops) wake(ctx context.Context, p *Patrol, state galen.State, basis string, open []galen.Intent) error {
	changed := basis != p.basis
	verbs := l.o.Kinds[p.r.Kind].Verbs
	for _, in := range open {
		verb, ok := verbs[in.Step.Verb]
		changed = changed || ok && galen.SettleEffect(verb, state, in, l.o.Now()).Status != in.Effect.Status
	}
	if !changed {
		return nil
	}
	if err := l.o.Runs.Wake(ctx, p.r); err != nil {
		return fmt.Errorf("wake the runs: %w", err)
	}
	p.basis = basis
	return nil
}

// vitalsEvery is how often the numbers are kept.
const vitalsEvery = time.Minute

func (l *Loops) vitals(ctx context.Context, p *Patrol, state galen.State) error {
	now := l.o.Now()
	if now.Sub(p.vitalsAt) < vitalsEvery {
		return nil
	}
	samples := l.o.Kinds[p.r.Kind].Vitals(state)
	for i := range samples {
		samples[i].At = now
	}
	if len(samples) > 0 {
		if err := l.o.Journal.SaveVitals(ctx, p.r, samples); err != nil {
			return fmt.Errorf("store vitals: %w", err)
		}
	}
	p.vitalsAt = now
	return nil
}
