package cassandra

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// Ring is the State of a cluster: a consensus ([Merge]) of what each node and each host told, with who dissents and who
// was missing. All slices are sorted, so that equal rings have equal JSON.
type Ring struct {
	Name    string `json:"name"`    // the resource's name
	Cluster string `json:"cluster"` // cluster_name
	// At is the start of the newest look that is folded in.
	At time.Time `json:"at"`
	// Nodes are the host IDs in the token map of any live node, by host ID.
	Nodes []Node `json:"nodes"`
	// Instances are what the host plane runs or could run, by name; it says nothing of the ring.
	Instances []Instance `json:"instances"`
	// Views are the direct answers (or silences) of the nodes, by instance.
	Views []View `json:"views"`
	// Keyspaces by name, from the newest live view.
	Keyspaces []Keyspace `json:"keyspaces"`
	// Pending are the pending ranges that any live node knows.
	Pending []Pending `json:"pending,omitempty"`
	// Schemas are the schema versions among reachable nodes; more than one is disagreement.
	Schemas []string `json:"schemas,omitempty"`
	// Dissents are views that contradict the consensus.
	Dissents []Dissent `json:"dissents,omitempty"`
	// Repairs that the open intents asked about.
	Repairs []Repair `json:"repairs,omitempty"`
	// Lost is how many nodes are unlisted (I-09), see [Node.Unlisted].
	Lost int `json:"lost,omitempty"`
	// Stopping are the host IDs of nodes that Galen is about to stop; of one look, until it is folded.
	Stopping []string `json:"-"`
}

// Token of the Murmur3 partitioner.
type Token int64

// Range is (Start, End], wrapping around at the end of the ring.
type Range struct {
	Start Token `json:"start"`
	End   Token `json:"end"`
}

// NodeStatus is where a node stands in the ring, by consensus.
type NodeStatus string

// The statuses.
const (
	Normal  NodeStatus = "NORMAL"
	Joining NodeStatus = "JOINING" // bootstrap or replace
	Leaving NodeStatus = "LEAVING"
	Moving  NodeStatus = "MOVING"
)

// Node is a member of the ring.
type Node struct {
	HostID   string     `json:"host_id"`
	Address  string     `json:"address"`
	Instance string     `json:"instance,omitempty"` // name of the instance with this address
	DC       string     `json:"dc"`
	Rack     string     `json:"rack"`
	Version  string     `json:"version,omitempty"`
	Status   NodeStatus `json:"status"`
	Tokens   []Token    `json:"tokens"`
	// Generation is the highest that anybody tells: it changes at each start.
	Generation int64 `json:"generation"`
	Seed       bool  `json:"seed,omitempty"` // in the seed list of a live node
	// Replacing is the address that a joining node replaces, "" if none is known.
	Replacing string `json:"replacing,omitempty"`
	// Observations are what peers, probes and the host say of it. Of the peers that say the same, the first few.
	Observations []galen.Observation `json:"observations"`
	// Down is the verdict over the observations, see verdict in observe.go.
	Down bool `json:"down"`
	// Shunned: not proved to be down, yet each live peer calls it DOWN, and one of those is called UP itself.
	Shunned bool `json:"shunned,omitempty"`
	// WasDown: not proved to be down any more, for nobody is left to tell, or it just starts; nobody has called it good since.
	WasDown bool `json:"was_down,omitempty"`

	// Frozen: down, and its process was seen alive and silent since it went down. Fold carries it until the node is back, so
	// that the trouble keeps its name while it is healed.
	Frozen bool `json:"frozen,omitempty"`
	// Unlisted: the newest look does not list it and nothing proves that it left; Fold keeps it, and it counts as down.
	Unlisted bool `json:"unlisted,omitempty"`

	// Carried by Fold.
	Heard          Heard          `json:"heard,omitzero"`
	DownSince      time.Time      `json:"down_since,omitzero"`      // zero: not down, or unlisted and not down before
	UnheardSince   time.Time      `json:"unheard_since,omitzero"`   // zero: it is down, or somebody says that it is good
	Flips          int            `json:"flips,omitempty"`          // changes of Down seen, but for those that Galen's own stop began
	Flipped        []time.Time    `json:"flipped,omitempty"`        // when the newest of them were seen, in order
	LongestRestart galen.Duration `json:"longest_restart,omitzero"` // longest time down that ended by itself being up again
	Planned        bool           `json:"planned,omitempty"`        // it went down under a stop of Galen's, and was not up again since
}

// Heard is when peers called a node UP, by the starts of the looks that showed it: its hints and its tombstones are counted from
// there. Our own way to it does not count: writes go by what the peers think.
type Heard struct {
	At     time.Time `json:"at,omitzero"`     // the newest look at which one did; zero: none ever
	Since  time.Time `json:"since,omitzero"`  // the first look of the unbroken row that ends with At
	Before time.Time `json:"before,omitzero"` // the newest one before that row; zero: none is known
}

// Silence is how long no peer has called the node UP until now, or, if one does, how long none had before that, save when it
// ended before the moment after. It is not known how long a node was silent of which nobody ever heard.
func (n Node) Silence(now, after time.Time) (silent time.Duration, known bool) {
	from, to := n.Heard.At, now
	if n.heard() {
		from, to = n.Heard.Before, n.Heard.Since
		if to.Before(after) {
			return 0, true
		}
	}
	return to.Sub(from), !from.IsZero()
}

// heard tells whether a peer calls the node UP.
func (n Node) heard() bool {
	return slices.ContainsFunc(n.Observations, func(o galen.Observation) bool { return o.Kind == galen.Peer && o.Says == galen.Good })
}

// Target is the node as the target of a step.
func (n Node) Target() galen.Target { return galen.Target{ID: n.HostID, Generation: n.Generation} }

// Domain is the failure domain, "dc1/r1".
func (n Node) Domain() string { return n.DC + "/" + n.Rack }

// ProcessState is what the host plane knows of an instance's process.
type ProcessState string

// The states.
const (
	Running ProcessState = "running"
	Stopped ProcessState = "stopped" // SIGSTOP: exists and does nothing
	Absent  ProcessState = "absent"
)

// DataState is what the host plane knows of an instance's data.
type DataState string

// The states. Gone is a proof only together with the recorded device, see [Instance.DataGone].
const (
	DataPresent DataState = "present" // system/local-*/*-Data.db is there
	DataGone    DataState = "gone"    // the folder is readable and holds no such file
	DataUnknown DataState = "unknown" // unreadable
)

// Instance is one machine or process slot of the host plane.
type Instance struct {
	Name    string    `json:"name"`
	Address string    `json:"address"`
	Spare   bool      `json:"spare,omitempty"` // configured as one that may be prepared
	At      time.Time `json:"at"`              // start of the look at the host
	// Error tells why the host could not be read; then all below is what was last seen.
	Error   string       `json:"error,omitempty"`
	Process ProcessState `json:"process"`
	PID     int          `json:"pid,omitempty"`
	Started time.Time    `json:"started,omitzero"`
	// Intent is the start or replace intent in the process's command line, "" if Galen did not start it.
	Intent string `json:"intent,omitempty"`
	// Attempts are the intents for which a start was attempted here (markers), sorted.
	Attempts []string  `json:"attempts,omitempty"`
	Data     DataState `json:"data"`
	Device   uint64    `json:"device,omitempty"` // of the data folder's file system
	// Fenced and Prepared are the intents that did it, "" if not.
	Fenced   string `json:"fenced,omitempty"`
	Prepared string `json:"prepared,omitempty"`
	// Preparing is the intent of a preparation that has begun and is not complete: it goes on, or it died half way, and then
	// any part of the start configuration may be the joiner's.
	Preparing string `json:"preparing,omitempty"`
	// CannotStart says why the start command cannot be executed, "" if it can, or where it was fenced away.
	CannotStart string `json:"cannot_start,omitempty"`
	// LameLooks is how many looks in a row found that; the first may be of a moment in which the file was replaced.
	LameLooks int    `json:"lame_looks,omitempty"`
	Config    Config `json:"config"`
	// ReplaceFlag is the address in a replace flag of the command line or the start configuration, "" if none. A running
	// process keeps the one it was started with.
	ReplaceFlag string `json:"replace_flag,omitempty"`
	// DiskFree is how many bytes are free where the data lie, a gauge: 0 on a full disk, nil if the host does not tell.
	DiskFree *int64 `json:"disk_free,omitempty"`
	// Hints are the hint files that wait here, by the host ID that they are for; a gauge. The file that is being written
	// counts, which Cassandra's own lists of pending hints leave out.
	Hints map[string]int `json:"hints,omitempty"`

	// Carried by Fold.
	RecordedDevice uint64    `json:"recorded_device,omitempty"` // when the data were last seen present
	GoneSince      time.Time `json:"gone_since,omitzero"`       // first of the unbroken looks that found the data gone
	GoneLooks      int       `json:"gone_looks,omitempty"`
	EverNormal     bool      `json:"ever_normal,omitempty"` // seen as a NORMAL node since it was prepared (or ever)
}

// Target is the instance as the target of a step, while it is no node of the ring.
func (i Instance) Target() galen.Target { return galen.Target{ID: "instance/" + i.Name} }

// Config is the effective start configuration of an instance, read back from its host.
type Config struct {
	Cluster       string   `json:"cluster,omitempty"`
	DC            string   `json:"dc,omitempty"`
	Rack          string   `json:"rack,omitempty"`
	Seeds         []string `json:"seeds,omitempty"`
	Listen        string   `json:"listen,omitempty"`
	AutoBootstrap bool     `json:"auto_bootstrap,omitempty"`
}

// Answer is how a node reacted to a direct question.
type Answer string

// The answers.
const (
	Answered  Answer = "answered"
	Refused   Answer = "refused"    // nothing listens
	Hung      Answer = "hung"       // it connects, and nothing answers by the deadline; or not even that
	Booting   Answer = "booting"    // the JVM answers, Cassandra is not there yet
	BadAnswer Answer = "bad-answer" // it answered what cannot be read
)

// View is the direct answer of one node.
type View struct {
	Instance string    `json:"instance"`
	Address  string    `json:"address"`
	At       time.Time `json:"at"` // start of the question
	// Jolokia and CQL are the two ways in. CQL is answered only if, as coordinator, the node answered a LOCAL_QUORUM
	// read.
	Jolokia      Answer `json:"jolokia"`
	JolokiaError string `json:"jolokia_error,omitempty"`
	CQL          Answer `json:"cql"`
	CQLError     string `json:"cql_error,omitempty"`

	// The rest only if Jolokia answered.
	HostID     string `json:"host_id,omitempty"`
	Mode       string `json:"mode,omitempty"` // STARTING, NORMAL, JOINING, LEAVING, DRAINED, ...
	Generation int64  `json:"generation,omitempty"`
	Version    string `json:"version,omitempty"`
	Cluster    string `json:"cluster,omitempty"`
	// Peers is what it says of every endpoint it knows, itself included, by address.
	Peers []Endpoint `json:"peers,omitempty"`
	// Tokens is its token map, by token, joining nodes included. Merge leaves it out where it equals the consensus
	// (TokenHash, see [HashOwners], tells); one view keeps it.
	Tokens    []Owner `json:"tokens,omitempty"`
	TokenHash string  `json:"token_hash,omitempty"`
	// Owners are the addresses with a share of the ring (OwnershipWithPort).
	Owners  []string  `json:"owners,omitempty"`
	Joining []string  `json:"joining,omitempty"` // addresses
	Leaving []string  `json:"leaving,omitempty"`
	Moving  []string  `json:"moving,omitempty"`
	Pending []Pending `json:"pending,omitempty"`
	Schema  string    `json:"schema,omitempty"`  // its own schema version
	Seeds   []string  `json:"seeds,omitempty"`   // addresses it uses as seeds
	Streams int       `json:"streams,omitempty"` // stream sessions now; no streams is not a stall
	// Throttle on the streams that it sends; nil: it did not tell. No part of a Basis: no other step rests on it.
	Throttle *Throttle `json:"throttle,omitempty"`
	// Tasks are what it does to its sstables at this moment, how many by kind; nil: it did not tell. A gauge.
	Tasks map[string]int `json:"tasks,omitzero"`
	// Keyspaces as this node knows them; Merge moves them up.
	Keyspaces []Keyspace `json:"keyspaces,omitempty"`
	// ReplaceFlag in its system properties.
	ReplaceFlag string `json:"replace_flag,omitempty"`
	// Gauges are vitals, by name with unit.
	Gauges map[string]float64 `json:"gauges,omitempty"`
}

// Live tells whether the node answered as a working member whose word on its peers counts.
func (v View) Live() bool { return v.Jolokia == Answered && v.Mode == string(Normal) }

// Endpoint is what one node says of one endpoint. UP without a status that belongs to the ring means nothing: a LEFT
// node stays UP.
type Endpoint struct {
	Address    string `json:"address"`
	Up         bool   `json:"up"`
	Status     string `json:"status,omitempty"` // first word of STATUS: NORMAL, LEFT, BOOT, BOOT_REPLACE, hibernate, shutdown, removed, ...
	HostID     string `json:"host_id,omitempty"`
	DC         string `json:"dc,omitempty"`
	Rack       string `json:"rack,omitempty"`
	Version    string `json:"version,omitempty"`
	Generation int64  `json:"generation,omitempty"`
	// Heartbeat is a gauge, never part of a Basis. 2147483647 is that of a node that said goodbye, not progress.
	Heartbeat int64 `json:"heartbeat,omitempty"`
	RPCReady  bool  `json:"rpc_ready,omitempty"`
	// Load is how many bytes of live data it has, as it told last; a gauge.
	Load int64 `json:"load,omitempty"`
}

// gone: it is no member any more to who says so, who sends it no request.
func (e Endpoint) gone() bool { return e.Status == "LEFT" || e.Status == "removed" }

// Owner says who owns a token.
type Owner struct {
	Token   Token  `json:"token"`
	Address string `json:"address"`
	HostID  string `json:"host_id,omitempty"`
}

// Keyspace is a keyspace's replication.
type Keyspace struct {
	Name string `json:"name"`
	// Strategy is the class name without package: NetworkTopologyStrategy, SimpleStrategy, LocalStrategy, EverywhereStrategy...
	Strategy string `json:"strategy"`
	// RF per data centre (NetworkTopologyStrategy), or under "" (SimpleStrategy).
	RF map[string]int `json:"rf,omitempty"`
	// Transient: a replication factor such as 3/1; refused by every verdict.
	Transient bool `json:"transient,omitempty"`
}

// local tells whether it is one of Cassandra's own, which each node has for itself. Those of its own that are replicated never are.
func (k Keyspace) local() bool {
	replicated := []string{"system_auth", "system_distributed", "system_traces"}
	own := k.Name == "system" || strings.HasPrefix(k.Name, "system_")
	return k.Strategy == strategyLocal && len(k.RF) == 0 && own && !slices.Contains(replicated, k.Name)
}

// none tells whether its replication factors are told, and are all 0: nobody can read or write it.
func (k Keyspace) none() bool {
	return len(k.RF) > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(k.RF)), func(rf int) bool { return rf != 0 })
}

// Pending is a range that is moving: its new owner already counts for writes.
type Pending struct {
	Keyspace string `json:"keyspace"`
	Range
	Address string `json:"address"`
}

// AboutTokens is what a dissent on the token map is about.
const AboutTokens = "tokens"

// Dissent is one observer that contradicts the consensus on one thing.
type Dissent struct {
	Observer string `json:"observer"`
	About    string `json:"about"` // a host ID, address or "tokens"
	Says     string `json:"says"`
	Others   string `json:"others"`
	// Since is carried by Fold: the first of the unbroken looks that showed it.
	Since time.Time `json:"since,omitzero"`
}

// Repair is the status of one repair session that an intent started.
type Repair struct {
	Intent   string `json:"intent"`
	Instance string `json:"instance"` // coordinator
	Command  int    `json:"command"`
	// Status is IN_PROGRESS, COMPLETED, FAILED, or "" where the coordinator does not know the command (any more).
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
}
