// Package temporal plays the incidents of the gym with the real workflow code, in Temporal's test environment.
package temporal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/workflows"
)

// played is the workflow code of one run in Temporal's test environment. Whatever it orders goes to the gym as a command, and
// waits until the gym says what became of it: the activities' time is the gym's. What passes on the environment's own clock,
// between two attempts of an activity say, passes in the gym, too.
type played struct {
	run   string
	fault func(error) // told why a workflow ended otherwise than it should

	env     *testsuite.TestWorkflowEnvironment
	ordered chan order
	became  chan workflows.Result
	last    order
	begun   bool
	until   time.Time // in the gym, of the sleep under way
	orders  int       // of this history
	// histories and given are how many there were in all.
	histories, given int
	// signalled: a wake-up waits for the next sleep.
	signalled atomic.Bool
	ends      atomic.Bool // all that is ordered from now on fails
}

// order is a command, and when the environment's clock showed that it was given.
type order struct {
	cmd workflows.Command
	at  time.Time
}

// historyLimit is after how many orders Temporal suggests to go on in a new history. A server's is higher.
const historyLimit = 40

func newPlayed(run string, fault func(error)) *played {
	return &played{run: run, fault: fault, ordered: make(chan order), became: make(chan workflows.Result)}
}

// Next gives the order that follows.
func (p *played) Next(r workflows.Result, at time.Time) (workflows.Command, time.Duration) {
	due := p.last.at
	switch {
	case !p.begun:
		p.begun = true
		go p.play()
	case p.last.cmd.Do == workflows.DoSleep && at.Before(p.until):
		p.env.SignalWorkflow(workflows.WakeSignal, nil)
		p.became <- r
	case p.last.cmd.Do == workflows.DoSleep:
		due = due.Add(p.last.cmd.For)
		p.became <- r
	default:
		p.became <- r
	}
	p.last = <-p.ordered
	after := time.Duration(0)
	if !due.IsZero() {
		after = max(0, p.last.at.Sub(due))
	}
	p.until = at.Add(after + p.last.cmd.For)
	return p.last.cmd, after
}

// Wake is the signal while the workflow does not sleep: its next sleep ends at once.
func (p *played) Wake() {
	p.signalled.Store(true)
	p.env.SignalWorkflow(workflows.WakeSignal, nil)
}

// Close lets the workflow run to its end.
func (p *played) Close() {
	p.ends.Store(true)
	for p.begun && p.last.cmd.Do != workflows.DoFinish {
		p.Next(workflows.Result{Slept: true}, time.Time{})
	}
}

// play plays the workflow to its end, in as many histories as it takes.
func (p *played) play() {
	var from workflows.Carried
	for {
		p.stage()
		p.env.ExecuteWorkflow(workflows.RunName, p.run, from)
		err := p.env.GetWorkflowError()
		var anew *workflow.ContinueAsNewError
		if errors.As(err, &anew) {
			var run string
			if err = converter.GetDefaultDataConverter().FromPayloads(anew.Input, &run, &from); err == nil && run == p.run {
				continue
			}
		}
		if err != nil || !p.env.IsWorkflowCompleted() {
			p.fault(fmt.Errorf("the workflow of run %s ended with %w", p.run, err))
		}
		p.ordered <- order{cmd: workflows.Command{Do: workflows.DoFinish}, at: p.env.Now()}
		return
	}
}

// stage makes the environment of one history.
func (p *played) stage() {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	p.env, p.orders = suite.NewTestWorkflowEnvironment(), 0
	p.histories++
	p.signalled.Store(false) // a new history begins with a look
	if !p.last.at.IsZero() {
		p.env.SetStartTime(p.last.at)
	}
	p.env.SetTestTimeout(idleLimit)
	p.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: idleLimit}) // a sleep lasts as long as the gym takes
	p.env.RegisterWorkflowWithOptions(workflows.Run, workflow.RegisterOptions{Name: workflows.RunName})
	p.env.SetOnTimerScheduledListener(func(_ string, d time.Duration) {
		if !p.signalled.Swap(false) {
			p.order(workflows.Command{Do: workflows.DoSleep, For: d})
		}
	})
	p.env.RegisterActivityWithOptions(func(_ context.Context, in activities.DecideInput) (activities.Decided, error) {
		if r := p.order(workflows.Command{Do: workflows.DoDecide, Decide: in}); r.Decided != nil {
			return *r.Decided, nil
		}
		return activities.Decided{Ended: p.ends.Load()}, p.lost()
	}, activity.RegisterOptions{Name: "Decide"})
	p.env.RegisterActivityWithOptions(func(_ context.Context, in activities.ActInput) (activities.Acted, error) {
		if r := p.order(workflows.Command{Do: workflows.DoAct, Act: in}); r.Acted != nil {
			return *r.Acted, nil
		}
		return activities.Acted{}, p.lost()
	}, activity.RegisterOptions{Name: "Act"})
	p.env.RegisterActivityWithOptions(func(_ context.Context, in activities.CloseInput) (activities.Closed, error) {
		if r := p.order(workflows.Command{Do: workflows.DoClose, Close: in}); r.Closed != nil {
			return *r.Closed, nil
		}
		return activities.Closed{}, p.lost()
	}, activity.RegisterOptions{Name: "Close"})
}

// idleLimit is how long, by the real clock, an environment may wait for the gym.
const idleLimit = 10 * time.Minute

var errLost = errors.New("the engine did not tell how it ended")

func (p *played) lost() error {
	if p.ends.Load() {
		return nil
	}
	return errLost
}

// order gives the gym a command, and waits for what becomes of it.
func (p *played) order(cmd workflows.Command) workflows.Result {
	if p.orders++; p.orders >= historyLimit {
		p.env.SetContinueAsNewSuggested(true)
	}
	p.given++
	p.ordered <- order{cmd: cmd, at: p.env.Now()}
	return <-p.became
}
