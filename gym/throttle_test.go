package gym

import (
	"fmt"
	"testing"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestARaiseThatArrivesTwice, once more after its restore, leaves nothing raised.
func TestARaiseThatArrivesTwice(t *testing.T) {
	raises := 0
	for seed := range uint64(20) {
		in := Incident{Seed: seed, Sort: Asked, Engines: 1, Policy: widePolicy(), Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1, Load: 6 << 30}}
		in.Policy.LookEvery, in.Policy.LookSoon = in.Policy.LookSoon/5, in.Policy.LookSoon/5
		in.Limit = 20 * time.Minute
		at := quiet
		in.Happen = []Happening{
			{At: at, What: Strike, Verb: cassandra.VerbRaiseStream, N: 1, Fault: ring.Twice, Step: settleTime(cassandra.VerbRaiseStream) - nearly},
			{At: at, What: string(ring.ForeignAdd), Who: "n4"},
			{At: at + 10*time.Second, What: AskFor, Verb: "cassandra/tune-streaming", Params: fmt.Sprintf(`{"nodes":["n1"],"to":%d,"for":"5m"}`, 100)},
			{At: at + 12*time.Second + time.Duration(seed)*500*time.Millisecond, What: Cancel},
		}
		in.sort()
		p, err := Play(t.Context(), in, Engine{})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 {
			t.Errorf("seed %d: %v\n%s", seed, p.Violations, p.Story)
			return
		}
		raises += len(p.Runs)
	}
	if raises == 0 {
		t.Error("nobody raised anything")
	}
}

// TestWhoIsRaisedIsHealed: a node that dies while its raise may still arrive once more is healed all the same, and nothing is owed to it.
func TestWhoIsRaisedIsHealed(t *testing.T) {
	for _, trouble := range []ring.Trouble{ring.Kill, ring.Freeze} {
		in := Incident{Seed: 1, Sort: Asked, Engines: 1, Policy: widePolicy(), Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1, Load: 6 << 30}}
		in.Limit = 30 * time.Minute
		at := quiet + 20*time.Second
		in.Happen = []Happening{
			{At: quiet, What: string(ring.ForeignAdd), Who: "n4"},
			{At: at, What: AskFor, Verb: "cassandra/tune-streaming", Params: `{"nodes":["n1"],"to":100,"for":"5m"}`},
			{At: at + 4*time.Second, What: string(trouble), Who: "n1"},
		}
		in.sort()
		p, err := Play(t.Context(), in, Engine{})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Violations) > 0 || !p.Verified() || len(p.Runs) != 2 {
			t.Errorf("%s: %v, %d runs, verified %t\n%s", trouble, p.Violations, len(p.Runs), p.Verified(), p.Story)
		}
	}
}
