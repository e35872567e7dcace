package gate

import (
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// quarantine: a runbook that failed alike on several targets acts nowhere before a person has looked (I-12). What it made
// may be taken back. Whoever may view one resource reads the verdict: the targets, which may be of others, stay out.
func quarantine(a galen.Ask[galen.State]) galen.Verdict {
	q := a.Ledger.Quarantine
	if !mutates(a) || a.Own || q == nil {
		return allow("")
	}
	return deny("runbook %s is in quarantine since %s: %s failed on %d targets; galen quarantine clear %s ends it",
		q.Runbook, q.At.UTC().Format(time.RFC3339), q.Verb, len(q.Targets), q.Runbook)
}

// version: a run is executed by the runbook version that it began with (I-27). One that this engine does not have is held,
// not guessed at; its own work is not taken back by another version either.
func version(a galen.Ask[galen.State]) galen.Verdict {
	run := a.Ledger.Run
	switch {
	case !mutates(a):
		return allow("")
	case a.Version == 0:
		return deny("this engine does not know the runbook %q; held", run.Runbook)
	case a.Version != run.Version:
		return deny("the run was opened with %s version %d, this engine has version %d; held", run.Runbook, run.Version, a.Version)
	}
	return allow("")
}

// clocks: while a clock cannot be believed the engine only observes (I-34): that of the engine was set, the journal's differs
// from it, or an observer's differs.
func clocks(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) {
		return allow("")
	}
	if why := a.Policy.ClockDoubt(a.ClockStep, a.Ledger.ClockOff()); why != "" {
		return lookAgain("%s", why)
	}
	most := a.Policy.ClockSkew.D()
	clocked, tells := a.State.(galen.Clocked)
	if !tells {
		return allow("no observer tells its clock")
	}
	told := clocked.Clocks()
	for _, c := range told {
		if c.Offset.Abs() > most {
			return lookAgain("the clock of %s is %s off the engine's, at most %s is allowed", c.Observer, c.Offset.Round(time.Millisecond), most)
		}
	}
	return allow(fmt.Sprintf("%d clocks within %s", len(told), most))
}

// rate: after a cut the waiting calls of the whole account are let go one after the other, not all at once (I-23). The
// journal counts again in the transaction.
func rate(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) {
		return allow("")
	}
	n := 0
	for _, at := range a.Ledger.Released {
		if a.Ledger.Now.Sub(at) < time.Second {
			n++
		}
	}
	if most := a.Policy.ReleasePerSecond; n >= most {
		return lookAgain("%d calls were made in the last second, at most %d are allowed", n, most)
	}
	return allow("")
}
