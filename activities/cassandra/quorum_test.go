package cassandra_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// naive is the mathematics written a second time, slowly and by another road: the placement as Cassandra wrote it
// before 3.0 (skipped nodes fill up when all racks are used), every range by itself, nothing shared or cached.
type naive struct {
	ring cassandra.Ring
}

type place struct {
	token cassandra.Token
	node  int
}

func (n naive) places() []place {
	var out []place
	for i, node := range n.ring.Nodes {
		if node.Status == cassandra.Joining {
			continue
		}
		for _, t := range node.Tokens {
			out = append(out, place{t, i})
		}
	}
	slices.SortFunc(out, func(a, b place) int {
		if a.token < b.token {
			return -1
		}
		return 1
	})
	return out
}

// walk gives the owners of token t in order around the ring, each once.
func (n naive) walk(t cassandra.Token) []int {
	places := n.places()
	first := slices.IndexFunc(places, func(p place) bool { return p.token >= t })
	if first < 0 {
		first = 0
	}
	var out []int
	for i := range places {
		node := places[(first+i)%len(places)].node
		if !slices.Contains(out, node) {
			out = append(out, node)
		}
	}
	return out
}

func (n naive) replicas(k cassandra.Keyspace, t cassandra.Token) []int {
	order := n.walk(t)
	if k.Strategy == "SimpleStrategy" {
		return order[:min(k.RF[""], len(order))]
	}
	var out []int
	for dc, rf := range k.RF {
		var here []int
		racks := map[string]bool{}
		for _, i := range order {
			if n.ring.Nodes[i].DC == dc {
				here = append(here, i)
				racks[n.ring.Nodes[i].Rack] = true
			}
		}
		var taken, skipped []int
		used := map[string]bool{}
		for _, i := range here {
			if len(taken) == rf {
				break
			}
			rack := n.ring.Nodes[i].Rack
			switch {
			case !used[rack]:
				used[rack] = true
				taken = append(taken, i)
				if len(used) == len(racks) {
					for len(skipped) > 0 && len(taken) < rf {
						taken, skipped = append(taken, skipped[0]), skipped[1:]
					}
				}
			case len(used) == len(racks):
				taken = append(taken, i)
			default:
				skipped = append(skipped, i)
			}
		}
		out = append(out, taken...)
	}
	return out
}

func inside(r cassandra.Range, t cassandra.Token) bool {
	if r.Start < r.End {
		return r.Start < t && t <= r.End
	}
	return t > r.Start || t <= r.End
}

// lost maps keyspace/level/DC to the worst spare of a lost level, and gives the least spare of all.
func (n naive) lost(levels, guard []string, down, before map[string]bool) (map[string]int, int, bool) {
	lost, least, any := map[string]int{}, 0, false
	points := map[cassandra.Token]bool{}
	for _, p := range n.places() {
		points[p.token] = true
	}
	for _, p := range n.ring.Pending {
		points[p.Start], points[p.End] = true, true
	}
	for _, k := range n.ring.Keyspaces {
		total := 0
		for _, rf := range k.RF {
			total += rf
		}
		if k.Strategy == "LocalStrategy" || total <= 2 && !slices.Contains(guard, k.Name) {
			continue
		}
		for t := range points {
			// Reads know nothing of pending replicas, writes wait for them.
			read := naive{ring: n.ring}
			read.ring.Pending = nil
			for _, c := range append(read.counts(k, t, levels, down, before), n.counts(k, t, levels, down, before)...) {
				if spare := c.alive - c.needed; !any || spare < least {
					any, least = true, spare
				}
				if c.alive >= c.needed || before != nil && c.alive >= c.was {
					continue
				}
				key := k.Name + "/" + c.level + "/" + c.dc
				if old, known := lost[key]; !known || c.alive-c.needed < old {
					lost[key] = c.alive - c.needed
				}
			}
		}
	}
	return lost, least, any
}

type counted struct {
	level, dc          string
	alive, was, needed int
}

func (n naive) counts(k cassandra.Keyspace, t cassandra.Token, levels []string, down, before map[string]bool) []counted {
	natural := n.replicas(k, t)
	var pending []int
	for _, p := range n.ring.Pending {
		i := slices.IndexFunc(n.ring.Nodes, func(x cassandra.Node) bool { return x.Address == p.Address })
		if p.Keyspace == k.Name && inside(p.Range, t) && !slices.Contains(pending, i) && !slices.Contains(natural, i) {
			pending = append(pending, i)
		}
	}
	count := func(level, dc string, rf int) (counted, int) {
		c := counted{level: level, dc: dc}
		members := 0
		for _, i := range append(slices.Clone(natural), pending...) {
			node := n.ring.Nodes[i]
			if dc != "" && node.DC != dc {
				continue
			}
			members++
			if !down[node.HostID] {
				c.alive++
			}
			if !before[node.HostID] {
				c.was++
			}
		}
		waiting := 0
		for _, i := range pending {
			if dc == "" || n.ring.Nodes[i].DC == dc {
				waiting++
			}
		}
		switch level {
		case "ONE", "LOCAL_ONE":
			c.needed = 1 + waiting
		case "TWO":
			c.needed = 2 + waiting
		case "THREE":
			c.needed = 3 + waiting
		case "ALL":
			c.needed = rf + waiting
		case "QUORUM", "LOCAL_QUORUM", "EACH_QUORUM":
			c.needed = rf/2 + 1 + waiting
		case "SERIAL", "LOCAL_SERIAL":
			c.needed = members/2 + 1
			if waiting > 1 {
				c.needed = members + 1
			}
		}
		return c, members
	}
	var out []counted
	for _, level := range levels {
		local := slices.Contains([]string{"LOCAL_ONE", "LOCAL_QUORUM", "LOCAL_SERIAL", "EACH_QUORUM"}, level)
		if !local || k.Strategy == "SimpleStrategy" {
			total := 0
			for _, rf := range k.RF {
				total += rf
			}
			c, _ := count(level, "", total)
			out = append(out, c)
			continue
		}
		for dc, rf := range k.RF {
			if c, members := count(level, dc, rf); members > 0 || level == "EACH_QUORUM" {
				out = append(out, c)
			}
		}
	}
	return out
}

func levels() []string {
	return []string{"ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "SERIAL", "LOCAL_ONE", "LOCAL_QUORUM", "LOCAL_SERIAL", "EACH_QUORUM"}
}

// drawRing makes rings with racks, vnodes, nodes that join, leave and move, and odd replication settings.
func drawRing(t *rapid.T) cassandra.Ring {
	dcs := []string{"dc1", "dc2", "dc3"}[:rapid.IntRange(1, 3).Draw(t, "dcs")]
	racks := rapid.IntRange(1, 4).Draw(t, "racks")
	vnodes := rapid.IntRange(1, 4).Draw(t, "vnodes")
	size := rapid.IntRange(1, 12).Draw(t, "size")
	tokens := rapid.SliceOfNDistinct(rapid.Int64Range(-40, 40), size*vnodes, size*vnodes, rapid.ID[int64]).Draw(t, "tokens")
	r := cassandra.Ring{Name: "r"}
	for i := range size {
		n := cassandra.Node{
			HostID: fmt.Sprintf("h%02d", i), Address: fmt.Sprintf("10.0.0.%d", i), Status: cassandra.Normal,
			DC: rapid.SampledFrom(dcs).Draw(t, "dc"), Rack: fmt.Sprintf("r%d", rapid.IntRange(1, racks).Draw(t, "rack")),
		}
		if i > 0 {
			n.Status = rapid.SampledFrom([]cassandra.NodeStatus{
				cassandra.Normal, cassandra.Normal, cassandra.Normal, cassandra.Leaving, cassandra.Moving, cassandra.Joining,
			}).Draw(t, "status")
		}
		for _, token := range tokens[i*vnodes : (i+1)*vnodes] {
			n.Tokens = append(n.Tokens, cassandra.Token(token))
		}
		r.Nodes = append(r.Nodes, n)
	}
	r.Keyspaces = []cassandra.Keyspace{{Name: "system", Strategy: "LocalStrategy"}}
	for i := range rapid.IntRange(1, 3).Draw(t, "keyspaces") {
		k := cassandra.Keyspace{Name: fmt.Sprintf("ks%d", i), Strategy: "SimpleStrategy", RF: map[string]int{}}
		if rapid.Bool().Draw(t, "topology") {
			k.Strategy = "NetworkTopologyStrategy"
			for _, dc := range dcs {
				k.RF[dc] = rapid.IntRange(1, 5).Draw(t, "rf")
			}
		} else {
			k.RF[""] = rapid.IntRange(1, 5).Draw(t, "rf")
		}
		r.Keyspaces = append(r.Keyspaces, k)
	}
	for range rapid.IntRange(0, 3).Draw(t, "pending") {
		r.Pending = append(r.Pending, cassandra.Pending{
			Keyspace: "ks0", Address: rapid.SampledFrom(r.Nodes).Draw(t, "joiner").Address,
			Range: cassandra.Range{
				Start: cassandra.Token(rapid.IntRange(-45, 45).Draw(t, "start")), End: cassandra.Token(rapid.IntRange(-45, 45).Draw(t, "end")),
			},
		})
	}
	return r
}

func drawDown(t *rapid.T, r cassandra.Ring, label string) map[string]bool {
	down := map[string]bool{}
	for _, n := range r.Nodes {
		if rapid.IntRange(0, 3).Draw(t, label) == 0 {
			down[n.HostID] = true
		}
	}
	return down
}

// rings is how many random rings each of rapid's checks (100 by default) draws.
const rings = 20

func TestQuorumAgreesWithTheNaiveCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range rings {
			r := drawRing(t)
			var guard []string
			if rapid.Bool().Draw(t, "guard") {
				guard = []string{"ks0", "ks1"}
			}
			before := drawDown(t, r, "before")
			after := drawDown(t, r, "after")
			q := cassandra.NewQuorum(r, galen.Policy{Levels: levels(), GuardKeyspaces: guard})
			compare(t, "verdict", q.Verdict(after), naive{r}, guard, after, nil)
			compare(t, "lowered", q.Lowered(before, after), naive{r}, guard, after, before)
		}
	})
}

func compare(t *rapid.T, what string, got cassandra.Judgement, n naive, guard []string, down, before map[string]bool) {
	want, least, any := n.lost(levels(), guard, down, before)
	lost := map[string]int{}
	for _, b := range got.Breaks {
		lost[b.Keyspace+"/"+b.Level+"/"+b.DC] = b.Spare()
	}
	if diff := cmp.Diff(want, lost); diff != "" {
		t.Fatalf("%s, lost levels (-naive +fast):\n%s", what, diff)
	}
	if any != (got.Margin != nil) {
		t.Fatalf("%s: margin %v, naive has one: %t", what, got.Margin, any)
	}
	if any && got.Margin.Spare() != least {
		t.Fatalf("%s: least spare %d (%s), naive %d", what, got.Margin.Spare(), got.Margin, least)
	}
}

func TestQuorumRangesAgreeWithTheNaivePlacement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for range rings {
			r := drawRing(t)
			q, n := cassandra.NewQuorum(r, galen.Policy{Levels: levels()}), naive{r}
			k := rapid.SampledFrom(r.Keyspaces[1:]).Draw(t, "keyspace")
			token := cassandra.Token(rapid.IntRange(-50, 50).Draw(t, "token"))
			var want []string
			for _, i := range n.replicas(k, token) {
				want = append(want, r.Nodes[i].HostID)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, q.Replicas(k.Name, token)); diff != "" {
				t.Fatalf("replicas of %d (-naive +fast):\n%s", token, diff)
			}
			for _, node := range r.Nodes {
				has := slices.ContainsFunc(q.Ranges(k.Name, node.HostID), func(r cassandra.Range) bool { return inside(r, token) })
				if has != slices.Contains(want, node.HostID) {
					t.Fatalf("ranges of %s hold token %d: %t, naive %v", node.HostID, token, has, want)
				}
			}
		}
	})
}

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
		{name: "a declared level guards few replicas too", levels: quorum, own: map[string][]string{"system_auth": {"LOCAL_ONE"}}, down: []string{"h2"}, margin: "-1 to spare: system_auth, LOCAL_ONE: 0 of 1 replicas up, 1 needed"},
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

// large is a ring of 1,000 nodes with 16 tokens each in three racks of each data centre.
func large(dcs int) cassandra.Ring {
	r := cassandra.Ring{Name: "large"}
	rf := map[string]int{}
	state := uint64(1)
	for i := range 1000 {
		dc := fmt.Sprintf("dc%d", i%dcs+1)
		rf[dc] = 3
		n := cassandra.Node{
			HostID: fmt.Sprintf("host-%04d", i), Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Status: cassandra.Normal,
			DC: dc, Rack: fmt.Sprintf("r%d", i/dcs%3),
		}
		for range 16 {
			state = state*6364136223846793005 + 1442695040888963407
			n.Tokens = append(n.Tokens, cassandra.Token(state))
		}
		r.Nodes = append(r.Nodes, n)
	}
	r.Keyspaces = []cassandra.Keyspace{{Name: "ks", Strategy: "NetworkTopologyStrategy", RF: rf}}
	return r
}

func BenchmarkQuorum(b *testing.B) {
	for _, dcs := range []int{1, 3} {
		r := large(dcs)
		down := map[string]bool{}
		for i := range 5 {
			down[r.Nodes[i*200].HostID] = true
		}
		levels := []string{"QUORUM", "LOCAL_QUORUM"}
		b.Run(fmt.Sprintf("place/1000x16/%ddc", dcs), func(b *testing.B) {
			for b.Loop() {
				cassandra.NewQuorum(r, galen.Policy{Levels: levels})
			}
		})
		q := cassandra.NewQuorum(r, galen.Policy{Levels: levels})
		b.Run(fmt.Sprintf("verdict/1000x16/%ddc", dcs), func(b *testing.B) {
			for b.Loop() {
				q.Verdict(down)
			}
		})
	}
}
