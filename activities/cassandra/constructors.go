package cassandra

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/galenhq/galen"
)

// Deadlines of the effects, from the intent on.
const (
	withinStart    = 10 * time.Minute // a commit log of gigabytes is replayed
	withinStop     = 6 * time.Minute
	withinKill     = time.Minute
	withinFence    = 2 * time.Minute
	withinHost     = 2 * time.Minute // files on a host: prepare, discard, clear-replace
	withinReplace  = 5 * time.Hour   // streams a whole node
	withinRepair   = 2 * time.Hour
	withinTakeBack = 5 * time.Minute // peers forget a failed joiner after their quarantine
)

func step(verb string, on galen.Target, args any, within time.Duration, why string) galen.Step {
	return galen.Step{Verb: verb, Why: why, Target: on, Args: encode(args), Within: galen.Duration(within)}
}

// encode cannot fail on our own argument types; if it did, the text would be refused by the verb's Check.
func encode(args any) json.RawMessage {
	b, err := json.Marshal(args)
	if err != nil {
		return json.RawMessage(strconv.Quote("unencodable: " + err.Error()))
	}
	return b
}

// Start starts the node's process on its own data.
func Start(n Node) galen.Step {
	return step(VerbStart, n.Target(), StartArgs{Instance: n.Instance}, withinStart, "start "+Title(n))
}

// Stop drains the node and stops its process.
func Stop(n Node) galen.Step {
	return step(VerbStop, n.Target(), StopArgs{Instance: n.Instance}, withinStop, "drain and stop "+Title(n))
}

// Kill kills the node's stuck process i, that very one.
func Kill(n Node, i Instance) galen.Step {
	args := KillArgs{Instance: i.Name, PID: i.PID, Started: i.Started.UTC().Format(time.RFC3339Nano)}
	return step(VerbKill, n.Target(), args, withinKill, "kill the stuck process "+strconv.Itoa(i.PID)+" of "+Title(n))
}

// Fence makes sure that a dead node never starts again: a corpse that returns after its replacement takes all tokens.
func Fence(dead Node) galen.Step {
	return step(VerbFence, dead.Target(), FenceArgs{Instance: dead.Instance}, withinFence, "fence "+Title(dead)+" so that it cannot return")
}

// Prepare writes the start configuration of an empty instance for the place of a dead node, all of it as the live ring
// tells. Its undo is Discard.
func Prepare(r Ring, i Instance, dead Node) galen.Step {
	args := PrepareArgs{
		Cluster: r.Cluster, DC: dead.DC, Rack: dead.Rack, Seeds: r.SeedsFor(i.Address),
		Replace: dead.Address, NumTokens: len(dead.Tokens),
	}
	s := step(VerbPrepare, i.Target(), args, withinHost, "prepare the empty instance "+i.Name+" to replace "+Title(dead))
	undo := Discard(i)
	s.Undo = &undo
	return s
}

// Discard takes back what prepare wrote.
func Discard(i Instance) galen.Step {
	return step(VerbDiscard, i.Target(), DiscardArgs{Instance: i.Name}, withinHost, "take back the preparation of "+i.Name)
}

// Replace starts the prepared instance in the place of a dead, fenced node.
func Replace(dead Node, i Instance) galen.Step {
	args := ReplaceArgs{Instance: i.Name, Address: dead.Address, Prepared: i.Prepared, Tokens: HashTokens(dead.Tokens)}
	return step(VerbReplace, dead.Target(), args, withinReplace, "start "+i.Name+" in the place of "+Title(dead))
}

// RemoveJoiner takes back the failed joiner that the replace intent started on the instance.
func RemoveJoiner(i Instance, replace string) galen.Step {
	return step(VerbRemoveJoiner, i.Target(), RemoveJoinerArgs{Instance: i.Name, Replace: replace}, withinTakeBack, "take back the failed joiner on "+i.Name)
}

// RepairRanges repairs all ranges of one keyspace that the node has a replica of, each within one boundary of the ring, with
// the node as coordinator.
func RepairRanges(r Ring, n Node, keyspace string) galen.Step {
	args := RepairArgs{Instance: n.Instance, Keyspace: keyspace, Ranges: NewQuorum(r, galen.Policy{}).Ranges(keyspace, n.HostID)}
	return step(VerbRepair, n.Target(), args, withinRepair, "repair "+countOf(len(args.Ranges), "range", "ranges")+" of "+keyspace+" on "+Title(n))
}

// ClearReplace takes the replace flag out of the node's start configuration and ends its preparation.
func ClearReplace(n Node) galen.Step {
	return step(VerbClearReplace, n.Target(), ClearReplaceArgs{Instance: n.Instance}, withinHost, "take the replace flag out of the start configuration of "+Title(n))
}

// Title is a node for people: "n3 (127.0.0.3)", or its address and host ID where no instance is known.
func Title(n Node) string {
	if n.Instance == "" {
		return n.Address + " (" + n.HostID + ")"
	}
	return n.Instance + " (" + n.Address + ")"
}

// SeedsFor are the addresses that a fresh node at that address starts from: the live seeds of the ring, or one live
// node of each rack where no seed lives; never the node itself, for a seed does not bootstrap. Sorted by host ID.
func (r Ring) SeedsFor(address string) []string {
	seeds, others, racks := []string{}, []string{}, map[string]bool{}
	for _, n := range r.Nodes {
		if n.Down || n.Status != Normal || n.Address == address || len(n.Tokens) == 0 {
			continue
		}
		if n.Seed {
			seeds = append(seeds, n.Address)
		}
		if !racks[n.Domain()] {
			racks[n.Domain()] = true
			others = append(others, n.Address)
		}
	}
	if len(seeds) > 0 {
		return seeds
	}
	return others
}

// RepairedKeyspaces are the keyspaces that a node repairs after it replaced another one, sorted: those with at least
// two replicas in all, of which the node's data centre has some. A keyspace of one replica has nothing to compare with.
func (r Ring) RepairedKeyspaces(dc string) []string {
	var out []string
	for _, k := range r.Keyspaces {
		total := 0
		for _, rf := range k.RF {
			total += rf
		}
		here := k.Strategy == strategySimple || k.RF[dc] > 0
		if !k.local() && total > 1 && here {
			out = append(out, k.Name)
		}
	}
	return out
}
