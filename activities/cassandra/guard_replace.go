package cassandra

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// alive: who lives in anybody's view is neither fenced nor replaced (N4). A node never seen down is refused for good;
// one that flips is looked at again.
func alive(a galen.Ask[Ring]) galen.Verdict {
	if !replaces(a.Step.Verb) {
		return allow("%s replaces nobody", a.Step.Verb)
	}
	node, instance := a.State.Find(a.Step.Target.ID)
	switch {
	case node == nil:
		return deny("%s is no node of the ring", a.Step.Target)
	case !node.Down && node.Flips == 0:
		return deny("%s at %s was never seen down", node.HostID, node.Address)
	case !node.Down:
		return lookAgain("%s at %s is not down", node.HostID, node.Address)
	case node.Status != Normal:
		return deny("%s is %s: it holds no place in the ring that another node could take", node.HostID, node.Status)
	}
	if why := signOfLife(a, *node); why != "" {
		return lookAgain("%s", why)
	}
	if instance != nil && instance.Process == Running && a.Step.Verb == VerbReplace {
		return lookAgain("process %d of %s runs", instance.PID, instance.Name)
	}
	return allow("nobody calls %s UP", node.Address)
}

// signOfLife is what speaks against the death of a node that the consensus calls down; "" if nothing does.
func signOfLife(a galen.Ask[Ring], n Node) string {
	for _, v := range othersLive(a.State, n) {
		e, known := v.peer(n.Address)
		switch {
		case !known || e.HostID != "" && e.HostID != n.HostID:
		case e.Up:
			return v.Instance + " calls " + n.Address + " UP"
		case e.Generation > a.Step.Target.Generation:
			return fmt.Sprintf("%s saw %s start again: generation %d, the step is for %d", v.Instance, n.Address, e.Generation, a.Step.Target.Generation)
		}
	}
	if v, asked := a.State.ViewOf(n); asked && v.answers() {
		return fmt.Sprintf("%s answers us: jolokia %s %s, cql %s", v.Instance, v.Jolokia, v.Mode, v.CQL)
	}
	return ""
}

// answers tells whether anything of the node answers, a start included.
func (v View) answers() bool {
	return v.Jolokia == Answered || v.Jolokia == Booting || v.CQL == Answered
}

// patience: a node that may come back by itself is not replaced (I-15): not before it was down as long as its longest
// restart, save when the host proves that its data are gone. What the host cannot tell is a question for a person.
func patience(a galen.Ask[Ring]) galen.Verdict {
	if !givesUp(a.Step.Verb) {
		return allow("%s gives no silent node up", a.Step.Verb)
	}
	node, instance := a.State.Find(a.Step.Target.ID)
	if node == nil {
		return deny("%s is no node of the ring", a.Step.Target)
	}
	if node.DownSince.IsZero() {
		return lookAgain("%s is not known to be down", node.HostID)
	}
	why := "no host plane knows its machine"
	if instance != nil {
		var proved bool
		if proved, why = instance.DataGone(a.Policy.GoneApart.D()); proved {
			return allow("a restart cannot bring it back: %s", why)
		}
	}
	down, least := a.Now.Sub(node.DownSince), max(a.Policy.ReplaceAfter, node.LongestRestart).D()
	switch {
	case down < least:
		return lookAgain("%s has been down for %s, who gives it up waits for %s; and it is not proved that its data are gone: %s",
			node.HostID, down.Round(time.Second), least, why)
	case instance != nil && instance.Error == "" && instance.Data == DataPresent:
		return allow("down for %s, longer than %s", down.Round(time.Second), least)
	default:
		return ask(a, "down for %s, but whether its data are gone is unknown: %s", down.Round(time.Second), why)
	}
}

// fenced: a dead node that starts again takes all its tokens back from its replacement. So it is fenced first.
func fenced(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbReplace {
		return allow("%s replaces nobody", a.Step.Verb)
	}
	node, instance := a.State.Find(a.Step.Target.ID)
	switch {
	case node == nil:
		return deny("%s is no node of the ring", a.Step.Target)
	case instance == nil:
		return deny("no host plane knows the machine of %s: nobody can keep it from starting again", node.Address)
	case instance.Error != "":
		return lookAgain("the host of %s could not be read: %s", instance.Name, instance.Error)
	case instance.Fenced == "" && slices.ContainsFunc(open(a), func(in galen.Intent) bool {
		return in.Step.Verb == VerbFence && in.Step.Target.ID == node.HostID
	}):
		return lookAgain("the fence of %s is not settled", instance.Name)
	case instance.Fenced == "":
		return deny("%s is not fenced: it could start again and take its tokens back", instance.Name)
	case instance.Process != Absent:
		return lookAgain("%s is fenced, and process %d still runs", instance.Name, instance.PID)
	}
	return allow("%s is fenced by %s", instance.Name, instance.Fenced)
}

// joiner: the instance that takes the place was prepared by this run, and a look after that read its configuration
// back (I-31). Cassandra would join without a byte of data where it is wrong.
func joiner(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbReplace {
		return allow("%s starts no joiner", a.Step.Verb)
	}
	args, err := galen.Decode[ReplaceArgs](a.Step.Args)
	if err != nil {
		return deny("arguments of replace: %s", err)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	instance, known := a.State.Instance(args.Instance)
	switch {
	case node == nil:
		return deny("%s is no node of the ring", a.Step.Target)
	case !known:
		return lookAgain("instance %s was not seen", args.Instance)
	case instance.Error != "":
		return lookAgain("the host of %s could not be read: %s", instance.Name, instance.Error)
	case args.Address != node.Address:
		return deny("the step says that %s is at %s, the ring that it is at %s", node.HostID, args.Address, node.Address)
	case args.Prepared != instance.Prepared:
		return lookAgain("the step rests on preparation %q of %s, which is prepared by %q", args.Prepared, instance.Name, instance.Prepared)
	}
	for _, check := range []func(galen.Ask[Ring], Node, Instance) galen.Verdict{preparedHere, emptyInstance, rightConfig, rightSeeds} {
		if v := check(a, *node, instance); v.Answer != galen.Allow {
			return v
		}
	}
	return allow("%s was read back: bootstraps into %s/%s of %s, replaces %s", instance.Name, node.DC, node.Rack, a.State.Cluster, node.Address)
}

func preparedHere(a galen.Ask[Ring], _ Node, i Instance) galen.Verdict {
	in, mine := past(a, i.Prepared)
	switch {
	case i.Prepared == "" && slices.ContainsFunc(open(a), func(in galen.Intent) bool {
		return in.Step.Verb == VerbPrepare && in.Step.Target.ID == i.Target().ID
	}):
		return lookAgain("the preparation of %s is not settled", i.Name)
	case i.Prepared == "":
		return deny("%s is not prepared", i.Name)
	case !mine || in.Step.Verb != VerbPrepare:
		return deny("%s was prepared by %s, not by this run", i.Name, i.Prepared)
	case !i.At.After(in.At):
		return lookAgain("%s was not looked at since it was prepared", i.Name)
	}
	return allow("")
}

func emptyInstance(_ galen.Ask[Ring], _ Node, i Instance) galen.Verdict {
	switch {
	case i.Fenced != "":
		return deny("%s is fenced by %s", i.Name, i.Fenced)
	case i.Process != Absent:
		return lookAgain("process %d of %s runs already", i.PID, i.Name)
	case i.Data == DataPresent:
		return deny("%s holds data: what it would join with is not what the dead node had", i.Name)
	case i.Data != DataGone:
		return lookAgain("whether %s is empty cannot be read", i.Name)
	}
	return allow("")
}

func rightConfig(a galen.Ask[Ring], n Node, i Instance) galen.Verdict {
	c := i.Config
	switch {
	case !c.AutoBootstrap:
		return deny("%s has auto_bootstrap off: it would join without data", i.Name)
	case a.State.Cluster == "":
		return lookAgain("no live node told the name of the cluster")
	case c.Cluster != a.State.Cluster:
		return deny("%s belongs to cluster %q, not %q", i.Name, c.Cluster, a.State.Cluster)
	case c.DC != n.DC || c.Rack != n.Rack:
		return deny("%s is in %s/%s, the dead node in %s/%s", i.Name, c.DC, c.Rack, n.DC, n.Rack)
	case c.Listen != i.Address:
		return deny("%s listens on %q, its address is %s", i.Name, c.Listen, i.Address)
	case i.ReplaceFlag != n.Address:
		return deny("%s has the replace flag %q, the dead node is at %s", i.Name, i.ReplaceFlag, n.Address)
	}
	return allow("")
}

// rightSeeds: a node that is in its own seed list does not bootstrap; one whose seeds are dead or strangers does not
// find the ring.
func rightSeeds(a galen.Ask[Ring], n Node, i Instance) galen.Verdict {
	if len(i.Config.Seeds) == 0 {
		return deny("%s has no seeds", i.Name)
	}
	for _, seed := range i.Config.Seeds {
		k := slices.IndexFunc(a.State.Nodes, func(o Node) bool { return o.Address == seed && o.Status == Normal && !o.Unlisted })
		switch {
		case seed == i.Address:
			return deny("%s is in its own seed list: it would join without data", i.Name)
		case seed == n.Address:
			return deny("the seeds of %s name the dead node %s", i.Name, seed)
		case k < 0:
			return deny("seed %s of %s is no NORMAL node of the ring", seed, i.Name)
		case a.State.Nodes[k].Down:
			return lookAgain("seed %s of %s is down", seed, i.Name)
		}
	}
	return allow("")
}

// spacing: no next replacement in a data centre before the last one has proved itself (I-13): every live peer calls it
// UP and NORMAL, one schema, nothing changed for a while. That its streams are done is asked by streams.
func spacing(a galen.Ask[Ring]) galen.Verdict {
	if !givesUp(a.Step.Verb) {
		return allow("%s replaces nobody", a.Step.Verb)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	if node == nil {
		return deny("%s is no node of the ring", a.Step.Target)
	}
	last, found := facts(a)[FactReplaced+node.DC]
	if !found {
		return allow("no replacement in %s is on record", node.DC)
	}
	if in, mine := past(a, last.Intent); mine && in.Step.Target.ID == node.HostID {
		return allow("the last replacement in %s was an attempt of this run", node.DC)
	}
	if passed, least := a.Now.Sub(last.At), a.Policy.ReplaceSpacing.D(); passed < least {
		return lookAgain("the last replacement in %s was %s ago; the next one waits for %s", node.DC, passed.Round(time.Second), least)
	}
	var who ReplaceArgs
	if err := json.Unmarshal(last.Value, &who); err != nil || who.Instance == "" {
		return ask(a, "nobody knows which instance took the place in the last replacement in %s", node.DC)
	}
	return settledIn(a, who.Instance)
}

// settledIn tells whether the instance that took a place works since long enough.
func settledIn(a galen.Ask[Ring], name string) galen.Verdict {
	node, member := a.State.NodeOf(name)
	switch {
	case !member:
		return ask(a, "%s, the last replacement, is no node of the ring any more, or none that goes by that name: nobody can see whether the ring has settled since", name)
	case node.HostID == a.Step.Target.ID:
		return allow("%s, the last replacement, is what has to be replaced", name)
	case node.Status != Normal || node.Down:
		return lookAgain("%s, the last replacement, is %s, down: %t", name, node.Status, node.Down)
	case len(a.State.Schemas) > 1:
		return lookAgain("the live nodes know %d schema versions", len(a.State.Schemas))
	}
	// Started is zero without a process, or as long as its host was never read.
	if i, _ := a.State.Instance(name); a.Now.Sub(i.Started) < a.Policy.ReplaceSpacing.D() {
		return lookAgain("%s, the last replacement, was started %s ago", name, a.Now.Sub(i.Started).Round(time.Second))
	}
	return calledNormal(a.State, node)
}

// calledNormal tells whether every other live node calls a node UP and NORMAL.
func calledNormal(r Ring, node Node) galen.Verdict {
	for _, v := range othersLive(r, node) {
		if e, known := v.peer(node.Address); !known || !e.Up || e.Status != string(Normal) {
			return lookAgain("%s does not call %s, the last replacement, UP and NORMAL", v.Instance, node.Instance)
		}
	}
	return allow("%s, the last replacement, is UP and NORMAL for everybody", node.Instance)
}
