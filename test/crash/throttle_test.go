package crash

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/gym"
)

// joining lets a node join, and a person ask for faster streams of two senders.
func joining() gym.Incident {
	in := incident("joining")
	in.Ring.Load = 2 << 30 // the streams outlast both raises, each of which is waited out
	in.Happen = []gym.Happening{
		{At: began, What: string(ring.ForeignAdd), Who: "n4"},
		{At: began + 10*time.Second, What: gym.AskFor, Verb: "cassandra/tune-streaming", Params: `{"nodes":["n1","n2"],"to":100}`},
	}
	return in
}

// tune plays an incident: its run ends, no invariant breaks, and so no throttle is left raised.
func tune(t *testing.T, in gym.Incident) gym.Played {
	t.Helper()
	p, err := gym.Play(t.Context(), in, gym.Engine{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Violations) > 0 {
		t.Errorf("%v\n%s", p.Violations, p.Story)
	}
	for _, run := range p.Runs {
		if run.Status.Open() {
			t.Errorf("run of %s is %s: %s\n%s", run.Runbook, run.Status, run.Why, p.Story)
		}
	}
	return p
}

func TestRaisedThrottleIsPutBack(t *testing.T) {
	p := tune(t, joining())
	if raised, back := p.Effects[cassandra.VerbRaiseStream], p.Effects[cassandra.VerbRestoreStream]; raised != 2 || back != 2 {
		t.Errorf("%d raised, %d put back, want 2 and 2\n%s", raised, back, p.Story)
	}
	if len(p.Runs) != 1 || p.Runs[0].Status != galen.RunVerified {
		t.Errorf("%+v\n%s", p.Runs, p.Story)
	}
}

// TestRaisedThrottleDiesAnywhere lets the engine die at each await of a raise and its way back, in turn with each fault that
// a call can meet: the throttles are put back, however late.
func TestRaisedThrottleDiesAnywhere(t *testing.T) {
	var died atomic.Int64
	n := tune(t, joining()).Awaits
	t.Run("case", func(t *testing.T) {
		for await := 1; await <= n; await++ {
			for k, point := range gym.Points() {
				fault := faults()[(await+k)%len(faults())]
				t.Run(fmt.Sprintf("%d %s,%s", await, point, fault), func(t *testing.T) {
					t.Parallel()
					died.Add(int64(tune(t, dying(joining(), await, point, fault)).Deaths))
				})
			}
		}
	})
	t.Logf("%d awaits, the engine died %d times", n, died.Load())
	if died.Load() < int64(n) {
		t.Errorf("only %d deaths at %d awaits", died.Load(), n)
	}
}
