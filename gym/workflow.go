package gym

import (
	"time"

	"github.com/galenhq/galen/workflows"
)

// Workflow is the workflow of one run, whoever keeps it: it orders one thing after the other.
type Workflow interface {
	// Next takes what became of the last command at that moment (nothing, at first), and gives the next one, which is to be
	// begun after so long.
	Next(r workflows.Result, at time.Time) (cmd workflows.Command, after time.Duration)
	// Wake says that something has changed, while the workflow does not sleep.
	Wake()
	// Close ends it wherever it stands.
	Close()
}

// bare is the control flow alone, without Temporal.
type bare struct{ state workflows.RunState }

func bareWorkflow(run string) Workflow { return &bare{workflows.RunState{Run: run}} }

func (b *bare) Next(r workflows.Result, _ time.Time) (cmd workflows.Command, _ time.Duration) {
	b.state, cmd = workflows.Next(b.state, r)
	return cmd, 0
}

func (b *bare) Wake() {}

func (b *bare) Close() {}

// flow is a workflow with the command that it gave last.
type flow struct {
	work  Workflow
	run   string
	key   string
	cmd   workflows.Command
	due   time.Time
	task  *task // that does the command
	ended bool
}

// wake ends a sleep.
func (f *flow) wake(now time.Time) {
	switch {
	case f.ended:
	case f.cmd.Do != workflows.DoSleep || f.task != nil:
		f.work.Wake()
	case f.due.After(now):
		f.due = now
	}
}

// next gives the workflow what became of its command.
func (f *flow) next(r workflows.Result, now time.Time) {
	var after time.Duration
	f.cmd, after = f.work.Next(r, now)
	f.due = now.Add(after)
	switch f.cmd.Do {
	case workflows.DoFinish:
		f.ended = true
	case workflows.DoSleep:
		f.due = f.due.Add(f.cmd.For)
	default: // begun when it is due
	}
}
