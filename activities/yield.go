package activities

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

// letPass asks less urgent runs to yield that hold what this one needs: they go to a safe point and let their claims go. One that
// does not get there is held by the deadline of its own step.
func (a *Activities) letPass(ctx context.Context, t thought, c conclusion) error {
	if guard := strictest(t).Guard; !c.refused || guard != gate.GuardClaims && guard != gate.GuardDomain {
		return nil
	}
	w := galen.World[galen.State]{Now: t.now, State: t.state}
	run := t.ledger.Run
	for _, step := range t.plan.Steps {
		q, err := gate.Question(t.kind, w, t.ledger, t.policy, step)
		if err != nil {
			return nil //nolint:nilerr // the gate has denied the step for it
		}
		for _, held := range gate.Holders(q) {
			if held.Urgency >= run.Urgency {
				continue
			}
			err := a.o.Runs.Stop(ctx, held.Run, galen.StopYield, run.ID, "that run is more urgent and needs the same")
			if err != nil && !errors.Is(err, galen.ErrEnded) && !errors.Is(err, galen.ErrNotFound) {
				return fmt.Errorf("ask run %s to yield to %s: %w", held.Run, run.ID, err)
			}
		}
	}
	return nil
}

// resume lets a run go on that has yielded to one which has ended since, or waits for a person: that one holds nothing but what its
// unsettled intents need, and asks for the rest again when somebody has said yes.
func (a *Activities) resume(ctx context.Context, run galen.Run) error {
	to, err := a.o.Journal.Run(ctx, run.StopBy)
	switch {
	case err != nil && !errors.Is(err, galen.ErrNotFound):
		return fmt.Errorf("read run %s, to which %s yields: %w", run.StopBy, run.ID, err)
	case err == nil && to.Status.Open() && to.Status != galen.RunHeld && to.Status != galen.RunAsking && !yieldsBack(to, run):
		return nil
	}
	if err := a.o.Runs.Resume(ctx, run.ID, "run "+run.StopBy+" needs nothing now"); err != nil && !errors.Is(err, galen.ErrEnded) {
		return fmt.Errorf("let run %s go on: %w", run.ID, err)
	}
	return nil
}

// yieldsBack: the other one has been asked to let this one go first since, which became more urgent on its way. Both would wait.
func yieldsBack(to, run galen.Run) bool {
	return to.Stop == galen.StopYield && to.StopBy == run.ID && to.Urgency <= run.Urgency
}

// spread is a pause that differs from run to run and from look to look, longer for what is less urgent: the runs that a cut has
// kept waiting do not come back all at once (I-23).
func spread(run galen.Run, now time.Time, least time.Duration) time.Duration {
	const perStep = 10 // urgencies
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, run.ID, now.UnixNano()) // a hash does not fail
	span := least * time.Duration(1+max(0, int(galen.Critical-run.Urgency))/perStep)
	return least + time.Duration(h.Sum64()%uint64(span))
}
