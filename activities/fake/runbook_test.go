package fake_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/activities/kindtest"
)

// cloud is a cluster in which an instance crashed a while ago.
func cloud(crashed string, stubborn bool) func() kindtest.Sim[fake.Cluster] {
	return func() kindtest.Sim[fake.Cluster] {
		c := fake.NewCloud("billing", 3, noon)
		c.Advance(time.Minute)
		if crashed != "" {
			c.Crash(crashed, stubborn)
		}
		c.Advance(time.Minute)
		return c
	}
}

func TestHealKeepsTheContract(t *testing.T) {
	drill := func(name, crashed string, stubborn bool, end string, verbs ...string) kindtest.Drill[fake.Cluster, fake.HealParams] {
		return kindtest.Drill[fake.Cluster, fake.HealParams]{
			Name: name, Kind: fake.Kind(), Resource: billing, New: cloud(crashed, stubborn), Scope: []galen.Target{{ID: "db-1", Generation: 1}},
			Params: fake.Heal().Defaults, Policy: galen.SafePolicy(), Detectors: fake.Detectors(), End: end, Verbs: verbs,
		}
	}
	kindtest.Runbook(t, fake.Heal(),
		drill("a crashed writer", "db-1", false, galen.EndDone, fake.VerbReboot),
		drill("a stubborn writer", "db-1", true, galen.EndEscalate, fake.VerbReboot, fake.VerbFailover),
		drill("nothing is wrong", "", false, galen.EndDone, []string{}...),
	)
}

func TestTuneKeepsTheContract(t *testing.T) {
	kindtest.Runbook(t, fake.Tune(), kindtest.Drill[fake.Cluster, fake.TuneParams]{
		Name: "for ten minutes", Kind: fake.Kind(), Resource: billing, New: cloud("", false), Scope: []galen.Target{{ID: "db-2", Generation: 1}},
		Params: fake.Tune().Defaults, Policy: galen.SafePolicy(), End: galen.EndDone, Verbs: []string{fake.VerbSet, fake.VerbSet},
	})
}
