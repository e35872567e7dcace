package gym

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// Each rule about what the gate and Next do by themselves, without a guard, can be broken, and by the nearest thing that may be done
// is not.
func TestGateRules(t *testing.T) {
	at := func(d time.Duration) time.Time { return epoch().Add(d) }
	start := func(change func(a *act)) *act { // n3 of generation 7 is dead, and is started
		truth := threeAndSpares(func(h []ring.TrueHost) {
			h[2].Running, h[2].Mode, h[2].Generation, h[2].Told = false, "", 7, []int64{5}
		})
		a := &act{Intent: galen.Intent{ID: "i1", Run: "r", Fence: 1}, Seen: truth, Looked: at(50 * time.Second), Committed: at(time.Minute)}
		a.Step = galen.Step{Verb: cassandra.VerbStart, Target: galen.Target{ID: "id3", Generation: 7}, Within: galen.Duration(time.Minute)}
		a.Begun, a.Accepted = []time.Time{a.Committed}, []accepted{{At: a.Committed, Instance: "n3", Truth: truth}}
		change(a)
		return a
	}
	same := func(*act) {}
	late := func(a *act) { a.Accepted[0].At = at(2 * time.Minute) }
	on := func(target, reached string) func(*act) { // "": nothing
		return func(a *act) {
			if a.Step.Target.ID, a.Accepted[0].Instance = target, reached; reached == "" {
				a.Accepted = nil
			}
		}
	}
	for name, c := range map[string]struct {
		rule  func(*checker)
		acts  []*act
		world func(*checker)
		broke string
	}{
		"a look of ten seconds ago":             {(*checker).freshness, []*act{start(same)}, nil, ""},
		"an older one":                          {(*checker).freshness, []*act{start(func(a *act) { a.Looked = at(49 * time.Second) })}, nil, "I-05"},
		"an older one, and no call":             {(*checker).freshness, []*act{start(func(a *act) { a.Looked, a.Begun = at(49*time.Second), nil })}, nil, ""},
		"no look at all":                        {(*checker).freshness, []*act{start(func(a *act) { a.Looked = time.Time{} })}, nil, "I-05"},
		"a higher fence":                        {(*checker).fences, []*act{start(same), start(func(a *act) { a.Fence = 2 })}, nil, ""},
		"the same fence again":                  {(*checker).fences, []*act{start(same), start(on("id3", ""))}, nil, "I-06"},
		"a lower fence of another node":         {(*checker).fences, []*act{start(func(a *act) { a.Fence = 2 }), start(on("id2", "n2"))}, nil, ""},
		"of the same by another name":           {(*checker).fences, []*act{start(func(a *act) { a.Fence = 2 }), start(on("instance/n3", ""))}, nil, "I-06"},
		"it reaches where a higher one did":     {(*checker).fences, []*act{start(func(a *act) { a.Fence = 2 }), start(on("id2", "n3"))}, nil, "I-06"},
		"it arrives late, by another name":      {(*checker).fences, []*act{start(late), start(func(a *act) { on("instance/n3", "n3")(a); a.Fence = 2 })}, nil, "I-06"},
		"late, at another machine":              {(*checker).fences, []*act{start(late), start(func(a *act) { on("id2", "n2")(a); a.Fence = 2 })}, nil, ""},
		"late, at a node that is not its host":  {(*checker).fences, []*act{start(func(a *act) { late(a); a.Step.Verb = cassandra.VerbRepair }), start(func(a *act) { a.Fence = 2 })}, nil, ""},
		"the same order twice":                  {(*checker).fences, []*act{start(func(a *act) { a.Accepted = append(a.Accepted, a.Accepted[0]) })}, nil, ""},
		"a call 2 s after its commit":           {(*checker).fences, []*act{start(func(a *act) { a.Begun = []time.Time{at(62 * time.Second)} })}, nil, ""},
		"a later one":                           {(*checker).fences, []*act{start(func(a *act) { a.Begun = []time.Time{at(63 * time.Second)} })}, nil, "I-06"},
		"a node as it was seen":                 {(*checker).identity, []*act{start(same)}, nil, ""},
		"of the generation that its peers know": {(*checker).identity, []*act{start(func(a *act) { a.Step.Target.Generation = 5 })}, nil, ""},
		"of another generation":                 {(*checker).identity, []*act{start(func(a *act) { a.Step.Target.Generation = 6 })}, nil, "I-07"},
		"the call reached another machine":      {(*checker).identity, []*act{start(func(a *act) { a.Accepted[0].Instance = "n4" })}, nil, "I-07"},
		"a call with its intent":                {(*checker).intents, []*act{start(same)}, nil, ""},
		"a call without":                        {(*checker).intents, nil, func(c *checker) { c.stray = []ring.Call{{Verb: "start", Target: "id3", At: at(0)}} }, "I-18"},
		"a yes to what the engine needs":        {(*checker).assent, []*act{start(same)}, needed(at(time.Minute)), ""},
		"a yes that comes later":                {(*checker).assent, []*act{start(same)}, needed(at(61 * time.Second)), "I-22"},
		"a person asked, and nobody said yes":   {(*checker).assent, []*act{start(same)}, needed(), "I-22"},
	} {
		t.Run(name, func(t *testing.T) {
			judge := checkerOf(c.acts...)
			if c.world != nil {
				c.world(judge)
			}
			c.rule(judge)
			var got []string
			for _, v := range judge.found {
				got = append(got, v.Invariant)
			}
			if want := slices.DeleteFunc([]string{c.broke}, func(s string) bool { return s == "" }); !slices.Equal(got, want) {
				t.Errorf("broke %v, want %v: %v", got, want, judge.found)
			}
		})
	}
}

// needed is a ring that the engine itself needs, under a run that a person asked for, with a yes at each of the times.
func needed(yes ...time.Time) func(*checker) {
	return func(c *checker) {
		c.in.Policy.Mode, c.in.Policy.EngineNeeds = galen.ModeAct, "it keeps the journal"
		c.runs["r"] = galen.Run{ID: "r", Asked: galen.AskedBy(person)}
		c.yes["r"] = yes
	}
}

// A node that is cut off says of everybody that he is gone, and is not believed of one that works.
func TestWhoIsGone(t *testing.T) {
	alone := func(h *ring.TrueHost, others ...string) { h.Up, h.Down = nil, others }
	for name, c := range map[string]struct {
		world func(h []ring.TrueHost)
		gone  []string
	}{
		"all work":                  {func([]ring.TrueHost) {}, nil},
		"one is dead":               {func(h []ring.TrueHost) { h[2].Running, h[2].Mode = false, ""; alone(&h[2], "n1", "n2") }, []string{"n3"}},
		"nobody hears one of three": {func(h []ring.TrueHost) { alone(&h[2], "n1", "n2") }, []string{"n3"}},
		"one is dead and another one cut off": {func(h []ring.TrueHost) {
			h[2].Running, h[2].Mode = false, ""
			alone(&h[2], "n1", "n2")
			alone(&h[1], "n1")
			alone(&h[0], "n2")
		}, []string{"n3"}},
	} {
		truth := threeAndSpares(c.world)
		var got []string
		for _, h := range truth.Hosts[:3] {
			if gone(truth, h) {
				got = append(got, h.Name)
			}
		}
		if !slices.Equal(got, c.gone) {
			t.Errorf("%s: gone are %v, want %v", name, got, c.gone)
		}
	}
}

// What a person did by hand excuses the harm that came of it, and no other.
func TestBlameless(t *testing.T) {
	harm := ring.Harm{At: epoch().Add(time.Minute), Instance: "n3", What: "the corpse n3 took its tokens back"}
	for name, c := range map[string]struct {
		happen Happening
		blamed bool
	}{
		"started by hand":                   {Happening{At: 30 * time.Second, What: string(ring.Start), Who: "n3"}, false},
		"killed, and its manager starts it": {Happening{At: 30 * time.Second, What: string(ring.Kill), Who: "n3", For: 10 * time.Second}, false},
		"killed":                            {Happening{At: 30 * time.Second, What: string(ring.Kill), Who: "n3"}, true},
		"another one started by hand":       {Happening{At: 30 * time.Second, What: string(ring.Start), Who: "n2"}, true},
		"started by hand afterwards":        {Happening{At: 90 * time.Second, What: string(ring.Start), Who: "n3"}, true},
	} {
		w := &world{in: Incident{Happen: []Happening{c.happen}}}
		if got := w.blameless([]ring.Harm{harm}); (len(got) > 0) != c.blamed {
			t.Errorf("%s: blamed for %v, want it blamed: %t", name, got, c.blamed)
		}
	}
}
