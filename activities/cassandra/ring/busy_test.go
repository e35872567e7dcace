package ring_test

import (
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
