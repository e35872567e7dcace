package gym

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// An engine whose clock is a few seconds off the journal's does nothing, also long after its clock was set, and however old
// the view may be on which it would act.
func TestAClockThatIsOff(t *testing.T) {
	for step, acts := range map[time.Duration]bool{
		400 * time.Millisecond: true, 600 * time.Millisecond: false, 5 * time.Second: false,
		-400 * time.Millisecond: true, -600 * time.Millisecond: false, -5 * time.Second: false,
	} {
		in := Incident{Seed: 1, Sort: "clock", Engines: 1, Policy: galen.SafePolicy(), Limit: 10 * time.Minute}
		in.Policy.Mode = galen.ModeAct
		in.Ring = RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1}
		in.Happen = []Happening{
			{At: quiet, What: Clock, Who: "0", Step: step},
			{At: quiet + 2*time.Minute, What: string(ring.Kill), Who: "n2"},
		}
		p, err := Play(t.Context(), in, Engine{})
		if err != nil || len(p.Violations) > 0 || strings.Contains(p.Story, "the ring accepts") != acts {
			t.Errorf("off by %s: %v, %v; it should act: %t\n%s", step, err, p.Violations, acts, p.Story)
		}
	}
}

// clocked is a ring of three racks on which the clocks of engines are wrong.
func clocked(seed uint64, engines int, happen ...Happening) Incident {
	in := Incident{Seed: seed, Sort: "clock", Engines: engines, Policy: galen.SafePolicy(), Limit: 20 * time.Minute, Happen: happen}
	in.Policy.Mode = galen.ModeAct
	in.Policy.LookSoon, in.Policy.RestartAfter = galen.Duration(time.Second), galen.Duration(20*time.Second)
	in.Ring = RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 1, VNodes: 1, Load: 6 << 30}
	return in
}

// Nothing is concluded by a clock that is not the journal's: neither since when a node is down, nor that a call never happened, nor
// that a step took too long.
func TestNothingIsConcludedByAWrongClock(t *testing.T) {
	set := func(at time.Duration, engine string, by time.Duration) Happening {
		return Happening{At: at, What: Clock, Who: engine, Step: by}
	}
	begin := quiet - 10*time.Second
	behind := clocked(1, 1,
		set(0, "0", -15*time.Minute), Happening{At: quiet + time.Second, What: string(ring.Kill), Who: "n2"}, set(50*time.Second, "0", 15*time.Minute),
		Happening{At: 101 * time.Second, What: AskFor, Verb: "cassandra/replace-node", Who: "n2"})
	behind.Ring.Load = 0
	behind.Policy.LookSoon, behind.Policy.RestartAfter = galen.SafePolicy().LookSoon, galen.Duration(5*time.Minute)
	cases := map[string]struct {
		in  Incident
		not string // must not be in its story
	}{
		"a clock that was behind is put right, and a person asks for a replacement (I-15)": {in: behind, not: "is down since 02:"},
		"the other engine settles a call before its time (I-20)": {in: clocked(1, 2,
			set(begin, "1", 5*time.Second),
			Happening{At: quiet, What: Strike, Verb: cassandra.VerbRepair, N: 1, Fault: ring.Delayed, Step: settleTime(cassandra.VerbRepair) - nearly},
			Happening{At: quiet + time.Second, What: string(ring.Kill), Who: "n2"}, Happening{At: quiet + time.Second, What: string(ring.LoseData), Who: "n2"})},
		"the other engine finds each start overdue (I-12)": {in: clocked(1, 2,
			set(begin, "1", 20*time.Minute), Happening{At: quiet + time.Second, What: string(ring.Kill), Who: "n2"},
			Happening{At: quiet + 3*time.Minute, What: string(ring.Kill), Who: "n3"}), not: "is in quarantine"},
		"the other engine takes a moment for the holding time (I-21)": {in: clocked(6, 2,
			set(begin, "1", 5*time.Minute), Happening{At: quiet + time.Second, What: string(ring.Kill), Who: "n2"})},
		"the other engine is a day ahead (I-26)": {in: clocked(6, 2,
			set(begin, "1", 24*time.Hour), Happening{At: quiet + time.Second, What: string(ring.Kill), Who: "n2"}), not: "past its deadline"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, err := Play(t.Context(), c.in, Engine{})
			if err != nil || len(p.Violations) > 0 || len(p.Runs) == 0 {
				t.Errorf("%v, %v\n%s", err, p.Violations, p.Story)
			}
			if c.not != "" && strings.Contains(p.Story, c.not) {
				t.Errorf("want no %q in it:\n%s", c.not, p.Story)
			}
		})
	}
}

// A clock that is set while a call is in the air does not make the engine believe that it never happened (I-20): what it owes
// stays owed.
func TestAClockIsSetWhileACallIsUnderWay(t *testing.T) {
	for off := time.Duration(0); off <= 8*time.Second; off += 800 * time.Millisecond {
		in := clocked(1, 1,
			Happening{At: quiet, What: Strike, Verb: cassandra.VerbRaiseStream, N: 1, Fault: ring.Delayed, Step: 11 * time.Second},
			Happening{At: quiet, What: string(ring.ForeignAdd), Who: "n4"},
			Happening{At: quiet + 10*time.Second, What: AskFor, Verb: "cassandra/tune-streaming", Params: `{"nodes":["n1"],"to":100,"for":"9m"}`},
			Happening{At: quiet + 10*time.Second + off, What: Clock, Who: "0", Step: time.Hour})
		if p, err := Play(t.Context(), in, Engine{}); err != nil || len(p.Violations) > 0 {
			t.Errorf("set %s after it was asked for: %v, %v\n%s", off, err, p.Violations, p.Story)
		}
	}
	for _, verb := range []string{cassandra.VerbPrepare, cassandra.VerbFence, cassandra.VerbReplace} {
		healing := func(more ...Happening) Incident {
			return clocked(1, 1, append([]Happening{
				{At: quiet, What: Strike, Verb: verb, N: 1, Fault: ring.Delayed, Step: settleTime(verb) - time.Second},
				{At: quiet, What: string(ring.Kill), Who: "n2"}, {At: quiet, What: string(ring.LoseData), Who: "n2"},
			}, more...)...)
		}
		p, err := Play(t.Context(), healing(), Engine{})
		first := regexp.MustCompile(`(?m)^\s+(\S+)\s+engine 0, run \S+: intent \S+, ` + verb + ` `).FindStringSubmatch(p.Story)
		if err != nil || first == nil {
			t.Fatalf("no %s: %v\n%s", verb, err, p.Story)
		}
		at, err := time.ParseDuration(first[1])
		if err != nil {
			t.Fatal(err)
		}
		for off := 100 * time.Millisecond; off < 3*time.Second; off += 500 * time.Millisecond {
			in := healing(Happening{At: at + off, What: Clock, Who: "0", Step: time.Hour}, Happening{At: at + off + 20*time.Second, What: Clock, Who: "0", Step: -time.Hour})
			if p, err := Play(t.Context(), in, Engine{}); err != nil || len(p.Violations) > 0 {
				t.Errorf("set %s after the %s: %v, %v\n%s", off, verb, err, p.Violations, p.Story)
			}
		}
	}
}
