package gym

import (
	"context"
	"errors"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
)

// What an await can come back with besides its answer.
var (
	errDead  = errors.New("the engine is dead")
	errOut   = errors.New("the journal does not answer")
	errLost  = errors.New("the connection broke before the answer came")
	errBlind = errors.New("no route to host")
)

// store is the journal as engines and people use it.
type store interface {
	engineRows
	peopleRows
	Clock(ctx context.Context) (time.Time, error)
	Holds(ctx context.Context) ([]galen.Hold, error)
	Close() error
}

type engineRows interface {
	gate.Journal
	activityRows
	watch.Journal
	watch.Store
}

type activityRows interface {
	activities.Journal
	activities.Records
	activities.Runs
}

type peopleRows interface {
	watch.Inbox
	people
	Runs(ctx context.Context, f journal.RunFilter) ([]galen.Run, error)
	Outbox(ctx context.Context, limit int) ([]journal.OutboxItem, error)
	OutboxDone(ctx context.Context, ids ...int64) error
}

// people is what persons write.
type people interface {
	Approve(ctx context.Context, a galen.Approval) error
	Stop(ctx context.Context, id, stop, by, why string) error
	SetHold(ctx context.Context, h galen.Hold) error
	Release(ctx context.Context, holdID, by string) error
	Acknowledge(ctx context.Context, resource galen.Resource, names []string, by string) error
}

// fate is what an engine meets at one of its next awaits.
type fate struct {
	left  int // awaits
	point Point
	down  time.Duration
	// freeze: it is stopped for that long, and goes on.
	freeze bool
}

// awaits are the points where a process can die or wait: around every call that leaves it.
type awaits struct {
	w *world
	p *process
}

// reach is an await. deliver is how the call takes effect although nobody waits for it any more; nil: as call does.
func (a awaits) reach(call func() error, deliver func()) error {
	if err := a.pass(a.w.jitter()); err != nil {
		return err
	}
	return a.meet(call, deliver)
}

// meet is reach without waiting: for what is called under a lock of the engine, where a coroutine must not give its turn
// away.
func (a awaits) meet(call func() error, deliver func()) error {
	w, s := a.w, a.p.slot
	if a.p.dead {
		return errDead
	}
	w.awaits++
	f := s.fate
	if f != nil {
		f.left--
	}
	if f == nil || f.left > 0 {
		return a.then(call())
	}
	s.fate = nil
	if f.freeze {
		return a.freeze(f, call)
	}
	switch f.point {
	case Before:
	case Within:
		if deliver == nil {
			return errors.Join(errLost, call()) // it lives, and does not know
		}
		w.late = append(w.late, later{w.now.Add(time.Second), deliver})
	default:
		_ = call() // whatever it answers, nobody hears it
	}
	w.die(s, f.down)
	return errDead
}

// freeze stops the process right before or after a call.
func (a awaits) freeze(f *fate, call func() error) error {
	var err error
	if f.point != Before {
		err = call()
	}
	a.p.slot.frozen = a.w.now.Add(f.down)
	a.w.trace.note("engine %d is suspended for %s", a.p.slot.name, f.down)
	if stopped := a.pass(f.down); stopped != nil {
		return stopped
	}
	if f.point == Before {
		err = call()
	}
	return a.then(err)
}

// pass lets time go by inside of a command; the watch does not wait.
func (a awaits) pass(d time.Duration) error {
	if !a.p.dead && d > 0 && a.w.acting != nil {
		a.w.acting.park(d)
	}
	return a.then(nil)
}

func (a awaits) then(err error) error {
	if a.p.dead {
		return errDead
	}
	return err
}

// write is an await of the journal.
func (a awaits) write(call func() error) error {
	if a.w.now.Before(a.w.outUntil) && !a.p.dead {
		return errOut
	}
	return a.reach(call, nil)
}

// awaitedRing is the simulated ring; each look and call is an await.
type awaitedRing struct{ awaits }

// Look is dated by the engine's clock.
func (r awaitedRing) Look(ctx context.Context, res galen.Resource, scope []galen.Target, open []galen.Intent) (out cassandra.Ring, err error) {
	if r.w.now.Before(r.w.blindUntil) && !r.p.dead {
		return out, errBlind
	}
	if t := r.w.acting; t != nil && len(scope) > 0 {
		t.look(r.w)
	}
	acting := r.w.acting
	err = r.reach(func() (err error) {
		out, err = r.w.ring.Look(ctx, res, scope, open)
		if err != nil {
			return err
		}
		if acting != nil && len(scope) == 0 {
			r.w.trace.decides(acting.f.run, r.w.ring.Truth())
		}
		if r.w.now.Before(r.w.lieUntil) {
			out = r.w.shrunk(out)
		}
		shift(&out, r.p.slot.skew)
		return nil
	}, nil)
	return out, err
}

// Do is begun, and may be met by the faults of the ring. The call leaves at once, for the gate has just looked at its clock:
// what takes time is the way of the answer. A process that is stopped between the two sends late, and no engine can help that;
// the host's fence refuses what was overtaken meanwhile.
func (r awaitedRing) Do(ctx context.Context, in galen.Intent) (reply string, err error) {
	if r.w.now.Before(r.w.blindUntil) && !r.p.dead {
		return "", errBlind
	}
	skew := r.p.slot.skew // as the gate has just seen it
	err = r.meet(func() (err error) {
		r.w.trace.begun(in.ID, skew)
		reply, err = r.w.ring.Do(ctx, in)
		return err
	}, func() {
		r.w.trace.begun(in.ID, skew)
		_, _ = r.w.ring.Do(context.WithoutCancel(ctx), in) // nobody is there to be told
	})
	return reply, errors.Join(err, r.pass(r.w.jitter()))
}

// awaitedStore is the journal; each call that writes is an await.
type awaitedStore struct {
	store
	a awaits
}

func (r awaitedStore) SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error {
	return r.a.write(func() error {
		err := r.store.SetRun(ctx, id, status, why, until)
		if err == nil {
			r.a.w.trace.stands(id, status, why)
		}
		return err
	})
}

func (r awaitedStore) HoldRun(ctx context.Context, id, why string, was galen.Standing) error {
	return r.a.write(func() error {
		err := r.store.HoldRun(ctx, id, why, was)
		if err == nil {
			r.a.w.trace.stands(id, galen.RunHeld, why)
		}
		return err
	})
}

func (r awaitedStore) VerifyRun(ctx context.Context, id, why string, looked time.Time) error {
	return r.a.write(func() error {
		err := r.store.VerifyRun(ctx, id, why, looked)
		if err == nil {
			r.a.w.trace.stands(id, galen.RunVerified, why)
		} else if errors.Is(err, galen.ErrMoved) {
			r.a.w.trace.note("run %s is not verified: %s", id, err)
		}
		return err
	})
}

func (r awaitedStore) Ledger(ctx context.Context, run string) (out galen.Ledger, err error) {
	if r.a.w.now.Before(r.a.w.outUntil) {
		return out, errOut
	}
	asked, t := r.a.w.now, r.a.w.acting
	if err := r.a.pass(r.a.w.jitter()); err != nil {
		return out, err
	}
	if t != nil {
		t.read = r.a.w.now.Sub(asked)
	}
	return r.store.Ledger(ctx, run)
}

func (r awaitedStore) Decide(ctx context.Context, d galen.Decision, state []byte) (out galen.Decision, err error) {
	err = r.a.write(func() (err error) {
		if out, err = r.store.Decide(ctx, d, state); err == nil {
			r.a.w.trace.stands(d.Run, d.Status, d.Why)
			r.a.w.trace.decided(d)
		}
		return err
	})
	return out, err
}

func (r awaitedStore) Settle(ctx context.Context, run string, changes []galen.Settlement) error {
	return r.a.write(func() error {
		err := r.store.Settle(ctx, run, changes)
		if err == nil {
			r.a.w.trace.settled(changes)
		}
		return err
	})
}

func (r awaitedStore) Commit(ctx context.Context, c galen.Commit) (out galen.Intent, err error) {
	before, after := r.a.w.lags()
	if err := r.a.pass(before); err != nil {
		return out, err
	}
	err = r.a.write(func() (err error) {
		out, err = r.store.Commit(ctx, c)
		if err == nil {
			r.a.w.trace.committed(c, out, r.a.w.acting, r.a.p.slot)
		}
		return err
	})
	if late := r.a.pass(after); late != nil {
		return out, late
	}
	return out, err
}

// lags are how long a commit waits for the journal, and its answer for the way back.
func (w *world) lags() (before, after time.Duration) {
	switch {
	case !w.now.Before(w.lagUntil):
		return 0, 0
	case w.answersLate:
		return 0, w.lag
	default:
		return w.lag, 0
	}
}

func (r awaitedStore) Outcome(ctx context.Context, intent, sent, reply string) error {
	return r.a.write(func() error { return r.store.Outcome(ctx, intent, sent, reply) })
}

func (r awaitedStore) Refused(ctx context.Context, run string, step galen.Step, verdicts []galen.Verdict) error {
	return r.a.write(func() error {
		r.a.w.trace.refused(run, step, verdicts)
		return r.store.Refused(ctx, run, step, verdicts)
	})
}

func (r awaitedStore) Void(ctx context.Context, approval, why string, now galen.Grounds) (n int, err error) {
	err = r.a.write(func() (err error) { n, err = r.store.Void(ctx, approval, why, now); return err })
	return n, err
}

func (r awaitedStore) SaveFolded(ctx context.Context, res galen.Resource, body []byte, basis string, onto []byte) error {
	a := r.a
	if f := a.p.slot.fate; f != nil && f.freeze && f.left <= 1 {
		f.left++ // at the next one
	}
	if a.w.now.Before(a.w.outUntil) && !a.p.dead {
		return errOut
	}
	return a.meet(func() error { return r.store.SaveFolded(ctx, res, body, basis, onto) }, nil)
}

func (r awaitedStore) SaveFindings(ctx context.Context, res galen.Resource, now []galen.Finding) (news, gone []galen.Finding, err error) {
	err = r.a.write(func() (err error) { news, gone, err = r.store.SaveFindings(ctx, res, now); return err })
	return news, gone, err
}

func (r awaitedStore) OpenRun(ctx context.Context, run galen.Run) (out galen.Run, created bool, err error) {
	err = r.a.write(func() (err error) { out, created, err = r.store.OpenRun(ctx, run); return err })
	return out, created, err
}

func (r awaitedStore) Stop(ctx context.Context, id, stop, by, why string) error {
	err := r.a.write(func() error { return r.store.Stop(ctx, id, stop, by, why) })
	if err == nil {
		r.a.w.trace.note("run %s is to %s: %s says so", id, stop, by)
	}
	return err
}

func (r awaitedStore) Resume(ctx context.Context, id, why string) error {
	err := r.a.write(func() error { return r.store.Resume(ctx, id, why) })
	if err == nil {
		r.a.w.trace.note("run %s goes on: %s", id, why)
	}
	return err
}

func (r awaitedStore) Append(ctx context.Context, e galen.Event) error {
	return r.a.write(func() error { return r.store.Append(ctx, e) })
}

func (r awaitedStore) SaveVitals(ctx context.Context, res galen.Resource, samples []galen.Sample) error {
	return r.a.write(func() error { return r.store.SaveVitals(ctx, res, samples) })
}
