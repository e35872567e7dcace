package cassandra_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestClocks: live nodes tell their clocks; one that does not answer, or tells none, is left out.
func TestClocks(t *testing.T) {
	w := newWorld(t)
	if got := w.state.Clocks(); len(got) != 0 {
		t.Fatalf("the simulated nodes tell no clock: %v", got)
	}
	w.view("n1").Gauges = map[string]float64{cassandra.GaugeClock: -600.5}
	w.view("n2").Gauges = map[string]float64{cassandra.GaugeClock: 700}
	w.view("n2").Jolokia = cassandra.Hung
	got := w.state.Clocks()
	if len(got) != 1 || got[0] != (galen.ClockOffset{Observer: "n1", Offset: -600500 * time.Microsecond}) {
		t.Errorf("clocks: %v", got)
	}
}
