package cassandra_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen/activities/cassandra"
)

// TestAMachineThatLeft: what was known of a machine that has another name now, or was taken out of the configuration, makes nothing old that
// is looked at.
func TestAMachineThatLeft(t *testing.T) {
	later := at(7200)
	for name, newly := range map[string]string{"renamed, sorts before": "a2", "renamed, sorts after": "node2"} {
		t.Run(name, func(t *testing.T) {
			views, instances := steady(3, later)
			views[1].Instance, instances[1].Name = newly, newly
			r := fold(seen(at(0), nil), cassandra.Merge("test", later, views, instances, nil))
			if n := node(t, r, id(2)); n.Instance != newly || n.Down {
				t.Errorf("it runs on %q, down %t", n.Instance, n.Down)
			}
			if oldest, missing := r.Seen(); !oldest.Equal(later) || len(missing) > 0 {
				t.Errorf("seen at %s, missing %v", oldest, missing)
			}
		})
	}
	t.Run("taken out", func(t *testing.T) {
		four, machines := steady(4, at(0))
		views, instances := steady(3, later)
		leaving := cassandra.Merge("test", at(0), four, machines, nil)
		for i := range views {
			views[i].Peers = append(views[i].Peers, cassandra.Endpoint{Address: address(4), Up: true, Status: "LEFT", HostID: id(4), DC: "dc1", Rack: "r4"})
		}
		r := fold(leaving, cassandra.Merge("test", later, views, instances, nil))
		if _, member := r.Node(id(4)); member || len(r.Views) != 4 {
			t.Fatalf("%d nodes, %d views", len(r.Nodes), len(r.Views))
		}
		if oldest, missing := r.Seen(); !oldest.Equal(later) || len(missing) > 0 {
			t.Errorf("seen at %s, missing %v", oldest, missing)
		}
	})
	t.Run("not looked at for a while", func(t *testing.T) {
		r := fold(seen(at(0), nil))
		views, instances := steady(3, later)
		r = onto(r, cassandra.Merge("test", later, views[:1], instances[:1], nil)) // a scoped look
		if oldest, _ := r.Seen(); !oldest.Equal(at(0)) {
			t.Errorf("seen at %s, want %s: members that were not asked are old", oldest, at(0).Format(time.TimeOnly))
		}
	})
}
