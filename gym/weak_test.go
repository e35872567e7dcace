package gym

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/gate"
)

// weak is a journal that leaves out the rule which it has besides a guard, so that the guard stands alone: holds, claims,
// unsettled intents and the rate are checked again in the transaction that commits an intent. What the rule would look at is
// kept here, and shown in every ledger.
type weak struct {
	store
	guard  string
	holds  []galen.Hold
	claims map[string][]galen.HeldClaim // by intent
	open   map[string]galen.Intent      // unsettled, whatever the rows say
}

func weaken(guard string) func(store) store {
	return func(s store) store {
		return &weak{store: s, guard: guard, claims: map[string][]galen.HeldClaim{}, open: map[string]galen.Intent{}}
	}
}

func (k *weak) SetHold(ctx context.Context, h galen.Hold) error {
	if k.guard != "I-17 hold" {
		return k.store.SetHold(ctx, h)
	}
	k.holds = append(k.holds, h)
	return nil
}

func (k *weak) Release(ctx context.Context, id, by string) error {
	if k.guard != "I-17 hold" {
		return k.store.Release(ctx, id, by)
	}
	k.holds = nil
	return nil
}

func (k *weak) Ledger(ctx context.Context, run string) (galen.Ledger, error) {
	l, err := k.store.Ledger(ctx, run)
	l.Holds = append(l.Holds, k.holds...)
	for _, held := range k.claims {
		l.Claims = append(l.Claims, held...)
	}
	for i, in := range l.Past {
		if still, is := k.open[in.ID]; is {
			l.Past[i].Effect = still.Effect
		}
	}
	for _, in := range k.open {
		if !slices.ContainsFunc(l.Open, func(o galen.Intent) bool { return o.ID == in.ID }) {
			l.Open = append(l.Open, in)
		}
	}
	return l, err
}

func (k *weak) Commit(ctx context.Context, c galen.Commit) (galen.Intent, error) {
	claims := c.Claims
	switch k.guard {
	case "I-19 claims":
		c.Claims = nil
	case "I-23 release rate":
		c.PerSecond = 0
	case "I-20 unsettled intent":
		if err := k.forget(ctx, c.Intent); err != nil {
			return galen.Intent{}, err
		}
	}
	in, err := k.store.Commit(ctx, c)
	if err == nil && k.guard == "I-19 claims" {
		for _, claim := range claims {
			k.claims[in.ID] = append(k.claims[in.ID], galen.HeldClaim{Claim: claim, Run: in.Run, Intents: []string{in.ID}, Since: in.At})
		}
	}
	return in, err
}

// forget lets the rows say that the unsettled intents on a target came to nothing.
func (k *weak) forget(ctx context.Context, next galen.Intent) error {
	open, err := k.OpenIntents(ctx, next.Resource)
	if err != nil {
		return err
	}
	for _, in := range open {
		if !in.On(append([]string{next.Step.Target.ID}, next.Also...)...) {
			continue
		}
		k.open[in.ID] = in
		err := k.store.Settle(ctx, in.Run, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectAbsent, Why: "forgotten"}}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *weak) Settle(ctx context.Context, run string, changes []galen.Settlement) error {
	for _, c := range changes {
		if c.Effect.Settled() {
			delete(k.claims, c.Intent)
			delete(k.open, c.Intent)
		}
	}
	return k.store.Settle(ctx, run, changes)
}

// weakBuild is an engine without one rule that is no guard, the incident in which it is missed, and what breaks there.
type weakBuild struct {
	seed   uint64
	breaks string
	of     func(*Engine)
	// whole is the engine with the rule, to which the same happens; nil: one to which nothing besides the incident does.
	whole func(*Engine)
}

// weakBuilds: TestHunt finds the seeds anew.
func weakBuilds() map[string]weakBuild {
	return map[string]weakBuild{
		"the 2 s rule":                  {41, "I-06", func(e *Engine) { e.door = timeless }, nil},
		"absence after the settle time": {841, "I-20", func(e *Engine) { e.kind = unsettling }, nil},
		"room at the heir":              {33, "I-24", func(e *Engine) { e.kind = endless }, nil},
		"repair after a long silence":   {115, "N12 hints", func(e *Engine) { e.kind = careless }, nil},
		"since when it is owed":         {60, "N12 silence", func(e *Engine) { e.kind = speechless }, nil},
		"the oldest silence counts":     {1015, "N12 silence", func(e *Engine) { e.kind = newest }, nil},
		"the age of a view":             {1, "I-05", sleepy(false), sleepy(true)},
		"no call without its intent":    {1, "I-18", refused(true), refused(false)},
		"a guard that fails denies":     {1, "I-29", func(e *Engine) { e.spoilt, e.door = "I-07 identity", forgiving }, func(e *Engine) { e.spoilt = "I-07 identity" }},
	}
}

// timeless is a gate that does not notice how long a commit took, by neither clock, before its call has ended.
func timeless(o *gate.Options) {
	mono, now := o.Mono, o.Now
	j := &swift{Journal: o.Journal, mono: mono}
	o.Journal, o.Mono, o.Now = j, func() time.Duration { return mono() - j.lost }, func() time.Time { return now().Add(-j.lost) }
}

type swift struct {
	gate.Journal
	mono func() time.Duration
	lost time.Duration
}

func (j *swift) Commit(ctx context.Context, c galen.Commit) (galen.Intent, error) {
	began := j.mono()
	in, err := j.Journal.Commit(ctx, c)
	if err == nil {
		j.lost = j.mono() - began
	}
	return in, err
}

func (j *swift) Outcome(ctx context.Context, intent, sent, reply string) error {
	j.lost = 0
	return j.Journal.Outcome(ctx, intent, sent, reply)
}

// sleepy is an engine that is suspended once while its gate asks, for longer than a view may be old: after all that dates the evidence.
// counted: its monotonic clock goes on meanwhile, as it should.
func sleepy(counted bool) func(*Engine) {
	const suspended = 15 * time.Second
	return func(e *Engine) {
		var slept, lost time.Duration
		e.kind = func(w *world, k *galen.ListedKind) {
			for name, v := range k.Verbs {
				check := v.Check
				v.Check = func(s galen.State, step galen.Step) error {
					if t := w.acting; slept == 0 && v.Class > galen.Read && t != nil && !t.looked.IsZero() {
						slept = suspended
						t.park(suspended)
						if !counted {
							lost = suspended
						}
					}
					return check(s, step)
				}
				k.Verbs[name] = v
			}
		}
		e.door = func(o *gate.Options) {
			mono, now := o.Mono, o.Now
			o.Mono, o.Now = func() time.Duration { return mono() - lost }, func() time.Time { return now().Add(-lost) }
		}
	}
}

// refused is an engine whose first intent the journal does not take. heedless: its gate goes on all the same.
func refused(heedless bool) func(*Engine) {
	return func(e *Engine) {
		j := &full{heedless: heedless}
		e.door = func(o *gate.Options) { o.Journal, j.Journal = j, o.Journal }
	}
}

type full struct {
	gate.Journal
	refused, heedless bool
}

func (j *full) Commit(ctx context.Context, c galen.Commit) (galen.Intent, error) {
	if j.refused {
		return j.Journal.Commit(ctx, c)
	}
	j.refused = true
	if !j.heedless {
		return galen.Intent{}, errOut
	}
	c.Intent.Fence = c.Intent.At.UnixMilli()
	return c.Intent, nil
}

// forgiving is a gate that takes a guard which fails for one that allows.
func forgiving(o *gate.Options) {
	o.Guards = slices.Clone(o.Guards)
	for i, g := range o.Guards {
		o.Guards[i].Check = func(a galen.Ask[galen.State]) (v galen.Verdict) {
			defer func() {
				if recover() != nil {
					v = galen.Verdict{Answer: galen.Allow}
				}
			}()
			return g.Check(a)
		}
	}
}

// careless is a kind whose starts owe no repair, however long the node was silent.
func careless(_ *world, k *galen.ListedKind) {
	start := k.Verbs[cassandra.VerbStart]
	start.Facts = func(galen.State, galen.Intent, galen.Policy) []galen.Fact { return nil }
	k.Verbs[cassandra.VerbStart] = start
}

// speechless is a kind whose starts owe the repair, and do not tell since when.
func speechless(_ *world, k *galen.ListedKind) {
	start := k.Verbs[cassandra.VerbStart]
	facts := start.Facts
	start.Facts = func(s galen.State, in galen.Intent, p galen.Policy) []galen.Fact {
		return slices.DeleteFunc(facts(s, in, p), func(f galen.Fact) bool { return strings.HasPrefix(f.Key, cassandra.FactSilent) })
	}
	k.Verbs[cassandra.VerbStart] = start
}

// newest is a kind whose starts tell of the newest silence only.
func newest(_ *world, k *galen.ListedKind) {
	start := k.Verbs[cassandra.VerbStart]
	facts := start.Facts
	start.Facts = func(s galen.State, in galen.Intent, p galen.Policy) []galen.Fact {
		out := facts(s, in, p)
		for i := range out {
			out[i].Keep = false
		}
		return out
	}
	k.Verbs[cassandra.VerbStart] = start
}

// endless is a kind that believes every disk to be empty.
func endless(w *world, k *galen.ListedKind) {
	folded(func(r cassandra.Ring) {
		for i := range r.Instances {
			r.Instances[i].DiskFree = new(int64(1 << 50))
		}
	})(w, k)
}

// unsettling is a kind whose effects are believed absent as soon as anybody has looked since.
func unsettling(_ *world, k *galen.ListedKind) {
	for name, v := range k.Verbs {
		v.Settle = 1
		k.Verbs[name] = v
	}
}

// lacks plays a drawn incident without the rule, and gives the breach that is its doing.
func (b weakBuild) lacks(t *testing.T, seed uint64) (Violation, bool) {
	t.Helper()
	var of Engine
	b.of(&of)
	p, err := Play(t.Context(), Draw(seed), of)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Violations, func(v Violation) bool { return v.Invariant == b.breaks })
	if i < 0 {
		return Violation{}, false
	}
	return p.Violations[i], true
}

// TestWeakBuilds: what happens to the engine as a matter of course suffices to miss a rule that is no guard.
func TestWeakBuilds(t *testing.T) {
	for name, b := range weakBuilds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if *hunt {
				b.hunt(t, name)
				return
			}
			v, ok := b.lacks(t, b.seed)
			if !ok {
				t.Fatalf("nobody missed it in the incident of seed %d: go test ./gym -run TestWeakBuilds -hunt", b.seed)
			}
			t.Logf("seed %d: %s", b.seed, v)
			var whole Engine
			if b.whole != nil {
				b.whole(&whole)
			}
			if p, err := Play(t.Context(), Draw(b.seed), whole); err != nil || len(p.Violations) > 0 {
				t.Errorf("with all rules: %v, %v", err, p.Violations)
			}
		})
	}
}

func (b weakBuild) hunt(t *testing.T, name string) {
	t.Helper()
	if *onlyGuard != "" && *onlyGuard != name {
		return
	}
	for seed := *firstSeed; seed < *firstSeed+*killSeeds; seed++ {
		if v, ok := b.lacks(t, seed); ok {
			t.Logf("%q: %d // %s", name, seed, v)
			return
		}
	}
	t.Errorf("nobody missed %q in %d incidents", name, *killSeeds)
}
