package ring_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func TestKilledNodeIsSeenDownAndRestarted(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Kill, "n2")
	if p.look(); p.node("n2").Down {
		t.Error("the peers cannot know it yet")
	}
	if took := p.until("n2 down", time.Minute, down("n2")); took < 11*time.Second || took > 14*time.Second {
		t.Errorf("DOWN after %s, want about 12s", took)
	}
	p.mustDo(cassandra.Start(p.node("n2")))
	p.wait(2 * time.Second)
	if got := p.view("n2").Mode; got != "STARTING" {
		t.Errorf("mode %q, want STARTING", got)
	}
	p.settle(galen.EffectDone, time.Minute)
	p.noHarm()
}

func TestFrozenNode(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Freeze, "n2")
	p.until("n2 down", time.Minute, down("n2"))
	if v := p.view("n2"); v.Jolokia != cassandra.Hung || !p.state.Frozen(p.node("n2")) {
		t.Errorf("want a hung node with a process: %+v", v)
	}
	p.make(ring.Thaw, "n2")
	p.until("n2 well again, without a restart", 2*time.Second, well("n2"))
	p.make(ring.Freeze, "n2")
	p.until("n2 down", time.Minute, down("n2"))
	p.mustDo(cassandra.Kill(p.node("n2"), p.instance("n2")))
	p.settle(galen.EffectDone, time.Minute)
	p.mustDo(cassandra.Start(p.node("n2")))
	p.settle(galen.EffectDone, time.Minute)
}

func TestEngineCutFromOneNode(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Cut, "n2")
	p.wait(time.Minute)
	if p.node("n2").Down || len(p.state.Dissents) == 0 {
		t.Errorf("peers and host know better than the engine, and somebody disagrees: %v", p.state.Dissents)
	}
	p.make(ring.Mend, "n2")
	p.until("n2 well", time.Second, well("n2"))
}

// loseNode lets a node die with its data, and waits until a replacement may begin.
func (p *patient) loseNode(instance string) {
	p.t.Helper()
	p.make(ring.Kill, instance)
	p.make(ring.LoseData, instance)
	p.until(instance+" down and its data proved gone", time.Minute, func(r cassandra.Ring) bool {
		gone, _ := p.instance(instance).DataGone(10 * time.Second)
		return gone && down(instance)(r)
	})
}

func TestReplacement(t *testing.T) {
	p := newPatient(t)
	p.loseNode("n3")
	dead := p.node("n3")
	p.mustDo(cassandra.Fence(dead))
	p.settle(galen.EffectDone, time.Minute)
	p.mustDo(cassandra.Prepare(p.state, p.instance("n4"), dead))
	p.settle(galen.EffectDone, time.Minute)
	p.wait(time.Second)
	p.mustDo(cassandra.Replace(p.node("n3"), p.instance("n4")))

	p.wait(15 * time.Second)
	if v := p.view("n4"); v.Mode != "JOINING" || len(p.state.Pending) > 0 || len(p.view("n1").Joining) > 0 {
		t.Errorf("at 15s it joins and nobody lists it: mode %s, pending %d", v.Mode, len(p.state.Pending))
	}
	p.wait(7 * time.Second)
	if len(p.state.Pending) == 0 || p.node("n4").Status != cassandra.Joining || p.node("n4").Replacing != dead.Address {
		t.Errorf("at 22s ranges are pending at who replaces %s: %+v", dead.Address, p.node("n4"))
	}
	if !slices.ContainsFunc(p.view("n1").Tokens, func(o cassandra.Owner) bool { return o.Address == "127.0.0.4" }) {
		t.Error("Cassandra's token map shows the dead node's tokens under the joiner")
	}
	if got := p.node("n3"); !slices.Equal(got.Tokens, dead.Tokens) {
		t.Error("the consensus leaves them with the dead node")
	}
	p.settle(galen.EffectDone, 10*time.Second)
	if got := p.node("n4"); got.Down || !slices.Equal(got.Tokens, dead.Tokens) || len(p.state.Nodes) != 3 {
		t.Errorf("n4 has the place: %+v", got)
	}
	if e, i := p.view("n1").Peers, slices.IndexFunc(p.view("n1").Peers, func(e cassandra.Endpoint) bool { return e.Address == dead.Address }); i < 0 || e[i].Up {
		t.Error("the replaced address stays DOWN in gossip for a while")
	}
	p.until("n4 well", 5*time.Second, well("n4"))
	for _, k := range p.state.RepairedKeyspaces("dc1") {
		p.mustDo(cassandra.RepairRanges(p.state, p.node("n4"), k))
		p.settle(galen.EffectDone, time.Minute)
	}
	p.mustDo(cassandra.ClearReplace(p.node("n4")))
	p.settle(galen.EffectDone, time.Minute)
	if len(p.state.Stolen()) > 0 || len(p.state.Unsettled()) > 0 {
		t.Errorf("not settled: %v", p.state.Unsettled())
	}
	p.noHarm()

	p.make(ring.Start, "n3")
	p.wait(10 * time.Second)
	if p.instance("n3").Process != cassandra.Absent {
		t.Error("a node without data and without a flag exits: its address is taken")
	}
}

func TestCorpseStealsTheRing(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Kill, "n3")
	p.until("n3 down", time.Minute, down("n3"))
	p.wait(11 * time.Minute)
	dead := p.node("n3")
	p.mustDo(cassandra.Fence(dead))
	p.settle(galen.EffectDone, time.Minute)
	p.mustDo(cassandra.Prepare(p.state, p.instance("n4"), dead))
	p.settle(galen.EffectDone, time.Minute)
	p.wait(time.Second)
	p.mustDo(cassandra.Replace(p.node("n3"), p.instance("n4")))
	p.settle(galen.EffectDone, time.Minute)

	p.make(ring.Start, "n3") // a person, around the fence
	p.until("n4 robbed", 10*time.Second, func(r cassandra.Ring) bool { return len(r.Stolen()) == 1 })
	if got := p.state.Stolen()[0]; got.Instance != "n4" || got.Status != cassandra.Normal || got.Down {
		t.Errorf("n4 is UP, NORMAL and owns nothing: %+v", got)
	}
	if slices.Contains(p.view("n1").Owners, "127.0.0.4") || len(p.ring.Harms()) == 0 {
		t.Error("only the ownership shows it, and the checker")
	}
}

func TestRestartWithoutDataFails(t *testing.T) {
	p := newPatient(t)
	p.loseNode("n2")
	in := galen.Intent{ID: "intent-x", Step: cassandra.Start(p.node("n2")), At: p.now, Fence: p.fence()}
	if _, err := p.ring.Do(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	p.wait(10 * time.Second)
	if p.instance("n2").Process != cassandra.Absent || !p.node("n2").Down {
		t.Error("it exits: its address is known to the ring")
	}
}

func TestHibernateHasNoPendingRanges(t *testing.T) {
	p := newPatient(t)
	p.loseNode("n3")
	p.make(ring.Hibernate, "n3")
	p.wait(8 * time.Second)
	if len(p.state.Pending) > 0 || len(p.view("n1").Joining) > 0 {
		t.Error("no pending range, in no joining list")
	}
	s := cassandra.Stop(p.node("n1"))
	if refused := strings.Join(p.refusals(s), "\n"); !strings.Contains(refused, "I-01") {
		t.Errorf("a movement is seen all the same: %s", refused)
	}
	q := cassandra.NewQuorum(p.state, galen.Policy{Levels: []string{"QUORUM"}})
	isDown := map[string]bool{}
	for _, n := range p.state.Nodes {
		isDown[n.HostID] = n.Down
	}
	if got := q.Verdict(isDown); got.Margin == nil || got.Margin.Spare() != 0 {
		t.Errorf("its tokens are nobody's yet: %s", got.MarginText())
	}
	p.until("n3 well", time.Minute, well("n3"))
}

func TestAReplacementThatNobodySaw(t *testing.T) {
	p := replacing(t)
	replace := len(p.past) - 1
	nodes := []string{"n1", "n2", "n4"}
	for _, n := range nodes {
		p.make(ring.Cut, n)
	}
	p.wait(3 * time.Minute)
	p.make(ring.Kill, "n4")
	p.wait(30 * time.Second)
	remove := cassandra.RemoveJoiner(p.instance("n4"), p.past[replace].ID)
	if got := p.past[replace].Effect; got.Settled() {
		t.Errorf("nobody was heard, and the replacement is %+v", got)
	}
	if refused := p.refusals(remove); len(refused) != 1 || !strings.Contains(refused[0], "joiner only: look-again") {
		t.Errorf("nobody was heard, and its data may be deleted: %v", refused)
	}
	for _, n := range nodes {
		p.make(ring.Mend, n)
	}
	p.wait(2 * time.Second)
	if got := p.past[replace].Effect; got.Status != galen.EffectDone {
		t.Errorf("all call it NORMAL, and the replacement is %+v", got)
	}
	if err := verb(t, cassandra.VerbRemoveJoiner).Check(p.state, remove); err == nil {
		t.Error("a node in service may be removed as a joiner")
	}
	p.noHarm()
	if _, err := p.ring.Do(t.Context(), galen.Intent{ID: "by hand", Step: remove, Fence: p.fence()}); err != nil || len(p.ring.Harms()) != 1 {
		t.Errorf("its data are deleted, and the checker tells %v; %v", p.ring.Harms(), err)
	}
}

// TestAJoinerThatDiesUnseen: while the engine hears no node, a dead joiner is not called failed; as soon as it does, it is.
func TestAJoinerThatDiesUnseen(t *testing.T) {
	p := replacing(t)
	p.make(ring.Cut, "n1")
	p.make(ring.Cut, "n2")
	p.make(ring.Kill, "n4")
	p.wait(30 * time.Second)
	if got := p.past[len(p.past)-1].Effect; got.Settled() {
		t.Errorf("nobody was heard, and the replacement is %+v", got)
	}
	p.make(ring.Mend, "n1")
	p.wait(2 * time.Second)
	if got := p.past[len(p.past)-1].Effect; got.Settled() {
		t.Errorf("nobody of rack r2 was heard, and the replacement is %+v", got)
	}
	p.make(ring.Mend, "n2")
	p.settle(galen.EffectFailed, 5*time.Second)
	p.mustDo(cassandra.RemoveJoiner(p.instance("n4"), p.past[len(p.past)-1].ID))
	p.settle(galen.EffectDone, 2*time.Minute)
	p.noHarm()
}

// TestSlowGossipBeginsKnown: however slowly news spread, the nodes of a ring have always known each other.
func TestSlowGossipBeginsKnown(t *testing.T) {
	p := newPatient(t, func(s *ring.Spec) { s.Timing.Lag = time.Minute })
	for _, n := range []string{"n1", "n2", "n3"} {
		if v := p.view(n); len(v.Peers) != 3 || len(v.Tokens) == 0 && v.TokenHash == "" || v.CQL != cassandra.Answered {
			t.Errorf("%s knows %d peers, serves: %s", n, len(v.Peers), v.CQL)
		}
	}
}
