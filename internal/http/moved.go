package http

import (
	"context"
	"errors"
	"fmt"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// changesTold is how many changes an answer tells at most.
const changesTold = 50

// movedError is a [galen.ErrMoved] that tells what moved.
type movedError struct {
	why     error
	run     string
	changes []galen.Change
}

// Error says why, what moved, and what to do.
func (e *movedError) Error() string {
	text := e.why.Error()
	if told := galen.TellMoved(e.changes); told != "" {
		text += ": " + told
	}
	return text + fmt.Sprintf(": read the run again (galen runs show %s), then approve its newest plan", e.run)
}

// Is makes it an ErrMoved.
func (e *movedError) Is(target error) bool { return target == galen.ErrMoved }

// moved is why a yes comes too late, with what is otherwise than the person read it, as far as anybody knows that.
func (s *server) moved(ctx context.Context, run galen.Run, newest galen.Decision, read api.Approve, why error) error {
	out := &movedError{why: why, run: run.ID}
	was, err := s.o.Decisions.Shown(ctx, run.ID, read.Plan, deref(read.Shown))
	switch {
	case errors.Is(err, galen.ErrNotFound):
		return out
	case err != nil:
		return err
	}
	out.changes = galen.Moved(was.Grounds, newest.Grounds)
	if was.Number != newest.Number {
		ledger, err := s.o.Runs.Ledger(ctx, run.ID)
		if err != nil {
			return err
		}
		then := galen.Approval{At: was.At, Steps: galen.ApprovedSteps(was.Plan)}
		out.changes = append(out.changes, then.StepsMoved(ledger.Past, newest.Plan)...)
	}
	out.changes = out.changes[:min(len(out.changes), changesTold)]
	return out
}
