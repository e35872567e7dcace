package ring

import (
	"fmt"
	"maps"
	"slices"

	"github.com/galenhq/galen/activities/cassandra"
)

// Large is the State of a ring of nodes with 16 tokens each in three racks of each data centre: what the quorum mathematics is measured
// on. Nobody simulates it.
func Large(dcs, nodes int) cassandra.Ring {
	r := cassandra.Ring{Name: "large"}
	rf := map[string]int{}
	state := uint64(1)
	for i := range nodes {
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

// Varied gives a ring of [Large] as many keyspaces, each of another replication: 3 to 5 replicas in each data centre, and every tenth of
// SimpleStrategy.
func Varied(r cassandra.Ring, keyspaces int) cassandra.Ring {
	dcs := slices.Sorted(maps.Keys(r.Keyspaces[0].RF))
	r.Keyspaces = nil
	for i := range keyspaces {
		k := cassandra.Keyspace{Name: fmt.Sprintf("ks%d", i), Strategy: "NetworkTopologyStrategy", RF: map[string]int{}}
		rest := i
		for _, dc := range dcs {
			k.RF[dc] = 3 + rest%3
			rest /= 3
		}
		if i%10 == 9 {
			k.Strategy, k.RF = "SimpleStrategy", map[string]int{"": 3 + i/10}
		}
		r.Keyspaces = append(r.Keyspaces, k)
	}
	return r
}
