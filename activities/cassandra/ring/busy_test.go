package ring_test

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// A node tells of its burden while it bears it, and the truth does too.
func TestBurden(t *testing.T) {
	p := newPatient(t)
	burden := func() (waits float64, streams int) {
		p.look()
		v, _ := p.state.View("n2")
		h, _ := p.ring.Truth().Host("n2")
		if float64(h.Waiting) != v.Gauges[cassandra.GaugeReads] || h.Streams != v.Streams {
			t.Errorf("the truth is %d requests and %d streams, the node tells %v and %d", h.Waiting, h.Streams, v.Gauges, v.Streams)
		}
		return v.Gauges[cassandra.GaugeReads], v.Streams
	}
	for _, trouble := range []ring.Trouble{ring.Overload, ring.BulkLoad} {
		if err := p.ring.Happen(ring.Happening{Trouble: trouble, Instance: "n2", For: galen.Duration(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	if waits, streams := burden(); waits <= float64(galen.SafePolicy().LoadPending) || streams != 1 {
		t.Errorf("%v requests wait, %d streams", waits, streams)
	}
	p.wait(time.Minute)
	if waits, streams := burden(); waits != 0 || streams != 0 {
		t.Errorf("a minute later %v requests wait, %d streams", waits, streams)
	}
}

// A repair of a person shows at every replica that is read for it, a cleanup at its node; both only while they last.
func TestOthersWorkShows(t *testing.T) {
	p := newPatient(t)
	tasks := func(kind string) (of []string) {
		p.look()
		truth := p.ring.Truth()
		for _, v := range p.state.Views {
			h, _ := truth.Host(v.Instance)
			if v.Tasks[kind] != h.Tasks[kind] {
				t.Errorf("%s tells %v, the truth is %v", v.Instance, v.Tasks, h.Tasks)
			}
			if v.Tasks[kind] > 0 {
				of = append(of, v.Instance)
			}
		}
		return of
	}
	for _, h := range []ring.Happening{
		{Trouble: ring.ForeignRepair, Instance: "n1", Of: "n3", For: galen.Duration(time.Minute)},
		{Trouble: ring.Cleanup, Instance: "n2", For: galen.Duration(time.Minute)},
	} {
		if err := p.ring.Happen(h); err != nil {
			t.Fatal(err)
		}
	}
	if read, cleans := tasks(cassandra.TaskValidation), tasks(cassandra.TaskCleanup); !slices.Equal(read, []string{"n1", "n3"}) || !slices.Equal(cleans, []string{"n2"}) {
		t.Errorf("%v are read for the repair of n1 with n3, %v clean up", read, cleans)
	}
	p.wait(time.Minute)
	if read, cleans := tasks(cassandra.TaskValidation), tasks(cassandra.TaskCleanup); len(read)+len(cleans) > 0 {
		t.Errorf("a minute later %v are read for a repair, %v clean up", read, cleans)
	}
	if v, _ := p.state.View("n1"); v.Tasks == nil {
		t.Error("n1 does nothing, and does not tell so")
	}
	for _, trouble := range []ring.Happening{{Trouble: ring.ForeignRepair, Instance: "n1", For: galen.Duration(time.Minute)}, {Trouble: ring.Kill, Instance: "n1"}} {
		if err := p.ring.Happen(trouble); err != nil {
			t.Fatal(err)
		}
	}
	if read := tasks(cassandra.TaskValidation); !slices.Equal(read, []string{"n2", "n3"}) {
		t.Errorf("its coordinator is dead, and %v are read to the end", read)
	}
}

// Where clients write, each node compacts now and then; no guard minds it, or nothing would ever be healed.
func TestCompactionsComeAndGo(t *testing.T) {
	p := newPatient(t, func(s *ring.Spec) { s.Writes = true })
	seen := map[bool]map[string]bool{true: {}, false: {}}
	for range 30 {
		p.wait(4 * time.Second)
		for _, v := range p.look().Views {
			seen[v.Tasks[ring.TaskCompaction] > 0][v.Instance] = true
			n, found := p.state.NodeOf(v.Instance)
			if v.Tasks[ring.TaskCompaction] == 0 || !found {
				continue
			}
			if against := p.refusals(cassandra.Stop(n)); len(against) > 0 {
				t.Errorf("%s compacts, and may not be stopped: %v", v.Instance, against)
			}
		}
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		if !seen[true][name] || !seen[false][name] {
			t.Errorf("%s compacts at some time: %t, rests at some time: %t", name, seen[true][name], seen[false][name])
		}
	}
	quiet := newPatient(t)
	quiet.wait(55 * time.Second)
	for _, v := range quiet.look().Views {
		if v.Tasks[ring.TaskCompaction] > 0 {
			t.Errorf("%s compacts what nobody wrote", v.Instance)
		}
	}
}
