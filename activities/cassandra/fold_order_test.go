package cassandra_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen/activities/cassandra"
)

// TestLooksMayArriveInAnyOrder: looks overlap, and one that began earlier may end later. What it saw does not replace
// what a younger look saw.
func TestLooksMayArriveInAnyOrder(t *testing.T) {
	changes := []func([]cassandra.View, []cassandra.Instance){
		nil, killed, wiped, mode("DRAINED"),
		func(views []cassandra.View, _ []cassandra.Instance) { peer(views, []int{2}, 1, down) },
		func(views []cassandra.View, _ []cassandra.Instance) { // another token map
			views[0].Tokens = slices.Clone(views[0].Tokens)[:2]
		},
	}
	rapid.Check(t, func(t *rapid.T) {
		var looks []cassandra.Ring
		for n := range rapid.IntRange(2, 6).Draw(t, "looks") {
			views, instances := steady(3, at(n*7))
			if change := rapid.SampledFrom(changes).Draw(t, "change"); change != nil {
				change(views, instances)
			}
			asked := rapid.IntRange(0, 2).Draw(t, "not asked")
			views, instances = slices.Delete(views, asked, asked+1), slices.Delete(instances, asked, asked+1)
			looks = append(looks, cassandra.Merge("test", at(n*7), views, instances, []cassandra.Repair{{Intent: "in", Command: n}}))
		}
		want := fold(looks...)
		got := fold(rapid.Permutation(looks).Draw(t, "arrival")...)
		if !got.At.Equal(want.At) || text(cassandra.Ring{Views: got.Views, Repairs: got.Repairs}) != text(cassandra.Ring{Views: want.Views, Repairs: want.Repairs}) {
			t.Fatalf("%s\nwant\n%s", text(got), text(want))
		}
		for i, in := range got.Instances {
			if was := want.Instances[i]; !in.At.Equal(was.At) || in.Process != was.Process || in.Data != was.Data {
				t.Fatalf("%+v\nwant\n%+v", in, was)
			}
		}
	})
}

// TestALateLookStartsNoDowntime that is younger than itself, and ends none that began after it.
func TestALateLookStartsNoDowntime(t *testing.T) {
	late := seen(at(5), killed)
	r := fold(seen(at(0), nil), seen(at(20), nil), late)
	if n := node(t, r, id(3)); n.Down || n.Flips != 0 {
		t.Errorf("an older look makes it down again: since %s, %d flips", n.DownSince, n.Flips)
	}
	views, instances := steady(3, at(20))
	r = fold(seen(at(0), nil), cassandra.Merge("test", at(20), views[2:], instances[:1], nil))
	r = onto(r, seen(at(5), func(views []cassandra.View, instances []cassandra.Instance) {
		killed(views, instances)
	}))
	if n := node(t, r, id(3)); n.Down {
		t.Errorf("its own answer is younger: %+v", n)
	}
	r = onto(fold(seen(at(0), nil), cassandra.Merge("test", at(20), nil, instances[:1], nil)), late)
	if n := node(t, r, id(3)); !n.Down || !n.DownSince.Equal(at(5)) || !r.At.Equal(at(20)) {
		t.Errorf("down since %s, seen so at %s", n.DownSince, at(5))
	}
	r = onto(fold(seen(at(0), killed), cassandra.Merge("test", at(20), nil, instances[:1], nil)), seen(at(10), nil))
	if n := node(t, r, id(3)); n.Down || n.LongestRestart.D() != 10*time.Second {
		t.Errorf("back after 10s: %+v", n)
	}
}

// TestALateLookKeepsTheKeyspaces that a younger one told.
func TestALateLookKeepsTheKeyspaces(t *testing.T) {
	altered := seen(at(10), func(views []cassandra.View, _ []cassandra.Instance) {
		for i := range views {
			views[i].Keyspaces = []cassandra.Keyspace{{Name: "altered", Strategy: "SimpleStrategy", RF: map[string]int{"": 2}}}
		}
	})
	r := fold(altered, seen(at(5), nil))
	if len(r.Keyspaces) != 1 || r.Keyspaces[0].Name != "altered" {
		t.Errorf("keyspaces %+v", r.Keyspaces)
	}
	r = fold(cassandra.Merge("test", at(10), nil, altered.Instances, nil), seen(at(5), nil))
	if len(r.Keyspaces) != 1 || r.Keyspaces[0].Name != "ks" {
		t.Errorf("nobody else told of any: %+v", r.Keyspaces)
	}
}
