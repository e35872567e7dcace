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

// TestTheJournalsClock is compared at the reading of the ledger, so that neither the age of the view nor what passes between the
// reading and the question hides a difference; what the reading itself took may explain one.
func TestTheJournalsClock(t *testing.T) {
	for _, c := range []struct {
		name           string
		off            time.Duration // of the journal's clock
		reading, looks time.Duration
		want           Answer
	}{
		{"as far as allowed", 500 * time.Millisecond, 0, 0, Sent},
		{"ahead", 501 * time.Millisecond, 0, 0, Refused},
		{"behind", -501 * time.Millisecond, 0, 0, Refused},
		{"behind, and the look took longer than that", -5 * time.Second, 0, 9 * time.Second, Refused},
		{"right, and the look took long", 0, 0, 9 * time.Second, Sent},
		{"right, and the reading took long", 0, 3 * time.Second, 0, Sent},
		{"behind by less than the reading took", -3 * time.Second, 3 * time.Second, 0, Sent},
		{"behind by more", -3501 * time.Millisecond, 3 * time.Second, 0, Refused},
		{"ahead, and the reading took long", 501 * time.Millisecond, 3 * time.Second, 0, Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig()
			r.desk.reading = func() {
				r.clock.advance(c.reading)
				r.desk.ledger.Now = r.clock.wall.Add(c.off)
			}
			looked := r.street.ward
			r.street.ward = func() ward {
				w := looked()
				r.clock.advance(c.looks)
				return w
			}
			got, err := r.act(t, step("wake", "bed-1"))
			if err != nil || got.Answer != c.want || c.want == Refused && Worst(got.Verdicts).Guard != guardClock {
				t.Errorf("%s (%s), %v; want %s", got.Answer, got.Why, err, c.want)
			}
		})
	}
}

func TestClockWatch(t *testing.T) {
	var c clockWatch
	const most, settle = 500 * time.Millisecond, time.Minute
	for i, s := range []struct {
		wall, mono time.Duration
		want       time.Duration
	}{
		{0, 0, 0},
		{time.Hour, time.Hour, 0},
		{time.Hour + most, time.Hour, 0},              // as far as allowed, and not added up: it is measured from the same origin
		{time.Hour + most + clockGrain, time.Hour, 0}, // less than two clocks can be told apart by
		{time.Hour + most + clockGrain + 1, time.Hour, most + clockGrain + 1},
		{time.Hour + most + clockGrain + settle, time.Hour + settle - 1, most + clockGrain + 1},
		{time.Hour + most + clockGrain + 1 + settle, time.Hour + settle, 0},
		{2 * time.Hour, 2*time.Hour + time.Second, -(time.Second + most + clockGrain + 1)},
	} {
		if got := c.read(noon.Add(s.wall), s.mono, most, settle); got != s.want {
			t.Errorf("reading %d: %s, want %s", i, got, s.want)
		}
	}
}

// TestEachPolicyHasItsOwnMeasureOfTheClock: what one of them allows, or has waited for, takes nothing from another.
func TestEachPolicyHasItsOwnMeasureOfTheClock(t *testing.T) {
	const strict, patient = 500 * time.Millisecond, 5 * time.Second
	type reading struct {
		at, off      time.Duration // when, and how far the clock is off by then
		most, settle time.Duration
		want         time.Duration
	}
	for name, readings := range map[string][]reading{
		"a resource that does not observe": {
			{0, 0, strict, time.Minute, 0},
			{1, 9 * time.Second, strict, time.Minute, 9 * time.Second},
			{2, 9 * time.Second, strict, 0, 0},
			{3, 9 * time.Second, strict, time.Minute, 9 * time.Second},
		},
		"a small step after a large one": {
			{0, 0, strict, time.Minute, 0},
			{time.Second, 9 * time.Second, strict, time.Minute, 9 * time.Second},
			{2 * time.Second, 9600 * time.Millisecond, strict, time.Minute, 600 * time.Millisecond},
			{2 * time.Second, 9600 * time.Millisecond, patient, time.Minute, 9 * time.Second},
			{61*time.Second - 1, 9600 * time.Millisecond, patient, time.Minute, 9 * time.Second},
			{61 * time.Second, 9600 * time.Millisecond, patient, time.Minute, 0},
			{61 * time.Second, 9600 * time.Millisecond, strict, time.Minute, 600 * time.Millisecond},
			{61 * time.Second, 9600 * time.Millisecond, strict, time.Hour, 600 * time.Millisecond},
			{62 * time.Second, 9600 * time.Millisecond, strict, time.Minute, 0},
		},
		"small steps that are a large one together": {
			{0, 0, strict, time.Minute, 0},
			{time.Hour, 3 * time.Second, strict, time.Minute, 3 * time.Second},
			{2 * time.Hour, 6 * time.Second, strict, time.Minute, 3 * time.Second},
			{2 * time.Hour, 6 * time.Second, patient, time.Minute, 6 * time.Second},
		},
	} {
		var c clockWatch
		for i, r := range readings {
			if got := c.read(noon.Add(r.at+r.off), r.at, r.most, r.settle); got != r.want {
				t.Errorf("%s, reading %d: %s, want %s", name, i, got, r.want)
			}
		}
	}
}

// TestAClockThatNeverRests: what is remembered is bounded, and the newest is in it.
func TestAClockThatNeverRests(t *testing.T) {
	var c clockWatch
	for i := range 3 * maxOrigins {
		c.read(noon.Add(time.Duration(i)*time.Second), 0, time.Millisecond, time.Minute)
		if got, want := len(c.origins), min(i+1, maxOrigins); got != want {
			t.Fatalf("remembers %d origins, want %d", got, want)
		}
	}
	if got := c.read(noon, 0, time.Hour/2, time.Minute); got.Abs() <= time.Hour/2 {
		t.Errorf("set back by almost an hour: %s", got)
	}
}
