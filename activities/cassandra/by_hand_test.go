package cassandra_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// lostOf are the lost levels of a Judgement as Levels tells them.
func lostOf(j cassandra.Judgement) map[string]int {
	out := map[string]int{}
	for _, b := range j.Breaks {
		out[b.Keyspace+"/"+b.DC+"/"+b.Level] = b.Ranges
	}
	return out
}

// TestLevelsAreThoseOfTheVerdict: what people are shown is what the guards count, and the naive count too.
func TestLevelsAreThoseOfTheVerdict(t *testing.T) {
	eachDrawing(t, drawnAnswers, func(t *testing.T, d drawing) {
		r, p := d.ring(), d.policy()
		down := d.down(r, 4)
		q := cassandra.NewQuorum(r, p)
		got := map[string]int{}
		for _, l := range q.Levels(down) {
			if l.Lost > 0 {
				got[l.Of+"/"+l.Group+"/"+l.Name] = l.Lost
			}
			if l.Lost > l.Ranges {
				t.Errorf("%+v loses more ranges than there are", l)
			}
		}
		if diff := cmp.Diff(lostOf(q.Verdict(down)), got); diff != "" {
			t.Errorf("down %v (-verdict +levels):\n%s", down, diff)
		}
		compare(t, "levels", q.Verdict(down), newNaive(r, p).judge(down, nil))
	})
}

// TestToldIsWhatAGuardWouldCount: a keyspace that is only reported is told the levels that it would have, were it guarded by its name; and
// that changes nothing in what is guarded.
func TestToldIsWhatAGuardWouldCount(t *testing.T) {
	told := 0
	eachDrawing(t, drawnAnswers, func(t *testing.T, d drawing) {
		r, p := d.ring(), d.policy()
		r.Pending, p.GuardKeyspaces = nil, nil
		down := d.down(r, 4)
		q := cassandra.NewQuorum(r, p)
		got := map[string]galen.Level{}
		for _, l := range q.Told(down) {
			got[l.Of+"/"+l.Group+"/"+l.Name] = l
		}
		strict := p
		for _, k := range q.Reported() {
			strict.GuardKeyspaces = append(strict.GuardKeyspaces, k.Keyspace)
		}
		want, guarded := map[string]galen.Level{}, []galen.Level{}
		for _, l := range cassandra.NewQuorum(r, strict).Levels(down) {
			if slices.Contains(strict.GuardKeyspaces, l.Of) {
				want[l.Of+"/"+l.Group+"/"+l.Name] = l
			} else {
				guarded = append(guarded, l)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("down %v (-guarded +told):\n%s", down, diff)
		}
		if diff := cmp.Diff(guarded, append([]galen.Level{}, q.Levels(down)...)); diff != "" {
			t.Errorf("what is guarded (-alone +beside):\n%s", diff)
		}
		told += len(got)
	})
	if told == 0 {
		t.Error("nothing was ever only told")
	}
}

// TestWhatIfIsTheQuorum: the outlook's parts are the answers of the mathematics.
func TestWhatIfIsTheQuorum(t *testing.T) {
	r := ring.Large(2, 12)
	p := galen.SafePolicy()
	down := []string{r.Nodes[0].HostID, r.Nodes[5].HostID}
	q := cassandra.NewQuorum(r, p)
	set := map[string]bool{down[0]: true, down[1]: true}
	o := cassandra.Kind().ByHand.Reckon(r, p).WhatIf(nil, down)
	if diff := cmp.Diff(down, o.Asked); diff != "" || len(o.Down) != 0 || len(o.Doubts) != 0 {
		t.Errorf("asked %v down %v doubts %v", o.Asked, o.Down, o.Doubts)
	}
	lost := map[string]int{}
	for _, l := range o.Levels {
		if l.Lost > 0 {
			lost[l.Of+"/"+l.Group+"/"+l.Name] = l.Lost
		}
	}
	if diff := cmp.Diff(lostOf(q.Verdict(set)), lost); diff != "" {
		t.Error(diff)
	}
	if o.Margin != q.Verdict(set).MarginText() {
		t.Errorf("margin %q", o.Margin)
	}
	batches, threats := q.Rolling(set), q.Unsafe(set)
	if whole := q.Together(set, batches); o.Together == nil || !slices.Equal(o.Together.Members, whole.Nodes) || o.Together.Domain != "" {
		t.Errorf("together %+v, the quorum says %+v", o.Together, whole)
	}
	if len(o.Rolling) != len(batches) || len(o.Threats) != len(threats) || len(threats) == 0 {
		t.Fatalf("%d rolling, %d threats; the quorum has %d, %d", len(o.Rolling), len(o.Threats), len(batches), len(threats))
	}
	for i, b := range batches {
		if !slices.Equal(o.Rolling[i].Members, b.Nodes) || !slices.Equal(o.Rolling[i].Others, b.Others) {
			t.Errorf("rolling %+v, the quorum says %+v", o.Rolling[i], b)
		}
	}
	for i, one := range threats {
		if o.Threats[i].ID != one.HostID || len(o.Threats[i].Levels) != len(one.Breaks) {
			t.Errorf("threat %+v, the quorum says %+v", o.Threats[i], one)
		}
	}
}

// nonsense are rings that cannot be, each made of a sound one, with what is said of it.
func nonsense() map[string]func(r *cassandra.Ring) {
	rf := func(n int) func(r *cassandra.Ring) {
		return func(r *cassandra.Ring) { r.Keyspaces[0].RF = map[string]int{"dc1": n} }
	}
	return map[string]func(r *cassandra.Ring){
		"owned by both":               func(r *cassandra.Ring) { r.Nodes[1].Tokens[3] = r.Nodes[0].Tokens[0] },
		"wants 7 replicas":            rf(7),
		"no keyspace can have":        rf(-3),
		"replication factor that no ": rf(1 << 62),
		"is in no rack":               func(r *cassandra.Ring) { r.Nodes[2].Rack = "" },
		"is in no data centre":        func(r *cassandra.Ring) { r.Nodes[2].DC = "" },
		"the ring has no nodes":       func(r *cassandra.Ring) { r.Nodes = []cassandra.Node{} },
		"unknown replication class":   func(r *cassandra.Ring) { r.Keyspaces[0].Strategy = "EverywhereStrategy" },
		"tells no replication factor": func(r *cassandra.Ring) { r.Keyspaces[0].RF = nil },
		"transient":                   func(r *cassandra.Ring) { r.Keyspaces[0].Transient = true },
		"told the keyspaces":          func(r *cassandra.Ring) { r.Keyspaces = nil },
		"owns no token":               func(r *cassandra.Ring) { r.Nodes[4].Tokens = nil },
		"stand in the order":          func(r *cassandra.Ring) { r.Nodes[1], r.Nodes[2] = r.Nodes[2], r.Nodes[1] },
		"each once":                   func(r *cassandra.Ring) { r.Nodes[1].HostID = r.Nodes[0].HostID },
		"both are at":                 func(r *cassandra.Ring) { r.Nodes[1].Address = r.Nodes[0].Address },
		"has no address":              func(r *cassandra.Ring) { r.Nodes[1].Address = "" },
		"unknown status":              func(r *cassandra.Ring) { r.Nodes[1].Status = "ASLEEP" },
		`class "LocalStrategy"`:       func(r *cassandra.Ring) { r.Keyspaces[0].Strategy, r.Keyspaces[0].RF = "LocalStrategy", nil },
		`to be "gud", which is no word`: func(r *cassandra.Ring) {
			r.Nodes[1].Observations = []galen.Observation{{Observer: "probe", Kind: galen.Probe, Says: "gud"}}
		},
		`of the unknown kind "prob"`: func(r *cassandra.Ring) {
			r.Nodes[1].Observations = []galen.Observation{{Observer: "probe", Kind: "prob", Says: galen.Good}}
		},
		`a process that is "awake"`: func(r *cassandra.Ring) { r.Instances = []cassandra.Instance{{Name: "n1", Process: "awake"}} },
		`has data that are "here"`:  func(r *cassandra.Ring) { r.Instances = []cassandra.Instance{{Name: "n1", Data: "here"}} },
		`tells of an answer "yes"`:  func(r *cassandra.Ring) { r.Views = []cassandra.View{{Instance: "n1", CQL: "yes"}} },
		"has no replica anywhere":   rf(0),
		"a keyspace has no name":    func(r *cassandra.Ring) { r.Keyspaces[0].Name = "" },
		"has started at -1":         func(r *cassandra.Ring) { r.Nodes[1].Generation = -1 },
		"tells of a start at -7":    func(r *cassandra.Ring) { r.Views = []cassandra.View{{Instance: "n1", Generation: -7}} },
		"both are the instance n1":  func(r *cassandra.Ring) { r.Nodes[1].Instance, r.Nodes[2].Instance = "n1", "n1" },
		"is listed by nobody, and":  func(r *cassandra.Ring) { r.Nodes[1].Unlisted = true },
		`instance "n1" stands twice`: func(r *cassandra.Ring) {
			r.Instances = []cassandra.Instance{{Name: "n1"}, {Name: "n1", Process: cassandra.Running}}
		},
		`view of "n1" stands twice`: func(r *cassandra.Ring) { r.Views = []cassandra.View{{Instance: "n1"}, {Instance: "n1"}} },
		"depends on whom one asks": func(r *cassandra.Ring) {
			r.Dissents = []cassandra.Dissent{{Observer: "n9", About: "tokens", Says: "its token map is another one", Others: "5 views have the map of n1"}}
		},
		"keyspace system_auth has the": func(r *cassandra.Ring) {
			r.Keyspaces[0] = cassandra.Keyspace{Name: "system_auth", Strategy: "LocalStrategy"}
		},
		"no view is from then": func(r *cassandra.Ring) {
			r.At = r.At.Add(time.Hour)
			r.Views = []cassandra.View{{Instance: "n1", At: r.At.Add(-time.Hour), Jolokia: cassandra.Answered, Mode: "NORMAL"}}
		},
		"stands twice":        func(r *cassandra.Ring) { r.Keyspaces = append(r.Keyspaces, r.Keyspaces[0]) },
		"in dc9, and 0 nodes": func(r *cassandra.Ring) { r.Keyspaces[0].RF = map[string]int{"dc1": 3, "dc9": 3} },
		"is pending at":       func(r *cassandra.Ring) { r.Pending = []cassandra.Pending{{Keyspace: "ks", Address: "10.9.9.9"}} },
	}
}

func copied(r cassandra.Ring) cassandra.Ring {
	r.Nodes = slices.Clone(r.Nodes)
	for i := range r.Nodes {
		r.Nodes[i].Tokens = slices.Clone(r.Nodes[i].Tokens)
	}
	r.Keyspaces = slices.Clone(r.Keyspaces)
	for i := range r.Keyspaces {
		r.Keyspaces[i].RF = maps.Clone(r.Keyspaces[i].RF)
	}
	return r
}

func TestNonsenseRingsAreDoubted(t *testing.T) {
	sound := ring.Large(1, 6)
	b := cassandra.Kind().ByHand
	if o := b.Reckon(sound, galen.SafePolicy()).WhatIf(nil, nil); len(o.Doubts) > 0 {
		t.Fatalf("a sound ring is doubted: %v", o.Doubts)
	}
	for says, break1 := range nonsense() {
		t.Run(says, func(t *testing.T) {
			r := copied(sound)
			break1(&r)
			for _, down := range [][]string{nil, {"host-0000"}, {"host-0005"}} {
				o := b.Reckon(r, galen.SafePolicy()).WhatIf(nil, down)
				if text := fmt.Sprint(o.Doubts); len(o.Doubts) == 0 || !strings.Contains(text, says) {
					t.Errorf("down %v: doubts %s, want %q", down, text, says)
				}
			}
		})
	}
}

// TestNegativeReplicationIsDenied: with such a keyspace the guard itself let every node go, for it counted none.
func TestNegativeReplicationIsDenied(t *testing.T) {
	r := copied(ring.Large(1, 6))
	r.Keyspaces[0].RF = map[string]int{"dc1": -3}
	j := cassandra.NewQuorum(r, galen.SafePolicy()).Verdict(map[string]bool{"host-0000": true, "host-0001": true})
	if j.Safe() {
		t.Errorf("safe: %+v", j)
	}
}

func TestDeeds(t *testing.T) {
	r := ring.Large(1, 3)
	b := cassandra.Kind().ByHand
	for _, verb := range []string{"stop", "drain", "restart", "start", "fence", "decommission", "removenode"} {
		d, err := b.Deed(r, verb, galen.Target{ID: "host-0001"})
		if err != nil || d.Step.Target.ID != "host-0001" || len(d.Claims) == 0 {
			t.Errorf("%s: %+v, %v", verb, d, err)
		}
	}
	for _, c := range [][2]string{{"stop", "host-9999"}, {"stop", ""}, {"kill", "host-0001"}, {"repair", "host-0001"}, {"", "host-0001"}, {"STOP", "host-0001"}} {
		if _, err := b.Deed(r, c[0], galen.Target{ID: c[1]}); err == nil {
			t.Errorf("%s %s is accepted", c[0], c[1])
		}
	}
}

// TestWhoCannotBeFound: where nodes stand as in no ring, that is told of one who is not found, for it may be there; in another ring it is not.
func TestWhoCannotBeFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*cassandra.Ring)
		id     string
		says   string
	}{
		"out of order": {func(r *cassandra.Ring) { slices.Reverse(r.Nodes) }, "host-0000", "nodes stand in the order of their host IDs"},
		"two are one instance": {func(r *cassandra.Ring) { r.Nodes[1].Instance, r.Nodes[2].Instance = "n1", "n1" }, "instance/n2",
			"both are the instance n1"},
		"nothing is wrong":    {func(*cassandra.Ring) {}, "host-9999", "stop host-9999: it is no node of the ring"},
		"keyspaces are wrong": {func(r *cassandra.Ring) { r.Keyspaces[0].Name = "" }, "host-9999", "it is no node of the ring"},
	} {
		t.Run(name, func(t *testing.T) {
			r := copied(ring.Large(1, 3))
			c.change(&r)
			if _, err := cassandra.Kind().ByHand.Deed(r, "stop", galen.Target{ID: c.id}); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

// TestDeparture: three nodes for three replicas cannot spare one for good, whatever a quorum says.
func TestDeparture(t *testing.T) {
	for nodes, want := range map[int]galen.Answer{3: galen.Deny, 4: galen.Allow} {
		r := ring.Large(1, nodes)
		b := cassandra.Kind().ByHand
		d, err := b.Deed(r, "decommission", galen.Target{ID: "host-0001"})
		if err != nil {
			t.Fatal(err)
		}
		if v := verdictOf(t, r, d, "departure"); v.Answer != want {
			t.Errorf("%d nodes: %+v, want %s", nodes, v, want)
		}
	}
}

// TestRoomToLeave: what a node held has to fit on those that come to hold it, and where nobody tells of that, nobody can say yes. With as
// many racks as replicas that is the other node of its rack alone.
func TestRoomToLeave(t *testing.T) {
	const held = 900 << 30
	free := func(node int, n int64) func(*cassandra.Ring) {
		return func(r *cassandra.Ring) { r.Instances[node].DiskFree = &n }
	}
	for name, c := range map[string]struct {
		change func(*cassandra.Ring)
		want   galen.Answer
		says   string
	}{
		"room":                          {func(*cassandra.Ring) {}, galen.Allow, "the 1 nodes"},
		"its heir is full":              {free(4, 1024), galen.Deny, "1.0 KiB free"},
		"its heir has room for a fifth": {free(4, held/5*2), galen.Deny, "360.0 GiB free"},
		"another one is full":           {free(2, 0), galen.Allow, "the 1 nodes"},
		"the leaver's is full":          {free(1, 0), galen.Allow, "the 1 nodes"},
		"its heir does not tell":        {func(r *cassandra.Ring) { r.Instances[4].DiskFree = nil }, galen.NeedYes, "does not tell how much is free"},
		"its heir cannot be read":       {func(r *cassandra.Ring) { r.Instances[4].Error = "no answer" }, galen.NeedYes, "does not tell how much is free"},
		"its heir has lost its data":    {func(r *cassandra.Ring) { r.Instances[4].Data = cassandra.DataGone }, galen.LookAgain, "is not well"},
		"its heir is down":              {func(r *cassandra.Ring) { r.Nodes[4].Down = true }, galen.LookAgain, "is not well"},
		"nobody tells what it has":      {func(r *cassandra.Ring) { tellLoad(r, 0) }, galen.NeedYes, "how much data"},
		"in one rack all inherit": {func(r *cassandra.Ring) {
			for i := range r.Nodes {
				r.Nodes[i].Rack = "r1"
				free(i, held)(r)
			}
		}, galen.Allow, "the 5 nodes"},
	} {
		r := ring.Large(1, 6) // three racks
		for i := range r.Nodes {
			r.Nodes[i].Instance = fmt.Sprint("n", i)
			r.Instances = append(r.Instances, cassandra.Instance{Name: r.Nodes[i].Instance, Process: cassandra.Running, Data: cassandra.DataPresent, DiskFree: new(int64(2 * held))})
		}
		tellLoad(&r, held)
		c.change(&r)
		for _, verb := range []string{"decommission", "removenode"} {
			d, err := cassandra.Kind().ByHand.Deed(r, verb, galen.Target{ID: "host-0001"})
			if err != nil {
				t.Fatal(err)
			}
			if v := verdictOf(t, r, d, "room to leave"); v.Answer != c.want || !strings.Contains(v.Why, c.says) {
				t.Errorf("%s, %s: %+v, want %s with %q", name, verb, v, c.want, c.says)
			}
		}
	}
	r := ring.Large(1, 4)
	d, err := cassandra.Kind().ByHand.Deed(r, "stop", galen.Target{ID: "host-0001"})
	if v := verdictOf(t, r, d, "room to leave"); err != nil || v.Answer != galen.Allow {
		t.Errorf("a stop: %+v, %v", v, err)
	}
}

// tellLoad lets the last node tell that each holds so many bytes.
func tellLoad(r *cassandra.Ring, load int64) {
	v := cassandra.View{Instance: "n3", Address: r.Nodes[3].Address, Jolokia: cassandra.Answered, CQL: cassandra.Answered, Mode: string(cassandra.Normal)}
	for _, n := range r.Nodes {
		v.Peers = append(v.Peers, cassandra.Endpoint{Address: n.Address, HostID: n.HostID, Up: true, Load: load})
	}
	r.Views = []cassandra.View{v}
}

// verdictOf is what a guard answers about a deed at noon.
func verdictOf(t *testing.T, r cassandra.Ring, d galen.Deed, guard string) galen.Verdict {
	t.Helper()
	verdicts, _ := cassandra.Kind().ByHand.Reckon(r, galen.SafePolicy()).Judge(galen.Ask[cassandra.Ring]{
		World: galen.World[cassandra.Ring]{Now: noon(), State: r}, Step: d.Step, Class: d.Class, Policy: galen.SafePolicy(),
	})
	i := slices.IndexFunc(verdicts, func(v galen.Verdict) bool { return v.Guard == guard })
	if i < 0 {
		t.Fatalf("the guard %s was not asked: %+v", guard, verdicts)
	}
	return verdicts[i]
}

// TestWhoMayOnlyBeAwayIsNotRemoved: a node is removed as late as it would be replaced.
func TestWhoMayOnlyBeAwayIsNotRemoved(t *testing.T) {
	for down, want := range map[time.Duration]galen.Answer{3 * time.Second: galen.LookAgain, 24 * time.Hour: galen.Allow} {
		r := ring.Large(1, 6)
		node := &r.Nodes[1]
		node.Down, node.DownSince, node.Instance = true, noon().Add(-down), "n1"
		r.Instances = []cassandra.Instance{{Name: node.Instance, Process: cassandra.Absent, Data: cassandra.DataPresent}}
		d, err := cassandra.Kind().ByHand.Deed(r, "removenode", galen.Target{ID: node.HostID})
		if err != nil {
			t.Fatal(err)
		}
		if v := verdictOf(t, r, d, "I-15 patience"); v.Answer != want {
			t.Errorf("down for %s: %+v, want %s", down, v, want)
		}
	}
}

// TestTheOnlyReplicaIsNotRemovedUnseen: what others take out of the ring streams nothing away, and no guard keeps a keyspace of few replicas.
func TestTheOnlyReplicaIsNotRemovedUnseen(t *testing.T) {
	logs := func(strategy string, rf map[string]int) cassandra.Keyspace {
		return cassandra.Keyspace{Name: "logs", Strategy: strategy, RF: rf}
	}
	nts := func(dc string, rf int) cassandra.Keyspace {
		return logs("NetworkTopologyStrategy", map[string]int{dc: rf})
	}
	alone := func(*cassandra.Ring) {}
	all := func(r *cassandra.Ring) {
		for i := range r.Nodes {
			r.Nodes[i].Down = true
		}
	}
	for name, c := range map[string]struct {
		verb   string
		of     cassandra.Keyspace
		levels []string // of that keyspace, declared
		change func(*cassandra.Ring)
		want   galen.Answer
	}{
		"one replica":                          {"removenode", nts("dc2", 1), nil, alone, galen.NeedYes},
		"one replica, and it streams":          {"decommission", nts("dc2", 1), nil, nil, galen.Allow},
		"one replica, in another DC":           {"removenode", nts("dc1", 1), nil, alone, galen.Allow},
		"one replica, and ANY is enough":       {"removenode", nts("dc2", 1), []string{"ANY"}, alone, galen.NeedYes},
		"two replicas":                         {"removenode", nts("dc2", 2), nil, alone, galen.Allow},
		"two replicas, the other ones down":    {"removenode", nts("dc2", 2), nil, all, galen.NeedYes},
		"two, SimpleStrategy, the others down": {"removenode", logs("SimpleStrategy", map[string]int{"": 2}), nil, all, galen.NeedYes},
		"two replicas, the others' data gone": {"removenode", nts("dc2", 2), nil, func(r *cassandra.Ring) {
			for i := range r.Nodes {
				r.Nodes[i].Instance = fmt.Sprint("n", i)
				if i != 1 {
					r.Instances = append(r.Instances, cassandra.Instance{Name: r.Nodes[i].Instance, Process: cassandra.Running, Data: cassandra.DataGone})
				}
			}
		}, galen.NeedYes},
	} {
		t.Run(name, func(t *testing.T) {
			r := copied(ring.Large(2, 12))
			r.Keyspaces = []cassandra.Keyspace{c.of}
			if c.change != nil {
				r.Nodes[1].Down = true
				c.change(&r)
			}
			p := galen.SafePolicy()
			if c.levels != nil {
				p.KeyspaceLevels = map[string][]string{c.of.Name: c.levels}
			}
			d, err := cassandra.Kind().ByHand.Deed(r, c.verb, r.Nodes[1].Target())
			if err != nil {
				t.Fatal(err)
			}
			verdicts, _ := cassandra.Kind().ByHand.Reckon(r, p).Judge(galen.Ask[cassandra.Ring]{World: galen.World[cassandra.Ring]{Now: noon(), State: r}, Step: d.Step, Class: d.Class, Policy: p})
			i := slices.IndexFunc(verdicts, func(v galen.Verdict) bool { return v.Guard == "departure" })
			if v := verdicts[i]; v.Answer != c.want || c.want == galen.NeedYes && !strings.Contains(v.Why, "ranges of logs") {
				t.Errorf("%+v, want %s", v, c.want)
			}
		})
	}
}

// TestAStartByHandIsClean: it finds data and no process, and what cannot be seen is no yes.
func TestAStartByHandIsClean(t *testing.T) {
	sound := cassandra.Instance{Process: cassandra.Absent, Data: cassandra.DataPresent}
	for name, c := range map[string]struct {
		change func(*cassandra.Instance)
		want   galen.Answer
		says   string
	}{
		"sound":                    {func(*cassandra.Instance) {}, galen.Allow, "its data are present"},
		"its data are gone":        {func(i *cassandra.Instance) { i.Data = cassandra.DataGone }, galen.Deny, "it would start empty"},
		"it runs":                  {func(i *cassandra.Instance) { i.Process, i.PID = cassandra.Running, 7 }, galen.Deny, "process 7 is alive"},
		"it is fenced":             {func(i *cassandra.Instance) { i.Fenced = "intent" }, galen.Deny, "fenced"},
		"its host is out of reach": {func(i *cassandra.Instance) { i.Error = "permission denied" }, galen.NeedYes, "permission denied"},
		"nobody knows its data":    {func(i *cassandra.Instance) { i.Data = cassandra.DataUnknown }, galen.NeedYes, "unknown"},
		"nobody knows its host":    {func(i *cassandra.Instance) { i.Name = "another" }, galen.NeedYes, "no host tells"},
	} {
		r := ring.Large(1, 3)
		node := &r.Nodes[1]
		node.Down, node.Instance = true, "n1"
		i := sound
		i.Name = node.Instance
		c.change(&i)
		r.Instances = []cassandra.Instance{i}
		d, err := cassandra.Kind().ByHand.Deed(r, "start", galen.Target{ID: node.HostID})
		if err != nil {
			t.Fatal(err)
		}
		if v := verdictOf(t, r, d, "clean start"); v.Answer != c.want || !strings.Contains(v.Why, c.says) {
			t.Errorf("%s: %+v, want %s, %q", name, v, c.want, c.says)
		}
	}
}
