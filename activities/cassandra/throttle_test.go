package cassandra_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

func rate(value float64, unit cassandra.RateUnit) cassandra.Rate {
	return cassandra.Rate{Value: value, Unit: unit}
}

func both(r cassandra.Rate) cassandra.Throttle { return cassandra.Throttle{Stream: r, InterDC: r} }

// throttledRing is a look in which n3 has that throttle, with change done to its view.
func throttledRing(second int, now cassandra.Throttle, change func(*cassandra.View)) cassandra.Ring {
	return seen(at(second), func(views []cassandra.View, _ []cassandra.Instance) {
		views[2].Throttle = &now
		if change != nil {
			change(&views[2])
		}
	})
}

func raising(t *testing.T, r cassandra.Ring, mebibytes int) galen.Step {
	t.Helper()
	v, _ := r.View("n3")
	return cassandra.RaiseStream(node(t, r, id(3)), v, mebibytes)
}

func verbOf(t *testing.T, name string) galen.Verb[cassandra.Ring] {
	t.Helper()
	for _, v := range cassandra.Verbs() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no verb %q", name)
	return galen.Verb[cassandra.Ring]{}
}

func TestRaiseSpeaksTheUnitOfTheNode(t *testing.T) {
	mbit, mib := cassandra.Megabits, cassandra.Mebibytes
	for name, c := range map[string]struct {
		now  cassandra.Throttle
		to   int
		want cassandra.Throttle // zero: refused
		why  string
	}{
		"5.0, its default":              {both(rate(24, mib)), 100, both(rate(100, mib)), ""},
		"4.0, its default":              {both(rate(200, mbit)), 100, both(rate(838, mbit)), ""},
		"5.0, set in megabits":          {cassandra.Throttle{Stream: rate(200, mbit), InterDC: rate(24, mib)}, 50, cassandra.Throttle{Stream: rate(419, mbit), InterDC: rate(50, mib)}, ""},
		"one of the two is faster":      {cassandra.Throttle{Stream: rate(24, mib), InterDC: rate(80, mib)}, 50, cassandra.Throttle{Stream: rate(50, mib), InterDC: rate(80, mib)}, ""},
		"one of the two has no limit":   {cassandra.Throttle{Stream: rate(24, mib), InterDC: rate(0, mib)}, 50, cassandra.Throttle{Stream: rate(50, mib), InterDC: rate(0, mib)}, ""},
		"fast enough":                   {both(rate(100, mib)), 100, cassandra.Throttle{}, "already"},
		"no limit":                      {both(rate(0, mib)), 100, cassandra.Throttle{}, "already"},
		"a value that cannot be set":    {both(rate(23.5, mib)), 100, cassandra.Throttle{}, "could not be put back"},
		"a unit that nobody knows":      {both(rate(24, "furlongs")), 100, cassandra.Throttle{}, "could not be put back"},
		"more than Cassandra can count": {both(rate(24, mib)), 3_000_000, cassandra.Throttle{}, "cannot be set"},
	} {
		t.Run(name, func(t *testing.T) {
			r := throttledRing(0, c.now, nil)
			s := raising(t, r, c.to)
			err := verbOf(t, cassandra.VerbRaiseStream).Check(r, s)
			if c.why != "" {
				if err == nil || !strings.Contains(err.Error(), c.why) {
					t.Fatalf("%v, want it refused: %s", err, c.why)
				}
				return
			}
			args, decoded := galen.Decode[cassandra.RaiseArgs](s.Args)
			if err != nil || decoded != nil || args.To != c.want {
				t.Errorf("to %s, %v, %v; want %s", args.To, err, decoded, c.want)
			}
		})
	}
}

// Whatever the units, a raise never goes above what was asked for nor below what was, and its undo leads back.
func TestRaiseAndBack(t *testing.T) {
	rates := rapid.Custom(func(t *rapid.T) cassandra.Rate {
		unit := rapid.SampledFrom([]cassandra.RateUnit{cassandra.Megabits, cassandra.Mebibytes}).Draw(t, "unit")
		return rate(float64(rapid.IntRange(0, 5000).Draw(t, "value")), unit)
	})
	raise := verbOf(t, cassandra.VerbRaiseStream)
	rapid.Check(t, func(rt *rapid.T) {
		now := cassandra.Throttle{Stream: rates.Draw(rt, "stream"), InterDC: rates.Draw(rt, "inter_dc")}
		to := rapid.IntRange(1, 2000).Draw(rt, "to")
		r := throttledRing(0, now, nil)
		s := raising(t, r, to)
		if raise.Check(r, s) != nil {
			return // nothing to raise
		}
		args, err := galen.Decode[cassandra.RaiseArgs](s.Args)
		back, undone := galen.Decode[cassandra.RestoreArgs](s.Undo.Args)
		if err != nil || undone != nil {
			rt.Fatal(err, undone)
		}
		for _, p := range [][2]cassandra.Rate{{args.From.Stream, args.To.Stream}, {args.From.InterDC, args.To.InterDC}} {
			limit := math.Max(p[0].Bytes(), float64(to)*(1<<20))
			if p[1].Bytes() > limit || p[1].Bytes() < p[0].Bytes() || p[0].Value == 0 && p[1] != p[0] {
				rt.Fatalf("%s became %s, asked for %d MiB/s", p[0], p[1], to)
			}
		}
		if got := back.Left(args.To); got != now {
			rt.Fatalf("undone: %s, it was %s", got, now)
		}
		other := cassandra.Throttle{Stream: rate(7777, cassandra.Mebibytes), InterDC: args.To.InterDC}
		if got := back.Left(other); got.Stream != other.Stream {
			rt.Fatalf("undone over somebody else's %s: %s", other, got)
		}
	})
}

func TestThrottleChecks(t *testing.T) {
	now := both(rate(24, cassandra.Mebibytes))
	r := throttledRing(0, now, nil)
	good := raising(t, r, 100)
	other := raising(t, r, 50)
	for name, c := range map[string]struct {
		state cassandra.Ring
		step  func(galen.Step) galen.Step
		want  string // "" accepted
	}{
		"as made":                     {r, nil, ""},
		"without its undo":            {r, func(s galen.Step) galen.Step { s.Undo = nil; return s }, "its undo"},
		"with the undo of another":    {r, func(s galen.Step) galen.Step { s.Undo = other.Undo; return s }, "its undo"},
		"somebody has set it since":   {throttledRing(1, both(rate(30, cassandra.Mebibytes)), nil), nil, "not 24 MiB/s"},
		"it was started again":        {throttledRing(1, now, func(v *cassandra.View) { v.Generation++ }), nil, "not"},
		"the node does not answer":    {throttledRing(1, now, func(v *cassandra.View) { v.Jolokia = cassandra.Hung }), nil, "does not tell"},
		"its throttle was not told":   {throttledRing(1, now, func(v *cassandra.View) { v.Throttle = nil }), nil, "does not tell"},
		"restore: as made":            {r, func(s galen.Step) galen.Step { return *s.Undo }, ""},
		"restore: it does not answer": {throttledRing(1, now, func(v *cassandra.View) { v.Jolokia = cassandra.Hung }), func(s galen.Step) galen.Step { return *s.Undo }, "does not tell"},
		"restore: started again":      {throttledRing(1, now, func(v *cassandra.View) { v.Generation++ }), func(s galen.Step) galen.Step { return *s.Undo }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			if c.step != nil {
				s = c.step(s)
			}
			err := verbOf(t, s.Verb).Check(c.state, s)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestThrottleEffects(t *testing.T) {
	slow, fast := both(rate(24, cassandra.Mebibytes)), both(rate(100, cassandra.Mebibytes))
	half := cassandra.Throttle{Stream: fast.Stream, InterDC: slow.InterDC}
	r := throttledRing(0, slow, nil)
	raise := raising(t, r, 100)
	again := func(v *cassandra.View) { v.Generation++ }
	hung := func(v *cassandra.View) { v.Jolokia = cassandra.Hung }
	for name, c := range map[string]struct {
		step   galen.Step
		now    cassandra.Throttle
		change func(*cassandra.View)
		late   int // seconds after the intent
		want   galen.EffectStatus
	}{
		"raise: it is raised":           {raise, fast, nil, 60, galen.EffectDone},
		"raise: it may arrive again":    {raise, fast, nil, 5, galen.EffectUnderWay},
		"raise: as before":              {raise, slow, nil, 60, galen.EffectAbsent},
		"raise: as before, early":       {raise, slow, nil, 5, galen.EffectUnknown},
		"raise: half, early":            {raise, half, nil, 5, galen.EffectUnderWay},
		"raise: half":                   {raise, half, nil, 60, galen.EffectFailed},
		"raise: started again":          {raise, slow, again, 60, galen.EffectAbsent},
		"raise: nobody answers":         {raise, fast, hung, 60, galen.EffectUnknown},
		"restore: it is back":           {*raise.Undo, slow, nil, 1, galen.EffectDone},
		"restore: as raised":            {*raise.Undo, fast, nil, 60, galen.EffectAbsent},
		"restore: as raised, early":     {*raise.Undo, fast, nil, 5, galen.EffectUnknown},
		"restore: half":                 {*raise.Undo, half, nil, 60, galen.EffectAbsent},
		"restore: somebody has set it":  {*raise.Undo, both(rate(50, cassandra.Mebibytes)), nil, 1, galen.EffectDone},
		"restore: started again":        {*raise.Undo, fast, again, 1, galen.EffectDone},
		"restore: nobody answers":       {*raise.Undo, slow, hung, 60, galen.EffectUnknown},
		"restore: its throttle is told": {*raise.Undo, slow, func(v *cassandra.View) { v.Throttle = nil }, 60, galen.EffectUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			got := settle(c.step, throttledRing(c.late, c.now, c.change), at(c.late))
			if got.Status != c.want || got.Status != galen.EffectUnknown && got.Why == "" {
				t.Errorf("%s (%s), want %s", got.Status, got.Why, c.want)
			}
		})
	}
	for late, want := range map[int]galen.EffectStatus{5: galen.EffectUnderWay, 60: galen.EffectDone} {
		seen := galen.Intent{ID: "in", Step: raise, At: noon(), Effect: galen.Effect{Status: galen.EffectUnderWay}}
		if got := galen.SettleEffect(verbOf(t, raise.Verb), throttledRing(late, fast, hung), seen, at(late)); got.Status != want {
			t.Errorf("seen raised, and it hangs %d s after: %s (%s), want %s", late, got.Status, got.Why, want)
		}
	}
	stale := throttledRing(0, fast, nil)
	in := galen.Intent{ID: "in", Step: raise, At: noon().Add(time.Second), Effect: galen.Effect{Status: galen.EffectUnknown}}
	if got := verbOf(t, raise.Verb).Effect(stale, in); got.Status != galen.EffectUnknown {
		t.Errorf("a look from before the intent: %s", got.Status)
	}
}
