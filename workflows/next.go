// Package workflows holds the one workflow, Run: its control flow as a pure function, [Next], and the interpreter of
// it for Temporal. It cannot see runbooks, journal or gate; it only orders looking, deciding and acting.
package workflows

import (
	"time"

	"github.com/galenhq/galen/activities"
)

// RunState is all that a run remembers between commands. Losing it costs looks, never safety: authority is in the
// journal.
type RunState struct {
	Run string
	// Plan and Steps of the newest decision; Step is the index under way.
	Plan, Steps, Step int
	// DoneLooks looks in a row said done, the first at DoneSince.
	DoneLooks int
	DoneSince time.Time
	// RefusedSince is when look-again began, zero when the last answer was another one.
	RefusedSince time.Time
	// Closing is the close command under way.
	Closing Command
	// Failures of activities in a row.
	Failures int
	// Local: the decision that comes next is made in the workflow's own task.
	Local bool
}

// Carried is what of a RunState must outlive a history that grew too long: a refusal is bounded by the policy's step
// deadline, however many looks it takes.
type Carried struct {
	RefusedSince time.Time `json:"refused_since,omitzero"`
}

func (s RunState) carried() Carried { return Carried{RefusedSince: s.RefusedSince} }

// begin is the state of a run whose workflow starts, with what an earlier history of it carried over.
func begin(run string, from Carried) RunState {
	return RunState{Run: run, RefusedSince: from.RefusedSince}
}

// Do is what a command does.
type Do string

// The commands.
const (
	DoDecide Do = "decide"
	DoAct    Do = "act"
	DoSleep  Do = "sleep" // until For has passed or the run is woken
	DoClose  Do = "close"
	DoFinish Do = "finish" // the workflow ends
)

// Command is what the interpreter does next.
type Command struct {
	Do     Do
	Decide activities.DecideInput
	Act    activities.ActInput
	Close  activities.CloseInput
	For    time.Duration
	// Local: in the workflow's own task, which a decision alone may be.
	Local bool
}

// Result is what became of the last command; exactly one field says something. The zero Result starts the run.
type Result struct {
	Decided *activities.Decided
	Acted   *activities.Acted
	Slept   bool // the time passed, or something woke the run
	Closed  *activities.Closed
	// Failed: the activity did not tell its end (the engine died, a deadline passed).
	Failed bool
}

const (
	firstBackoff = 500 * time.Millisecond
	lastBackoff  = 30 * time.Second
)

// Next is the control flow of a run: look, decide and do the first step; act step by step; wait; verify for the holding time; close.
func Next(s RunState, r Result) (RunState, Command) {
	switch {
	case r.Failed:
		return failed(s)
	case r.Decided != nil:
		if r.Decided.Steps == 0 { // else the act that follows may fail each time: it counts on, and pauses
			s.Failures = 0
		}
		s, cmd := decided(s, *r.Decided)
		return first(s, cmd, *r.Decided)
	case r.Acted != nil:
		s.Failures = 0
		return acted(s, *r.Acted)
	case r.Closed != nil:
		return closed(s, *r.Closed)
	default: // started, slept or woken
		cmd := decide(s)
		cmd.Local, s.Local = s.Local, false
		return s, cmd
	}
}

func decide(s RunState) Command {
	return Command{Do: DoDecide, Decide: activities.DecideInput{Run: s.Run, RefusedSince: s.RefusedSince, First: true}}
}

// first goes on from a decision whose first step was done with it: not so where an older release decided.
func first(s RunState, cmd Command, d activities.Decided) (RunState, Command) {
	switch {
	case cmd.Do == DoAct && d.Lost:
		return failed(s)
	case cmd.Do == DoAct && d.First != nil:
		s.Failures = 0
		return acted(s, *d.First)
	}
	return s, cmd
}

// failed: what the activity did is unknown, so the only right thing is to look. A close is repeated: it is a row, and
// tells when it is too late for it.
func failed(s RunState) (RunState, Command) {
	s.Failures++
	if s.Closing.Do == DoClose {
		return s, s.Closing
	}
	s.DoneLooks = 0
	if s.Failures == 1 {
		return s, decide(s)
	}
	backoff := firstBackoff << min(s.Failures, 10)
	return s, Command{Do: DoSleep, For: min(backoff, lastBackoff)}
}

func decided(s RunState, d activities.Decided) (RunState, Command) {
	if d.Ended {
		return s, Command{Do: DoFinish}
	}
	s.Plan, s.Steps, s.Step = d.Plan, d.Steps, 0
	if d.Steps == 0 && !d.Unseen { // steps that the preview allows may be refused at the gate again: acted tells
		s.RefusedSince = since(s.RefusedSince, d.Refused, d.At)
	}
	if !d.Done {
		s.DoneLooks = 0
		if d.Steps > 0 {
			return s, act(s)
		}
		return s, Command{Do: DoSleep, For: d.Wait.D()}
	}
	if s.DoneLooks == 0 {
		s.DoneSince = d.At
	}
	s.DoneLooks++
	if s.DoneLooks >= d.Looks && d.At.Sub(s.DoneSince) >= d.HoldFor.D() {
		s.Closing = Command{Do: DoClose, Close: activities.CloseInput{Run: s.Run, Status: d.Final, Why: d.Why, Margin: d.Margin, Looked: d.Looked}}
		return s, s.Closing
	}
	return s, Command{Do: DoSleep, For: holdPause(s, d)}
}

// holdPause spreads the looks evenly over the holding time, the last one just after its end.
func holdPause(s RunState, d activities.Decided) time.Duration {
	left := d.HoldFor.D() - d.At.Sub(s.DoneSince)
	looks := max(d.Looks-s.DoneLooks, 1)
	return max(left/time.Duration(looks), 100*time.Millisecond)
}

func acted(s RunState, a activities.Acted) (RunState, Command) {
	s.RefusedSince = since(s.RefusedSince, a.Refused, a.At)
	if !a.Sent {
		return s, Command{Do: DoSleep, For: a.Wait.D()}
	}
	s.Step++
	if s.Step < s.Steps {
		return s, act(s)
	}
	return s, decide(s)
}

// closed: what was proved too long ago is proved anew, over the whole holding time: nobody has looked since.
func closed(s RunState, c activities.Closed) (RunState, Command) {
	if !c.Stale {
		return s, Command{Do: DoFinish}
	}
	s.Closing, s.DoneLooks = Command{}, 0
	return s, decide(s)
}

func act(s RunState) Command {
	return Command{Do: DoAct, Act: activities.ActInput{Run: s.Run, Plan: s.Plan, Index: s.Step}}
}

func since(was time.Time, still bool, at time.Time) time.Time {
	switch {
	case !still:
		return time.Time{}
	case was.IsZero():
		return at
	default:
		return was
	}
}
