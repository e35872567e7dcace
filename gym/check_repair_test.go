package gym

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestRepairOwedRule: each range that a replacement took over is repaired before another replica of it is destroyed, by one repair or by
// several.
func TestRepairOwedRule(t *testing.T) {
	at := func(s int) time.Time { return epoch().Add(time.Duration(s) * time.Second) }
	hosts := []ring.TrueHost{{Name: "n1", Data: true}, {Name: "n2", Data: true}, {Name: "n3", Data: true}, {Name: "n4", Data: true}}
	for i := range hosts {
		hosts[i].Config = cassandra.Config{DC: "dc1", Rack: "r1"}
	}
	truth := func(third ring.TrueMember) ring.Truth {
		return ring.Truth{Hosts: hosts, Members: []ring.TrueMember{
			{HostID: "id1", Host: "n1", Status: cassandra.Normal, Tokens: []cassandra.Token{-50, 50}},
			{HostID: "id2", Host: "n2", Status: cassandra.Normal, Tokens: []cassandra.Token{100}},
			third,
		}}
	}
	tokens := []cassandra.Token{-100, 0}
	before := truth(ring.TrueMember{HostID: "id3", Host: "n3", Status: cassandra.Normal, Tokens: tokens})
	after := truth(ring.TrueMember{HostID: "id4", Host: "n4", Status: cassandra.Normal, Tokens: tokens})
	replaced := &act{Intent: galen.Intent{ID: "r-1", Run: "r", Step: galen.Step{Verb: cassandra.VerbReplace, Target: galen.Target{ID: "id3"}}},
		Committed: at(10), Settled: at(20), Status: galen.EffectDone, Accepted: []accepted{{At: at(11), Instance: "n4", Truth: before}}}
	fence := &act{Intent: galen.Intent{ID: "r-9", Run: "s", Step: galen.Step{Verb: cassandra.VerbFence, Target: galen.Target{ID: "id1"}}},
		Seen: after, Committed: at(60), Accepted: []accepted{{At: at(60), Instance: "n1", Truth: after}}}
	repair := func(settled int, keyspace string, ranges ...cassandra.Range) *act {
		args, err := json.Marshal(cassandra.RepairArgs{Instance: "n4", Keyspace: keyspace, Ranges: ranges})
		if err != nil {
			t.Fatal(err)
		}
		return &act{Intent: galen.Intent{Run: "r", Step: galen.Step{Verb: cassandra.VerbRepair, Target: galen.Target{ID: "id4"}, Args: args}},
			Committed: at(settled - 1), Settled: at(settled), Status: galen.EffectDone}
	}
	type r = cassandra.Range
	all := []r{{Start: 100, End: -100}, {Start: -100, End: -50}, {Start: -50, End: 0}, {Start: 0, End: 50}, {Start: 50, End: 100}}
	for name, c := range map[string]struct {
		repairs []*act
		broke   bool
	}{
		"none":                          {nil, true},
		"of all":                        {[]*act{repair(30, "orders", all...)}, false},
		"of one range":                  {[]*act{repair(30, "orders", all[0])}, true},
		"of all but one":                {[]*act{repair(30, "orders", all[1:]...)}, true},
		"in two":                        {[]*act{repair(30, "orders", all[:2]...), repair(40, "orders", all[2:]...)}, false},
		"in halves of a range":          {[]*act{repair(30, "orders", all[1:]...), repair(40, "orders", r{Start: 100, End: math.MaxInt64}, r{Start: math.MaxInt64, End: -100})}, false},
		"in halves that do not meet":    {[]*act{repair(30, "orders", all[1:]...), repair(40, "orders", r{Start: 100, End: 200}, r{Start: 201, End: -100})}, true},
		"of all as one":                 {[]*act{repair(30, "orders", r{Start: 7, End: 7})}, false},
		"of another keyspace":           {[]*act{repair(30, "system_auth", all...)}, true},
		"that was over too late":        {[]*act{repair(70, "orders", all...)}, true},
		"from before it was the node's": {[]*act{repair(15, "orders", all...)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			judge := &checker{trace: newTrace(Incident{Policy: galen.SafePolicy()}, func() time.Time { return at(90) }), keyspaces: RingPlan{DCs: 1, Racks: 1, PerRack: 3}.spec(nil).Keyspaces}
			judge.acts = append(append([]*act{replaced}, c.repairs...), fence)
			judge.owed()
			if got := len(judge.found) > 0; got != c.broke {
				t.Errorf("blamed %t, want %t: %v", got, c.broke, judge.found)
			}
			judge.found, judge.acts = nil, judge.acts[:len(judge.acts)-1] // now its own run is called healed then
			judge.runs, judge.ends["r"] = map[string]galen.Run{"r": {ID: "r", Status: galen.RunVerified}}, at(60)
			judge.decides("r", after)
			if judge.unfinished(); len(judge.found) > 0 != c.broke {
				t.Errorf("verified, blamed %t, want %t: %v", len(judge.found) > 0, c.broke, judge.found)
			}
			judge.found, judge.runs["r"] = nil, galen.Run{ID: "r", Status: galen.RunCancelled}
			if judge.unfinished(); len(judge.found) > 0 {
				t.Errorf("cancelled, and blamed: %v", judge.found)
			}
		})
	}
}
