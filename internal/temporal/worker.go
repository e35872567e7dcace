package temporal

import (
	"time"

	"go.temporal.io/sdk/worker"
)

const (
	// stickyTimeout is how long a task waits for the process that has the workflow in memory, before any may take it.
	stickyTimeout = time.Second
	// deadlockTimeout is longer than the SDK's 1 s because a small, busy machine can starve a workflow task that long.
	deadlockTimeout = 5 * time.Second
	// heartbeatThrottle bounds how late a cancellation reaches an activity.
	heartbeatThrottle = 3 * time.Second
	// stopTimeout lets calls to the world end and be recorded when the engine stops in good order.
	stopTimeout = 5 * time.Second

	defaultActivities = 64
)

// WorkerOptions is what a process decides about its worker.
type WorkerOptions struct {
	// Needs says whose work it does, see [Client.Queue].
	Needs string
	// Activities that may run at the same time, and as many local ones; zero means 64.
	Activities int
	// OnFatal is told when the worker can not go on, for instance since its credentials were taken away. It must not
	// stop the worker itself.
	OnFatal func(error)
}

// NewWorker makes a worker of one queue with the timeouts that a fast resume needs. The caller registers the
// workflow under the name Workflow and its activities, then starts and stops it.
func (c *Client) NewWorker(o WorkerOptions) worker.Worker {
	if o.Activities == 0 {
		o.Activities = defaultActivities
	}
	return worker.New(c.sdk, c.Queue(o.Needs), worker.Options{
		StickyScheduleToStartTimeout:            stickyTimeout,
		DeadlockDetectionTimeout:                deadlockTimeout,
		MaxHeartbeatThrottleInterval:            heartbeatThrottle,
		WorkerStopTimeout:                       stopTimeout,
		MaxConcurrentActivityExecutionSize:      o.Activities,
		MaxConcurrentLocalActivityExecutionSize: o.Activities,
		OnFatalError:                            o.OnFatal,
	})
}
