package cassandra

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/galenhq/galen"
)

// An effect is read from what hosts and nodes show, never from the reply of the call. It is absent or failed only on
// evidence from after the verb's settle time, done or under way on any evidence from after the intent.

// proof is what an effect rests on: the host of one instance, seen after the intent.
type proof struct {
	in   galen.Intent
	i    Instance
	late bool // seen after the settle time
}

// host is the proof that an instance's host gives; ok is false, with an unknown effect, while it gives none.
func host(r Ring, in galen.Intent, instance string, settle time.Duration) (p proof, e galen.Effect, ok bool) {
	i, found := r.Instance(instance)
	switch {
	case !found:
		return p, unknown("the host plane does not know %s", instance), false
	case i.Error != "":
		return p, unknown("the host of %s could not be read: %s", instance, i.Error), false
	case i.At.Before(in.At):
		return p, unknown("%s was not looked at since", instance), false
	}
	return proof{in: in, i: i, late: !i.At.Before(in.At.Add(settle))}, galen.Effect{}, true
}

func (p proof) attempted() bool { return slices.Contains(p.i.Attempts, p.in.ID) }

func (p proof) alive() bool { return p.i.Process != Absent }

// failed once the settle time is over, under way before.
func (p proof) failed(format string, args ...any) galen.Effect {
	if p.late {
		return galen.Effect{Status: galen.EffectFailed, Why: fmt.Sprintf(format, args...)}
	}
	return underWay(format, args...)
}

func unknown(format string, args ...any) galen.Effect {
	return galen.Effect{Status: galen.EffectUnknown, Why: fmt.Sprintf(format, args...)}
}

func underWay(format string, args ...any) galen.Effect {
	return galen.Effect{Status: galen.EffectUnderWay, Why: fmt.Sprintf(format, args...)}
}

func done(format string, args ...any) galen.Effect {
	return galen.Effect{Status: galen.EffectDone, Why: fmt.Sprintf(format, args...)}
}

func absent(format string, args ...any) galen.Effect {
	return galen.Effect{Status: galen.EffectAbsent, Why: fmt.Sprintf(format, args...)}
}

// startEffect: done when the node is well; under way while the process of this intent lives; failed when it died.
func startEffect(r Ring, in galen.Intent, args StartArgs, settle time.Duration) galen.Effect {
	p, e, ok := host(r, in, args.Instance, settle)
	if !ok {
		return e
	}
	if n, found := r.Node(in.Step.Target.ID); found && p.alive() && askedSince(r, n, in.At) {
		if len(r.Ailing(n)) == 0 {
			return done("NORMAL, UP at every live peer, and it serves")
		}
	}
	return p.process(r)
}

func askedSince(r Ring, n Node, t time.Time) bool {
	v, asked := r.ViewOf(n)
	return asked && !v.At.Before(t)
}

// process is what became of a started process before its purpose is reached.
func (p proof) process(r Ring) galen.Effect {
	switch {
	case p.alive() && p.i.Intent == p.in.ID:
		v, _ := r.View(p.i.Name)
		if v.Jolokia != Answered {
			return underWay("process %d runs, its Jolokia does not answer yet (%s)", p.i.PID, v.Jolokia)
		}
		return underWay("process %d runs, %s", p.i.PID, words(string(v.Jolokia), v.Mode))
	case p.attempted() && p.alive():
		return p.failed("its process ended, another one (%d) runs", p.i.PID)
	case p.attempted():
		return p.failed("its process ended")
	case p.alive():
		return absent("process %d runs, and was not started by this", p.i.PID)
	}
	return absent("no start was attempted")
}

// stopPatience is how long a node may take to end after SIGTERM: it waits for what its peers owe it.
const stopPatience = time.Minute

// stopEffect: done when the process is gone, or a later one runs. A process that serves nobody and stays has failed to
// stop.
func stopEffect(r Ring, in galen.Intent, args StopArgs, settle time.Duration) galen.Effect {
	p, e, ok := host(r, in, args.Instance, settle)
	if !ok {
		return e
	}
	v, _ := r.View(args.Instance)
	switch {
	case !p.alive():
		return done("its process is gone")
	case p.i.Started.After(in.At):
		return done("its process is gone, and another one runs")
	case v.At.Before(in.At):
		return unknown("it was not asked since")
	case v.Jolokia == Answered && v.Mode == "DRAINING":
		return underWay("draining")
	case v.Jolokia == Answered && v.Mode != "DRAINED":
		return absent("it runs on, mode %s", v.Mode)
	case p.i.At.Before(in.At.Add(stopPatience)):
		return underWay("it serves nobody any more, process %d still ends", p.i.PID)
	}
	return p.failed("it serves nobody, and process %d stays", p.i.PID)
}

// sameStart is how far two readings of one process's start may lie apart: hosts count it from a boot time that follows
// corrections of the clock.
const sameStart = 3 * time.Second

// same tells whether the instance's process is the one that the arguments name.
func (a KillArgs) same(i Instance) bool {
	started, err := time.Parse(time.RFC3339Nano, a.Started)
	return err == nil && i.Process != Absent && i.PID == a.PID && i.Started.Sub(started).Abs() <= sameStart
}

func killEffect(r Ring, in galen.Intent, args KillArgs, settle time.Duration) galen.Effect {
	p, e, ok := host(r, in, args.Instance, settle)
	switch {
	case !ok:
		return e
	case args.same(p.i):
		return absent("process %d is still there", args.PID)
	}
	return done("process %d is gone", args.PID)
}

func fenceEffect(r Ring, in galen.Intent, args FenceArgs, settle time.Duration) galen.Effect {
	p, e, ok := host(r, in, args.Instance, settle)
	switch {
	case !ok:
		return e
	case p.i.Fenced == "":
		return absent("%s is not fenced", args.Instance)
	case p.alive():
		return p.failed("fenced, and process %d lives", p.i.PID)
	}
	return done("%s is fenced and has no process", args.Instance)
}

// prepareEffect reads the configuration back: a joiner with a wrong one must never start. One that died half way has
// failed, for its undo stays owed then: absent would leave parts of it in the start configuration.
func prepareEffect(r Ring, in galen.Intent, args PrepareArgs, settle time.Duration) galen.Effect {
	_, instance := r.Find(in.Step.Target.ID)
	if instance == nil {
		return unknown("the host plane does not know %s", in.Step.Target.ID)
	}
	p, e, ok := host(r, in, instance.Name, settle)
	switch {
	case !ok:
		return e
	case p.i.Preparing == in.ID:
		return p.failed("it is prepared in part only")
	case p.i.Prepared != in.ID:
		return absent("%s is not prepared by this", p.i.Name)
	}
	if why := args.differs(p.i); why != "" {
		return galen.Effect{Status: galen.EffectFailed, Why: "its configuration reads back otherwise: " + why}
	}
	return done("its configuration reads back as written")
}

// differs says in what the configuration read back from a host is not the one that was to be written, "" if in nothing.
func (a PrepareArgs) differs(i Instance) string {
	c := i.Config
	seeds, want := slices.Clone(c.Seeds), slices.Clone(a.Seeds)
	slices.Sort(seeds)
	slices.Sort(want)
	switch {
	case c.Cluster != a.Cluster:
		return "cluster " + strconv.Quote(c.Cluster)
	case c.DC != a.DC || c.Rack != a.Rack:
		return "it stands in " + c.DC + "/" + c.Rack
	case !slices.Equal(seeds, want):
		return "seeds " + joinWords(seeds)
	case slices.Contains(seeds, i.Address):
		return "it is its own seed"
	case !c.AutoBootstrap:
		return "auto_bootstrap is off"
	case i.ReplaceFlag != a.Replace:
		return "replace flag " + strconv.Quote(i.ReplaceFlag)
	}
	return ""
}

func discardEffect(r Ring, in galen.Intent, args DiscardArgs, settle time.Duration) galen.Effect {
	p, e, ok := host(r, in, args.Instance, settle)
	switch {
	case !ok:
		return e
	case p.i.preparedBy() != "":
		return absent("%s is still prepared", args.Instance)
	}
	return done("%s is as it was before it was prepared", args.Instance)
}

// replaceEffect: done when the ring says so, whatever became of the process since: all live nodes see the new node
// NORMAL with the dead one's tokens, and the dead one's host ID in no map. Failed means that its data may be deleted, so
// the host plane alone never says it: live nodes that were heard since must say that the joiner is no member.
func replaceEffect(r Ring, in galen.Intent, args ReplaceArgs, settle time.Duration) galen.Effect {
	if taken(r, in, args) {
		return done("%s is NORMAL with the tokens of %s in every live view", args.Instance, args.Address)
	}
	p, e, ok := host(r, in, args.Instance, settle)
	if !ok {
		return e
	}
	if v, asked := r.View(args.Instance); asked && v.Jolokia == Answered && v.Mode == "JOINING_FAILED" && p.i.Intent == in.ID {
		e = p.failed("it says JOINING_FAILED")
	} else {
		e = p.process(r)
	}
	if e.Status != galen.EffectFailed {
		return e
	}
	since := in.At.Add(settle)
	if p.i.At.After(since) {
		since = p.i.At
	}
	if why := r.Outside(args.Instance, since); why != "" {
		return unknown("%s, and whether it had joined is not known: %s", e.Why, why)
	}
	return e
}

func taken(r Ring, in galen.Intent, args ReplaceArgs) bool {
	n, found := r.NodeOf(args.Instance)
	if !found || n.Status != Normal || HashTokens(n.Tokens) != args.Tokens {
		return false
	}
	if _, there := r.Node(in.Step.Target.ID); there {
		return false
	}
	live := r.Live()
	for _, v := range live {
		e, known := v.peer(n.Address)
		if !known || e.Status != string(Normal) || slices.Contains(v.Joining, n.Address) || v.At.Before(in.At) {
			return false
		}
	}
	return len(live) > 0 && r.torn() == ""
}

func removeJoinerEffect(r Ring, in galen.Intent, args RemoveJoinerArgs, settle time.Duration) galen.Effect {
	p, e, ok := host(r, in, args.Instance, settle)
	if !ok {
		return e
	}
	_, listed := r.NodeOf(args.Instance)
	switch {
	case p.alive() && p.i.Intent != args.Replace:
		return p.failed("the joiner ended, and another process (%d) runs", p.i.PID)
	case p.alive():
		return absent("process %d runs", p.i.PID)
	case p.i.Data != DataGone:
		return absent("its data are still there")
	case listed:
		return underWay("its peers still list it")
	}
	return done("no process, no data, and no peer lists it")
}

func clearEffect(r Ring, in galen.Intent, args ClearReplaceArgs, settle time.Duration) galen.Effect {
	p, e, ok := host(r, in, args.Instance, settle)
	switch {
	case !ok:
		return e
	case p.i.Prepared != "" || !p.alive() && p.i.ReplaceFlag != "":
		return absent("the replace flag is still there")
	}
	return done("the start configuration has no replace flag")
}

// coordinatorDied says why a repair cannot go on, and begin no more either: its coordinator's process has ended since, or is of no member
// any more, and no order of that time arrives. "": nobody knows that it did.
func coordinatorDied(r Ring, in galen.Intent, args RepairArgs, settle time.Duration) string {
	since := in.At.Add(settle)
	i, _ := r.Instance(args.Instance)
	switch {
	case r.stopped(args.Instance, since):
		return "the process of its coordinator has ended"
	case i.Error == "" && !i.At.Before(since) && i.Process == Running && i.Started.After(since):
		return "the process of its coordinator has ended, another one (" + strconv.Itoa(i.PID) + ") runs"
	case r.left(in.Step.Target.ID, since):
		return "its coordinator has left the ring"
	}
	return ""
}

// repairEffect follows the session that the coordinator ran for the intent. One that the coordinator forgot (it was
// started again), or died over, counts as failed: to repair again does no harm. One of which nothing was told this time may be under way.
func repairEffect(r Ring, in galen.Intent, args RepairArgs, settle time.Duration) galen.Effect {
	v, _ := r.View(args.Instance)
	heard := v.Jolokia == Answered && !v.At.Before(in.At)
	if why := coordinatorDied(r, in, args, settle); why != "" && !heard {
		return galen.Effect{Status: galen.EffectFailed, Why: why}
	}
	i := slices.IndexFunc(r.Repairs, func(s Repair) bool { return s.Intent == in.ID })
	switch {
	case i < 0 && heard:
		return unknown("the coordinator answers, and did not tell this time whether it knows of the repair")
	case i < 0:
		return unknown("the coordinator was not heard")
	}
	switch s := r.Repairs[i]; s.Status {
	case "COMPLETED":
		return args.completed(r, in.Step.Target.ID, s.Command)
	case "FAILED":
		return galen.Effect{Status: galen.EffectFailed, Why: "repair command " + strconv.Itoa(s.Command) + " failed: " + s.Message}
	case "":
		return unlisted(s, heard, heard && !v.At.Before(in.At.Add(settle)))
	default:
		return underWay("repair command %d is %s", s.Command, s.Status)
	}
}

// unlisted: the coordinator was asked, and names no status.
func unlisted(s Repair, heard, late bool) galen.Effect {
	switch {
	case s.Command == 0 && heard:
		return absent("the coordinator knows of no such repair")
	case s.Command == 0:
		return unknown("the coordinator was not heard")
	case late:
		return galen.Effect{Status: galen.EffectFailed, Why: "the coordinator has forgotten repair command " + strconv.Itoa(s.Command)}
	}
	return unknown("the coordinator does not tell of repair command %d", s.Command)
}
