package cassandra_test

import (
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestRemedy: a repair that an ended run left is told with what does it, and not at all once nobody owes it.
func TestRemedy(t *testing.T) {
	repair := func(instance, of string) galen.Duty { return galen.Duty{What: "repair", Instance: instance, Of: of} }
	for name, c := range map[string]struct {
		duty galen.Duty
		make func(*world)
		how  string
		owed bool
	}{
		"a member":                       {repair("n1", "orders"), nil, "galen run cassandra/heal-node cassandra/demo --param node=n1 repairs it", true},
		"a member that is down":          {repair("n3", "orders"), func(w *world) { w.make(ring.Kill, "n3"); w.wait(30e9) }, "--param node=n3", true},
		"nobody runs there":              {repair("n4", "orders"), nil, "no node runs on n4", true},
		"nobody knows the instance":      {repair("n9", "orders"), nil, "no node runs on n9", true},
		"fenced and gone":                {repair("n4", "orders"), func(w *world) { w.instance("n4").Fenced = "i1" }, "", false},
		"fenced, and its host is silent": {repair("n4", "orders"), func(w *world) { w.instance("n4").Fenced, w.instance("n4").Error = "i1", "timeout" }, "no node runs", true},
		"the keyspace was dropped":       {repair("n1", "gone"), nil, "", false},
		"nobody tells the keyspaces":     {repair("n1", "orders"), func(w *world) { w.state.Keyspaces = nil }, "--param node=n1", true},
		"the keyspace is not replicated": {repair("n1", "orders"), func(w *world) { w.unreplicated("orders") }, "", false},
		"something else of another kind": {galen.Duty{What: "look", Instance: "n1"}, nil, "", true},
	} {
		w := newWorld(t)
		if c.make != nil {
			c.make(w)
		}
		how, owed := cassandra.Kind().Remedy(w.state, c.duty)
		if owed != c.owed || !strings.Contains(how, c.how) || (c.how == "") != (how == "") {
			t.Errorf("%s: %q, owed %t", name, how, owed)
		}
	}
}

// unreplicated leaves one replica of a keyspace.
func (w *world) unreplicated(keyspace string) {
	ks := append([]cassandra.Keyspace(nil), w.state.Keyspaces...)
	for i := range ks {
		if ks[i].Name == keyspace {
			ks[i].RF = map[string]int{"dc1": 1}
		}
	}
	w.state.Keyspaces = ks
}
