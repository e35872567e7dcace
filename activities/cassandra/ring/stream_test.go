package ring_test

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// joins lets n4 take the place of the dead n3, each node holding so much, and tells how long it took.
func joins(t *testing.T, load int64, on func(p *patient)) time.Duration {
	t.Helper()
	p := newPatient(t, func(s *ring.Spec) { s.Load = load })
	p.make(ring.Kill, "n3")
	p.until("n3 down", time.Minute, down("n3"))
	if err := p.ring.Happen(ring.Happening{Trouble: ring.ForeignReplace, Instance: "n4", Of: "n3"}); err != nil {
		t.Fatal(err)
	}
	on(p)
	return p.until("n4 well", 2*time.Hour, well("n4"))
}

func TestStreamsTakeTimeByTheirThrottle(t *testing.T) {
	nothing := joins(t, 0, func(*patient) {})
	slow := joins(t, 20<<30, func(*patient) {})
	fast := joins(t, 20<<30, func(p *patient) {
		for _, n := range []string{"n1", "n2"} {
			raised := ring.DefaultThrottle()
			raised.Stream.Value *= 4
			if err := p.ring.SetThrottle(n, raised); err != nil {
				t.Fatal(err)
			}
		}
	})
	// 20 GiB from two sources at 24 MiB/s each are 427 s, at 96 MiB/s 107 s.
	if more := slow - nothing; more < 420*time.Second || more > 435*time.Second {
		t.Errorf("20 GiB took %s more than nothing", more)
	}
	if more := fast - nothing; more < 100*time.Second || more > 115*time.Second {
		t.Errorf("with four times the throttle 20 GiB took %s more than nothing", more)
	}
}

func TestAJoinerWithoutRoomFails(t *testing.T) {
	p := newPatient(t, func(s *ring.Spec) { s.Load = 20 << 30 })
	p.make(ring.Kill, "n3")
	p.make(ring.FillDisk, "n4")
	p.until("n3 down", time.Minute, down("n3"))
	if free := p.instance("n4").DiskFree; free == nil || *free != 0 {
		t.Errorf("free on a full disk: %v", free)
	}
	if e := p.view("n1").Peers[2]; e.Load != 20<<30 {
		t.Errorf("gossip keeps the load of a dead node: %+v", e)
	}
	if err := p.ring.Happen(ring.Happening{Trouble: ring.ForeignReplace, Instance: "n4", Of: "n3"}); err != nil {
		t.Fatal(err)
	}
	p.until("the join failed", time.Minute, func(cassandra.Ring) bool { return p.view("n4").Mode == "JOINING_FAILED" })
}

// A load that a node told none of is unknown to all; what a joiner received is free again where it is taken away.
func TestLoadsAndRoom(t *testing.T) {
	p := newPatient(t, func(s *ring.Spec) {
		s.Load, s.Untold, s.Hosts[3].Free = 8<<30, []string{"n3"}, 12<<30
	})
	loads := func() (told []int64) {
		for _, e := range p.view("n1").Peers {
			told = append(told, e.Load)
		}
		return told
	}
	if got := loads(); !slices.Equal(got, []int64{8 << 30, 8 << 30, 0}) {
		t.Errorf("n1 tells the loads %v", got)
	}
	p.make(ring.Kill, "n3")
	p.until("n3 down", time.Minute, down("n3"))
	if err := p.ring.Happen(ring.Happening{Trouble: ring.ForeignReplace, Instance: "n4", Of: "n3"}); err != nil {
		t.Fatal(err)
	}
	free := func() int64 { h, _ := p.ring.Truth().Host("n4"); return h.Free }
	if free() != 12<<30 {
		t.Errorf("%d free", free())
	}
	p.until("n4 well", time.Hour, well("n4"))
	if got := free(); got < 4<<30 || got > 4<<30+1<<10 {
		t.Errorf("%d free with 8 GiB streamed", got)
	}
	p.make(ring.Kill, "n4")
	p.make(ring.LoseData, "n4")
	if free() != 12<<30 || *p.instance("n4").DiskFree > 5<<30 {
		t.Errorf("%d free without them", free())
	}
	if m := p.ring.Truth().Members; m[0].Load != 8<<30 || !m[0].Told || !m[1].Told {
		t.Errorf("the truth: %+v", m)
	}
}

// TestAPersonsRepairMayBePartial: with one partner named, the third replica is left out, and the answer is COMPLETED.
func TestAPersonsRepairMayBePartial(t *testing.T) {
	p := newPatient(t)
	p.make(ring.Kill, "n3")
	p.until("n3 down", time.Minute, down("n3"))
	if err := p.ring.Happen(ring.Happening{Trouble: ring.ForeignRepair, Instance: "n1", Of: "n2"}); err != nil {
		t.Fatal(err)
	}
	if len(p.ring.Partial()) != 0 {
		t.Error("it is not over yet")
	}
	p.wait(2 * time.Second)
	if got := p.ring.Partial(); len(got) != 1 || got[0] != ring.ByPerson {
		t.Errorf("partial: %v, want that of the person", got)
	}
}
