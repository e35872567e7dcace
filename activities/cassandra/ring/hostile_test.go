package ring

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// hostile is a planner that wants to do whatever it can think of, on a ring that suffers from all sorts of trouble.
// Only Check and the guards of the ring stand between, and the one common rule that a target with an unsettled intent is
// left alone.
type hostile struct {
	now   time.Time
	ring  *Cluster
	state cassandra.Ring
	past  []galen.Intent
	facts map[string]galen.Fact
	verbs map[string]galen.Verb[cassandra.Ring]
	did   map[string]int
}

func newHostile(t *rapid.T) *hostile {
	h := &hostile{
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), facts: map[string]galen.Fact{},
		verbs: map[string]galen.Verb[cassandra.Ring]{}, did: map[string]int{},
	}
	for _, v := range cassandra.Verbs() {
		h.verbs[v.Name] = v
	}
	spec := Three(func() time.Time { return h.now })
	spec.VNodes, spec.Hosts = 2, nil
	for i := 1; i <= 7; i++ {
		spec.Hosts = append(spec.Hosts, HostSpec{
			Name: fmt.Sprintf("n%d", i), Address: fmt.Sprintf("127.0.0.%d", i), DC: "dc1", Rack: fmt.Sprintf("r%d", i%3), Spare: i > 5, Seed: i < 4,
		})
	}
	c, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	h.ring = c
	h.look(t)
	return h
}

func (h *hostile) look(t *rapid.T) {
	var open []galen.Intent
	for _, in := range h.past {
		if !in.Effect.Settled() {
			open = append(open, in)
		}
	}
	seen, err := h.ring.Look(t.Context(), galen.Resource{Kind: "cassandra", Name: "demo"}, nil, open)
	if err != nil {
		return // nothing answers: what was known stays
	}
	h.state = cassandra.Fold(h.state, seen)
	for i := range h.past {
		in := &h.past[i]
		if in.Effect.Settled() {
			continue
		}
		in.Effect = galen.SettleEffect(h.verbs[in.Step.Verb], h.state, *in, h.now)
		if in.Effect.Settled() {
			h.earn(*in)
		}
	}
}

func (h *hostile) earn(in galen.Intent) {
	facts := h.verbs[in.Step.Verb].Facts
	if facts == nil {
		return
	}
	for _, f := range facts(h.state, in, galen.SafePolicy()) {
		if h.facts[f.Key] = f; f.Gone {
			delete(h.facts, f.Key)
		}
	}
}

func (h *hostile) wait(t *rapid.T) {
	for range rapid.SampledFrom([]int{1, 2, 4, 8, 16}).Draw(t, "looks") {
		h.now = h.now.Add(4 * time.Second)
		h.look(t)
	}
}

func (h *hostile) trouble(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "mend") > 0 { // most of the time the ring is rather well, or nothing at all would be allowed
		for _, host := range h.ring.hosts {
			_ = h.ring.Make(Mend, host.Name)
			_ = h.ring.Make(Thaw, host.Name)
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "die") == 0 {
		n := rapid.SampledFrom(h.state.Nodes).Draw(t, "dies").Instance
		_ = h.ring.Make(Kill, n)
		_ = h.ring.Make(LoseData, n)
		h.did["death"]++
		return
	}
	trouble := rapid.SampledFrom([]Trouble{
		Kill, Freeze, Thaw, LoseData, Unmount, Start, Stop, Cut, HideHost, Isolate, Disagree, Leave, ForeignAdd, BadConfig,
	}).Draw(t, "trouble")
	name := rapid.SampledFrom(h.ring.hosts).Draw(t, "at").Name
	host := h.ring.host(name)
	switch {
	case trouble == Start && (host.fenced != "" || host.prepared != "" || host.data == nil), trouble == ForeignAdd && (!host.Spare || host.fenced != "" || host.prepared != ""):
		return // what a person does there is no business of a guard
	case trouble == LoseData && host.proc != nil, trouble == Unmount && host.proc != nil:
		return
	}
	if h.ring.Make(trouble, name) == nil {
		h.did["trouble"]++
	}
	h.look(t)
}

// plan makes any step on anything.
func (h *hostile) plan(t *rapid.T) (galen.Step, bool) {
	if len(h.state.Nodes) == 0 {
		return galen.Step{}, false
	}
	n := rapid.SampledFrom(h.state.Nodes).Draw(t, "node")
	i := rapid.SampledFrom(h.state.Instances).Draw(t, "instance")
	if rapid.IntRange(0, 3).Draw(t, "wild") > 0 { // chance alone would hardly ever get through
		n, i = h.likely(n, i)
	}
	mine, _ := h.state.Instance(n.Instance)
	switch rapid.SampledFrom([]string{
		cassandra.VerbStart, cassandra.VerbStop, cassandra.VerbStop, cassandra.VerbKill, cassandra.VerbFence, cassandra.VerbFence,
		cassandra.VerbPrepare, cassandra.VerbPrepare, cassandra.VerbReplace, cassandra.VerbReplace, cassandra.VerbReplace, cassandra.VerbRepair,
	}).Draw(t, "verb") {
	case cassandra.VerbStart:
		return cassandra.Start(n), true
	case cassandra.VerbStop:
		return cassandra.Stop(n), true
	case cassandra.VerbKill:
		return cassandra.Kill(n, mine), true
	case cassandra.VerbFence:
		return cassandra.Fence(n), true
	case cassandra.VerbPrepare:
		return cassandra.Prepare(h.state, i, n), true
	case cassandra.VerbReplace:
		return cassandra.Replace(n, i), true
	default:
		return cassandra.RepairRanges(h.state, n, "orders"), true
	}
}

// likely picks a dead node and the instance that was prepared for it, or a spare, where there are such.
func (h *hostile) likely(n cassandra.Node, i cassandra.Instance) (cassandra.Node, cassandra.Instance) {
	if k := slices.IndexFunc(h.state.Nodes, func(n cassandra.Node) bool { return n.Down }); k >= 0 {
		n = h.state.Nodes[k]
	}
	if k := slices.IndexFunc(h.state.Instances, cassandra.Instance.Vacant); k >= 0 {
		i = h.state.Instances[k]
	}
	if k := slices.IndexFunc(h.state.Instances, func(i cassandra.Instance) bool {
		return i.Prepared != "" && !i.EverNormal && i.ReplaceFlag == n.Address
	}); k >= 0 {
		i = h.state.Instances[k]
	}
	return n, i
}

func (h *hostile) act(t *rapid.T) {
	h.now = h.now.Add(time.Millisecond) // what is seen twice at one moment is not seen anew
	h.look(t)                           // as the gate does before each call
	s, made := h.plan(t)
	if !made || h.refused(s) {
		return
	}
	v := h.verbs[s.Verb]
	in := galen.Intent{ID: fmt.Sprintf("intent-%d", len(h.past)+1), Run: "run-1", Step: s, Class: v.Class, At: h.now, Sent: galen.SentYes, Fence: int64(len(h.past) + 1)}
	h.harmless(t, s, v.Class)
	if _, err := h.ring.Do(t.Context(), in); err != nil {
		in.Sent = galen.SentError
	} else {
		h.did[s.Verb]++
	}
	h.past = append(h.past, in)
	h.earn(in)
	h.look(t)
}

func (h *hostile) refused(s galen.Step) bool {
	policy := galen.SafePolicy()
	policy.ReplaceAfter, policy.ReplaceSpacing = galen.Duration(time.Minute), galen.Duration(time.Minute)
	v := h.verbs[s.Verb]
	var open []galen.Intent
	for _, in := range h.past {
		if in.Effect.Settled() {
			continue
		}
		open = append(open, in)
		if in.Step.Target.ID == s.Target.ID {
			return true
		}
	}
	if v.Check(h.state, s) != nil {
		return true
	}
	a := galen.Ask[cassandra.Ring]{
		World: galen.World[cassandra.Ring]{Now: h.now, State: h.state, Facts: h.facts, Open: open},
		Step:  s, Class: v.Class, Own: v.Own, Policy: policy,
		Ledger: galen.Ledger{Now: h.now, Run: galen.Run{ID: "run-1"}, Past: h.past, Open: open},
	}
	return slices.ContainsFunc(cassandra.Guards(), func(g galen.Guard[cassandra.Ring]) bool { return g.Check(a).Answer != galen.Allow })
}

// harmless sees the true ring, and what the step would do to it.
func (h *hostile) harmless(t *rapid.T, s galen.Step, class galen.Class) {
	if class < galen.Disruptive {
		return
	}
	before, after := map[string]bool{}, map[string]bool{}
	for _, m := range h.ring.members {
		if !h.works(m.host) && m.status != cassandra.Joining {
			before[m.hostID], after[m.hostID] = true, true
		}
	}
	after[s.Target.ID] = true
	q := h.ring.quorum()
	if lost := q.Lowered(before, after); len(lost.Breaks) > 0 {
		t.Fatalf("%s takes a quorum away: %v", s, lost.Breaks)
	}
	if lost := q.Verdict(after); class == galen.Destructive && len(lost.Breaks) > 0 {
		t.Fatalf("%s destroys where a quorum is missing: %v", s, lost.Breaks)
	}
	if s.Verb != cassandra.VerbReplace && s.Verb != cassandra.VerbFence {
		return
	}
	if !before[s.Target.ID] {
		t.Fatalf("%s: the target works", s)
	}
	for _, m := range h.ring.members {
		if m.status != cassandra.Normal && h.known(m) {
			t.Fatalf("%s while %s is %s", s, m.host.Name, m.status)
		}
	}
	for _, other := range h.ring.hosts {
		if p := other.proc; p != nil && p.flag != "" && p.phase != phaseNormal {
			t.Fatalf("%s while %s is about to replace %s", s, other.Name, p.flag)
		}
	}
	if target := h.ring.member(s.Target.ID); s.Verb == cassandra.VerbReplace && target.host.fenced == "" {
		t.Fatalf("%s: the target is not fenced", s)
	}
}

// known: a node that answers knows of the movement. One that was cut off from all others, began to move and died took the
// secret with it.
func (h *hostile) known(m *member) bool {
	return slices.ContainsFunc(h.ring.hosts, func(of *host) bool {
		return h.ring.awake(of) && of.proc.news != nil && slices.ContainsFunc(of.proc.news.members, func(told *member) bool {
			return told.hostID == m.hostID && told.status != cassandra.Normal
		})
	})
}

// works is the truth: the node serves its ranges. One that every peer has given up serves nobody; one that is cut off
// just now looks well to everybody until the failure detectors say otherwise, and nothing can know better.
func (h *hostile) works(of *host) bool {
	p := of.proc
	return p != nil && !p.stopped && (p.phase == phaseNormal || p.phase == phaseLeaving) && h.ring.anyUp(of.Address, h.now)
}

func TestHostilePlannerDoesNoHarm(t *testing.T) {
	did := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		h := newHostile(t)
		for range 80 {
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				h.trouble(t)
			case 1, 2, 3:
				h.wait(t)
			default:
				h.act(t)
			}
		}
		if len(h.ring.harms) > 0 {
			t.Fatalf("harm was done: %v\n%+v", h.ring.harms, h.ring.calls)
		}
		if doubled := Doubled(h.ring.calls); len(doubled) > 0 {
			t.Fatalf("done twice: %v", doubled)
		}
		for what, n := range h.did {
			did[what] += n
		}
	})
	t.Logf("done: %v", did)
	// Who is refused everything does no harm either, and proves nothing.
	for _, verb := range []string{cassandra.VerbStart, cassandra.VerbStop, cassandra.VerbFence, cassandra.VerbPrepare, cassandra.VerbReplace} {
		if did[verb] == 0 {
			t.Errorf("nothing was done by %s", verb)
		}
	}
}
