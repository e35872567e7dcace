// Package watch sees: it looks at resources, folds what was seen onto what was known, runs the detectors in sharded
// in-process loops, opens runs for findings, wakes runs and records vitals.
package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// Store keeps one folded State per resource.
type Store interface {
	Folded(ctx context.Context, r galen.Resource) ([]byte, error)
	// SaveFolded replaces the State that it was folded onto, nil for none yet, and no other: [galen.ErrStale].
	SaveFolded(ctx context.Context, r galen.Resource, body []byte, basis string, onto []byte) error
}

// World is the engine's one way to see and touch resources. It is safe for concurrent use; looks of one resource may
// overlap. A look returns when the facts that it saw are stored, those of looks before it included: nobody acts on what a
// restart would forget.
type World struct {
	kinds  map[string]galen.ListedKind
	store  Store
	logger *slog.Logger

	others *Others // nil: this engine is alone

	mu   sync.Mutex
	last map[galen.Resource]*entry
}

// entry is the newest State of one resource.
type entry struct {
	mu  sync.Mutex // of now; never held while the store works
	now fold

	// turn is held by whoever reads or writes the store, and its holder alone may touch what is below.
	turn  chan struct{}
	basis string // of the newest State as stored; "": not known
	kept  galen.State
	body  []byte // as it was stored or taken up last
	doubt bool   // whether body is what is stored
}

// fold is a State with its basis, which costs a hash of it.
type fold struct {
	state galen.State // nil before the first look
	basis string
	once  *reckoned
}

// inTurn does one thing after the other while nobody else is at the store; it waits no longer than its caller.
func (e *entry) inTurn(ctx context.Context, steps ...func() error) error {
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait for the look before, which is at the store: %w", context.Cause(ctx))
	}
	defer func() { <-e.turn }()
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (e *entry) newest() fold {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// take makes of the newest State the next one.
func (e *entry) take(next func(galen.State) (galen.State, error)) (fold, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	state, err := next(e.now.state)
	if err != nil {
		return fold{}, err
	}
	e.now = fold{state, state.Basis(), &reckoned{}}
	return e.now, nil
}

// NewWorld sees through the drivers of kinds.
func NewWorld(kinds map[string]galen.ListedKind, store Store, logger *slog.Logger) *World {
	return &World{kinds: kinds, store: store, logger: logger, last: map[galen.Resource]*entry{}}
}

// Others is what an engine goes by that is not alone with its store.
type Others struct {
	// Clock is the store's, the one that all engines have in common; Now is this engine's.
	Clock  func(ctx context.Context) (time.Time, error)
	Now    func() time.Time
	Policy func(galen.Resource) galen.Policy
}

// Share says that other engines look at the same resources, and keep what they see in the same store: what one of them has
// stored since is what is folded onto. Else one that was away would fold onto an old State, and find a node down for as long. So it
// would by a clock that is not that of the store: who has one sees nothing (I-34).
func (w *World) Share(o Others) { w.others = &o }

// believed tells whether the engine's clock is the store's, as far as the policy allows.
func (w *World) believed(ctx context.Context, r galen.Resource) error {
	if w.others == nil {
		return nil // the store's clock is its own
	}
	asked := w.others.Now()
	at, err := w.others.Clock(ctx)
	if err != nil {
		return fmt.Errorf("read the journal's clock: %w", err)
	}
	read := galen.Ledger{Now: at}.ReadBetween(asked, w.others.Now())
	if why := w.others.Policy(r).ClockDoubt(0, read.ClockOff()); why != "" {
		return fmt.Errorf("%w: %s", galen.ErrClock, why)
	}
	return nil
}

// Look observes the resource (an empty scope: all of it) and returns the State with that folded in. A kind that panics
// is an error; what was known before stays.
func (w *World) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
	state, _, err := w.look(ctx, r, scope, open)
	return state, err
}

// look is Look, with the basis of the State.
func (w *World) look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (state galen.State, basis string, err error) {
	defer func() { err = recovered(recover(), "look at "+r.String(), err) }()
	kind, ok := w.kinds[r.Kind]
	if !ok {
		return nil, "", fmt.Errorf("look at %s: this engine does not know the kind %q", r, r.Kind)
	}
	if err := w.believed(ctx, r); err != nil {
		return nil, "", fmt.Errorf("look at %s: %w", r, err)
	}
	seen, err := kind.Look(ctx, r, scope, open)
	if err == nil {
		err = w.believed(ctx, r) // it may have been set meanwhile
	}
	if err != nil {
		return nil, "", fmt.Errorf("look at %s: %w", r, err)
	}
	folded, err := w.fold(ctx, kind, r, seen)
	return folded.state, folded.basis, err
}

// fold folds what was seen onto what is known, and stores it. Among engines that share the store nothing of this one comes
// between what it took up and what it stores; what another one stored in between is taken up and folded onto. An engine of its own
// folds while an older State is still being stored.
func (w *World) fold(ctx context.Context, kind galen.ListedKind, r galen.Resource, seen galen.State) (folded fold, err error) {
	e := w.entry(r)
	load := func() error { return w.load(ctx, kind, r, e) }
	keep := func() error { return w.keep(ctx, r, e) }
	add := func() (err error) {
		folded, err = e.take(func(known galen.State) (galen.State, error) { return kind.Fold(known, seen) })
		if err != nil {
			return fmt.Errorf("fold what was seen of %s: %w", r, err)
		}
		return nil
	}
	if w.others != nil || e.newest().state == nil {
		for range foldTries {
			if err = e.inTurn(ctx, load, add, keep); !errors.Is(err, galen.ErrStale) {
				break
			}
		}
	} else if err = add(); err == nil {
		err = e.inTurn(ctx, keep)
	}
	if err != nil {
		return fold{}, err
	}
	return folded, nil
}

// foldTries: each is in vain only when another engine has stored a State meanwhile.
const foldTries = 5

// panicked is a panic of a kind or a detector as an error; its text is the same each time, so that it is told once.
type panicked struct {
	doing string
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return fmt.Sprintf("%s: it panicked (%v): a fault in this program, please report it", p.doing, p.value)
}

// recovered is the error of what was done, or of the panic that ended it.
func recovered(value any, doing string, err error) error {
	if value == nil {
		return err
	}
	return &panicked{doing: doing, value: value, stack: debug.Stack()}
}

// Do makes the one call of an intent.
func (w *World) Do(ctx context.Context, in galen.Intent) (string, error) {
	kind, ok := w.kinds[in.Resource.Kind]
	if !ok {
		return "", fmt.Errorf("%s: this engine does not know the kind %q", in.Step, in.Resource.Kind)
	}
	return kind.Do(ctx, in)
}

// TakeUp makes what another engine has stored since the newest State, see [World.Share].
func (w *World) TakeUp(ctx context.Context, r galen.Resource) error {
	kind, known := w.kinds[r.Kind]
	if !known || w.others == nil {
		return nil
	}
	e := w.entry(r)
	return e.inTurn(ctx, func() error { return w.load(ctx, kind, r, e) })
}

// Last is the newest State that this process has seen, or has taken up from the store; false before the first. Of what another engine
// watches it is the one that was stored last: gauges and ages may be older.
func (w *World) Last(r galen.Resource) (galen.State, bool) {
	state := w.entry(r).newest().state
	return state, state != nil
}

func (w *World) entry(r galen.Resource) *entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.last[r]
	if e == nil {
		e = &entry{turn: make(chan struct{}, 1)}
		w.last[r] = e
	}
	return e
}

// load takes up the State of an earlier process: since when a node is down must survive a restart. One that cannot be
// read any more (another version wrote it) is told and left: the fold starts anew.
func (w *World) load(ctx context.Context, kind galen.ListedKind, r galen.Resource, e *entry) error {
	if w.others == nil && e.newest().state != nil {
		return nil // another look was the first
	}
	body, err := w.store.Folded(ctx, r)
	if err != nil {
		return fmt.Errorf("take up the stored state of %s: %w", r, err)
	}
	e.doubt = false
	if len(body) == 0 || bytes.Equal(body, e.body) {
		return nil
	}
	state, err := kind.Decode(body)
	if err != nil {
		e.body = body // told once
		w.logger.Warn("the stored state cannot be used, starting anew", "resource", r.String(), "error", err.Error())
		return nil
	}
	taken, err := e.take(func(galen.State) (galen.State, error) { return state, nil })
	e.body, e.basis, e.kept = body, taken.basis, taken.state
	return err
}

// keep stores the newest State, whoever folded it, when a fact of it changed; gauges alone are not worth a write.
func (w *World) keep(ctx context.Context, r galen.Resource, e *entry) error {
	now := e.newest()
	if lasting, is := now.state.(galen.Lasting); now.basis == e.basis && !(is && e.kept != nil && lasting.Worth(e.kept)) {
		return nil
	}
	body, err := json.Marshal(now.state)
	if err != nil {
		return fmt.Errorf("encode state of %s: %w", r, err)
	}
	if e.doubt {
		if e.body, err = w.store.Folded(ctx, r); err != nil {
			return fmt.Errorf("read which state of %s is stored: %w", r, err)
		}
	}
	// A store that fails has stored it or not. Until one succeeds no State passes for stored: after a restart a fault that
	// came and went would seem to have lasted.
	e.basis, e.doubt = "", true
	if err := w.store.SaveFolded(ctx, r, body, now.basis, e.body); err != nil {
		return fmt.Errorf("store state of %s: %w", r, err)
	}
	e.basis, e.body, e.kept, e.doubt = now.basis, body, now.state, false
	return nil
}

// lookLimit bounds one whole look of the watch; a driver gives each node less.
const lookLimit = 10 * time.Second

// roundLimit bounds one whole round of the watch.
const roundLimit = 2 * lookLimit
