package cassandra_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func id(n int) string { return fmt.Sprintf("host-%d", n) }

func address(n int) string { return fmt.Sprintf("10.0.0.%d", n) }

// steady is what n nodes in racks of their own, on n instances, tell at a time; every node has one token.
func steady(n int, at time.Time) ([]cassandra.View, []cassandra.Instance) {
	var views []cassandra.View
	var instances []cassandra.Instance
	for i := 1; i <= n; i++ {
		v := cassandra.View{
			Instance: fmt.Sprintf("n%d", i), Address: address(i), At: at, Jolokia: cassandra.Answered, CQL: cassandra.Answered,
			HostID: id(i), Mode: "NORMAL", Generation: 1, Cluster: "test", Schema: "s1", Seeds: []string{address(1)},
			Keyspaces: []cassandra.Keyspace{{Name: "ks", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 3}}},
		}
		for j := 1; j <= n; j++ {
			v.Peers = append(v.Peers, cassandra.Endpoint{
				Address: address(j), Up: true, Status: "NORMAL", HostID: id(j), DC: "dc1", Rack: fmt.Sprintf("r%d", j), Generation: 1,
			})
			v.Tokens = append(v.Tokens, cassandra.Owner{Token: cassandra.Token(j * 100), Address: address(j), HostID: id(j)})
			v.Owners = append(v.Owners, address(j))
		}
		views = append(views, v)
		instances = append(instances, cassandra.Instance{
			Name: v.Instance, Address: v.Address, At: at, Process: cassandra.Running, PID: 1000 + i, Started: at.Add(-time.Hour),
			Data: cassandra.DataPresent, Device: 7,
		})
	}
	return views, instances
}

// peer changes what every view of the given nodes says of one address.
func peer(views []cassandra.View, of []int, about int, change func(*cassandra.Endpoint)) {
	for _, o := range of {
		for k := range views[o-1].Peers {
			if views[o-1].Peers[k].Address == address(about) {
				change(&views[o-1].Peers[k])
			}
		}
	}
}

func down(e *cassandra.Endpoint) { e.Up = false }

// silent takes a node's own answers away.
func silent(v *cassandra.View, jolokia, cql cassandra.Answer) {
	*v = cassandra.View{Instance: v.Instance, Address: v.Address, At: v.At, Jolokia: jolokia, CQL: cql}
}

func node(t *testing.T, r cassandra.Ring, hostID string) cassandra.Node {
	t.Helper()
	n, found := r.Node(hostID)
	if !found {
		t.Fatalf("%s is no node of the ring: %+v", hostID, r.Nodes)
	}
	return n
}

// TestVerdict: the table of who has to say what for a node to be down. It is always the third of three.
func TestVerdict(t *testing.T) {
	type world struct {
		views     []cassandra.View
		instances []cassandra.Instance
	}
	gone := func(w world) { w.instances[2].Process, w.instances[2].PID = cassandra.Absent, 0 }
	cases := map[string]struct {
		change func(world)
		down   bool
	}{
		"all well": {func(world) {}, false},
		"killed": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			silent(&w.views[2], cassandra.Refused, cassandra.Refused)
			gone(w)
		}, true},
		"killed, one peer has not noticed": {func(w world) {
			peer(w.views, []int{1}, 3, down)
			silent(&w.views[2], cassandra.Refused, cassandra.Refused)
			gone(w)
		}, false},
		"killed, one peer does not know it": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			w.views[1].Peers = w.views[1].Peers[:2]
			silent(&w.views[2], cassandra.Refused, cassandra.Refused)
			gone(w)
		}, false},
		"killed, the only other node is dead too": {func(w world) {
			peer(w.views, []int{1}, 3, down)
			peer(w.views, []int{1}, 2, down)
			silent(&w.views[1], cassandra.Refused, cassandra.Refused)
			silent(&w.views[2], cassandra.Refused, cassandra.Refused)
			gone(w)
		}, true},
		"nobody is left, its process is gone": {func(w world) {
			for i := range w.views {
				silent(&w.views[i], cassandra.Refused, cassandra.Refused)
				w.instances[i].Process = cassandra.Absent
			}
		}, false}, // no live view lists it: Fold keeps what was known, see TestFoldKeepsTheRing
		"frozen: stopped by a signal": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			silent(&w.views[2], cassandra.Hung, cassandra.Hung)
			w.instances[2].Process = cassandra.Stopped
		}, true},
		"frozen: the process runs and answers nothing": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			silent(&w.views[2], cassandra.Hung, cassandra.Hung)
		}, true},
		"the engine is cut off from it": {func(w world) { silent(&w.views[2], cassandra.Hung, cassandra.Hung) }, false},
		"its peers are cut off from it": {func(w world) { peer(w.views, []int{1, 2}, 3, down) }, false},
		"peers say down, CQL alone answers": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			silent(&w.views[2], cassandra.Hung, cassandra.Answered)
		}, false},
		"drained": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			w.views[2].Mode, w.views[2].CQL = "DRAINED", cassandra.Refused
		}, true},
		"booting": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			silent(&w.views[2], cassandra.Booting, cassandra.Refused)
		}, true},
		"peers say down, the host cannot be read, probes are refused": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			silent(&w.views[2], cassandra.Refused, cassandra.Refused)
			w.instances[2].Error = "timeout"
		}, true},
		"peers say down, nothing else is known": {func(w world) {
			peer(w.views, []int{1, 2}, 3, down)
			silent(&w.views[2], cassandra.BadAnswer, cassandra.BadAnswer)
			w.instances[2].Error = "timeout"
		}, false},
		"an old view that calls it UP has no voice": {func(w world) {
			peer(w.views, []int{1}, 3, down)
			w.views[1].At = noon().Add(-2 * cassandra.ViewLife)
			silent(&w.views[2], cassandra.Refused, cassandra.Refused)
			gone(w)
		}, true},
		"decommissioned peers do not vote": {func(w world) {
			peer(w.views, []int{1}, 3, down)
			w.views[1].Mode = "DECOMMISSIONED"
			silent(&w.views[2], cassandra.Refused, cassandra.Refused)
			gone(w)
		}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			views, instances := steady(3, noon())
			c.change(world{views, instances})
			r := cassandra.Merge("test", noon(), views, instances, nil)
			n, _ := r.Node(id(3))
			if n.Down != c.down {
				t.Errorf("down: %t, want %t; %+v", n.Down, c.down, n.Observations)
			}
		})
	}
}

// A node that no peer hears is bad, whatever it answers us; what one says that is cut off itself counts for nothing.
// TestAPeerThatKnowsItNoMore: LEFT stays UP, and is no good word for a member: who says so sends it nothing.
func TestAPeerThatKnowsItNoMore(t *testing.T) {
	views, instances := steady(3, noon())
	peer(views, []int{1}, 3, func(e *cassandra.Endpoint) { e.Status = "LEFT" })
	n := node(t, cassandra.Merge("test", noon(), views, instances, nil), id(3))
	i := slices.IndexFunc(n.Observations, func(o galen.Observation) bool { return o.Observer == "n1" })
	if o := n.Observations[i]; o.Says != galen.Unknown || o.Detail != "knows it no more: LEFT" || n.Down {
		t.Errorf("%+v, down %t", o, n.Down)
	}
}

func TestShunned(t *testing.T) {
	cases := map[string]struct {
		change  func([]cassandra.View)
		shunned []int
	}{
		"all well":          {func([]cassandra.View) {}, nil},
		"no peer hears it":  {func(v []cassandra.View) { peer(v, []int{1, 2}, 3, down) }, []int{3}},
		"one peer hears it": {func(v []cassandra.View) { peer(v, []int{1}, 3, down) }, nil},
		"it is cut off, and calls everybody down": {func(v []cassandra.View) {
			peer(v, []int{1, 2}, 3, down)
			peer(v, []int{3}, 1, down)
			peer(v, []int{3}, 2, down)
		}, []int{3}},
		"two are left that do not hear each other": {func(v []cassandra.View) {
			silent(&v[0], cassandra.Refused, cassandra.Refused)
			peer(v, []int{2, 3}, 1, down)
			peer(v, []int{2}, 3, down)
			peer(v, []int{3}, 2, down)
		}, nil},
		"it is down": {func(v []cassandra.View) {
			peer(v, []int{1, 2}, 3, down)
			silent(&v[2], cassandra.Refused, cassandra.Refused)
		}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			views, instances := steady(3, noon())
			c.change(views)
			r := cassandra.Merge("test", noon(), views, instances[:0], nil)
			for i := range 3 {
				n := node(t, r, id(i+1))
				member := slices.IndexFunc(r.Members(), func(m galen.Member) bool { return m.Target.ID == n.HostID })
				if want := slices.Contains(c.shunned, i+1); n.Shunned != want || r.Members()[member].Bad != (want || n.Down) {
					t.Errorf("%s: shunned %t, want %t; bad %t, down %t", n.Address, n.Shunned, want, r.Members()[member].Bad, n.Down)
				}
			}
		})
	}
}

func TestMergeListsTheRing(t *testing.T) {
	views, instances := steady(4, noon())
	views[0].Peers = append(views[0].Peers, cassandra.Endpoint{Address: address(9), Up: true, Status: "LEFT", HostID: id(9)})
	r := cassandra.Merge("test", noon(), views, instances, nil)
	if len(r.Nodes) != 4 {
		t.Errorf("an endpoint that LEFT and is UP counts: %+v", r.Nodes)
	}
	n := node(t, r, id(1))
	if n.Domain() != "dc1/r1" || n.Instance != "n1" || !n.Seed || n.Status != cassandra.Normal || len(n.Tokens) != 1 {
		t.Errorf("node 1: %+v", n)
	}
	if len(r.Keyspaces) != 1 || !slices.Equal(r.Schemas, []string{"s1"}) || r.Cluster != "test" || len(r.Dissents) != 0 {
		t.Errorf("the ring: %+v", r)
	}
}

func TestMergeKeepsWhatIsSharedOnce(t *testing.T) {
	views, instances := steady(4, noon())
	told := 0
	for _, v := range cassandra.Merge("test", noon(), views, instances, nil).Views {
		if len(v.Tokens) > 0 {
			told++
		}
		if len(v.Keyspaces) > 0 {
			t.Errorf("%s still has the keyspaces", v.Instance)
		}
	}
	if told != 1 {
		t.Errorf("%d views keep the token map, want 1", told)
	}
}

func TestMergeHearsTheMajority(t *testing.T) {
	views, instances := steady(3, noon())
	views[2].Tokens = slices.Clone(views[2].Tokens)
	views[2].Tokens[0].Address = address(3)
	views[2].Schema = "s2"
	r := cassandra.Merge("test", noon(), views, instances, nil)
	if n := node(t, r, id(1)); len(n.Tokens) != 1 {
		t.Errorf("the token map of one view won: %+v", n)
	}
	if len(r.Schemas) != 2 {
		t.Errorf("schemas %v", r.Schemas)
	}
	i := slices.IndexFunc(r.Dissents, func(d cassandra.Dissent) bool { return d.About == "tokens" })
	if i < 0 || r.Dissents[i].Observer != "n3" {
		t.Errorf("who has another token map? %+v", r.Dissents)
	}
}

// TestMergeReplacement: while a node joins in the place of a dead one, the token map shows the dead one's tokens under
// it. They are still the dead one's.
func TestMergeReplacement(t *testing.T) {
	views, instances := steady(4, noon())
	for i := range 2 {
		v := &views[i]
		v.Tokens = slices.Clone(v.Tokens[:3])
		v.Tokens[2] = cassandra.Owner{Token: 300, Address: address(4), HostID: id(4)}
		v.Owners, v.Joining = v.Owners[:3], []string{address(4)}
	}
	peer(views, []int{1, 2}, 3, down)
	peer(views, []int{1, 2}, 4, func(e *cassandra.Endpoint) { e.Status = "BOOT_REPLACE" })
	silent(&views[2], cassandra.Refused, cassandra.Refused)
	views[3].Mode = "JOINING"
	instances[2].Process = cassandra.Absent
	for name, flag := range map[string]string{"the joiner says whom it replaces": address(3), "it can only be guessed": ""} {
		t.Run(name, func(t *testing.T) {
			views[3].ReplaceFlag = flag
			r := cassandra.Merge("test", noon(), views, instances, nil)
			dead, joiner := node(t, r, id(3)), node(t, r, id(4))
			if !dead.Down || !slices.Equal(dead.Tokens, []cassandra.Token{300}) {
				t.Errorf("the dead node: %+v", dead)
			}
			if joiner.Status != cassandra.Joining || joiner.Replacing != address(3) {
				t.Errorf("the joiner: %+v", joiner)
			}
			i := slices.IndexFunc(r.Members(), func(m galen.Member) bool { return m.Instance == "instance/n4" })
			if i < 0 || r.Members()[i].Target.ID != "instance/n4" {
				t.Errorf("a joiner goes by its instance: %+v", r.Members())
			}
		})
	}
}

func TestMergeStolenRing(t *testing.T) {
	views, instances := steady(4, noon())
	for i := range views {
		v := &views[i]
		v.Tokens, v.Owners = slices.Clone(v.Tokens[:3]), v.Owners[:3]
	}
	r := cassandra.Merge("test", noon(), views, instances, nil)
	if got := r.Stolen(); len(got) != 1 || got[0].HostID != id(4) {
		t.Errorf("who owns nothing? %+v", got)
	}
}

func TestMergeNamesWhoDisagrees(t *testing.T) {
	views, instances := steady(4, noon())
	peer(views, []int{2}, 4, down)
	r := cassandra.Merge("test", noon(), views, instances, nil)
	want := []cassandra.Dissent{{Observer: "n2", About: id(4), Says: "bad: DOWN: NORMAL", Others: "5 observers say good"}}
	if diff := cmp.Diff(want, r.Dissents); diff != "" {
		t.Error(diff)
	}
}

// TestMergeIsPure: the order of what was told does not matter, and nothing of it is changed.
func TestMergeIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		views, instances := steady(rapid.IntRange(1, 6).Draw(t, "nodes"), noon())
		for i := range views {
			if rapid.Bool().Draw(t, "silent") {
				silent(&views[i], cassandra.Refused, cassandra.Hung)
			}
		}
		before := text(views) + text(instances)
		want := text(cassandra.Merge("test", noon(), views, instances, nil))
		shuffled := rapid.Permutation(views).Draw(t, "views")
		if got := text(cassandra.Merge("test", noon(), shuffled, rapid.Permutation(instances).Draw(t, "instances"), nil)); got != want {
			t.Fatalf("the order matters:\n%s\n%s", want, got)
		}
		if text(views)+text(instances) != before {
			t.Fatal("Merge changed its arguments")
		}
	})
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// BenchmarkMerge: a thousand nodes, every one of which tells of all others.
func BenchmarkMerge(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			views, instances := steady(n, noon())
			for b.Loop() {
				cassandra.Merge("test", noon(), views, instances, nil)
			}
		})
	}
}

// TestStoredRings: whatever was seen, nothing at all included, can be stored and is read back as it was.
func TestStoredRings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ring cassandra.Ring
		for look := range rapid.IntRange(1, 4).Draw(t, "looks") {
			at := noon().Add(time.Duration(look) * 40 * time.Second) // older views lose their voice on the way
			views, instances := steady(rapid.IntRange(0, 4).Draw(t, "nodes"), at)
			for i := range views {
				switch rapid.IntRange(0, 3).Draw(t, "view") {
				case 0:
					silent(&views[i], cassandra.Hung, cassandra.Refused)
				case 1:
					views[i].Mode, views[i].Peers, views[i].Tokens, views[i].Owners, views[i].Keyspaces = "STARTING", nil, nil, nil, nil
				case 2:
					views[i].Tokens, views[i].Keyspaces = nil, nil
				}
			}
			views = views[:rapid.IntRange(0, len(views)).Draw(t, "views")]
			instances = instances[:rapid.IntRange(0, len(instances)).Draw(t, "instances")]
			merged := cassandra.Merge("test", at, views, instances, nil)
			ring = cassandra.Fold(ring, merged)
			for name, r := range map[string]cassandra.Ring{"merged": merged, "folded": ring} {
				stored, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				read, err := galen.Decode[cassandra.Ring](stored)
				if err != nil {
					t.Fatalf("%s, look %d: %v", name, look, err)
				}
				if why := cassandra.Kind().ByHand.Contradicts(read); why != "" {
					t.Fatalf("%s, look %d: it contradicts itself: %s\n%s", name, look, why, stored)
				}
				if again, err := json.Marshal(read); err != nil || string(again) != string(stored) {
					t.Fatalf("%s, look %d: stored %s, read back %s, %v", name, look, stored, again, err)
				}
			}
		}
	})
}
