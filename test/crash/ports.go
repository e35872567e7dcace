package crash

import (
	"context"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
)

// awaitedRing is the simulated ring; each look and call is an await.
type awaitedRing struct{ s *Sim }

func (r awaitedRing) Look(ctx context.Context, res galen.Resource, scope []galen.Target, open []galen.Intent) (out cassandra.Ring, err error) {
	err = r.s.await(func() (err error) { out, err = r.s.Ring.Look(ctx, res, scope, open); return err })
	return out, err
}

func (r awaitedRing) Do(ctx context.Context, in galen.Intent) (reply string, err error) {
	err = r.s.await(func() (err error) { reply, err = r.s.Ring.Do(ctx, in); return err })
	return reply, err
}

// awaitedStore is the journal; each call that writes is an await. Reads fail only for the dead.
type awaitedStore struct {
	*journal.Store
	s *Sim
}

func (a awaitedStore) SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error {
	return a.s.await(func() error { return a.Store.SetRun(ctx, id, status, why, until) })
}

func (a awaitedStore) Decide(ctx context.Context, d galen.Decision, state []byte) (out galen.Decision, err error) {
	err = a.s.await(func() (err error) { out, err = a.Store.Decide(ctx, d, state); return err })
	return out, err
}

func (a awaitedStore) Settle(ctx context.Context, run string, changes []galen.Settlement) error {
	return a.s.await(func() error { return a.Store.Settle(ctx, run, changes) })
}

func (a awaitedStore) Commit(ctx context.Context, c galen.Commit) (out galen.Intent, err error) {
	err = a.s.await(func() (err error) { out, err = a.Store.Commit(ctx, c); return err })
	return out, err
}

func (a awaitedStore) Outcome(ctx context.Context, intent, sent, reply string) error {
	return a.s.await(func() error { return a.Store.Outcome(ctx, intent, sent, reply) })
}

func (a awaitedStore) Refused(ctx context.Context, run string, step galen.Step, verdicts []galen.Verdict) error {
	return a.s.await(func() error { return a.Store.Refused(ctx, run, step, verdicts) })
}

func (a awaitedStore) SaveFolded(ctx context.Context, r galen.Resource, body []byte, basis string) error {
	return a.s.await(func() error { return a.Store.SaveFolded(ctx, r, body, basis) })
}

func (a awaitedStore) SaveFindings(ctx context.Context, r galen.Resource, now []galen.Finding) (news, gone []galen.Finding, err error) {
	err = a.s.await(func() (err error) { news, gone, err = a.Store.SaveFindings(ctx, r, now); return err })
	return news, gone, err
}

func (a awaitedStore) OpenRun(ctx context.Context, run galen.Run) (out galen.Run, created bool, err error) {
	err = a.s.await(func() (err error) { out, created, err = a.Store.OpenRun(ctx, run); return err })
	return out, created, err
}

// waker opens runs as the engine does, and wakes every sleeping workflow.
type waker struct {
	watch.Opener
	s *Sim
}

// Wake makes every workflow due.
func (w waker) Wake(context.Context, galen.Resource) error {
	for _, f := range w.s.flows {
		f.due = w.s.now
	}
	return nil
}
