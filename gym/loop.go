package gym

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/workflows"
)

// task is one command under way in one process. It is a coroutine: at an await it can let time go by, and others act.
type task struct {
	f     *flow
	p     *process
	began time.Time
	due   time.Time
	next  func() (time.Duration, bool)
	yield func(time.Duration) bool

	looked time.Time // when the gate's look began
	seen   ring.Truth
	lied   int
	read   time.Duration // how long its newest reading of a ledger took
}

// heartbeat is when Temporal gives up a process that does not speak.
const heartbeat = 3 * time.Second

// park gives the others a turn.
func (t *task) park(d time.Duration) { t.yield(d) }

// look notes what is true when the gate looks, and how much of it is kept from it.
func (t *task) look(w *world) {
	t.looked, t.seen, t.lied = w.now, w.ring.Truth(), 0
	if w.now.Before(w.lieUntil) {
		t.lied = w.lie
	}
}

// start begins the command of a flow in a process.
func (w *world) start(ctx context.Context, f *flow, p *process) {
	t := &task{f: f, p: p, began: w.now, due: w.now}
	f.task = t
	var result workflows.Result
	next, _ := iter.Pull(func(yield func(time.Duration) bool) {
		t.yield = yield
		result = execute(ctx, p, f.cmd)
	})
	t.next = func() (time.Duration, bool) {
		d, more := next()
		if !more && f.task == t {
			w.done(f, p, result)
		}
		return d, more
	}
	w.tasks = append(w.tasks, t)
}

// done gives the flow its answer; a dead process has none, and Temporal notices when it does not speak.
func (w *world) done(f *flow, p *process, result workflows.Result) {
	f.task = nil
	if p.dead {
		w.lost(f)
		return
	}
	f.next(result, w.now)
	if result.Failed && f.cmd.Do == workflows.DoClose && !f.due.After(w.now) {
		f.due = w.now.Add(time.Second) // Temporal tries it again after a pause
	}
}

// lost: the process that had the command has gone. Deciding and closing are given again as they are; acting never, its
// answer is "failed".
func (w *world) lost(f *flow) {
	f.task = nil
	if f.cmd.Do == workflows.DoAct {
		f.next(workflows.Result{Failed: true}, w.now)
	}
	f.due = w.now.Add(heartbeat)
}

func execute(ctx context.Context, p *process, cmd workflows.Command) workflows.Result {
	switch cmd.Do {
	case workflows.DoDecide:
		cmd.Decide.First = false // the first step is a command of its own here, so that the world may move before it as before any other
		if d, err := p.acts.Decide(ctx, cmd.Decide); err == nil {
			return workflows.Result{Decided: &d}
		}
	case workflows.DoAct:
		if a, err := p.acts.Act(ctx, cmd.Act); err == nil {
			return workflows.Result{Acted: &a}
		}
	case workflows.DoClose:
		if d, err := p.acts.Close(ctx, cmd.Close); err == nil {
			return workflows.Result{Closed: &d}
		}
	default: // sleep and finish are the loop's
	}
	return workflows.Result{Failed: true}
}

// play lets time pass until the incident is over.
func (w *world) play(ctx context.Context) error {
	end := w.now.Add(w.in.Limit)
	for w.now.Before(end) {
		if err := w.turn(ctx); err != nil {
			return err
		}
		over, err := w.over(ctx)
		if over || err != nil {
			return err
		}
		w.now = w.next(end)
	}
	return nil
}

// turn does all that is due now.
func (w *world) turn(ctx context.Context) error {
	if err := w.happenings(ctx); err != nil {
		return err
	}
	w.late = slices.DeleteFunc(w.late, func(l later) bool {
		if l.at.After(w.now) {
			return false
		}
		l.do()
		return true
	})
	for _, s := range w.slots {
		if err := w.rounds(ctx, s); err != nil {
			return err
		}
	}
	for range maxTurns {
		if err := w.dispatch(ctx); err != nil {
			return err
		}
		if !w.step(ctx) {
			return nil
		}
	}
	return fmt.Errorf("at %s the workflows find no rest", w.now.Sub(epoch()))
}

// maxTurns of the workflows at one moment.
const maxTurns = 200

// rounds boots the process of a slot, and lets its watch look.
func (w *world) rounds(ctx context.Context, s *slot) error {
	if s.engine == nil {
		if w.now.Before(s.bootAt) {
			return nil
		}
		w.trace.note("engine %d starts", s.name)
		s.round = w.now
		if err := w.boot(s); err != nil {
			return err
		}
	}
	if w.now.Before(s.frozen) || w.now.Before(s.round) {
		return nil
	}
	p := s.engine
	w.acting = nil
	err := p.loops.Round(ctx, p.patrol)
	if err != nil && !expected(err) && !p.dead {
		return fmt.Errorf("watch: %w", err)
	}
	w.trace.rounded(err)
	s.round = w.now.Add(w.in.Policy.LookEvery.D())
	if w.mixed && !p.dead {
		return w.foreign(ctx, p)
	}
	return nil
}

// foreign ends the cancelled runs that this process cannot carry on, as the engine's dispatcher does where no other release
// is at work.
func (w *world) foreign(ctx context.Context, p *process) error {
	for _, f := range w.order {
		if f.ended || f.task != nil || p.dead {
			continue
		}
		run, err := w.store.Run(ctx, f.run)
		if err == nil {
			f.ended, err = p.endForeign(ctx, run)
		}
		if err != nil && !expected(err) && !p.dead {
			return fmt.Errorf("run %s of another release: %w", f.run, err)
		}
	}
	return nil
}

func (p *process) endForeign(ctx context.Context, run galen.Run) (ended bool, err error) {
	if run.Stop != galen.StopCancel || !run.Status.Open() || p.acts.Lacks(run) == "" {
		return false, nil
	}
	return p.acts.EndForeign(ctx, run)
}

// expected are the errors that the world itself made.
func expected(err error) bool {
	return errors.Is(err, errOut) || errors.Is(err, errBlind) || errors.Is(err, errLost) || errors.Is(err, errDead) || errors.Is(err, galen.ErrClock)
}

// dispatch carries the outbox to the workflows.
func (w *world) dispatch(ctx context.Context) error {
	items, err := w.store.Outbox(ctx, 100)
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	// The most urgent come first, which counts where the rate is bounded. Here all are carried at once, in the order of their age.
	slices.SortFunc(items, func(a, b journal.OutboxItem) int { return cmp.Compare(a.ID, b.ID) })
	for _, item := range items {
		if w.flows[item.Run] == nil && item.Kind == journal.OutboxStart {
			f := &flow{run: item.Run, key: item.Key, work: w.of.Workflows(item.Run)}
			f.next(workflows.Result{}, w.now)
			w.flows[item.Run] = f
			w.order = append(w.order, f)
		} else if f := w.flows[item.Run]; f != nil {
			f.wake(w.now)
		}
		if err := w.store.OutboxDone(ctx, item.ID); err != nil {
			return fmt.Errorf("outbox: %w", err)
		}
	}
	return nil
}

// step lets every task and flow that is due go on; it tells whether any did.
func (w *world) step(ctx context.Context) bool {
	moved := false
	for _, f := range w.order {
		if w.begin(ctx, f) {
			moved = true
		}
	}
	for _, t := range slices.Clone(w.tasks) {
		if t.due.After(w.now) || w.now.Before(t.p.slot.frozen) && !t.p.dead {
			w.giveUp(t)
			continue
		}
		moved = true
		w.acting = t
		d, more := t.next()
		w.acting = nil
		t.due = w.now.Add(d)
		if !more {
			w.tasks = slices.DeleteFunc(w.tasks, func(o *task) bool { return o == t })
		}
	}
	return moved
}

// giveUp: a process that is stopped does not speak; Temporal takes the command from it, and it goes on without knowing.
func (w *world) giveUp(t *task) {
	if t.f.task == t && w.now.Before(t.p.slot.frozen) && w.now.Sub(t.began) > heartbeat {
		w.lost(t.f)
	}
}

// begin gives the command of a flow to a process that lives.
func (w *world) begin(ctx context.Context, f *flow) bool {
	if f.ended || f.task != nil || f.due.After(w.now) {
		return false
	}
	if f.cmd.Do == workflows.DoSleep {
		if f.next(workflows.Result{Slept: true}, w.now); f.ended || f.due.After(w.now) {
			return false
		}
	}
	var free []*process
	for _, s := range w.slots {
		if s.engine != nil && !w.now.Before(s.frozen) {
			free = append(free, s.engine)
		}
	}
	if len(free) == 0 {
		return false
	}
	w.start(ctx, f, free[w.dice.IntN(len(free))])
	return true
}

// next is the next moment at which anything is due.
func (w *world) next(end time.Time) time.Time {
	at := end
	sooner := func(t time.Time) {
		if t.After(w.now) && t.Before(at) {
			at = t
		}
	}
	if len(w.happen) > 0 {
		sooner(epoch().Add(w.happen[0].At))
	}
	for _, l := range w.late {
		sooner(l.at)
	}
	for _, s := range w.slots {
		sooner(s.bootAt)
		sooner(s.frozen)
		sooner(s.round)
	}
	for _, t := range w.tasks {
		sooner(t.due)
		if w.now.Before(t.p.slot.frozen) {
			sooner(t.began.Add(heartbeat + time.Millisecond))
		}
	}
	for _, f := range w.order {
		if !f.ended && f.task == nil {
			sooner(f.due)
		}
	}
	return at
}

// over: all has happened, and no run goes on. A run that waits for a person is watched for a while.
func (w *world) over(ctx context.Context) (bool, error) {
	if len(w.happen) > 0 || len(w.late) > 0 || len(w.tasks) > 0 {
		return false, nil
	}
	since := w.now.Sub(epoch()) - w.in.last()
	if since < w.in.settleFor() {
		return false, nil
	}
	for _, f := range w.order {
		if f.ended {
			continue
		}
		run, err := w.store.Run(ctx, f.run)
		if err != nil {
			return false, fmt.Errorf("read run %s: %w", f.run, err)
		}
		if run.Status != galen.RunHeld || w.trace.heldFor(f.run, run) < heldFor {
			return false, nil
		}
	}
	return true, nil
}

// settleFor is how long a world goes on after the last thing that happened: until the last peer has noticed it, on a slow ring
// late, and a runbook may act on it.
func (in Incident) settleFor() time.Duration {
	return 90*time.Second + slowest(in) + in.Policy.RestartAfter.D()
}

// slowest is how long the last peer takes to notice a node that is down.
func slowest(in Incident) time.Duration {
	t := in.Ring.spec(nil).Timing
	return time.Duration(ring.Longest * t.Jitter * float64(t.Phi))
}

// heldFor is how long a run that waits for a person is watched.
const heldFor = 3 * time.Minute
