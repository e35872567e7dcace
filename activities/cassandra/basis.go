package cassandra

import (
	"strings"

	"github.com/galenhq/galen"
)

// basis is what a step rests on. No gauge, no time, no look's age.
type basis struct {
	Instances []basisInstance `json:"instances"`
	Lost      int             `json:"lost"`
	Nodes     []basisNode     `json:"nodes"`
	Pending   []Pending       `json:"pending"`
	Schemas   []string        `json:"schemas"`
	// Troubled are the members, of the same data centres, that are not simply NORMAL and up.
	Troubled []basisNode `json:"troubled"`
}

type basisNode struct {
	Address    string     `json:"address"`
	Bad        bool       `json:"bad"`
	DC         string     `json:"dc"`
	Down       bool       `json:"down"`
	Generation int64      `json:"generation"`
	HostID     string     `json:"host_id"`
	Instance   string     `json:"instance"`
	Rack       string     `json:"rack"`
	Replacing  string     `json:"replacing"`
	Status     NodeStatus `json:"status"`
	Tokens     string     `json:"tokens"`
	Unlisted   bool       `json:"unlisted"`
}

type basisInstance struct {
	Address  string       `json:"address"`
	Config   Config       `json:"config"`
	Data     DataState    `json:"data"`
	Fenced   string       `json:"fenced"`
	Name     string       `json:"name"`
	Prepared string       `json:"prepared"`
	Process  ProcessState `json:"process"`
	Replace  string       `json:"replace"`
}

// Basis hashes the facts that a step on scope rests on: of the targets (by ID alone: the generation is a fact like the
// others) everything that Galen acts on, of the other members of their data centres only who is not NORMAL and up, and
// what belongs to the whole ring: pending ranges, schema versions. An empty scope is everything.
func (r Ring) Basis(scope ...galen.Target) string { return r.basis(scope).hash() }

// Grounds are the facts of Basis for people, by node and instance.
func (r Ring) Grounds(scope ...galen.Target) map[string]string {
	out := map[string]string{}
	b := r.basis(scope)
	add := func(name string, facts any) {
		if err := galen.AddGrounds(out, name, facts); err != nil {
			out[name] = err.Error()
		}
	}
	for _, n := range append(b.Nodes, b.Troubled...) {
		add(strings.TrimSpace("node "+n.Address+" "+n.HostID), n)
	}
	for _, i := range b.Instances {
		add("instance "+i.Name, i)
	}
	add("ring", struct {
		Pending []Pending `json:"pending"`
		Schemas []string  `json:"schemas"`
		Lost    int       `json:"lost"`
	}{b.Pending, b.Schemas, b.Lost})
	return out
}

func (r Ring) basis(scope []galen.Target) basis {
	b := basis{Pending: r.Pending, Schemas: r.Schemas, Lost: r.Lost}
	if len(scope) == 0 {
		return r.whole(b)
	}
	inScope, dcs := map[string]bool{}, map[string]bool{}
	for _, t := range scope {
		node, instance := r.Find(t.ID)
		if node != nil {
			b.Nodes = append(b.Nodes, node.basis())
			inScope[node.HostID], dcs[node.DC] = true, true
		}
		if instance != nil {
			b.Instances = append(b.Instances, instance.basis())
			dcs[instance.Config.DC] = true
		}
	}
	for _, n := range r.Nodes {
		if dcs[n.DC] && !inScope[n.HostID] && n.troubled() {
			b.Troubled = append(b.Troubled, n.basis())
		}
	}
	return b
}

func (r Ring) whole(b basis) basis {
	for _, n := range r.Nodes {
		b.Nodes = append(b.Nodes, n.basis())
	}
	for _, i := range r.Instances {
		b.Instances = append(b.Instances, i.basis())
	}
	return b
}

func (n Node) troubled() bool {
	return n.bad() || n.Status != Normal || len(n.Tokens) == 0
}

func (n Node) basis() basisNode {
	return basisNode{
		HostID: n.HostID, Address: n.Address, Instance: n.Instance, DC: n.DC, Rack: n.Rack, Status: n.Status,
		Tokens: HashTokens(n.Tokens), Generation: n.Generation, Replacing: n.Replacing, Bad: n.bad(), Down: n.Down, Unlisted: n.Unlisted,
	}
}

func (i Instance) basis() basisInstance {
	prepared := i.Prepared
	if i.Preparing != "" {
		prepared = "half " + i.Preparing
	}
	return basisInstance{
		Name: i.Name, Address: i.Address, Process: i.Process, Data: i.Data, Fenced: i.Fenced, Prepared: prepared,
		Config: i.Config, Replace: i.ReplaceFlag,
	}
}
