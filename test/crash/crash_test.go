package crash

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/gym"
)

// began is when the trouble begins: the engine knows the ring in health by then.
const began = 20 * time.Second

// incident is a ring of three nodes and a spare on which something goes wrong with n3. The engine acts by itself with short
// waits; everything that guards is as it is by default.
func incident(name string, troubles ...ring.Trouble) gym.Incident {
	p := galen.SafePolicy()
	p.Mode = galen.ModeAct
	p.LookEvery, p.LookSoon = galen.Duration(3*time.Second), galen.Duration(3*time.Second)
	p.RestartAfter, p.DownFor = galen.Duration(2*time.Second), 0
	p.HoldFor = galen.Duration(6 * time.Second) // thirty more looks at a healed ring prove no more
	in := gym.Incident{
		Sort: name, Ring: gym.RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 8}, Policy: p, Engines: 1, Limit: time.Hour,
	}
	for _, t := range troubles {
		in.Happen = append(in.Happen, gym.Happening{At: began, What: string(t), Who: "n3"})
	}
	return in
}

func incidents() []gym.Incident {
	return []gym.Incident{
		incident("killed", ring.Kill), incident("killed and emptied", ring.Kill, ring.LoseData), incident("frozen", ring.Freeze),
	}
}

// faults that a call can meet.
func faults() []ring.FaultKind {
	return []ring.FaultKind{ring.LostReply, ring.Delayed, ring.HungAfter, ring.HungBefore, ring.Dropped}
}

// heal plays an incident; its one run ends well, and no invariant breaks.
func heal(t *testing.T, in gym.Incident) gym.Played {
	t.Helper()
	p, err := gym.Play(t.Context(), in, gym.Engine{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Violations) > 0 || !p.Verified() || len(p.Runs) != 1 {
		t.Errorf("%v, %d runs, verified %t\n%s", p.Violations, len(p.Runs), p.Verified(), p.Story)
	}
	return p
}

func TestHealsWithoutCrash(t *testing.T) {
	for _, in := range incidents() {
		t.Run(in.Sort, func(t *testing.T) { t.Logf("%d awaits", heal(t, in).Awaits) })
	}
}

// leastDeaths, each with a fault besides, is what every run of the tests promises.
const leastDeaths = 500

// TestDiesAnywhere lets the engine die at every await of each incident, before it, between its effect and its answer, and
// after it, in turn with each fault that the ring's next call can meet, and alone at every fifth await. A fault can shorten a
// run so that it ends before that await: such a case is no death.
func TestDiesAnywhere(t *testing.T) {
	var alone, faulted atomic.Int64
	dies := func(t *testing.T, in gym.Incident, await int, point gym.Point, fault ring.FaultKind, died *atomic.Int64) {
		t.Run(fmt.Sprintf("%s/%d %s,%s", in.Sort, await, point, fault), func(t *testing.T) {
			t.Parallel()
			died.Add(int64(heal(t, dying(in, await, point, fault)).Deaths))
		})
	}
	t.Run("case", func(t *testing.T) {
		for _, in := range incidents() {
			n := heal(t, in).Awaits
			for await := 1; await <= n; await++ {
				for k, point := range gym.Points() {
					dies(t, in, await, point, faults()[(await+k)%len(faults())], &faulted)
					if await%5 == k {
						dies(t, in, await, point, "", &alone)
					}
				}
			}
		}
	})
	t.Logf("the engine died %d times with a fault and %d times alone, each time in another place", faulted.Load(), alone.Load())
	if faulted.Load() < leastDeaths {
		t.Errorf("only %d deaths with a fault, want at least %d", faulted.Load(), leastDeaths)
	}
}

func dying(in gym.Incident, await int, point gym.Point, fault ring.FaultKind) gym.Incident {
	// From then on: an engine that never saw the data does not know that they were there, and holds.
	crash := gym.Happening{At: began - time.Second, What: gym.Crash, Who: "0", N: await, Point: point, For: time.Duration(1+await%5*10) * time.Second}
	all := []gym.Happening{crash}
	if fault != "" {
		all = append(all, gym.Happening{At: began, What: gym.Strike, Fault: fault, N: 1, Step: time.Second})
	}
	in.Happen = append(all, in.Happen...)
	return in
}

// TestOneYesIsEnough: in mode approve a person reads the plan and its outline once; the whole replacement follows from that
// yes, also when the empty instance has become a node.
func TestOneYesIsEnough(t *testing.T) {
	in := incident("approved", ring.Kill, ring.LoseData)
	in.Policy.Mode = galen.ModeApprove
	if p := heal(t, in); len(p.Runs) == 1 && p.Runs[0].Yes != 1 {
		t.Errorf("a person was asked %d times, want once\n%s", p.Runs[0].Yes, p.Story)
	}
}
