package cassandra

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// The facts that verbs leave, by the beginning of their keys. An owed undo is the engine's: [galen.UndoOwed].
const (
	// FactRepairOwed: "repair-owed/<instance>/<keyspace>" from the intent of a replacement on: the instance holds, or
	// will hold, what one replica streamed, until the keyspace is repaired there; so too from the start of a node on that
	// was silent for longer than its peers keep hints (N12). It denies destructive steps.
	FactRepairOwed = CodeRepairOwed + "/"
	// FactRepaired: "repaired/<instance>/<keyspace>", when that repair was done, of all its ranges.
	FactRepaired = "repaired/"
	// FactReplaced: "replaced/<dc>", when the last replacement in the data centre was done (I-13); its value is that
	// step's [ReplaceArgs].
	FactReplaced = "replaced/"
	// FactSilent: "silent-since/<host ID>/<keyspace>", with the repair that a start owes: its value is a [Silent]. The oldest
	// silence stands until that repair, however often the node was silent and started again meanwhile.
	FactSilent = "silent-since/"
)

// leaves tells whether the key is one of those above, whole.
func leaves(key string) bool {
	for _, begin := range []string{FactRepairOwed, FactRepaired, FactSilent} {
		if rest, is := strings.CutPrefix(key, begin); is {
			of, keyspace, _ := strings.Cut(rest, "/")
			return of != "" && keyspace != ""
		}
	}
	return strings.HasPrefix(key, FactReplaced)
}

// Silent is the value of a [FactSilent].
type Silent struct {
	// Since no peer called the node UP; zero: nobody knows since when.
	Since time.Time `json:"since,omitzero"`
}

// replaceFacts: the repairs are owed from the intent on, for nobody knows whether the call went out; they are not if it
// never happened or failed, for then nobody holds half of the data as a member.
func replaceFacts(r Ring, in galen.Intent, _ galen.Policy) []galen.Fact {
	args, err := galen.Decode[ReplaceArgs](in.Step.Args)
	if err != nil {
		return nil // Check has refused such a step
	}
	dc := ""
	if n, found := r.NodeOf(args.Instance); found {
		dc = n.DC
	} else if n, found := r.Node(in.Step.Target.ID); found {
		dc = n.DC
	}
	var out []galen.Fact
	add := func(key string, gone bool) {
		at := in.At
		if in.Effect.Settled() {
			at = in.Effect.At
		}
		out = append(out, galen.Fact{Key: key, Intent: in.ID, At: at, Gone: gone})
	}
	switch in.Effect.Status {
	case galen.EffectDone:
		add(FactReplaced+dc, false)
		out[0].Value = in.Step.Args
		add(galen.UndoOwed+args.Prepared, true)
		for _, k := range r.RepairedKeyspaces(dc) {
			add(FactSilent+in.Step.Target.ID+"/"+k, true) // its data are of no node any more
		}
	case galen.EffectAbsent, galen.EffectFailed:
		for _, k := range r.RepairedKeyspaces(dc) {
			add(FactRepairOwed+args.Instance+"/"+k, true)
		}
	default:
		for _, k := range r.RepairedKeyspaces(dc) {
			add(FactRepairOwed+args.Instance+"/"+k, false)
		}
	}
	return out
}

// startFacts: who was silent for longer than its peers keep hints has missed writes that nothing brings but a repair; so has who
// was silent nobody knows how long. The silence counts until a peer calls it UP again, so that it is owed as much earlier as a start
// may take: no look need see how long it was in the end. No start takes such a debt away: an attempt that failed may have ended the
// silence, and the node still lacks the writes.
func startFacts(r Ring, in galen.Intent, p galen.Policy) []galen.Fact {
	n, found := r.Node(in.Step.Target.ID)
	args, err := galen.Decode[StartArgs](in.Step.Args)
	if !found || err != nil || in.Effect.Status == galen.EffectAbsent || len(r.Nodes) < 2 {
		return nil
	}
	silent, known := n.Silence(r.At, in.At)
	if known && silent+withinStart <= p.HintWindow.D() {
		return nil
	}
	since := n.Heard.At
	if n.heard() && !n.Heard.Since.Before(in.At) {
		since = n.Heard.Before
	}
	value, err := json.Marshal(Silent{Since: since})
	if err != nil {
		return nil // of no moment that a clock tells
	}
	var out []galen.Fact
	for _, k := range r.RepairedKeyspaces(n.DC) {
		out = append(out,
			galen.Fact{Key: FactRepairOwed + args.Instance + "/" + k, Intent: in.ID, At: r.At},
			galen.Fact{Key: FactSilent + n.HostID + "/" + k, Value: value, Intent: in.ID, At: r.At, Keep: true})
	}
	return out
}

// remedy is how a repair that an ended run left is done. Nobody owes one of what is no more, or is not compared with any other replica.
func remedy(r Ring, d galen.Duty) (how string, owed bool) {
	if d.Code() != CodeRepairOwed {
		return "", true
	}
	n, member := r.NodeOf(d.Instance)
	alone := member && len(r.Keyspaces) > 0 && !slices.Contains(r.RepairedKeyspaces(n.DC), d.Of)
	switch {
	case void(r, d.Instance, d.Of), alone:
		return "", false
	case !member:
		return fmt.Sprintf("no node runs on %s now; it is owed until %s is repaired as a member, or is fenced and its process gone; what destroys a replica of its ranges needs a yes", d.Instance, d.Instance), true
	}
	return fmt.Sprintf("galen run cassandra/heal-node %s --param node=%s repairs it", r.Resource(), d.Instance), true
}

// repairFacts: what is owed is paid by one repair of all that the node replicates. One of less leaves the debt: of any range
// that it left out, one node alone may know what a quorum knew.
func repairFacts(r Ring, in galen.Intent, _ galen.Policy) []galen.Fact {
	args, err := galen.Decode[RepairArgs](in.Step.Args)
	if err != nil || in.Effect.Status != galen.EffectDone {
		return nil
	}
	if args.leaves(r, in.Step.Target.ID) != "" {
		return nil
	}
	key := args.Instance + "/" + args.Keyspace
	return []galen.Fact{
		{Key: FactRepaired + key, Intent: in.ID, At: in.Effect.At},
		{Key: FactRepairOwed + key, Intent: in.ID, At: in.Effect.At, Gone: true},
		{Key: FactSilent + in.Step.Target.ID + "/" + args.Keyspace, Intent: in.ID, At: in.Effect.At, Gone: true},
	}
}
