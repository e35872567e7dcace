package fake_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/activities/kindtest"
)

var (
	noon    = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	billing = galen.Resource{Kind: fake.KindName, Name: "billing"}
)

func instance(c fake.Cluster, id string) fake.Instance {
	i, known := c.Instance(id)
	if !known {
		panic("no instance " + id)
	}
	return i
}

func TestTheKindKeepsTheContract(t *testing.T) {
	kindtest.Kind(t, fake.Kind(),
		kindtest.World[fake.Cluster]{
			Name: "all well", Resource: billing,
			New: func() kindtest.Sim[fake.Cluster] { return fake.NewCloud("billing", 3, noon) },
			Steps: func(c fake.Cluster) []galen.Step {
				return []galen.Step{
					fake.Set(instance(c, "db-2"), "work_mem", "8MB", "a test"),
					fake.Reboot(instance(c, "db-3"), "a test"),
					fake.Failover(instance(c, "db-1"), instance(c, "db-3"), "a test"),
					fake.Replace(instance(c, "db-2"), "a test"),
				}
			},
		},
		kindtest.World[fake.Cluster]{
			Name: "the writer has crashed", Resource: billing,
			New: func() kindtest.Sim[fake.Cluster] {
				c := fake.NewCloud("billing", 3, noon)
				c.Crash("db-1", false)
				c.Advance(time.Minute)
				return c
			},
			Steps: func(c fake.Cluster) []galen.Step {
				return []galen.Step{
					fake.Reboot(instance(c, "db-1"), "a test"),
					fake.Failover(instance(c, "db-1"), instance(c, "db-2"), "a test"),
				}
			},
		},
	)
}
