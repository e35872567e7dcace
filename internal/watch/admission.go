package watch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// The numbers of [Admission].
const (
	admitPerSecond = 2
	// admitBurst runs may be opened at once; the last of them only for what is urgent.
	admitBurst   = 20
	admitReserve = 10
	// floodAt findings that wait are a flood, of which a person is told, once; the rule GalenFlood pages at the same number.
	floodAt = 100
	// maxWaiting is how many of them are remembered; the least urgent are forgotten first, and come again by themselves.
	maxWaiting = 10_000
	// forgetAfter is how long a finding is remembered that asks no more.
	forgetAfter = 2 * time.Minute
)

// Flood is told when more findings wait than runs can be opened for.
type Flood func(ctx context.Context, waiting int) error

// Admission opens the runs of one engine at a bounded rate, the most urgent first: thousands of findings at once have one cause, and a person is
// told of it once. Whoever has to wait asks again at its next round. Safe for concurrent use.
type Admission struct {
	runs   Runs
	flood  Flood
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	tokens  float64
	at      time.Time
	waiting map[string]waiter
	urgency map[galen.Urgency]int // of those that wait
	swept   time.Time
	told    bool
}

type waiter struct {
	urgency galen.Urgency
	seen    time.Time
}

// NewAdmission stands before runs.
func NewAdmission(runs Runs, flood Flood, now func() time.Time, logger *slog.Logger) *Admission {
	return &Admission{
		runs: runs, flood: flood, now: now, logger: logger, tokens: admitBurst, at: now(), swept: now(),
		waiting: map[string]waiter{}, urgency: map[galen.Urgency]int{},
	}
}

// Wake implements [Runs]; to wake opens nothing.
func (a *Admission) Wake(ctx context.Context, r galen.Resource) error { return a.runs.Wake(ctx, r) }

// Left implements [Runs]; to ask opens nothing.
func (a *Admission) Left(ctx context.Context, f galen.Finding) (bool, error) {
	return a.runs.Left(ctx, f)
}

// Open implements [Runs].
func (a *Admission) Open(ctx context.Context, f galen.Finding) (taken bool, err error) {
	admitted, tell := a.admit(f)
	if tell > 0 {
		a.logger.ErrorContext(ctx, "a flood of findings, a person is needed", "waiting", tell)
		if err := a.flood(ctx, tell); err != nil {
			a.mu.Lock()
			a.told = false // the next one that has to wait tells it
			a.mu.Unlock()
			return false, fmt.Errorf("tell of a flood of findings: %w", err)
		}
	}
	if !admitted {
		return false, nil
	}
	if taken, err = a.runs.Open(ctx, f); err == nil && !taken {
		a.giveBack()
	}
	return taken, err
}

// giveBack returns the token of a finding that opened nothing, for it must wait for an open run: whoever asks in vain at each of its
// rounds must not starve the others.
func (a *Admission) giveBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens = min(admitBurst, a.tokens+1)
}

// Waiting is how many findings wait for a run and still ask for one.
func (a *Admission) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(a.now())
	return len(a.waiting)
}

// admit takes a token for a finding, or lets it wait. tell is how many wait, if a person has to be told of it.
func (a *Admission) admit(f galen.Finding) (admitted bool, tell int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	a.tokens = min(admitBurst, a.tokens+admitPerSecond*max(0, now.Sub(a.at).Seconds()))
	a.at = now
	a.sweep(now)
	least := 1.0
	if f.Urgency < galen.High {
		least += admitReserve
	}
	if a.tokens >= least && !a.moreUrgent(f.Urgency) {
		a.tokens--
		a.drop(f.Key())
		return true, 0
	}
	a.wait(f, now)
	if len(a.waiting) >= floodAt && !a.told {
		a.told = true
		return false, len(a.waiting)
	}
	return false, 0
}

func (a *Admission) moreUrgent(than galen.Urgency) bool {
	for u, n := range a.urgency {
		if u > than && n > 0 {
			return true
		}
	}
	return false
}

func (a *Admission) wait(f galen.Finding, now time.Time) {
	a.drop(f.Key())
	if len(a.waiting) >= maxWaiting && !a.makeRoom(f.Urgency) {
		return
	}
	a.waiting[f.Key()] = waiter{f.Urgency, now}
	a.urgency[f.Urgency]++
}

// makeRoom forgets one that is less urgent.
func (a *Admission) makeRoom(urgency galen.Urgency) bool {
	least := urgency
	for u, n := range a.urgency {
		if n > 0 && u < least {
			least = u
		}
	}
	if least == urgency {
		return false
	}
	for key, w := range a.waiting {
		if w.urgency == least {
			a.drop(key)
			return true
		}
	}
	return false
}

func (a *Admission) drop(key string) {
	w, waits := a.waiting[key]
	if !waits {
		return
	}
	delete(a.waiting, key)
	if a.urgency[w.urgency]--; a.urgency[w.urgency] == 0 {
		delete(a.urgency, w.urgency)
	}
	if len(a.waiting) == 0 {
		a.told = false // the flood is over
	}
}

// sweep forgets who asks no more.
func (a *Admission) sweep(now time.Time) {
	const every = 10 * time.Second
	if now.Sub(a.swept) < every {
		return
	}
	a.swept = now
	for key, w := range a.waiting {
		if now.Sub(w.seen) > forgetAfter {
			a.drop(key)
		}
	}
}
