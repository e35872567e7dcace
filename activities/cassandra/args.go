package cassandra

// The verbs by name. Each has a constructor in constructors.go.
const (
	VerbStart        = "start"         // reversible, on a node: start its process
	VerbRepair       = "repair"        // reversible, on a node as coordinator: subranges of one keyspace
	VerbPrepare      = "prepare"       // reversible, on an empty instance: write its start configuration; undo: discard
	VerbDiscard      = "discard"       // reversible, own: undo of prepare
	VerbClearReplace = "clear-replace" // reversible, on a node: take the replace flag out of its start configuration, end its preparation

	VerbRaiseStream   = "raise-stream-throughput"   // reversible, on a node: let it send streams faster until its next start; undo: restore
	VerbRestoreStream = "restore-stream-throughput" // reversible: undo of raise, and only that

	VerbStop         = "stop"          // disruptive, on a node: drain, then stop the process
	VerbKill         = "kill"          // disruptive, on a node: kill its stuck process
	VerbFence        = "fence"         // destructive, on a dead node: its instance can never start again
	VerbReplace      = "replace"       // destructive, on a dead node: start the prepared instance in its place
	VerbRemoveJoiner = "remove-joiner" // destructive, own, on an instance: take back one's own failed joiner
)

// The codes of findings.
const (
	CodeNodeDown     = "node-down"     // the process is gone, everybody agrees
	CodeNodeFrozen   = "node-frozen"   // the process is there, nothing answers
	CodeNodeFlapping = "node-flapping" // it goes down and comes back over and over
	CodeStaleSeed    = "stale-seed"    // a seed list names an address that is no node of the ring
	CodeDataGone     = "data-gone"     // it serves, and its data are gone from its disk
	CodeStolenRing   = "stolen-ring"   // a NORMAL node without ownership: a corpse came back
	CodeRepairOwed   = "repair-owed"   // a run has ended and left one of FactRepairOwed; the engine finds it
	CodeDisagree     = "observers-disagree"
	CodeUnreachable  = "unreachable" // nobody says that it is good, and nobody can say that it is down
)

// StartArgs of start: the instance that runs the node.
type StartArgs struct {
	Instance string `json:"instance"`
}

// StopArgs of stop.
type StopArgs struct {
	Instance string `json:"instance"`
}

// KillArgs of kill name the process, so that no other one can be hit.
type KillArgs struct {
	Instance string `json:"instance"`
	PID      int    `json:"pid"`
	Started  string `json:"started"` // RFC 3339 with nanoseconds, as the host plane told
}

// FenceArgs of fence.
type FenceArgs struct {
	Instance string `json:"instance"`
}

// PrepareArgs of prepare: everything comes from the live ring.
type PrepareArgs struct {
	Cluster string   `json:"cluster"`
	DC      string   `json:"dc"`
	Rack    string   `json:"rack"`
	Seeds   []string `json:"seeds"`
	// Replace is the address of the dead node.
	Replace   string `json:"replace"`
	NumTokens int    `json:"num_tokens"`
}

// DiscardArgs of discard, the undo of prepare: whatever was prepared there is taken back.
type DiscardArgs struct {
	Instance string `json:"instance"`
}

// ReplaceArgs of replace: the prepared instance takes the place of the target at Address.
type ReplaceArgs struct {
	Instance string `json:"instance"`
	Address  string `json:"address"`
	// Prepared is the prepare intent whose configuration it starts with.
	Prepared string `json:"prepared"`
	// Tokens is [HashTokens] of the dead node's own tokens: the replacement is done when the new node has them.
	Tokens string `json:"tokens"`
}

// ClearReplaceArgs of clear-replace.
type ClearReplaceArgs struct {
	Instance string `json:"instance"`
}

// RepairArgs of repair.
type RepairArgs struct {
	Instance string  `json:"instance"`
	Keyspace string  `json:"keyspace"`
	Ranges   []Range `json:"ranges"`
}

// RemoveJoinerArgs of remove-joiner name the replace intent whose process it is. It leaves the instance as prepare did:
// no process, no data, and the configuration for another try.
type RemoveJoinerArgs struct {
	Instance string `json:"instance"`
	Replace  string `json:"replace"`
}
