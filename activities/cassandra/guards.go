package cassandra

import (
	"fmt"
	"slices"

	"github.com/galenhq/galen"
)

// The guards of a ring by name, as verdicts show them. I-nn are the invariants of docs/safety.md; N4 is Cassandra's own
// rule never to replace a node that lives.
const (
	guardMovement  = "I-01 range movement"
	guardSchema    = "I-32 schema"
	guardQuorum    = "I-02 quorum"
	guardOwed      = "I-02 repair owed"
	guardAlive     = "N4 alive"
	guardPatience  = "I-15 patience"
	guardSpacing   = "I-13 spacing"
	guardJoiner    = "I-31 joiner"
	guardFenced    = "fence first"
	guardCorpse    = "corpse"
	guardStuckOnly = "stuck only"
	guardOrderly   = "orderly stop"
	guardJoinOnly  = "joiner only"
	guardThrottle  = "throttle"
	guardSilence   = "N12 silence"
	guardHeadroom  = "I-24 headroom"
	guardLoad      = "I-30 load"
	guardStreams   = "I-32 streams"
)

// Guards are the rules of a Cassandra ring, in the order in which they are asked: first what forbids the step for good,
// so that nobody waits for a thing that another rule denies anyway.
func Guards() []galen.Guard[Ring] {
	return []galen.Guard[Ring]{
		{Name: guardCorpse, Check: unlessOwn(corpse)},       // what was fenced or replaced never starts again
		{Name: guardSilence, Check: unlessOwn(silence)},     // nor what was away for too long
		{Name: guardStuckOnly, Check: unlessOwn(stuckOnly)}, // only a process that serves nobody is killed, and exactly that one
		{Name: guardOrderly, Check: unlessOwn(orderly)},     // only a NORMAL node is stopped
		{Name: guardJoinOnly, Check: joinerOnly},            // only a joiner is taken back, by its own run too
		{Name: guardThrottle, Check: throttled},             // streams get faster up to a limit, and slower only as they were
		{Name: guardAlive, Check: unlessOwn(alive)},         // nobody alive is replaced
		{Name: guardPatience, Check: unlessOwn(patience)},   // and nobody who may come back by itself
		{Name: guardFenced, Check: unlessOwn(fenced)},       // who is replaced cannot return
		{Name: guardJoiner, Check: unlessOwn(joiner)},       // and who takes its place was looked at
		{Name: guardHeadroom, Check: unlessOwn(headroom)},   // and has room for what was there
		{Name: guardSpacing, Check: unlessOwn(spacing)},     // one replacement after the other
		{Name: guardMovement, Check: unlessOwn(movement)},   // no range moves
		{Name: guardSchema, Check: unlessOwn(schema)},       // all nodes know one schema
		{Name: guardStreams, Check: unlessOwn(streams)},     // nobody else works on the data
		{Name: guardLoad, Check: unlessOwn(load)},           // what looks ill is not just load, nor settles
		{Name: guardOwed, Check: unlessOwn(owed)},           // what was streamed from one replica was repaired
		{Name: guardQuorum, Check: unlessOwn(quorum)},       // and a quorum of every range stays
	}
}

// unlessOwn: an undo, and the removal of a run's own failed joiner, lead back to what was; no guard of the ring is in
// their way, save the one that asks whether it is a joiner at all.
func unlessOwn(check func(galen.Ask[Ring]) galen.Verdict) func(galen.Ask[Ring]) galen.Verdict {
	return func(a galen.Ask[Ring]) galen.Verdict {
		if a.Own {
			return allow("takes back what this run did")
		}
		return check(a)
	}
}

func allow(format string, args ...any) galen.Verdict {
	return galen.Verdict{Answer: galen.Allow, Why: fmt.Sprintf(format, args...)}
}

func lookAgain(format string, args ...any) galen.Verdict {
	return galen.Verdict{Answer: galen.LookAgain, Why: fmt.Sprintf(format, args...)}
}

func deny(format string, args ...any) galen.Verdict {
	return galen.Verdict{Answer: galen.Deny, Why: fmt.Sprintf(format, args...)}
}

// ask for a person's yes, or say by whom it was given.
func ask(a galen.Ask[Ring], format string, args ...any) galen.Verdict {
	why := fmt.Sprintf(format, args...)
	if missing := a.Approved(); missing != nil {
		return galen.Verdict{Answer: galen.NeedYes, Why: why + "; " + missing.Error()}
	}
	return allow("%s; %s said yes", why, a.Ledger.Approval.By)
}

// replaces tells whether a verb is part of a replacement: the fence is its first step, for what is fenced has to be
// replaced.
func replaces(verb string) bool { return verb == VerbFence || verb == VerbReplace }

// givesUp tells whether a verb takes the place of a node that is silent, and may only be away.
func givesUp(verb string) bool { return replaces(verb) || verb == deedRemoveNode }

// open are the unsettled intents, from both places that tell them.
func open(a galen.Ask[Ring]) []galen.Intent {
	out := slices.Clone(a.Open)
	for _, in := range a.Ledger.Open {
		if !slices.ContainsFunc(out, func(o galen.Intent) bool { return o.ID == in.ID }) {
			out = append(out, in)
		}
	}
	return slices.DeleteFunc(out, func(in galen.Intent) bool { return in.Effect.Settled() })
}

// facts are those of the resource, from both places that tell them.
func facts(a galen.Ask[Ring]) map[string]galen.Fact {
	out := make(map[string]galen.Fact, len(a.Facts)+len(a.Ledger.Facts))
	for _, from := range []map[string]galen.Fact{a.Facts, a.Ledger.Facts} {
		for key, f := range from {
			if !f.Gone {
				out[key] = f
			}
		}
	}
	return out
}

// past is an intent of this run.
func past(a galen.Ask[Ring], id string) (galen.Intent, bool) {
	i := slices.IndexFunc(a.Ledger.Past, func(in galen.Intent) bool { return in.ID == id })
	if i < 0 || id == "" {
		return galen.Intent{}, false
	}
	return a.Ledger.Past[i], true
}

// othersLive are the live views save that of the node itself.
func othersLive(r Ring, n Node) []View {
	return slices.DeleteFunc(r.Live(), func(v View) bool { return v.Instance == n.Instance || v.Address == n.Address })
}
