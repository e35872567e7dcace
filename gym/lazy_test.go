package gym_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/gym"
	"github.com/galenhq/galen/runbooks"
)

// lazy repairs one range of each keyspace.
func lazy(t *testing.T) galen.ListedRunbook {
	rb := runbooks.CassandraHealNode()
	decide := rb.Decide
	rb.Decide = func(s galen.Situation[cassandra.Ring, runbooks.HealNodeParams]) galen.Plan {
		p := decide(s)
		for i, step := range p.Steps {
			if step.Verb != cassandra.VerbRepair {
				continue
			}
			args, err := galen.Decode[cassandra.RepairArgs](step.Args)
			if err != nil || len(args.Ranges) < 2 {
				t.Errorf("%v: %+v", err, args)
				continue
			}
			args.Ranges = args.Ranges[:1]
			if p.Steps[i].Args, err = json.Marshal(args); err != nil {
				t.Error(err)
			}
		}
		return p
	}
	return galen.ListRunbook(rb)
}

// TestLazyRepairPaysNothing: a runbook that repairs one range of many leaves the repair owed, so that no other replica is destroyed.
func TestLazyRepairPaysNothing(t *testing.T) {
	p := galen.SafePolicy()
	p.Mode = galen.ModeAct
	in := gym.Incident{Seed: 1, Sort: gym.Double, Policy: p, Engines: 1, Limit: 45 * time.Minute,
		Ring: gym.RingPlan{DCs: 1, Racks: 3, PerRack: 1, Spares: 2, VNodes: 4},
		Happen: []gym.Happening{
			{At: 20 * time.Second, What: string(ring.Kill), Who: "n3"}, {At: 20 * time.Second, What: string(ring.LoseData), Who: "n3"},
			{At: 40 * time.Minute, What: string(ring.Kill), Who: "n1"}, {At: 40 * time.Minute, What: string(ring.LoseData), Who: "n1"},
		}}
	played, err := gym.Play(t.Context(), in, gym.Engine{Runbooks: []galen.ListedRunbook{lazy(t)}})
	if err != nil {
		t.Fatal(err)
	}
	left := strings.Contains(played.Story, "of the 12 ranges of orders there are left out")
	refused := strings.Contains(played.Story, "I-02 repair owed: the repair of orders on n4 is owed")
	if touched := strings.Contains(played.Story, `{"instance":"n1"}`); len(played.Violations) > 0 || !left || !refused || touched {
		t.Errorf("left out %t, refused %t, n1 touched %t: %v\n%s", left, refused, touched, played.Violations, played.Story)
	}
}
