package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/activities"
)

// Names by which clients know the workflow and its signal.
const (
	RunName = "Run"
	// LocalName is that of the workflow that decides first in its own task. It is another one, so that a release which cannot do that takes no
	// task of it, and none is in its histories.
	LocalName  = "RunLocal"
	WakeSignal = "wake" // without content: look again
)

// Deadlines of one attempt of an activity, and how soon a dead engine is noticed.
const (
	activityLimit     = 30 * time.Second
	decideLimit       = 2 * activityLimit // a decision, and the first step of it
	activityHeartbeat = 3 * time.Second
)

// Run interprets [Next] for one run. Its input is the run's ID, all else is read from the journal by the activities; from
// is only given by a longer history of the same run that it goes on from.
// A cancellation from Temporal is ignored on purpose: a run is stopped by a row in the journal.
func Run(ctx workflow.Context, run string, from Carried) error {
	return follow(ctx, begin(run, from))
}

// RunLocal is [Run], but that the first decision is a local activity, see [callHere].
func RunLocal(ctx workflow.Context, run string) error {
	state := begin(run, Carried{})
	state.Local = true
	return follow(ctx, state)
}

// follow goes on from a state until the run has ended.
func follow(ctx workflow.Context, state RunState) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	wake := workflow.GetSignalChannel(ctx, WakeSignal)
	state, cmd := Next(state, Result{})
	for cmd.Do != DoFinish {
		if cmd.Do == DoSleep && workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return workflow.NewContinueAsNewError(ctx, Run, state.Run, state.carried())
		}
		result, err := execute(ctx, cmd, wake)
		if err != nil {
			return err
		}
		state, cmd = Next(state, result)
	}
	return nil
}

func execute(ctx workflow.Context, cmd Command, wake workflow.ReceiveChannel) (Result, error) {
	var a *activities.Activities // only its method names are used
	switch cmd.Do {
	case DoSleep:
		return Result{Slept: true}, sleep(ctx, cmd.For, wake)
	case DoDecide:
		var d activities.Decided
		failed, err := way(cmd)(ctx, again(decideLimit), a.Decide, cmd.Decide, &d)
		if failed || err != nil {
			return Result{Failed: true}, err
		}
		return Result{Decided: &d}, nil
	case DoAct:
		var d activities.Acted
		failed, err := call(ctx, once(activityLimit), a.Act, cmd.Act, &d)
		if failed || err != nil {
			return Result{Failed: true}, err
		}
		return Result{Acted: &d}, nil
	case DoClose:
		var d activities.Closed
		failed, err := call(ctx, again(activityLimit), a.Close, cmd.Close, &d)
		if failed || err != nil {
			return Result{Failed: true}, err
		}
		return Result{Closed: &d}, nil
	default:
		return Result{}, temporal.NewNonRetryableApplicationError(fmt.Sprintf("command %q is unknown to this engine", cmd.Do), "UnknownCommand", nil)
	}
}

// again: deciding and closing may be repeated: they write rows, and what a decision lets follow is never done without a new look.
func again(limit time.Duration) workflow.ActivityOptions {
	return attempt(limit, temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second})
}

// once: a mutating call is never retried blindly.
func once(limit time.Duration) workflow.ActivityOptions {
	return attempt(limit, temporal.RetryPolicy{MaximumAttempts: 1})
}

func attempt(limit time.Duration, retry temporal.RetryPolicy) workflow.ActivityOptions {
	return workflow.ActivityOptions{StartToCloseTimeout: limit, HeartbeatTimeout: activityHeartbeat, RetryPolicy: &retry}
}

// call runs one activity. failed: it did not tell its end. An error ends the workflow: the activity said that no
// retry can help (the run is unknown to the journal).
func call(ctx workflow.Context, o workflow.ActivityOptions, activity, in, out any) (failed bool, err error) {
	return told(workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o), activity, in).Get(ctx, out))
}

// way is how a command's activity is run.
func way(cmd Command) func(ctx workflow.Context, o workflow.ActivityOptions, activity, in, out any) (failed bool, err error) {
	if cmd.Local {
		return callHere
	}
	return call
}

// callHere runs one activity in the workflow's own task, as a local activity: it begins at once, without a way through the server. The SDK
// answers for a long one meanwhile; where that fails, as after a kill, the task is given to a worker anew, and the activity is repeated.
func callHere(ctx workflow.Context, o workflow.ActivityOptions, activity, in, out any) (failed bool, err error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: o.StartToCloseTimeout, RetryPolicy: o.RetryPolicy})
	return told(workflow.ExecuteLocalActivity(ctx, activity, in).Get(ctx, out))
}

// told is how an activity ended.
func told(err error) (failed bool, _ error) {
	var app *temporal.ApplicationError
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &app) && app.Type() == activities.ErrTypeNoRun:
		return true, err
	default:
		return true, nil
	}
}

// sleep waits for the time or a wake-up, whichever is first; further wake-ups that wait are one.
func sleep(ctx workflow.Context, d time.Duration, wake workflow.ReceiveChannel) error {
	timerCtx, stop := workflow.WithCancel(ctx)
	defer stop()
	var timerErr error
	s := workflow.NewSelector(ctx)
	s.AddReceive(wake, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	s.AddFuture(workflow.NewTimer(timerCtx, d), func(f workflow.Future) { timerErr = f.Get(ctx, nil) })
	s.Select(ctx)
	for wake.ReceiveAsync(nil) {
	}
	if timerErr != nil {
		return fmt.Errorf("wait %s: %w", d, timerErr)
	}
	return nil
}
