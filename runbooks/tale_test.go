package runbooks_test

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

// tale drives a runbook over the simulated ring, as the engine would, until its situation is wanted.
type tale struct {
	sim
	of     scene
	scope  []galen.Target
	rb     galen.ListedRunbook
	policy galen.Policy
	folded cassandra.Ring
	past   []galen.Intent
	facts  map[string]galen.Fact
	yes    time.Time
	ended  string
}

func newTale(t *testing.T, of scene) *tale { return newTaleOn(t, of, func(*ring.Spec) {}) }

// newTaleOn is one on a ring that is changed before it starts.
func newTaleOn(t *testing.T, of scene, change func(*ring.Spec)) *tale {
	now := noon()
	s := sim{t: t, now: &now}
	spec := ring.Three(s.Now)
	spec.VNodes = 2
	if of.runbook == tune {
		spec.Load = outlasting
	}
	change(&spec)
	cluster, err := ring.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	s.Cluster = cluster
	_, rb := runbookOf(t, of.dir())
	out := &tale{sim: s, of: of, scope: of.scope(), rb: rb, policy: policyOf(t, json.RawMessage(of.policy)), facts: map[string]galen.Fact{}}
	out.look()
	return out
}

func (s *tale) look() {
	s.t.Helper()
	var open []galen.Intent
	for _, in := range s.past {
		if !in.Effect.Settled() {
			open = append(open, in)
		}
	}
	seen, err := s.Look(s.t.Context(), demo(), nil, open)
	if err != nil {
		s.t.Fatal(err)
	}
	s.folded = cassandra.Fold(s.folded, seen)
	for i := range s.past {
		in := &s.past[i]
		was := in.Effect.Status
		if in.Effect = galen.SettleEffect(s.verb(in.Step.Verb), s.folded, *in, s.Now()); in.Effect.Status != was {
			s.record(*in)
		}
	}
}

func (s *tale) verb(name string) galen.Verb[cassandra.Ring] {
	for _, v := range cassandra.Verbs() {
		if v.Name == name {
			return v
		}
	}
	s.t.Fatalf("no verb %q", name)
	return galen.Verb[cassandra.Ring]{}
}

func (s *tale) record(in galen.Intent) {
	facts := galen.Paid(in)
	if v := s.verb(in.Step.Verb); v.Facts != nil {
		facts = append(facts, v.Facts(s.folded, in, s.policy)...)
	}
	for _, f := range facts {
		if f.Gone {
			delete(s.facts, f.Key)
			continue
		}
		if _, stands := s.facts[f.Key]; stands && f.Keep {
			continue
		}
		f.Keep = false
		s.facts[f.Key] = f
	}
}

// hurt lets troubles happen to n3, hurtNode to another one, and waits until the peers have noticed.
func (s *tale) hurt(troubles ...ring.Trouble) *tale { return s.hurtNode("n3", troubles...) }

func (s *tale) hurtNode(instance string, troubles ...ring.Trouble) *tale {
	s.t.Helper()
	for _, trouble := range troubles {
		if err := s.Make(trouble, instance); err != nil {
			s.t.Fatal(err)
		}
	}
	if slices.Contains([]ring.Trouble{ring.Start, ring.BadConfig, ring.LoseData}, troubles[0]) {
		return s // nobody has to notice
	}
	return s.after(15 * time.Second)
}

func (s *tale) drop(verb string, times int) *tale {
	s.Strike(ring.Fault{Verb: verb, Kind: ring.Dropped, Times: times})
	return s
}

// after lets time pass, looking on as the watch does.
func (s *tale) after(d time.Duration) *tale {
	for ; d > 0; d -= 5 * time.Second {
		s.Advance(min(d, 5*time.Second))
		s.look()
	}
	return s
}

// hint lets a node hold hints for n3, which the simulated ring does not model.
func (s *tale) hint(holder string) {
	for i := range s.folded.Instances {
		if s.folded.Instances[i].Name == holder {
			s.folded.Instances[i].Hints = map[string]int{third: 2}
		}
	}
}

// owe lets another run prepare n4, and end without taking it back.
func (s *tale) owe() *tale {
	s.t.Helper()
	dead, _ := s.folded.Node(third)
	spare, _ := s.folded.Instance("n4")
	return s.owed(cassandra.Prepare(s.folded, spare, dead))
}

// owed lets another run do a step, and end without its undo.
func (s *tale) owed(step galen.Step) *tale {
	s.t.Helper()
	in := galen.Intent{ID: "other-1", Run: "other", Resource: demo(), Step: step, At: s.Now(), Fence: 1}
	if _, err := s.Do(s.t.Context(), in); err != nil {
		s.t.Fatal(err)
	}
	owed, err := galen.Owe(in)
	if err != nil {
		s.t.Fatal(err)
	}
	s.facts[owed.Key] = *owed
	return s.after(time.Second)
}

// join lets a foreign node join, which streams from everybody.
func (s *tale) join() *tale { return s.hurtNode("n4", ring.ForeignAdd) }

// raise does the planned raise, and waits until it cannot arrive again.
func (s *tale) raise() *tale { return s.act().after(s.verb(cassandra.VerbRaiseStream).Settle) }

// flap lets n3 go down and come back so often.
func (s *tale) flap(times int) *tale {
	for range times {
		s.hurt(ring.Freeze).after(5 * time.Second).hurt(ring.Thaw).after(5 * time.Second)
	}
	return s
}

// throttle is set by a person.
func (s *tale) throttle(instance string, mebibytes float64) *tale {
	s.t.Helper()
	r := cassandra.Rate{Value: mebibytes, Unit: cassandra.Mebibytes}
	if err := s.SetThrottle(instance, cassandra.Throttle{Stream: r, InterDC: r}); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// oweThrottle lets another run raise n2, and end without putting it back.
func (s *tale) oweThrottle() *tale {
	s.t.Helper()
	n, _ := s.folded.Node(second)
	v, _ := s.folded.View("n2")
	return s.owed(cassandra.RaiseStream(n, v, 100))
}

// overtake lets another engine, which is far ahead, ask for a start of n3, which runs: its host refuses us from now on.
func (s *tale) overtake() *tale {
	s.t.Helper()
	n, _ := s.folded.Node(third)
	in := galen.Intent{ID: "theirs-7", Run: "theirs", Resource: demo(), Step: cassandra.Start(n), At: s.Now(), Fence: 1000}
	if _, err := s.Do(s.t.Context(), in); err == nil {
		s.t.Fatal("a node that runs was started")
	}
	return s
}

// approve is a person's yes to going on.
func (s *tale) approve() *tale {
	s.yes = s.Now()
	s.Advance(time.Second)
	return s
}

func (s *tale) stop(how string) *tale {
	s.ended = how
	return s
}

func (s *tale) plan() galen.Plan {
	s.t.Helper()
	p, err := s.rb.Decide(galen.Situation[galen.State, json.RawMessage]{
		World: galen.World[galen.State]{Now: s.Now(), State: s.folded, Facts: s.facts},
		Scope: s.scope, Params: json.RawMessage(s.of.params), Policy: s.policy, Past: s.past, LastYes: s.yes, Stop: s.ended,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// until goes on with the runbook until it plans the verb, and leaves that to be done.
func (s *tale) until(verb string) *tale {
	s.t.Helper()
	for range 1000 {
		p := s.plan()
		switch {
		case len(p.Steps) > 0 && p.Steps[0].Verb == verb:
			return s
		case len(p.Steps) > 0:
			s.act()
		case p.End != "":
			s.t.Fatalf("%s: before %s it ends: %s", s.of.dir(), verb, p.Why)
		}
		s.after(2 * time.Second)
	}
	s.t.Fatalf("%s: it never plans %s: %s", s.of.dir(), verb, s.plan().Why)
	return s
}

// act does the planned step.
func (s *tale) act() *tale {
	s.t.Helper()
	p := s.plan()
	if len(p.Steps) == 0 {
		s.t.Fatalf("%s: nothing to do: %s", s.of.dir(), p.Why)
	}
	in := galen.Intent{
		ID: fmt.Sprintf("intent-%d", len(s.past)+1), Run: "run-1", Resource: demo(), Step: p.Steps[0], Class: s.verb(p.Steps[0].Verb).Class,
		Undoes: s.pays(p.Steps[0]), Basis: s.folded.Basis(p.Steps[0].Target), Fence: int64(len(s.past) + 2), At: s.Now(), Sent: galen.SentYes,
		Effect: galen.Effect{Status: galen.EffectUnknown},
	}
	owed, err := galen.Owe(in)
	if err != nil {
		s.t.Fatal(err)
	}
	if owed != nil {
		s.facts[owed.Key] = *owed
	}
	s.record(in)
	if _, err := s.Do(s.t.Context(), in); err != nil {
		in.Sent, in.Reply = galen.SentError, err.Error()
	}
	s.past = append(s.past, in)
	return s
}

// pays is the intent whose owed undo a step is.
func (s *tale) pays(step galen.Step) string {
	debts, err := galen.Debts(s.facts)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range debts {
		if d.Step.Hash() == step.Hash() {
			return d.Intent
		}
	}
	return ""
}
