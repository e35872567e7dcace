package cassandra_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// three is a ring of three nodes in three racks, with one token each.
func three() cassandra.Ring {
	r := cassandra.Ring{Name: "r", Keyspaces: []cassandra.Keyspace{
		{Name: "orders", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 3}},
		{Name: "system_auth", Strategy: "SimpleStrategy", RF: map[string]int{"": 1}},
	}}
	for i := range 3 {
		r.Nodes = append(r.Nodes, cassandra.Node{
			HostID: fmt.Sprintf("h%d", i+1), Address: fmt.Sprintf("10.0.0.%d", i+1), Status: cassandra.Normal,
			DC: "dc1", Rack: fmt.Sprintf("r%d", i+1), Tokens: []cassandra.Token{cassandra.Token(100 * i)},
		})
	}
	return r
}

func TestQuorumVerdicts(t *testing.T) {
	quorum := []string{"QUORUM", "LOCAL_QUORUM"}
	for _, c := range []struct {
		name   string
		change func(*cassandra.Ring)
		levels []string
		guard  []string
		own    map[string][]string
		down   []string
		safe   bool
		margin string
		doubts int
	}{
		{name: "all up", levels: quorum, safe: true, margin: "1 to spare: orders, QUORUM: 3 of 3 replicas up, 2 needed"},
		{name: "one down", levels: quorum, down: []string{"h2"}, safe: true, margin: "0 to spare: orders, QUORUM: 2 of 3 replicas up, 2 needed"},
		{name: "two down", levels: quorum, down: []string{"h2", "h3"}, margin: "-1 to spare: orders, QUORUM: 1 of 3 replicas up, 2 needed"},
		{name: "auth guarded by policy", levels: quorum, guard: []string{"system_auth"}, down: []string{"h2"}, margin: "-1 to spare: system_auth, QUORUM: 0 of 1 replicas up, 1 needed"},
		{name: "a keyspace with its own level", levels: quorum, own: map[string][]string{"orders": {"ONE"}}, down: []string{"h2", "h3"}, safe: true, margin: "0 to spare: orders, ONE: 1 of 3 replicas up, 1 needed"},
		{name: "a declared level guards few replicas too", levels: quorum, own: map[string][]string{"system_auth": {"LOCAL_ONE"}}, down: []string{"h2"}, margin: "-1 to spare: system_auth, LOCAL_ONE in dc1: 0 of 1 replicas up, 1 needed"},
		{name: "an unknown declared level", levels: quorum, own: map[string][]string{"orders": {"SOME"}, "system_auth": {"SOME"}}, doubts: 1, margin: "no guarded keyspace"},
		{name: "a hint is enough for ANY", levels: []string{"ANY"}, down: []string{"h1", "h2", "h3"}, safe: true, margin: "0 to spare: orders, ANY: 0 of 3 replicas up, 0 needed"},
		{name: "transient replicas", levels: quorum, doubts: 1, margin: "no guarded keyspace", change: func(r *cassandra.Ring) { r.Keyspaces[0].Transient = true }},
		{name: "unknown class", levels: quorum, doubts: 1, margin: "no guarded keyspace", change: func(r *cassandra.Ring) { r.Keyspaces[0].Strategy = "EverywhereStrategy" }},
		{name: "no keyspace was told", levels: quorum, doubts: 1, margin: "no guarded keyspace", change: func(r *cassandra.Ring) { r.Keyspaces = nil }},
		{name: "unknown level", levels: []string{"QUORUM", "MOST"}, doubts: 1, margin: "1 to spare: orders, QUORUM: 3 of 3 replicas up, 2 needed"},
		{name: "one token, two owners", levels: quorum, doubts: 1, margin: "1 to spare: orders, QUORUM: 3 of 3 replicas up, 2 needed", change: func(r *cassandra.Ring) { r.Nodes[0].Tokens = append(r.Nodes[0].Tokens, 100) }},
		{name: "a node was robbed of its tokens", levels: quorum, doubts: 1, margin: "0 to spare: orders, QUORUM: 2 of 2 replicas up, 2 needed", change: func(r *cassandra.Ring) { r.Nodes[0].Tokens = nil }},
		{name: "pending at a stranger", levels: quorum, doubts: 1, margin: "0 to spare: orders, QUORUM: 3 of 4 replicas up, 3 needed", change: func(r *cassandra.Ring) {
			r.Pending = []cassandra.Pending{{Keyspace: "orders", Address: "10.0.0.9", Range: cassandra.Range{Start: 0, End: 100}}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := three()
			if c.change != nil {
				c.change(&r)
			}
			down := map[string]bool{}
			for _, id := range c.down {
				down[id] = true
			}
			got := cassandra.NewQuorum(r, galen.Policy{Levels: c.levels, GuardKeyspaces: c.guard, KeyspaceLevels: c.own}).Verdict(down)
			if got.Safe() != c.safe || got.MarginText() != c.margin || len(got.Doubts) != c.doubts {
				t.Errorf("safe %t, margin %q, doubts %v; want %t, %q, %d doubts", got.Safe(), got.MarginText(), got.Doubts, c.safe, c.margin, c.doubts)
			}
		})
	}
}

// While a node is replaced, Cassandra's token map shows the dead node's tokens under the joiner. They stay the dead
// node's; the joiner counts as pending.
func TestQuorumWhileANodeIsReplaced(t *testing.T) {
	r := three()
	r.Nodes = append(r.Nodes, cassandra.Node{
		HostID: "h4", Address: "10.0.0.4", Status: cassandra.Joining, DC: "dc1", Rack: "r3", Replacing: "10.0.0.3", Tokens: []cassandra.Token{200},
	})
	r.Nodes[2].Tokens = nil
	for _, known := range []bool{true, false} {
		if !known {
			r.Nodes = slices.Delete(r.Nodes, 2, 3)
		}
		r.Pending = nil
		down := map[string]bool{"h3": true}
		got := cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}}).Verdict(down)
		if !got.Safe() || got.Margin.Spare() != 0 {
			t.Errorf("dead node known %t: %v, %s; want safe, 0 to spare", known, got.Breaks, got.MarginText())
		}
		r.Pending = []cassandra.Pending{{Keyspace: "orders", Address: "10.0.0.4", Range: cassandra.Range{Start: 0, End: 0}}}
		if got = cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}}).Verdict(down); !got.Safe() {
			t.Errorf("dead node known %t, joiner up: %v; want safe", known, got.Breaks)
		}
		down["h4"] = true
		if got = cassandra.NewQuorum(r, galen.Policy{Levels: []string{"QUORUM"}}).Verdict(down); got.Safe() {
			t.Errorf("dead node known %t: a dead joiner takes every write's quorum, got safe", known)
		}
	}
}

func TestQuorumReportsFewReplicas(t *testing.T) {
	q := cassandra.NewQuorum(three(), galen.Policy{Levels: []string{"QUORUM"}})
	if diff := cmp.Diff([]cassandra.Reported{{Keyspace: "system_auth", Replicas: 1}}, q.Reported()); diff != "" {
		t.Error(diff)
	}
	if !q.Sharing("orders", "h1", "h2") || !q.Sharing("orders", "h1", "nobody") || !q.Sharing("secret", "h1", "h2") {
		t.Error("nodes of one ring at RF 3 share, and so does who is not known")
	}
	if q.Sharing("system_auth", "h1", "h2") {
		t.Error("one replica is shared by nobody")
	}
}

// BenchmarkQuorum measures the first answer after a change of the ring, each next one, and all sets of up to three nodes.
func BenchmarkQuorum(b *testing.B) {
	p := galen.Policy{Levels: []string{"QUORUM", "LOCAL_QUORUM", "SERIAL"}}
	for _, nodes := range []int{1000, 5000} {
		r := ring.Large(3, nodes)
		down := map[string]bool{}
		for i := range 5 {
			down[r.Nodes[i*nodes/5].HostID] = true
		}
		b.Run(fmt.Sprintf("first/%dx16", nodes), func(b *testing.B) {
			for b.Loop() {
				cassandra.NewQuorum(r, p).Verdict(down)
			}
		})
		q := cassandra.NewQuorum(r, p)
		b.Run(fmt.Sprintf("next/%dx16", nodes), func(b *testing.B) {
			for b.Loop() {
				q.Verdict(down)
			}
		})
		b.Run(fmt.Sprintf("triples/%dx16", nodes), func(b *testing.B) {
			for b.Loop() {
				q.Fatal(nil)
			}
		})
		b.Run(fmt.Sprintf("single losses/%dx16", nodes), func(b *testing.B) {
			for b.Loop() {
				q.Unsafe(down)
			}
		})
		b.Run(fmt.Sprintf("rolling/%dx16", nodes), func(b *testing.B) {
			for b.Loop() {
				q.Rolling(nil)
			}
		})
	}
}
