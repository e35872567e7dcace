package cassandra_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// untold: nobody tells what anybody holds.
func (w *world) untold() {
	w.t.Helper()
	for _, n := range []string{"n1", "n2", "n3"} {
		w.heavy(n, 0)
	}
}

// I-24 stands alone where there is no room.
func TestHeadroomStandsAlone(t *testing.T) {
	for _, c := range []lonely{
		{"no room for what it held", ready, func(w *world) { w.heavy("n3", *w.instance("n4").DiskFree) }, replaceStep, "I-24", galen.Deny},
		{"no spare with room", dead, func(w *world) { w.heavy("n3", *w.instance("n4").DiskFree) }, fenceStep, "I-24", galen.Deny},
		{"one of the spares has room", dead, func(w *world) {
			w.heavy("n3", *w.instance("n4").DiskFree)
			*w.instance("n5").DiskFree *= 2
		}, fenceStep, "", ""},
		{"just enough room", ready, func(w *world) { w.heavy("n3", *w.instance("n4").DiskFree*10/13-1) }, replaceStep, "", ""},
		{"its host does not tell how much is free", ready, func(w *world) {
			w.heavy("n3", 1)
			w.instance("n4").DiskFree = nil
		}, replaceStep, "I-24", galen.LookAgain},
		{"the only spare that tells has room", dead, func(w *world) {
			w.heavy("n3", 1<<30)
			w.instance("n4").DiskFree = nil
		}, fenceStep, "", ""},
		{"the only spare that tells has none", dead, func(w *world) {
			w.heavy("n3", *w.instance("n4").DiskFree)
			w.instance("n4").DiskFree = nil
		}, fenceStep, "I-24", galen.LookAgain},
		{"the only spare with a full disk", ready, func(w *world) {
			w.heavy("n3", 1)
			*w.instance("n4").DiskFree = 0
		}, replaceStep, "I-24", galen.Deny},
		{"the only spares stand in another data centre", dead, func(w *world) {
			w.instance("n4").Config.DC, w.instance("n5").Config.DC = "dc2", "dc2"
		}, fenceStep, "I-24", galen.Deny},
		{"the only spare is prepared for another node", ready, func(w *world) {
			w.instance("n4").ReplaceFlag = "127.0.0.2"
			w.instance("n5").Spare = false
		}, fenceStep, "I-24", galen.Deny},
		{"nobody tells what it held, and another one holds too much", dead, func(w *world) {
			w.heavy("n3", 0)
			w.heavy("n1", *w.instance("n4").DiskFree)
		}, fenceStep, "I-24", galen.Deny},
		{"nobody tells what it held, and there is room for what another one holds", dead, func(w *world) {
			w.heavy("n3", 0)
			w.heavy("n1", *w.instance("n4").DiskFree/2)
		}, fenceStep, "", ""},
		{"nobody tells what anybody holds", dead, func(w *world) {
			for _, n := range []string{"n1", "n2", "n3"} {
				w.heavy(n, 0)
			}
		}, fenceStep, "I-24", galen.NeedYes},
		{"nobody tells what anybody holds, and the heir's disk is full", ready, func(w *world) {
			for _, n := range []string{"n1", "n2", "n3"} {
				w.heavy(n, 0)
			}
			*w.instance("n4").DiskFree = 0
		}, replaceStep, "I-24", galen.Deny},
		{"nobody tells what anybody holds, nor the heir's host how much is free", ready, func(w *world) {
			w.untold()
			w.instance("n4").DiskFree = nil
		}, replaceStep, "I-24", galen.LookAgain},
		{"no spare at all", dead, func(w *world) { w.instance("n4").Spare, w.instance("n5").Spare = false, false }, fenceStep, "I-24", galen.Deny},
	} {
		t.Run(c.name, c.judged)
	}
}

// A person's yes answers for a load that nobody tells, and for no full disk.
func TestApprovalAnswersUntoldLoads(t *testing.T) {
	w := dead(t)
	w.untold()
	check := cassandra.Guards()[slices.IndexFunc(cassandra.Guards(), func(g galen.Guard[cassandra.Ring]) bool { return g.Name == "I-24 headroom" })].Check
	if v := check(w.approved(fenceStep(w))); v.Answer != galen.Allow || !strings.Contains(v.Why, "ada said yes") {
		t.Errorf("approved: %+v", v)
	}
	*w.instance("n4").DiskFree, *w.instance("n5").DiskFree = 0, 0
	if v := check(w.approved(fenceStep(w))); v.Answer != galen.Deny {
		t.Errorf("approved, and all disks are full: %+v", v)
	}
}

// What is needed is that of the node, else of the fullest one of its data centre, with the headroom of the policy, however much it is.
func TestRoomFor(t *testing.T) {
	w := dead(t)
	p := galen.SafePolicy()
	for _, c := range []struct {
		own, other, need int64
		headroom         float64
		as               string
	}{
		{1000, 5000, 1300, 1.3, ""},
		{1001, 5000, 1302, 1.3, ""},
		{0, 5000, 6500, 1.3, cassandra.Title(*w.node("n2"))},
		{0, 0, 0, 1.3, ""},
		{math.MaxInt64 / 2, 0, math.MaxInt64, 3, ""},
	} {
		w.untold()
		w.heavy("n3", c.own)
		w.heavy("n2", c.other)
		p.DiskHeadroom = c.headroom
		if got := w.state.RoomFor(*w.node("n3"), p); got.Need != c.need || got.As != c.as {
			t.Errorf("%+v: %+v", c, got)
		}
	}
	w.untold()
	w.heavy("n2", 5000)
	w.node("n2").DC = "dc2"
	if got := w.state.RoomFor(*w.node("n3"), p); got.Held != 0 {
		t.Errorf("another data centre's load counts: %+v", got)
	}
}

// What is missing is told in numbers; a hair more suffices.
func TestMissingRoom(t *testing.T) {
	free := func(name string, n int64) cassandra.Instance { return cassandra.Instance{Name: name, DiskFree: &n} }
	silent := cassandra.Instance{Name: "n6"}
	known, unknown := cassandra.Room{Held: 1000, Need: 1300}, cassandra.Room{}
	like := cassandra.Room{Held: 1 << 20, As: "n1", Need: 5 << 40}
	for _, c := range []struct {
		room   cassandra.Room
		of     []cassandra.Instance
		why    string
		silent bool
	}{
		{known, []cassandra.Instance{free("n4", 1300)}, "", false},
		{known, []cassandra.Instance{free("n4", 7), free("n5", 1023), free("n7", 0)}, "n5 has 1023 B free, and 1.3 KiB are needed: it held 1000 B", false},
		{known, []cassandra.Instance{free("n4", 0), silent}, "the host of n6 does not tell how much is free, and 1.3 KiB are needed: it held 1000 B", true},
		{known, []cassandra.Instance{silent, free("n4", 1300)}, "", false},
		{like, []cassandra.Instance{free("n4", 1<<10)}, "n4 has 1.0 KiB free, and 5.0 TiB are needed: nobody tells what it held, and n1 holds 1.0 MiB", false},
		{unknown, []cassandra.Instance{free("n4", 1)}, "", false},
		{unknown, []cassandra.Instance{silent}, "the host of n6 does not tell how much is free, and nobody tells what it held", true},
		{unknown, []cassandra.Instance{free("n4", 0)}, "n4 has 0 B free, and nobody tells what it held", false},
		{cassandra.Room{Held: 1, Need: math.MaxInt64}, []cassandra.Instance{free("n4", 1<<40)}, "n4 has 1.0 TiB free, and 8.0 EiB are needed: it held 1 B", false},
	} {
		if why, silent := c.room.Missing(c.of); why != c.why || silent != c.silent {
			t.Errorf("%q, %t; want %q, %t", why, silent, c.why, c.silent)
		}
	}
}
