package cassandra_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// seen is one look at three nodes, after a change to what they and their hosts tell.
func seen(at time.Time, change func([]cassandra.View, []cassandra.Instance)) cassandra.Ring {
	views, instances := steady(3, at)
	if change != nil {
		change(views, instances)
	}
	return cassandra.Merge("test", at, views, instances, nil)
}

func killed(views []cassandra.View, instances []cassandra.Instance) {
	peer(views, []int{1, 2}, 3, down)
	silent(&views[2], cassandra.Refused, cassandra.Refused)
	instances[2].Process, instances[2].PID = cassandra.Absent, 0
}

func wiped(views []cassandra.View, instances []cassandra.Instance) {
	killed(views, instances)
	instances[2].Data = cassandra.DataGone
}

func fold(looks ...cassandra.Ring) cassandra.Ring { return onto(cassandra.Ring{}, looks...) }

// onto folds further looks onto what is known. Whatever comes of it contradicts itself in nothing, or a file of it would be no use.
func onto(r cassandra.Ring, looks ...cassandra.Ring) cassandra.Ring {
	for _, l := range looks {
		r = cassandra.Fold(r, l)
		if why := cassandra.Kind().ByHand.Contradicts(r); why != "" {
			panic(fmt.Sprintf("a folded ring contradicts itself: %s\n%s", why, text(r)))
		}
	}
	return r
}

func at(seconds int) time.Time { return noon().Add(time.Duration(seconds) * time.Second) }

func TestFoldCarriesDownTimes(t *testing.T) {
	r := fold(seen(at(0), nil), seen(at(5), killed), seen(at(10), killed))
	if n := node(t, r, id(3)); !n.DownSince.Equal(at(5)) || n.Flips != 1 {
		t.Errorf("down since %s, %d flips", n.DownSince, n.Flips)
	}
	r = onto(r, seen(at(25), nil))
	if n := node(t, r, id(3)); !n.DownSince.IsZero() || n.Flips != 2 || n.LongestRestart.D() != 20*time.Second {
		t.Errorf("after its return: %+v", n)
	}
	r = onto(r, seen(at(30), killed), seen(at(31), nil))
	if n := node(t, r, id(3)); n.Flips != 4 || n.LongestRestart.D() != 20*time.Second {
		t.Errorf("after the second return: %+v", n)
	}
}

// Who was down stays bad when nobody is left who could call it so, until somebody calls it good.
func TestWhoWasDownStaysBad(t *testing.T) {
	alone := func(views []cassandra.View, instances []cassandra.Instance) {
		killed(views, instances)
		for i := range 2 {
			silent(&views[i], cassandra.Refused, cassandra.Refused)
		}
		instances[2].Error = "the host does not answer"
	}
	starts := func(views []cassandra.View, instances []cassandra.Instance) {
		alone(views, instances)
		instances[2].Error, instances[2].Process = "", cassandra.Running
	}
	bad := func(r cassandra.Ring) bool {
		i := slices.IndexFunc(r.Members(), func(m galen.Member) bool { return m.Target.ID == id(3) })
		return r.Members()[i].Bad
	}
	steps := []struct {
		name      string
		look      func([]cassandra.View, []cassandra.Instance)
		down, bad bool
	}{
		{"well", nil, false, false}, {"two call it bad, and nobody good", alone, false, true}, {"well again", nil, false, false},
		{"killed", killed, true, true}, {"nobody can tell", alone, false, true}, {"still nobody", alone, false, true},
		{"it starts", starts, false, true}, {"called down again", killed, true, true}, {"well at last", nil, false, false},
	}
	var r cassandra.Ring
	for i, s := range steps {
		r = onto(r, seen(at(5*i), s.look))
		if n := node(t, r, id(3)); n.Down != s.down || bad(r) != s.bad {
			t.Errorf("%s: down %t, bad %t, want %t, %t; %+v", s.name, n.Down, bad(r), s.down, s.bad, n.Observations)
		}
	}
}

// TestFoldScopedLook: who was not asked keeps what was last said, token map included.
func TestFoldScopedLook(t *testing.T) {
	whole := seen(at(0), nil)
	views, instances := steady(3, at(5))
	killed(views, instances)
	scoped := cassandra.Merge("test", at(5), views[1:], instances[2:], nil)
	r := fold(whole, scoped)
	if len(r.Nodes) != 3 || len(r.Views) != 3 || len(r.Instances) != 3 || len(r.Keyspaces) != 1 {
		t.Fatalf("something was forgotten: %d nodes, %d views, %d instances", len(r.Nodes), len(r.Views), len(r.Instances))
	}
	if v, _ := r.View("n1"); !v.At.Equal(at(0)) {
		t.Errorf("the view of n1 is of %s", v.At)
	}
	if node(t, r, id(3)).Down {
		t.Error("down, although the young view of n1 says UP")
	}
	again := onto(r, cassandra.Merge("test", at(70), stamped(views[1:], at(70)), instances[2:], nil))
	if !node(t, again, id(3)).Down {
		t.Error("not down, although only an old view says UP")
	}
}

func stamped(views []cassandra.View, at time.Time) []cassandra.View {
	out := slices.Clone(views)
	for i := range out {
		out[i].At = at
	}
	return out
}

// TestFoldKeepsTheRing: when nobody is left to list the members, they stay, and hosts and probes tell who is down.
func TestFoldKeepsTheRing(t *testing.T) {
	r := fold(seen(at(0), nil), seen(at(5), func(views []cassandra.View, instances []cassandra.Instance) {
		for i := range views {
			silent(&views[i], cassandra.Refused, cassandra.Refused)
			instances[i].Process = cassandra.Absent
		}
	}))
	if len(r.Nodes) != 3 || r.Lost != 0 {
		t.Fatalf("%d nodes, %d lost", len(r.Nodes), r.Lost)
	}
	for _, n := range r.Nodes {
		if !n.Down || n.DC != "dc1" || len(n.Tokens) != 1 {
			t.Errorf("%+v", n)
		}
	}
}

// TestFrozen: a process that is alive and silent is frozen, save one that said goodbye to its peers: it was stopped in
// order and is about to end. The name stays while the process is killed and started again.
func TestFrozen(t *testing.T) {
	with := func(status string, generation int64, change func(*cassandra.Instance)) func([]cassandra.View, []cassandra.Instance) {
		return func(views []cassandra.View, instances []cassandra.Instance) {
			peer(views, []int{1, 2}, 3, down)
			peer(views, []int{2}, 3, func(e *cassandra.Endpoint) { e.Status, e.Generation = status, generation })
			silent(&views[2], cassandra.Refused, cassandra.Refused)
			change(&instances[2])
		}
	}
	started := at(0).Add(-time.Hour)
	same := func(*cassandra.Instance) {}
	stopped := func(i *cassandra.Instance) { i.Process = cassandra.Stopped }
	gone := func(i *cassandra.Instance) { i.Process, i.PID = cassandra.Absent, 0 }
	life := started.Add(5 * time.Second).Unix()
	for name, c := range map[string]struct {
		look cassandra.Ring
		want bool
	}{
		"alive and silent":                {seen(at(0), with("NORMAL", life, same)), true},
		"it said goodbye":                 {seen(at(0), with("shutdown", life, same)), false},
		"it said goodbye and is stopped":  {seen(at(0), with("shutdown", life, stopped)), true},
		"an earlier process said goodbye": {seen(at(0), with("shutdown", started.Add(-time.Minute).Unix(), same)), true},
		"draining, it tells":              {seen(at(0), mode("DRAINING")), false},
		"drained, it tells":               {seen(at(0), mode("DRAINED")), false},
		"no process":                      {seen(at(0), with("NORMAL", life, gone)), false},
	} {
		r := fold(seen(at(-5), nil), c.look)
		if n := node(t, r, id(3)); !n.Down || n.Frozen != c.want {
			t.Errorf("%s: down %t, frozen %t, want %t", name, n.Down, n.Frozen, c.want)
		}
	}
	orderly := fold(seen(at(-5), nil), seen(at(0), mode("DRAINED")), seen(at(5), func(views []cassandra.View, instances []cassandra.Instance) {
		with("shutdown", life, same)(views, instances)
		instances[2].Started = started
	}), seen(at(10), with("shutdown", life, gone)))
	if n := node(t, orderly, id(3)); !n.Down || n.Frozen {
		t.Errorf("stopped in order: down %t, frozen %t", n.Down, n.Frozen)
	}
	killed := fold(seen(at(-5), nil), seen(at(0), with("NORMAL", life, same)), seen(at(5), with("NORMAL", life, gone)))
	if !node(t, killed, id(3)).Frozen {
		t.Error("its name changes while it is healed")
	}
}

// without is a look whose listings lack the third node.
func without(status string) func([]cassandra.View, []cassandra.Instance) {
	return func(views []cassandra.View, _ []cassandra.Instance) {
		for i := range 2 {
			views[i].Tokens, views[i].Owners = views[i].Tokens[:2], views[i].Owners[:2]
		}
		peer(views, []int{1, 2}, 3, func(e *cassandra.Endpoint) { e.Status, e.Up = status, false })
		silent(&views[2], cassandra.Refused, cassandra.Refused)
	}
}

// A hole in the listing tells neither since when a node is down nor how long a restart takes: both would put the moment
// off, or bring it near, from which it may be replaced.
func TestHoleIsNoTimeDown(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func([]cassandra.View, []cassandra.Instance)
		since         time.Time // down, in the end
	}{
		"up before and after":    {nil, nil, time.Time{}},
		"it dies in or after it": {nil, killed, at(200)},
		"down before, then up":   {killed, nil, time.Time{}},
		"down before, and after": {killed, killed, at(5)},
	} {
		r := fold(seen(at(0), nil), seen(at(5), c.before), seen(at(10), without("NORMAL")), seen(at(100), without("NORMAL")))
		if n := node(t, r, id(3)); !n.Unlisted || n.DownSince.IsZero() != (c.before == nil) {
			t.Errorf("%s, in the hole: %+v", name, n)
		}
		r = onto(r, seen(at(200), c.after), seen(at(205), c.after))
		if n := node(t, r, id(3)); n.Unlisted || !n.DownSince.Equal(c.since) || n.LongestRestart != 0 {
			t.Errorf("%s: down since %s, want %s; longest restart %s", name, n.DownSince, c.since, n.LongestRestart)
		}
	}
}

func TestFoldUnlisted(t *testing.T) {
	r := fold(seen(at(0), nil), seen(at(5), without("NORMAL")))
	n := node(t, r, id(3))
	if !n.Unlisted || !n.Down || r.Lost != 1 {
		t.Errorf("it vanished without a proof: %+v, %d lost", n, r.Lost)
	}
	if r = onto(r, seen(at(10), nil)); r.Lost != 0 || node(t, r, id(3)).Unlisted {
		t.Errorf("it is listed again: %+v", node(t, r, id(3)))
	}
	if n := node(t, r, id(3)); n.Flips != 0 || len(n.Flipped) != 0 {
		t.Errorf("a hole in the listing counts as %d flips", n.Flips)
	}
	for _, status := range []string{"LEFT", "removed"} {
		r = fold(seen(at(0), nil), seen(at(5), without(status)))
		if _, found := r.Node(id(3)); found || r.Lost != 0 {
			t.Errorf("status %s is a proof that it left", status)
		}
	}
}

// TestDataGone: two looks apart, on the recorded device, and nothing else.
func TestDataGone(t *testing.T) {
	const apart = 10 * time.Second
	change := func(f func(*cassandra.Instance)) func([]cassandra.View, []cassandra.Instance) {
		return func(views []cassandra.View, instances []cassandra.Instance) {
			wiped(views, instances)
			f(&instances[2])
		}
	}
	unread := change(func(i *cassandra.Instance) { i.Error = "timeout" })
	cases := map[string]struct {
		looks []cassandra.Ring
		want  bool
	}{
		"two looks":              {[]cassandra.Ring{seen(at(0), nil), seen(at(5), wiped), seen(at(15), wiped)}, true},
		"one look":               {[]cassandra.Ring{seen(at(0), nil), seen(at(5), wiped)}, false},
		"the same look twice":    {[]cassandra.Ring{seen(at(0), nil), seen(at(5), wiped), seen(at(5), wiped)}, false},
		"too close":              {[]cassandra.Ring{seen(at(0), nil), seen(at(5), wiped), seen(at(9), wiped)}, false},
		"never seen present":     {[]cassandra.Ring{seen(at(5), wiped), seen(at(15), wiped)}, false},
		"broken by an error":     {[]cassandra.Ring{seen(at(0), nil), seen(at(5), wiped), seen(at(10), unread), seen(at(16), wiped)}, false},
		"back in between":        {[]cassandra.Ring{seen(at(0), nil), seen(at(5), wiped), seen(at(10), killed), seen(at(16), wiped)}, false},
		"on another device":      {[]cassandra.Ring{seen(at(0), nil), seen(at(5), change(func(i *cassandra.Instance) { i.Device = 8 })), seen(at(15), change(func(i *cassandra.Instance) { i.Device = 8 }))}, false},
		"not readable, just now": {[]cassandra.Ring{seen(at(0), nil), seen(at(5), wiped), seen(at(15), unread)}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			i, _ := fold(c.looks...).Instance("n3")
			if got, why := i.DataGone(apart); got != c.want {
				t.Errorf("proved %t (%s), want %t; %+v", got, why, c.want, i)
			}
		})
	}
}

// TestDataGoneIsRead: by people, who want no nanoseconds, and what is written has no say in what is proved.
func TestDataGoneIsRead(t *testing.T) {
	first := at(5)
	last := first.Add(3*time.Second + 267530439)
	i := cassandra.Instance{Data: cassandra.DataGone, Device: 7, RecordedDevice: 7, GoneLooks: 2, GoneSince: first, At: last}
	if got, why := i.DataGone(last.Sub(first)); !got || !strings.HasSuffix(why, "on looks 3.3s apart") {
		t.Errorf("proved %t: %s", got, why)
	}
	if got, _ := i.DataGone(last.Sub(first) + 1); got {
		t.Error("proved by looks that are too close")
	}
}

func TestFoldKeepsWhatAHostLastSaid(t *testing.T) {
	r := fold(seen(at(0), killed), seen(at(5), func(views []cassandra.View, instances []cassandra.Instance) {
		killed(views, instances)
		instances[2] = cassandra.Instance{Name: "n3", Address: address(3), At: at(5), Error: "timeout", Process: cassandra.Absent, Data: cassandra.DataUnknown}
	}))
	i, _ := r.Instance("n3")
	if i.Error != "timeout" || i.Data != cassandra.DataPresent || i.RecordedDevice != 7 || !i.At.Equal(at(5)) {
		t.Errorf("%+v", i)
	}
}

func TestFoldIsIdempotent(t *testing.T) {
	r := fold(seen(at(0), nil), seen(at(5), wiped))
	if again := onto(r, seen(at(5), wiped)); text(again) != text(r) {
		t.Errorf("the same look twice:\n%s\n%s", text(r), text(again))
	}
}

func TestSeen(t *testing.T) {
	target := galen.Target{ID: id(3)}
	r := fold(seen(at(0), nil), seen(at(5), killed))
	if oldest, missing := r.Seen(target); !oldest.Equal(at(5)) || len(missing) != 0 {
		t.Errorf("a dead target: oldest %s, missing %v", oldest, missing)
	}
	cut := seen(at(5), func(views []cassandra.View, _ []cassandra.Instance) {
		silent(&views[1], cassandra.Hung, cassandra.Hung)
	})
	if _, missing := fold(seen(at(0), nil), cut).Seen(target); !slices.Equal(missing, []string{"a live node of rack dc1/r2"}) {
		t.Errorf("a rack from which nobody was heard: missing %v", missing)
	}
	two := seen(at(5), func(views []cassandra.View, instances []cassandra.Instance) {
		killed(views, instances)
		peer(views, []int{1}, 2, down)
		silent(&views[1], cassandra.Refused, cassandra.Refused)
		instances[1].Process = cassandra.Absent
	})
	if _, missing := fold(seen(at(0), nil), two).Seen(target); len(missing) != 0 {
		t.Errorf("nobody can be heard from a rack that is down: missing %v", missing)
	}
	views, instances := steady(3, at(9))
	scoped := fold(seen(at(0), nil), cassandra.Merge("test", at(9), views[:2], instances[:1], nil))
	if oldest, _ := scoped.Seen(galen.Target{ID: id(1)}); !oldest.Equal(at(0)) {
		t.Errorf("rack r3 was not looked at: oldest %s", oldest)
	}
	if oldest, _ := scoped.Seen(galen.Target{ID: id(3)}); !oldest.Equal(at(0)) {
		t.Errorf("the target was not looked at: oldest %s", oldest)
	}
}

func TestBasisHoldsFacts(t *testing.T) {
	before := fold(seen(at(0), nil))
	later := onto(before, seen(at(5), nil))
	if before.Basis() != later.Basis() || before.Basis(galen.Target{ID: id(3)}) != later.Basis(galen.Target{ID: id(3)}) {
		t.Error("time changes the basis")
	}
	for name, change := range map[string]func([]cassandra.View, []cassandra.Instance){
		"a generation": func(views []cassandra.View, _ []cassandra.Instance) { views[2].Generation = 2 },
		"down":         killed,
		"shunned":      func(views []cassandra.View, _ []cassandra.Instance) { peer(views, []int{1, 2}, 3, down) },
		"data":         func(_ []cassandra.View, i []cassandra.Instance) { i[2].Data = cassandra.DataGone },
		"a fence":      func(_ []cassandra.View, i []cassandra.Instance) { i[2].Fenced = "intent" },
		"a config":     func(_ []cassandra.View, i []cassandra.Instance) { i[2].Config.Rack = "r9" },
		"a schema":     func(views []cassandra.View, _ []cassandra.Instance) { views[0].Schema = "s2" },
		"another's death": func(views []cassandra.View, instances []cassandra.Instance) {
			peer(views, []int{1, 3}, 2, down)
			silent(&views[1], cassandra.Refused, cassandra.Refused)
			instances[1].Process = cassandra.Absent
		},
	} {
		after := onto(before, seen(at(5), change))
		if before.Basis() == after.Basis() || before.Basis(galen.Target{ID: id(3)}) == after.Basis(galen.Target{ID: id(3)}) {
			t.Errorf("%s changes no basis", name)
		}
	}
}
