package cassandra_test

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestARestoreIsOverWithItsProcess: only what was seen since, and of that very node, proves it.
func TestARestoreIsOverWithItsProcess(t *testing.T) {
	fast := both(rate(100, cassandra.Mebibytes))
	restore := *raising(t, throttledRing(0, both(rate(24, cassandra.Mebibytes)), nil), 100).Undo
	silent := func(views []cassandra.View) {
		views[2].Jolokia, views[2].Throttle = cassandra.Refused, nil
	}
	look := func(change func([]cassandra.View, []cassandra.Instance)) cassandra.Ring {
		return cassandra.Fold(cassandra.Ring{}, seen(at(60), func(views []cassandra.View, instances []cassandra.Instance) {
			views[2].Throttle = &fast
			change(views, instances)
		}))
	}
	left := func(r cassandra.Ring) cassandra.Ring { // n3, as the fold forgets it
		r.Nodes = slices.DeleteFunc(r.Nodes, func(n cassandra.Node) bool { return n.HostID == id(3) })
		return r
	}
	for name, c := range map[string]struct {
		state cassandra.Ring
		since time.Time
		over  bool
	}{
		"it runs": {look(func([]cassandra.View, []cassandra.Instance) {}), noon(), false},
		"no process": {look(func(v []cassandra.View, i []cassandra.Instance) {
			silent(v)
			i[2].Process = cassandra.Absent
		}), noon(), true},
		"no process before": {look(func(v []cassandra.View, i []cassandra.Instance) {
			silent(v)
			i[2].Process = cassandra.Absent
		}), at(61), false},
		"its host cannot be read": {look(func(v []cassandra.View, i []cassandra.Instance) {
			silent(v)
			i[2].Process, i[2].Error = cassandra.Absent, "no route"
		}), noon(), false},
		"it is silent": {look(func(v []cassandra.View, _ []cassandra.Instance) { silent(v) }), noon(), false},
		"it has left": {left(look(func(v []cassandra.View, i []cassandra.Instance) {
			silent(v)
			i[2].Error = "no route"
		})), noon(), true},
		"it had left before":              {left(look(func(v []cassandra.View, _ []cassandra.Instance) { silent(v) })), at(61), false},
		"not listed, and it says it runs": {left(look(func([]cassandra.View, []cassandra.Instance) {})), noon(), false},
		"nobody is heard": {left(look(func(v []cassandra.View, _ []cassandra.Instance) {
			for i := range v {
				v[i].Jolokia = cassandra.Refused
			}
		})), noon(), false},
	} {
		t.Run(name, func(t *testing.T) {
			args, err := galen.Decode[cassandra.RestoreArgs](restore.Args)
			if err != nil {
				t.Fatal(err)
			}
			if why := args.Over(c.state, restore.Target.ID, c.since); (why != "") != c.over {
				t.Errorf("%q", why)
			}
			in := galen.Intent{ID: "in", Step: restore, At: c.since, Effect: galen.Effect{Status: galen.EffectUnknown}}
			if got := verbOf(t, restore.Verb).Effect(c.state, in); c.over && got.Status != galen.EffectDone {
				t.Errorf("%s (%s)", got.Status, got.Why)
			}
			if err := verbOf(t, restore.Verb).Check(c.state, restore); c.over && err != nil {
				t.Error(err)
			}
		})
	}
}
