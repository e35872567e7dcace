package cassandra_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestWhatCannotBeJudgedSaysWhy: every doubt in its words, and whether another look can end it.
func TestWhatCannotBeJudgedSaysWhy(t *testing.T) {
	for _, c := range []struct {
		why     string
		lasting bool
		change  func(*cassandra.Ring)
	}{
		{"keyspace orders has transient replicas", true, func(r *cassandra.Ring) { r.Keyspaces[0].Transient = true }},
		{`keyspace orders has the unknown replication class "EverywhereStrategy"`, true, func(r *cassandra.Ring) { r.Keyspaces[0].Strategy = "EverywhereStrategy" }},
		{"keyspace orders tells no replication factor", true, func(r *cassandra.Ring) { r.Keyspaces[0].RF = nil }},
		{"keyspace orders has a replication factor that does not fit NetworkTopologyStrategy", true, func(r *cassandra.Ring) {
			r.Keyspaces[0].RF = map[string]int{"": 3}
		}},
		{"keyspace orders has a replication factor that does not fit SimpleStrategy", true, func(r *cassandra.Ring) {
			r.Keyspaces[0].Strategy = "SimpleStrategy"
		}},
		{"keyspace orders has a replication factor that does not fit SimpleStrategy", true, func(r *cassandra.Ring) {
			r.Keyspaces[0].Strategy, r.Keyspaces[0].RF = "SimpleStrategy", map[string]int{"": 3, "dc1": 3}
		}},
		{"no live node told the keyspaces", false, func(r *cassandra.Ring) { r.Keyspaces = nil }},
		{"token 100 is owned by both h1 and h2", false, func(r *cassandra.Ring) { r.Nodes[0].Tokens = append(r.Nodes[0].Tokens, 100) }},
		{"node h1 is LEAVING and owns no token", false, func(r *cassandra.Ring) { r.Nodes[0].Tokens, r.Nodes[0].Status = nil, cassandra.Leaving }},
		{"a range is pending at 10.0.0.9, which is no node of the ring", false, func(r *cassandra.Ring) {
			for _, end := range []cassandra.Token{50, 100} { // one stranger is one doubt
				r.Pending = append(r.Pending, cassandra.Pending{Keyspace: "orders", Address: "10.0.0.9", Range: cassandra.Range{Start: 0, End: end}})
			}
		}},
	} {
		r := three()
		c.change(&r)
		j := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}}).Verdict(nil)
		if diff := cmp.Diff([]cassandra.Doubt{{Why: c.why, Lasting: c.lasting}}, j.Doubts); diff != "" || j.Safe() {
			t.Errorf("safe %t (-want +got):\n%s", j.Safe(), diff)
		}
	}
}

// TestARingWithoutTokens: nobody has a replica, and nothing is safe.
func TestARingWithoutTokens(t *testing.T) {
	r := three()
	for i := range r.Nodes {
		r.Nodes[i].Status = cassandra.Joining
	}
	q := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}})
	if diff := cmp.Diff([]cassandra.Doubt{{Why: "no token of the ring is known"}}, q.Verdict(nil).Doubts); diff != "" {
		t.Error(diff)
	}
	if got := q.Replicas("orders", 5); got != nil {
		t.Errorf("replicas %v", got)
	}
	if got := q.Ranges("orders", "h1"); got != nil {
		t.Errorf("ranges %v", got)
	}
	if j := q.Verdict(nil); j.Safe() || j.MarginText() != "no guarded keyspace" || len(q.Fatal(nil)) != 0 {
		t.Errorf("%+v", j)
	}
}

// TestWhoIsNotKnown has no ranges, and a keyspace that is not known has no replicas.
func TestWhoIsNotKnown(t *testing.T) {
	q := cassandra.NewQuorum(three(), galen.Policy{Levels: []string{"QUORUM"}})
	if got := q.Ranges("orders", "nobody"); got != nil {
		t.Errorf("ranges of nobody: %v", got)
	}
	if q.Ranges("secret", "h1") != nil || q.Replicas("secret", 0) != nil {
		t.Error("a keyspace that nobody knows has replicas")
	}
	if got := q.Ranges("orders", "h1"); len(got) != 3 {
		t.Errorf("at RF 3 each of three nodes has all ranges: %v", got)
	}
	if !q.Sharing("orders", "nobody", "h1") {
		t.Error("who is not known shares with all")
	}
}

// TestANodeThatReplacesItself stands under its own address, asleep: what it had is nobody's until it is back.
func TestANodeThatReplacesItself(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*cassandra.Ring)
		margin string
	}{
		{"asleep, by a live node's word", func(*cassandra.Ring) {}, "0 to spare: orders, QUORUM: 2 of 3 replicas up, 2 needed"},
		{"the word of a node that is not live", func(r *cassandra.Ring) { r.Views[0].Mode = "STARTING" }, "0 to spare: orders, QUORUM: 2 of 2 replicas up, 2 needed"},
		{"it joins as any other", func(r *cassandra.Ring) { r.Views[0].Peers[0].Status = "BOOT" }, "0 to spare: orders, QUORUM: 2 of 2 replicas up, 2 needed"},
		{"another one is asleep", func(r *cassandra.Ring) { r.Views[0].Peers[0].Address = "10.0.0.2" }, "0 to spare: orders, QUORUM: 2 of 2 replicas up, 2 needed"},
	} {
		r := three()
		r.Nodes[2].Status = cassandra.Joining
		r.Views = []cassandra.View{{Jolokia: cassandra.Answered, Mode: "NORMAL", Peers: []cassandra.Endpoint{{Address: "10.0.0.3", Status: "hibernate"}}}}
		c.change(&r)
		j := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}}).Verdict(nil)
		if j.MarginText() != c.margin || !j.Safe() {
			t.Errorf("%s: %s, doubts %v; want %s", c.name, j.MarginText(), j.Doubts, c.margin)
		}
	}
}

// TestTheFirstOfTheWorstIsTold, in the order of the ring, however the question is put.
func TestTheFirstOfTheWorstIsTold(t *testing.T) {
	r := three()
	q := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"ONE"}, GuardKeyspaces: []string{"system_auth"}})
	down := map[string]bool{"h1": true, "h3": true}
	want := []cassandra.Break{{Keyspace: "system_auth", Level: "ONE", Range: cassandra.Range{Start: 200, End: 0}, Ranges: 2, Replicas: 1, Needed: 1}}
	for range 20 { // a map has no order
		j := q.Verdict(down)
		if diff := cmp.Diff(want, j.Breaks); diff != "" {
			t.Fatal(diff)
		}
		if m := j.Margin; m.Range != want[0].Range || m.Spare() != -1 || m.Ranges != 1 {
			t.Fatalf("margin %+v", m)
		}
	}
	// A read and a write that are alike lost: the read, which came first.
	r.Nodes = append(r.Nodes, cassandra.Node{HostID: "h4", Address: "10.0.0.4", Status: cassandra.Joining, DC: "dc1", Rack: "r1", Tokens: []cassandra.Token{50}})
	r.Pending = []cassandra.Pending{{Keyspace: "orders", Address: "10.0.0.4", Range: cassandra.Range{Start: 0, End: 50}}}
	j := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}}).Verdict(down)
	if len(j.Breaks) != 1 || j.Breaks[0].Ranges != 4 || j.Breaks[0].Replicas != 3 || j.Breaks[0].Needed != 2 {
		t.Errorf("%+v", j.Breaks)
	}
}

// TestBreaksForPeople name the level, where it counts, and how much is there.
func TestBreaksForPeople(t *testing.T) {
	b := cassandra.Break{Keyspace: "orders", Level: "QUORUM", Alive: 1, Replicas: 3, Needed: 2}
	if got := b.String(); got != "orders, QUORUM: 1 of 3 replicas up, 2 needed" {
		t.Error(got)
	}
	b.DC = "dc1"
	if got := b.String(); got != "orders, QUORUM in dc1: 1 of 3 replicas up, 2 needed" || b.Spare() != -1 {
		t.Error(got, b.Spare())
	}
}

// TestAPlainSettingIsPlacedOnce: keyspaces of one setting that are guarded alike break alike, and what the policy declares
// for one of them is its own.
func TestAPlainSettingIsPlacedOnce(t *testing.T) {
	r := three()
	more := r.Keyspaces[0]
	for i := range 3 {
		more.Name = fmt.Sprintf("orders%d", i)
		r.Keyspaces = append(r.Keyspaces, more)
	}
	q := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}, KeyspaceLevels: map[string][]string{"orders1": {"ONE"}}})
	var broken []string
	for _, b := range q.Verdict(map[string]bool{"h1": true, "h2": true}).Breaks {
		broken = append(broken, b.Keyspace)
	}
	if slices.Sort(broken); strings.Join(broken, " ") != "orders orders0 orders2" {
		t.Errorf("broken: %v", broken)
	}
}

// TestAJoinerHasNoRackOfItsOwn: placement knows the racks of those that own tokens only.
func TestAJoinerHasNoRackOfItsOwn(t *testing.T) {
	r := three()
	r.Nodes[2].Rack = "r1"
	before := cassandra.NewQuorum(r, galen.Policy{}).Replicas("orders", 50)
	r.Nodes = append(r.Nodes, cassandra.Node{HostID: "h4", Address: "10.0.0.4", Status: cassandra.Joining, DC: "dc1", Rack: "r9", Tokens: []cassandra.Token{60}})
	if after := cassandra.NewQuorum(r, galen.Policy{}).Replicas("orders", 50); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}
