package ring_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func TestHealthyRing(t *testing.T) {
	p := newPatient(t)
	if len(p.state.Nodes) != 3 || len(p.state.Unsettled()) > 0 || len(p.state.Dissents) > 0 {
		t.Fatalf("want three settled nodes:\n%s", text(p.state))
	}
	for _, n := range []string{"n1", "n2", "n3"} {
		if ailing := p.state.Ailing(p.node(n)); len(ailing) > 0 {
			t.Errorf("%s ails: %v", n, ailing)
		}
	}
	if !p.instance("n4").Vacant() {
		t.Error("n4 is a vacant spare")
	}
}

func TestForeignMovements(t *testing.T) {
	for _, c := range []struct {
		trouble  ring.Trouble
		instance string
	}{{ring.ForeignAdd, "n4"}, {ring.Leave, "n3"}} {
		t.Run(string(c.trouble), func(t *testing.T) {
			p := newPatient(t)
			p.make(c.trouble, c.instance)
			p.wait(8 * time.Second)
			if refused := strings.Join(p.refusals(cassandra.Stop(p.node("n1"))), "\n"); !strings.Contains(refused, "I-01") {
				t.Errorf("a movement is seen: %s", refused)
			}
			p.wait(time.Minute)
			if refused := strings.Join(p.refusals(cassandra.Stop(p.node("n1"))), "\n"); strings.Contains(refused, "I-01") {
				t.Errorf("it is over: %s", refused)
			}
		})
	}
}

func TestRepairs(t *testing.T) {
	p := newPatient(t)
	p.mustDo(cassandra.RepairRanges(p.state, p.node("n1"), "orders"))
	p.settle(galen.EffectDone, time.Minute)

	wide := cassandra.RepairRanges(p.state, p.node("n1"), "orders")
	var args cassandra.RepairArgs
	if err := json.Unmarshal(wide.Args, &args); err != nil {
		t.Fatal(err)
	}
	args.Ranges = []cassandra.Range{{Start: args.Ranges[0].Start, End: args.Ranges[1].End}}
	b, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	wide.Args = b
	if _, err := p.ring.Do(t.Context(), galen.Intent{ID: "wide", Step: wide, Fence: p.fence()}); err != nil {
		t.Fatal(err)
	}
	seen, err := p.ring.Look(t.Context(), resource(), nil, []galen.Intent{{ID: "wide", Step: wide}})
	if err != nil || seen.Repairs[0].Status != "FAILED" {
		t.Errorf("a range across a boundary fails: %+v, %v", seen.Repairs, err)
	}

	p.make(ring.Freeze, "n2")
	p.mustDo(cassandra.RepairRanges(p.state, p.node("n1"), "orders"))
	if took := p.settle(galen.EffectFailed, 2*time.Minute); took < time.Minute {
		t.Errorf("with a frozen peer it fails after a minute, got %s", took)
	}
	p.mustDo(cassandra.RepairRanges(p.state, p.node("n1"), "orders"))
	if took := p.settle(galen.EffectFailed, time.Minute); took > 2*time.Second {
		t.Errorf("with a peer DOWN it fails at once, got %s", took)
	}
}

func TestStop(t *testing.T) {
	p := newPatient(t)
	p.mustDo(cassandra.Stop(p.node("n2")))
	p.until("DRAINED", 5*time.Second, func(cassandra.Ring) bool { return p.view("n2").Mode == "DRAINED" })
	v := p.view("n1")
	i := slices.IndexFunc(v.Peers, func(e cassandra.Endpoint) bool { return e.Address == "127.0.0.2" })
	if e := v.Peers[i]; e.Up || e.Status != "shutdown" || e.Heartbeat != 2147483647 {
		t.Errorf("it said goodbye before its process is gone: %+v", e)
	}
	p.settle(galen.EffectDone, time.Minute)
	p.mustDo(cassandra.Start(p.node("n2")))
	p.settle(galen.EffectDone, time.Minute)
}

func TestJoinerThatDiesIsTakenBack(t *testing.T) {
	p := replacing(t)
	p.make(ring.Kill, "n4")
	p.settle(galen.EffectFailed, time.Minute)
	p.mustDo(cassandra.RemoveJoiner(p.instance("n4"), p.past[len(p.past)-1].ID))
	p.settle(galen.EffectDone, 2*time.Minute)
	p.mustDo(cassandra.Replace(p.node("n3"), p.instance("n4")))
	p.settle(galen.EffectDone, time.Minute)
	p.noHarm()
}

// replacing brings a ring to the moment at which n4 has begun to take the place of the dead n3.
func replacing(t *testing.T) *patient {
	t.Helper()
	p := newPatient(t)
	p.loseNode("n3")
	p.mustDo(cassandra.Fence(p.node("n3")))
	p.settle(galen.EffectDone, time.Minute)
	p.mustDo(cassandra.Prepare(p.state, p.instance("n4"), p.node("n3")))
	p.settle(galen.EffectDone, time.Minute)
	p.wait(time.Second)
	p.mustDo(cassandra.Replace(p.node("n3"), p.instance("n4")))
	p.wait(22 * time.Second)
	return p
}

// TestFrozenTakesNoOrder: a stopped process hears no nodetool, so it neither leaves nor is about to once it runs again.
func TestFrozenTakesNoOrder(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Freeze, "n2")
	if err := p.ring.Make(ring.Leave, "n2"); err == nil {
		t.Error("a process that is stopped took an order")
	}
	p.make(ring.Thaw, "n2")
	p.wait(time.Minute)
	if n := p.node("n2"); n.Status != cassandra.Normal {
		t.Errorf("nobody ordered it to leave, and it is %s", n.Status)
	}
}
