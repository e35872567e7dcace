package cassandra

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// ViewLife is how long a view or a look at a host has a voice in the consensus beside newer ones. A scoped look leaves
// older views in the Ring; they must not outvote what was seen just now.
const ViewLife = time.Minute

// Merge makes the consensus of what each node told (views), what each host told (instances) and what the open intents
// asked about (repairs). at is the start of the look. Pure; the arguments stay as they are.
//
// The token map is that of the majority of the live views. Members of the ring are who owns a token in it, who joins,
// and who is UP and NORMAL without a token (a node from which a corpse took them). A LEFT, removed or replaced endpoint
// is none, whatever the failure detector says of it.
func Merge(name string, at time.Time, views []View, instances []Instance, repairs []Repair) Ring {
	return merge(Ring{Name: name, At: at, Views: views, Instances: instances, Repairs: repairs}, nil)
}

// merge fills in all that follows from views and instances of r. base are the nodes that stay when no live view is
// left to list them.
func merge(r Ring, base []Node) Ring {
	r.Views = sortedBy(r.Views, func(a, b View) int { return cmp.Compare(a.Instance, b.Instance) })
	r.Instances = sortedBy(r.Instances, func(a, b Instance) int { return cmp.Compare(a.Name, b.Name) })
	r.Repairs = sortedBy(r.Repairs, func(a, b Repair) int { return cmp.Compare(a.Intent, b.Intent) })
	r.Keyspaces = sortedBy(r.Keyspaces, func(a, b Keyspace) int { return cmp.Compare(a.Name, b.Name) })
	r.Nodes, r.Pending, r.Schemas, r.Dissents = []Node{}, nil, nil, nil
	normalize(r.Views)
	m := newMerger(&r)
	m.vote()
	m.shared()
	if m.rep == nil {
		r.Nodes = bareNodes(base)
		m.index(addressesOf(base))
	} else {
		m.members()
		m.tokens()
	}
	slices.SortFunc(r.Nodes, func(a, b Node) int { return cmp.Compare(a.HostID, b.HostID) })
	m.observeAll()
	for i := range r.Nodes {
		r.Nodes[i].Frozen = r.Frozen(r.Nodes[i])
	}
	m.elide()
	slices.SortFunc(r.Dissents, func(a, b Dissent) int {
		return cmp.Or(cmp.Compare(a.About, b.About), cmp.Compare(a.Observer, b.Observer))
	})
	return r
}

// merger works on one ring. The views in live are those with a voice: live and fresh, by instance. Its maps keep the
// work at nodes times views.
type merger struct {
	ring *Ring
	live []*View
	rep  *View // the newest of those that have the winning token map

	whereabouts
	place map[string]int // of an address in each row of said
	said  [][]*Endpoint  // per live view, what it says of each member's address
}

func newMerger(r *Ring) *merger {
	return &merger{ring: r, live: liveViews(r.Views, r.At), whereabouts: r.whereabouts()}
}

// whereabouts are the views and the machines where one looks for them. Of two at one address it has the newest: a machine that has another
// name now leaves its old one behind.
type whereabouts struct {
	byInstance, byAddress map[string]*View
	named                 map[string]*Instance
	hosts                 map[string]*Instance // by address
}

func (r *Ring) whereabouts() whereabouts {
	at := whereabouts{
		byInstance: make(map[string]*View, len(r.Views)), byAddress: make(map[string]*View, len(r.Views)),
		named: make(map[string]*Instance, len(r.Instances)), hosts: make(map[string]*Instance, len(r.Instances)),
	}
	for i := range r.Views {
		v := &r.Views[i]
		at.byInstance[v.Instance] = v
		if other := at.byAddress[v.Address]; other == nil || !other.At.After(v.At) {
			at.byAddress[v.Address] = v
		}
	}
	for i := range r.Instances {
		h := &r.Instances[i]
		at.named[h.Name] = h
		if other := at.hosts[h.Address]; other == nil || !other.At.After(h.At) {
			at.hosts[h.Address] = h
		}
	}
	return at
}

// index lays out what every live view says of each address.
func (m *merger) index(addresses []string) {
	m.place = make(map[string]int, len(addresses))
	for i, a := range addresses {
		m.place[a] = i
	}
	m.said = make([][]*Endpoint, len(m.live))
	for k, v := range m.live {
		row := make([]*Endpoint, len(addresses))
		for i := range v.Peers {
			if at, member := m.place[v.Peers[i].Address]; member {
				row[at] = &v.Peers[i]
			}
		}
		m.said[k] = row
	}
}

// saysOf is what the k-th live view says of a member's address, nil if it does not know it.
func (m *merger) saysOf(k int, address string) *Endpoint { return m.said[k][m.place[address]] }

func addressesOf(nodes []Node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.Address
	}
	return out
}

// normalize gives each view sorted peers and a token hash.
func normalize(views []View) {
	byAddress := func(a, b Endpoint) int { return cmp.Compare(a.Address, b.Address) }
	for i := range views {
		v := &views[i]
		if !slices.IsSortedFunc(v.Peers, byAddress) {
			v.Peers = slices.SortedFunc(slices.Values(v.Peers), byAddress)
		}
		if v.TokenHash == "" && len(v.Tokens) > 0 {
			v.TokenHash = HashOwners(v.Tokens)
		}
	}
}

func liveViews(views []View, at time.Time) []*View {
	var out []*View
	for i := range views {
		if views[i].Live() && fresh(at, views[i].At) {
			out = append(out, &views[i])
		}
	}
	return out
}

func fresh(now, t time.Time) bool { return !t.Before(now.Add(-ViewLife)) }

// Peer is what the view says of an address.
func (v *View) peer(address string) (Endpoint, bool) {
	i, found := slices.BinarySearchFunc(v.Peers, address, func(e Endpoint, a string) int { return cmp.Compare(e.Address, a) })
	if !found {
		return Endpoint{}, false
	}
	return v.Peers[i], true
}

// vote picks the token map of most live views; of equals the one told last.
func (m *merger) vote() {
	votes := map[string]int{}
	newest := map[string]*View{}
	for _, v := range m.live {
		votes[v.TokenHash]++
		if best := newest[v.TokenHash]; len(v.Tokens) > 0 && (best == nil || v.At.After(best.At)) {
			newest[v.TokenHash] = v
		}
	}
	for _, hash := range sortedKeys(newest) {
		told := newest[hash]
		if m.rep == nil || cmp.Or(cmp.Compare(votes[hash], votes[m.rep.TokenHash]), told.At.Compare(m.rep.At)) > 0 {
			m.rep = told
		}
	}
	if m.rep == nil {
		return
	}
	others := countOf(votes[m.rep.TokenHash], "view has", "views have") + " the map of " + m.rep.Instance
	for _, v := range m.live {
		if v.TokenHash != m.rep.TokenHash {
			m.dissent(v.Instance, AboutTokens, "its token map is another one", others)
		}
	}
}

func (m *merger) dissent(observer, about, says, others string) {
	m.ring.Dissents = append(m.ring.Dissents, Dissent{Observer: observer, About: about, Says: says, Others: others})
}

// shared moves up what belongs to the cluster: its name, keyspaces, pending ranges and schema versions.
func (m *merger) shared() {
	r := m.ring
	if m.rep != nil && m.rep.Cluster != "" {
		r.Cluster = m.rep.Cluster
	}
	var told *View
	pending := map[Pending]bool{}
	for _, v := range m.live {
		if len(v.Keyspaces) > 0 && (told == nil || v.At.After(told.At)) {
			told = v
		}
		if v.Schema != "" {
			r.Schemas = append(r.Schemas, v.Schema)
		}
		for _, p := range v.Pending {
			if !pending[p] {
				pending[p] = true
				r.Pending = append(r.Pending, p)
			}
		}
	}
	if told != nil {
		r.Keyspaces = sortedBy(told.Keyspaces, func(a, b Keyspace) int { return cmp.Compare(a.Name, b.Name) })
	}
	slices.Sort(r.Schemas)
	r.Schemas = slices.Compact(r.Schemas)
	slices.SortFunc(r.Pending, func(a, b Pending) int {
		return cmp.Or(cmp.Compare(a.Keyspace, b.Keyspace), cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End), cmp.Compare(a.Address, b.Address))
	})
}

// members lists who is in the ring.
func (m *merger) members() {
	addresses := map[string]bool{}
	for _, o := range m.rep.Tokens {
		addresses[o.Address] = true
	}
	for _, a := range m.rep.Owners {
		addresses[a] = true
	}
	for _, v := range m.live {
		for _, a := range v.Joining {
			addresses[a] = true
		}
	}
	for _, e := range m.rep.Peers {
		if e.Up && e.Status == string(Normal) && e.HostID != "" {
			addresses[e.Address] = true
		}
	}
	all := sortedKeys(addresses)
	m.index(all)
	taken := map[string]bool{}
	for _, a := range all {
		n := m.member(a, m.hostID(a))
		if taken[n.HostID] {
			m.dissent(m.rep.Instance, n.HostID, "also at "+a, "one host ID has one address")
			n.HostID = unknownID(a)
		}
		taken[n.HostID] = true
		m.ring.Nodes = append(m.ring.Nodes, n)
	}
}

// unknownID stands for a member whose host ID nobody tells: it counts in the quorum, and no step can aim at it.
func unknownID(address string) string { return "unknown-" + address }

// hostID is the host ID of an address by most live views.
func (m *merger) hostID(address string) string {
	first, same := "", true
	for k := range m.live {
		if e := m.saysOf(k, address); e != nil && e.HostID != "" {
			first = cmp.Or(first, e.HostID)
			same = same && e.HostID == first
		}
	}
	if same { // nearly always
		return cmp.Or(first, unknownID(address))
	}
	return m.electID(address)
}

func (m *merger) electID(address string) string {
	votes, said := map[string]int{}, map[string]string{}
	for k, v := range m.live {
		if e := m.saysOf(k, address); e != nil && e.HostID != "" {
			votes[e.HostID]++
			said[v.Instance] = e.HostID
		}
	}
	best := elected(votes)
	for _, observer := range sortedKeys(said) {
		if said[observer] != best {
			m.dissent(observer, address, "host ID "+said[observer], "host ID "+best)
		}
	}
	return best
}

// elected has the most votes; of equals the first by name.
func elected(votes map[string]int) string {
	best := ""
	for _, id := range sortedKeys(votes) {
		if votes[id] > votes[best] {
			best = id
		}
	}
	return best
}

func (m *merger) member(address, id string) Node {
	n := Node{HostID: id, Address: address, Status: m.status(address), Tokens: []Token{}}
	if i := m.hosts[address]; i != nil {
		n.Instance = i.Name
	}
	for k, v := range m.live {
		n.Seed = n.Seed || slices.Contains(v.Seeds, address)
		e := m.saysOf(k, address)
		if e == nil {
			continue
		}
		n.Generation = max(n.Generation, e.Generation)
		if n.DC == "" || v == m.rep {
			n.DC, n.Rack, n.Version = cmp.Or(e.DC, n.DC), cmp.Or(e.Rack, n.Rack), cmp.Or(e.Version, n.Version)
		}
	}
	if v := m.viewOf(n); v != nil && v.Jolokia == Answered {
		n.Generation = max(n.Generation, v.Generation)
		n.Version = cmp.Or(n.Version, v.Version)
	}
	return n
}

// status of a member: one live view that sees it move is enough.
func (m *merger) status(address string) NodeStatus {
	out := Normal
	for k, v := range m.live {
		e := m.saysOf(k, address)
		switch {
		case slices.Contains(v.Joining, address), e != nil && isJoining(e.Status):
			return Joining
		case slices.Contains(v.Leaving, address):
			out = Leaving
		case slices.Contains(v.Moving, address) && out == Normal:
			out = Moving
		}
	}
	return out
}

// isJoining: hibernate is a node that replaces another one at the same address; it is in no joining list.
func isJoining(gossip string) bool {
	return gossip == "BOOT" || gossip == "BOOT_REPLACE" || gossip == "hibernate"
}

// tokens gives each member its tokens. While a node is replaced, Cassandra shows the dead node's tokens under the
// joiner; they are still the dead one's, who is in OwnershipWithPort.
func (m *merger) tokens() {
	at := make(map[string]int, len(m.ring.Nodes))
	for i, n := range m.ring.Nodes {
		at[n.Address] = i
	}
	for _, o := range m.rep.Tokens {
		n := &m.ring.Nodes[at[o.Address]]
		n.Tokens = append(n.Tokens, o.Token)
	}
	for i := range m.ring.Nodes {
		slices.Sort(m.ring.Nodes[i].Tokens)
	}
	for i := range m.ring.Nodes {
		n := &m.ring.Nodes[i]
		if n.Status != Joining {
			continue
		}
		n.Replacing = m.replacing(*n)
		if d, known := at[n.Replacing]; known && d != i && len(m.ring.Nodes[d].Tokens) == 0 {
			m.ring.Nodes[d].Tokens = slices.Clone(n.Tokens)
		}
	}
}

// replacing is the address that a joining node replaces: what it says itself, its start configuration, or, where
// neither is known, the one owner who lost its tokens.
func (m *merger) replacing(n Node) string {
	if v := m.viewOf(n); v != nil && v.ReplaceFlag != "" {
		return v.ReplaceFlag
	}
	if i, found := m.ring.Instance(n.Instance); found && i.ReplaceFlag != "" {
		return i.ReplaceFlag
	}
	if e, _ := m.rep.peer(n.Address); e.Status != "BOOT_REPLACE" {
		return ""
	}
	var bare []string
	for _, o := range m.ring.Nodes {
		if o.Status != Joining && len(o.Tokens) == 0 && slices.Contains(m.rep.Owners, o.Address) {
			bare = append(bare, o.Address)
		}
	}
	if len(bare) != 1 {
		return ""
	}
	return bare[0]
}

// viewOf is the node's own view, nil if it was not asked.
func (m *merger) viewOf(n Node) *View {
	if v := m.byInstance[n.Instance]; v != nil && n.Instance != "" {
		return v
	}
	return m.byAddress[n.Address]
}

// elide leaves out what the ring holds once: keyspaces, and the token map of every view that has the consensus's, save
// one.
func (m *merger) elide() {
	for i := range m.ring.Views {
		v := &m.ring.Views[i]
		v.Keyspaces = nil
		if m.rep != nil && v != m.rep && v.TokenHash == m.rep.TokenHash {
			v.Tokens = nil
		}
	}
}

// bareNodes are the nodes as last listed, without what Merge adds.
func bareNodes(nodes []Node) []Node {
	out := append([]Node{}, nodes...)
	for i := range out {
		out[i].Observations, out[i].Down = nil, false
	}
	return out
}

// sortedBy is a sorted copy, never nil: null is no list in our JSON.
func sortedBy[T any](in []T, order func(a, b T) int) []T {
	out := append(make([]T, 0, len(in)), in...)
	slices.SortFunc(out, order)
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func joinWords(words []string) string { return strings.Join(words, ", ") }
