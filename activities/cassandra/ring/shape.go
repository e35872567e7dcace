package ring

import (
	"fmt"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// Shape is a ring by its numbers: every data centre and every rack alike.
type Shape struct {
	DCs   int `json:"dcs"`   // data centres dc1, dc2, ...
	Racks int `json:"racks"` // of each data centre: r1, r2, ...
	Nodes int `json:"nodes"` // of each rack
	// Spares are the empty instances of each data centre, one rack after the other.
	Spares int `json:"spares,omitempty"`
	VNodes int `json:"vnodes"`
	// RF of the keyspace "orders" in each data centre.
	RF int `json:"rf"`
}

// Spec is the ring of that shape, in the fast profile. The first node of each rack is a seed. Instances are named n1,
// n2, ... through all racks, spares last; addresses are 10.<dc>.<rack>.<number>.
func (s Shape) Spec(name string, now func() time.Time) Spec {
	out := Spec{Name: name, Cluster: name, VNodes: s.VNodes, Timing: Fast(), Now: now}
	number := 0
	add := func(dc, rack int, spare, seed bool) {
		number++
		out.Hosts = append(out.Hosts, HostSpec{
			Name: fmt.Sprintf("n%d", number), Address: fmt.Sprintf("10.%d.%d.%d", dc, rack, number),
			DC: fmt.Sprintf("dc%d", dc), Rack: fmt.Sprintf("r%d", rack), Spare: spare, Seed: seed,
		})
	}
	var dcs []string
	for k := range s.Nodes { // node after node through the racks, so that neighbours on the ring stand in different racks
		for dc := 1; dc <= s.DCs; dc++ {
			for rack := 1; rack <= s.Racks; rack++ {
				add(dc, rack, false, k == 0)
			}
		}
	}
	for dc := 1; dc <= s.DCs; dc++ {
		dcs = append(dcs, fmt.Sprintf("dc%d", dc))
		for k := range s.Spares {
			add(dc, k%s.Racks+1, true, false)
		}
	}
	out.Keyspaces = Keyspaces(dcs...)
	for _, k := range out.Keyspaces {
		for dc := range k.RF {
			if k.Name == "orders" {
				k.RF[dc] = s.RF
			}
		}
	}
	return out
}

// Three is the ring of the demo: three nodes in three racks and one spare, one keyspace of RF 3 besides Cassandra's
// own. Tests change what they need.
func Three(now func() time.Time) Spec {
	s := Spec{Name: "demo", Cluster: "demo", VNodes: 8, Keyspaces: Keyspaces("dc1"), Timing: Fast(), Now: now}
	for i := 1; i <= 3; i++ {
		s.Hosts = append(s.Hosts, HostSpec{
			Name: fmt.Sprintf("n%d", i), Address: fmt.Sprintf("127.0.0.%d", i), DC: "dc1", Rack: fmt.Sprintf("r%d", i), Seed: true,
		})
	}
	s.Hosts = append(s.Hosts, HostSpec{Name: "n4", Address: "127.0.0.4", DC: "dc1", Rack: "r1", Spare: true})
	return s
}

// Keyspaces are Cassandra's own as on a fresh ring, and "orders" with RF 3 in each of the data centres.
func Keyspaces(dcs ...string) []cassandra.Keyspace {
	rf := map[string]int{}
	for _, dc := range dcs {
		rf[dc] = 3
	}
	return []cassandra.Keyspace{
		{Name: "orders", Strategy: "NetworkTopologyStrategy", RF: rf},
		{Name: "system", Strategy: "LocalStrategy"},
		{Name: "system_auth", Strategy: "SimpleStrategy", RF: map[string]int{"": 1}},
		{Name: "system_distributed", Strategy: "SimpleStrategy", RF: map[string]int{"": 3}},
		{Name: "system_traces", Strategy: "SimpleStrategy", RF: map[string]int{"": 2}},
	}
}
