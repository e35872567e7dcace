package gate

import (
	"testing"
	"time"
)

// TestAClockThatIsSet: the engine observes for a while after its clock was set, however often, and then goes on with the new
// time. What passes on both clocks is no step, nor is a stop of the process between two readings.
func TestAClockThatIsSet(t *testing.T) {
	r := newRig()
	g := r.gate(t)
	act := func(want Answer) {
		t.Helper()
		r.desk.ledger.Now = r.clock.wall
		r.desk.ledger.Run.Deadline = r.clock.wall.Add(time.Hour)
		got, err := g.Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: step("wake", "bed-1")})
		if err != nil || got.Answer != want || want == Refused && Worst(got.Verdicts).Guard != guardClock {
			t.Fatalf("at %s: %s (%s), %v; want %s", r.clock.wall, got.Answer, got.Why, err, want)
		}
	}
	wait := func(d time.Duration) { r.clock.advance(d) }
	act(Sent)
	wait(time.Hour)
	act(Sent)
	r.clock.wall = r.clock.wall.Add(-time.Hour)
	act(Refused)
	wait(59 * time.Second)
	act(Refused)
	r.clock.wall = r.clock.wall.Add(time.Hour)
	act(Refused)
	wait(59 * time.Second)
	act(Refused)
	wait(time.Second)
	act(Sent)
}

func TestClockWatch(t *testing.T) {
	var c clockWatch
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	const most, settle = 500 * time.Millisecond, time.Minute
	for i, s := range []struct {
		wall, mono time.Duration
		want       time.Duration
	}{
		{0, 0, 0},
		{time.Hour, time.Hour, 0},
		{time.Hour + most, time.Hour, 0}, // as far as allowed, and not added up: it is measured from the same origin
		{time.Hour + most + 1, time.Hour, most + 1},
		{time.Hour + most + 1 + settle - 1, time.Hour + settle - 1, most + 1},
		{time.Hour + most + 1 + settle, time.Hour + settle, 0},
		{2 * time.Hour, 2*time.Hour + time.Second, -(time.Second + most + 1)},
	} {
		if got := c.read(noon.Add(s.wall), s.mono, most, settle); got != s.want {
			t.Errorf("reading %d: %s, want %s", i, got, s.want)
		}
	}
}
