package cassandra

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// corpse: an instance that was fenced, whose place another one takes, or which somebody takes out of the ring never starts
// again. Every other start is welcome.
func corpse(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbStart {
		return allow("%s starts no node", a.Step.Verb)
	}
	node, instance := a.State.Find(a.Step.Target.ID)
	if instance == nil {
		return lookAgain("the instance of %s was not seen", a.Step.Target)
	}
	if instance.Fenced != "" {
		return deny("%s was fenced by %s: if it starts, it takes its tokens back from its replacement", instance.Name, instance.Fenced)
	}
	if node == nil {
		return allow("%s was not fenced", instance.Name)
	}
	if k := slices.IndexFunc(a.State.Instances, func(i Instance) bool {
		return i.Name != instance.Name && i.Process != Absent && i.ReplaceFlag == node.Address && !i.EverNormal
	}); k >= 0 {
		return lookAgain("%s is about to replace it", a.State.Instances[k].Name)
	}
	if why := goesBy(a.State, *node); why != "" {
		return lookAgain("%s: if it starts, it takes its tokens back from those that get them now", why)
	}
	return allow("%s was not fenced", instance.Name)
}

// goesBy says who sees that somebody else takes the node out of the ring; "" if nobody does. For a while that is only the
// one node that was told to. A node that leaves by itself, and dies over it, may start again.
func goesBy(r Ring, n Node) string {
	for _, v := range r.Views {
		if !v.Live() {
			continue
		}
		e, known := v.peer(n.Address)
		if known && (e.HostID == "" || e.HostID == n.HostID) && (e.Status == "removing" || e.Status == "removed" || e.Status == "LEFT") {
			return v.Instance + " sees " + n.Address + " in status " + e.Status
		}
	}
	return ""
}

// stuckOnly: a process is killed only if it serves nobody, and would start again, and exactly the one that was seen stuck: what is frozen
// may thaw, and its open files may be the last that there is of its data.
func stuckOnly(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbKill {
		return allow("%s kills no process", a.Step.Verb)
	}
	args, err := galen.Decode[KillArgs](a.Step.Args)
	if err != nil {
		return deny("arguments of kill: %s", err)
	}
	node, _ := a.State.Find(a.Step.Target.ID)
	instance, known := a.State.Instance(args.Instance)
	switch {
	case node == nil || node.Instance != args.Instance:
		return deny("%s does not run on %s", a.Step.Target, args.Instance)
	case !known || instance.Error != "":
		return lookAgain("the host of %s could not be read: %s", args.Instance, instance.Error)
	case instance.Process == Absent:
		return lookAgain("%s has no process any more", instance.Name)
	case !args.same(instance):
		return deny("%s runs process %d since %s now; the step is for %d since %s", instance.Name, instance.PID,
			instance.Started.Format(time.RFC3339Nano), args.PID, args.Started)
	}
	if v := startsAgain(instance); v.Answer != galen.Allow {
		return v
	}
	return stuck(a.State, *node, instance)
}

// stuck: neither way in answers, and every live peer calls it down.
func stuck(r Ring, n Node, i Instance) galen.Verdict {
	v, asked := r.View(i.Name)
	switch {
	case !asked:
		return lookAgain("%s was not asked", i.Name)
	case v.Live() || v.CQL == Answered:
		return deny("%s serves: mode %s, cql %s", i.Name, v.Mode, v.CQL)
	case v.answers():
		return lookAgain("%s answers: it is %s", i.Name, v.starting())
	case !n.Down:
		return lookAgain("not everybody calls %s down", n.Address)
	}
	return allow("process %d of %s answers nobody: jolokia %s, cql %s", i.PID, i.Name, v.Jolokia, v.CQL)
}

func (v View) starting() string {
	if v.Mode == "" {
		return string(v.Jolokia)
	}
	return v.Mode
}

// orderly: only a node that works normally, and can be started again, is stopped; one that is drained already has nothing left to
// lose. What is stuck is killed instead, what joins or leaves is let alone.
func orderly(a galen.Ask[Ring]) galen.Verdict {
	if a.Step.Verb != VerbStop {
		return allow("%s stops no node", a.Step.Verb)
	}
	node, instance := a.State.Find(a.Step.Target.ID)
	if node == nil || instance == nil {
		return deny("%s is no node of the ring with a host that could stop it", a.Step.Target)
	}
	v, asked := a.State.View(instance.Name)
	switch {
	case node.Status != Normal:
		return deny("%s is %s: stopped now, it leaves its ranges between two owners", node.HostID, node.Status)
	case !asked || v.Jolokia != Answered:
		return lookAgain("%s does not answer: what it is doing is unknown", instance.Name)
	}
	if v := startsAgain(*instance); v.Answer != galen.Allow {
		return v
	}
	if slices.Contains([]string{string(Normal), "DRAINING", "DRAINED"}, v.Mode) {
		return allow("%s is %s", instance.Name, v.Mode)
	}
	return lookAgain("%s is %s, not NORMAL", instance.Name, v.Mode)
}

// startsAgain: whoever ends its process can start it, and it finds its data.
func startsAgain(i Instance) galen.Verdict {
	switch why, sure := i.StartsAgain(); {
	case why == "":
		return allow("%s can be started again", i.Name)
	case sure:
		return deny("%s would not start again: %s", i.Name, why)
	default:
		return lookAgain("another look must tell whether %s would start again: %s", i.Name, why)
	}
}
