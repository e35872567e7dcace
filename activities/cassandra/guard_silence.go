package cassandra

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// silence: a node that was silent for longer than its tables keep their tombstones is not started any more (N12): what was
// deleted meanwhile is deleted nowhere any more, lives on in its data alone, and a repair would spread it. It is replaced. The
// silence counts until it serves again, so that a start has to begin as much earlier as it may take, and until it is repaired if
// that is owed. Who has come back to that debt is not stopped without a person: it could not be started again.
func silence(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbStart && a.Step.Verb != VerbStop {
		return allow("%s brings no old data back", a.Step.Verb)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	switch {
	case node == nil:
		return lookAgain("%s is no node of the ring", a.Step.Target)
	case len(a.State.Nodes) < 2:
		return allow("there is no other node, so that it has missed nothing")
	}
	lack := a.State.Lack(*node, facts(a), a.Now)
	if a.Step.Verb == VerbStop {
		return lastStop(a, *node, lack)
	}
	switch {
	case lack.Unknown != "":
		return ask(a, "%s, so that nobody knows how long %s was silent: after more than gc_grace (%s) deleted rows would come back with it, and then it has to be replaced",
			lack.Unknown, Title(*node), a.Policy.GCGrace)
	case lack.TooOld(a.Policy):
		return deny("%s %s, and the tables keep their tombstones for %s (gc_grace): its data are too old, deleted rows would come back with them: replace it",
			Title(*node), lack, a.Policy.GCGrace)
	}
	return allow("%s %s, less than gc_grace (%s)", Title(*node), lack, a.Policy.GCGrace)
}

// lastStop: who is down loses nothing by a stop, who serves with a debt of old does. The stop itself takes its time.
func lastStop(a galen.Ask[Ring], n Node, lack Lack) galen.Verdict {
	after := lack
	after.For += withinStop + a.Policy.LookEvery.D()
	if !n.Down && lack.Past && (lack.Unknown != "" || after.TooOld(a.Policy)) {
		return ask(a, "%s %s: once stopped it could not be started again (gc_grace %s), only be replaced; this repairs it first: galen run cassandra/heal-node %s --param node=%s",
			Title(n), lack, a.Policy.GCGrace, a.State.Resource(), n.Instance)
	}
	return allow("%s may be started again after it", Title(n))
}

// Lack is what a node may lack: all that was written and deleted since its oldest silence began that no repair has followed.
type Lack struct {
	For     time.Duration // since that silence began
	Past    bool          // it ended, by a start that owes the repair still, if what is unknown is about such a one
	Unknown string        // why nobody knows how long that is; "": it is known
}

// Lack of a node, by its silence now and those that the facts tell of. A silence that ended does not count from its end: a node
// that serves for a moment has caught up with nothing. Of a keyspace that is compared with no other replica any more nothing comes back.
func (r Ring) Lack(n Node, facts map[string]galen.Fact, now time.Time) Lack {
	silent, known := n.Silence(now, now)
	if !known {
		return Lack{Unknown: "no peer was ever heard to call it UP"}
	}
	out, held := Lack{For: silent}, r.RepairedKeyspaces(n.DC)
	for _, key := range sortedKeys(facts) {
		keyspace, is := strings.CutPrefix(key, FactSilent+n.HostID+"/")
		if !is || facts[key].Gone || len(r.Keyspaces) > 0 && !slices.Contains(held, keyspace) {
			continue
		}
		past, err := galen.Decode[Silent](facts[key].Value)
		switch ago := now.Sub(past.Since); {
		case err != nil:
			return Lack{Past: true, Unknown: fmt.Sprintf("the fact %s cannot be read (%v)", key, err)}
		case past.Since.IsZero():
			return Lack{Past: true, Unknown: "nobody knew it at a start since which keyspace " + keyspace + " was not repaired"}
		case ago > out.For:
			out = Lack{For: ago, Past: true}
		}
	}
	return out
}

// TooOld tells whether a node that lacks so much may be started no more, for it could serve too late.
func (l Lack) TooOld(p galen.Policy) bool {
	return l.Unknown == "" && l.For+withinStart > p.GCGrace.D()
}

// String is for people.
func (l Lack) String() string {
	switch ago := l.For.Round(time.Second); {
	case l.Unknown != "":
		return "was silent nobody knows how long: " + l.Unknown
	case l.Past:
		return fmt.Sprintf("became silent %s ago, and was not repaired since", ago)
	default:
		return fmt.Sprintf("was silent for %s", ago)
	}
}
