package ring_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// patient is a ring in virtual time with what an engine would know of it.
type patient struct {
	t     *testing.T
	now   time.Time
	ring  *ring.Cluster
	state cassandra.Ring
	past  []galen.Intent
	facts map[string]galen.Fact

	fences int64
}

func newPatient(t *testing.T, change ...func(*ring.Spec)) *patient {
	t.Helper()
	p := &patient{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), facts: map[string]galen.Fact{}}
	spec := ring.Three(func() time.Time { return p.now })
	for _, c := range change {
		c(&spec)
	}
	c, err := ring.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	p.ring = c
	p.look()
	return p
}

func resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

func (p *patient) look() cassandra.Ring {
	p.t.Helper()
	seen, err := p.ring.Look(p.t.Context(), resource(), nil, p.past)
	if err != nil {
		p.t.Fatal(err)
	}
	p.state = cassandra.Fold(p.state, seen)
	for i, in := range p.past {
		p.past[i].Effect = galen.SettleEffect(verb(p.t, in.Step.Verb), p.state, in, p.now)
	}
	return p.state
}

// wait lets time pass in steps of a second, with a look after each.
func (p *patient) wait(d time.Duration) cassandra.Ring {
	p.t.Helper()
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(min(time.Second, end.Sub(p.now)))
		p.look()
	}
	return p.state
}

// until looks every second until something holds, and tells how long that took.
func (p *patient) until(what string, limit time.Duration, holds func(cassandra.Ring) bool) time.Duration {
	p.t.Helper()
	for start := p.now; ; p.wait(time.Second) {
		if holds(p.state) {
			return p.now.Sub(start)
		}
		if p.now.Sub(start) > limit {
			p.t.Fatalf("after %s still not: %s\n%s", limit, what, text(p.state))
		}
	}
}

func text(r cassandra.Ring) string {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func verb(t *testing.T, name string) galen.Verb[cassandra.Ring] {
	t.Helper()
	verbs := cassandra.Verbs()
	i := slices.IndexFunc(verbs, func(v galen.Verb[cassandra.Ring]) bool { return v.Name == name })
	if i < 0 {
		t.Fatalf("no verb %s", name)
	}
	return verbs[i]
}

func (p *patient) make(trouble ring.Trouble, instance string) {
	p.t.Helper()
	if err := p.ring.Make(trouble, instance); err != nil {
		p.t.Fatal(err)
	}
}

// do checks a step, lets the ring's guards judge it, and makes its call.
func (p *patient) do(s galen.Step) (string, error) {
	p.t.Helper()
	v := verb(p.t, s.Verb)
	if err := v.Check(p.state, s); err != nil {
		p.t.Fatalf("%s: %v", s, err)
	}
	if refused := p.refusals(s); len(refused) > 0 {
		p.t.Fatalf("%s is refused: %v", s, refused)
	}
	in := galen.Intent{ID: fmt.Sprintf("intent-%d", len(p.past)+1), Run: "run-1", Resource: resource(), Step: s, Class: v.Class, At: p.now, Fence: p.fence()}
	reply, err := p.ring.Do(p.t.Context(), in)
	if in.Sent = galen.SentYes; err != nil {
		in.Sent = galen.SentError
	}
	p.past = append(p.past, in)
	return reply, err
}

func (p *patient) ask(s galen.Step) galen.Ask[cassandra.Ring] {
	policy := galen.SafePolicy()
	policy.Mode = galen.ModeAct
	v := verb(p.t, s.Verb)
	open := slices.DeleteFunc(slices.Clone(p.past), func(in galen.Intent) bool { return in.Effect.Settled() })
	return galen.Ask[cassandra.Ring]{
		World: galen.World[cassandra.Ring]{Now: p.now, State: p.state, Facts: p.facts, Open: open},
		Step:  s, Class: v.Class, Own: v.Own, Policy: policy,
		Ledger: galen.Ledger{Now: p.now, Run: galen.Run{ID: "run-1"}, Past: p.past, Open: open},
	}
}

func (p *patient) refusals(s galen.Step) []string {
	var out []string
	for _, g := range cassandra.Guards() {
		if v := g.Check(p.ask(s)); v.Answer != galen.Allow {
			out = append(out, fmt.Sprintf("%s: %s, %s", g.Name, v.Answer, v.Why))
		}
	}
	return out
}

// fence is higher for each call, as the journal gives it.
func (p *patient) fence() int64 {
	p.fences++
	return p.fences
}

func (p *patient) mustDo(s galen.Step) {
	p.t.Helper()
	if _, err := p.do(s); err != nil {
		p.t.Fatal(err)
	}
}

// settle waits for the newest intent.
func (p *patient) settle(want galen.EffectStatus, limit time.Duration) time.Duration {
	p.t.Helper()
	last := len(p.past) - 1
	took := p.until("effect of "+p.past[last].Step.String(), limit, func(cassandra.Ring) bool { return p.past[last].Effect.Settled() })
	if got := p.past[last].Effect; got.Status != want {
		p.t.Fatalf("effect of %s: %+v, want %s", p.past[last].Step, got, want)
	}
	return took
}

func (p *patient) node(instance string) cassandra.Node {
	p.t.Helper()
	n, found := p.state.NodeOf(instance)
	if !found {
		p.t.Fatalf("%s is no node\n%s", instance, text(p.state))
	}
	return n
}

func (p *patient) instance(name string) cassandra.Instance {
	p.t.Helper()
	i, found := p.state.Instance(name)
	if !found {
		p.t.Fatalf("no instance %s", name)
	}
	return i
}

func (p *patient) view(name string) cassandra.View {
	p.t.Helper()
	v, found := p.state.View(name)
	if !found {
		p.t.Fatalf("no view of %s", name)
	}
	return v
}

func down(instance string) func(cassandra.Ring) bool {
	return func(r cassandra.Ring) bool { n, found := r.NodeOf(instance); return found && n.Down }
}

func well(instance string) func(cassandra.Ring) bool {
	return func(r cassandra.Ring) bool { n, found := r.NodeOf(instance); return found && len(r.Ailing(n)) == 0 }
}

func (p *patient) noHarm() {
	p.t.Helper()
	if harms := p.ring.Harms(); len(harms) > 0 {
		p.t.Errorf("harm was done: %v", harms)
	}
	if doubled := ring.Doubled(p.ring.Calls()); len(doubled) > 0 {
		p.t.Errorf("done twice: %v", doubled)
	}
}
