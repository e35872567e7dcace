package ring_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// The answer of a call need not say what became of it.
func TestAnswersThatSayNothing(t *testing.T) {
	for _, c := range []struct {
		fault    ring.Fault
		errs     bool
		accepted []bool
		settled  galen.EffectStatus
	}{
		{ring.Fault{Kind: ring.LiedOK}, false, []bool{false}, galen.EffectAbsent},
		{ring.Fault{Kind: ring.Throttled}, true, []bool{false}, galen.EffectAbsent},
		{ring.Fault{Kind: ring.Twice, By: galen.Duration(4 * time.Second)}, false, []bool{true, false}, galen.EffectDone},
	} {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			p := newPatient(t)
			p.make(ring.Kill, "n2")
			p.until("n2 down", time.Minute, down("n2"))
			p.ring.Strike(c.fault)
			if _, err := p.do(cassandra.Start(p.node("n2"))); (err != nil) != c.errs {
				t.Errorf("the caller hears %v", err)
			}
			p.settle(c.settled, time.Minute)
			calls := p.ring.Calls()
			if len(calls) != len(c.accepted) {
				t.Fatalf("calls %+v, want %d", calls, len(c.accepted))
			}
			for i, want := range c.accepted {
				if calls[i].Accepted != want {
					t.Errorf("call %d: %+v, want accepted %t", i, calls[i], want)
				}
			}
		})
	}
}

// A network that is cut one way: who is not heard, and who does not hear. Neither reads with a quorum.
func TestOneWay(t *testing.T) {
	for trouble, want := range map[ring.Trouble]struct{ n1CallsIt, itCallsN1 bool }{
		ring.Mute:   {false, true},
		ring.Deafen: {true, false},
	} {
		p := newPatient(t)
		if err := p.ring.Happen(ring.Happening{Trouble: trouble, Instance: "n2", For: galen.Duration(2 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		says := func() (bool, bool, cassandra.Answer) {
			p.look()
			return p.view("n1").Peers[1].Up, p.view("n2").Peers[0].Up, p.view("n2").CQL
		}
		p.wait(time.Minute)
		if a, b, cql := says(); a != want.n1CallsIt || b != want.itCallsN1 || cql == cassandra.Answered {
			t.Errorf("%s: n1 calls n2 UP: %t, n2 calls n1 UP: %t, a read through n2: %s", trouble, a, b, cql)
		}
		p.wait(time.Minute + 10*time.Second)
		if a, b, cql := says(); !a || !b || cql != cassandra.Answered {
			t.Errorf("%s is over: n1 calls n2 UP: %t, n2 calls n1 UP: %t, a read through n2: %s", trouble, a, b, cql)
		}
	}
}

// A slow node works, as its peers see it, and serves no client in time; it alone takes longer to start.
func TestSlowNode(t *testing.T) {
	start := func(slow bool) time.Duration {
		p := newPatient(t)
		if slow {
			p.make(ring.Slow, "n2")
			p.look()
			if v := p.view("n2"); v.Jolokia != cassandra.Answered || v.CQL != cassandra.Hung || v.Gauges[cassandra.GaugeReads] == 0 || !p.view("n1").Peers[1].Up {
				t.Errorf("a slow node shows %+v", v)
			}
		}
		p.make(ring.Kill, "n2")
		p.make(ring.Start, "n2")
		return p.until("n2 NORMAL", 5*time.Minute, func(r cassandra.Ring) bool {
			v, _ := r.View("n2")
			return v.Mode == "NORMAL"
		})
	}
	if quick, slow := start(false), start(true); slow < 3*quick {
		t.Errorf("a slow node starts in %s, another one in %s", slow, quick)
	}
}

func TestAStreamThatBreaks(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Kill, "n3")
	p.until("n3 down", time.Minute, down("n3"))
	p.make(ring.Break, "n4")
	if err := p.ring.Happen(ring.Happening{Trouble: ring.ForeignReplace, Instance: "n4", Of: "n3"}); err != nil {
		t.Fatal(err)
	}
	p.until("the join has failed", 5*time.Minute, func(r cassandra.Ring) bool {
		v, _ := r.View("n4")
		return v.Mode == "JOINING_FAILED"
	})
}

// A repair of a person validates, and then streams between all replicas.
func TestAForeignRepairStreams(t *testing.T) {
	p := newPatient(t)
	if err := p.ring.Happen(ring.Happening{Trouble: ring.ForeignRepair, Instance: "n1", For: galen.Duration(2 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 1, 0} { // after 30, 90 and 150 s
		p.wait(30 * time.Second)
		p.look()
		for _, n := range []string{"n1", "n2", "n3"} {
			if h, _ := p.ring.Truth().Host(n); p.view(n).Streams != want || h.Streams != want {
				t.Errorf("%s tells %d streams, the truth is %d, want %d", n, p.view(n).Streams, h.Streams, want)
			}
		}
		p.wait(30 * time.Second)
	}
}
