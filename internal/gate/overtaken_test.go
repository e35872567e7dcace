package gate

import (
	"maps"
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// TestALookThatIsOvertaken: a step is judged on a look that began after all that the journal knows to have been done.
func TestALookThatIsOvertaken(t *testing.T) {
	theirs := galen.Intent{ID: "run-b-1", Run: "run-b", Step: step("wake", "bed-5")}
	mine := galen.Intent{ID: "run-a-1", Run: "run-a", Step: step("wake", "bed-5")}
	for name, c := range map[string]struct {
		before galen.Ledger // what differs when the look begins
		during func(*galen.Ledger)
		looks  int
	}{
		"nothing was done":                  {looks: 1},
		"only decided, held and called":     {during: func(l *galen.Ledger) { l.Revision += 3 }, looks: 1},
		"a step is under way, and still is": {galen.Ledger{Open: []galen.Intent{theirs}, Fences: map[string]int64{"bed-5": 7}}, nil, 1},
		"the first step here was begun":     {galen.Ledger{}, func(l *galen.Ledger) { l.Fences = map[string]int64{"bed-5": 1}; l.Open = []galen.Intent{theirs} }, 2},
		"a step was begun and settled":      {galen.Ledger{Fences: map[string]int64{"bed-5": 7}}, func(l *galen.Ledger) { l.Fences = map[string]int64{"bed-5": 8} }, 2},
		"what was under way was settled":    {galen.Ledger{Open: []galen.Intent{theirs}}, func(l *galen.Ledger) { l.Open = nil }, 2},
		"my own was settled":                {galen.Ledger{Open: []galen.Intent{mine}}, func(l *galen.Ledger) { l.Open = nil }, 2},
		"one was settled, another goes on":  {galen.Ledger{Open: []galen.Intent{theirs, mine}}, func(l *galen.Ledger) { l.Open = []galen.Intent{theirs} }, 2},
	} {
		for moment, at := range map[string]func(*rig, func()){
			"during the look":      func(r *rig, do func()) { looking(r, do) },
			"while the guards are": func(r *rig, do func()) { r.desk.slow, r.desk.errs = do, []error{galen.ErrMoved} },
		} {
			t.Run(name+" "+moment, func(t *testing.T) {
				r := newRig()
				r.desk.ledger.Open, r.desk.ledger.Fences = c.before.Open, c.before.Fences
				done := false
				at(r, func() {
					if c.during != nil && !done {
						c.during(&r.desk.ledger)
					}
					done = true
				})
				got, err := r.act(t, step("wake", "bed-1"))
				if err != nil || got.Answer != Sent || len(r.street.looks) != c.looks || len(r.street.calls) != 1 {
					t.Fatalf("%+v, %v, %d looks, want %d", got, err, len(r.street.looks), c.looks)
				}
			})
		}
	}
}

// looking runs do at the end of each look.
func looking(r *rig, do func()) {
	looked := r.street.ward
	r.street.ward = func() ward { w := looked(); do(); return w }
}

// TestTheLookAfterAnOvertakenOneIsJudged, not the first.
func TestTheLookAfterAnOvertakenOneIsJudged(t *testing.T) {
	r := newRig()
	looked := r.street.ward
	r.street.ward = func() ward {
		w := looked()
		if len(r.street.looks) == 1 {
			r.desk.ledger.Fences = map[string]int64{"bed-1": 1}
			return w
		}
		for i := range w.Beds {
			w.Beds[i].Target.Generation++ // what the other step has done
		}
		return w
	}
	got, err := r.act(t, step("wake", "bed-1"))
	if err != nil || got.Answer != Refused || Worst(got.Verdicts).Guard != guardIdentity || len(r.street.looks) != 2 || len(r.street.calls) != 0 {
		t.Errorf("%+v, %v, %d looks", got, err, len(r.street.looks))
	}
}

// TestLookingAgainEnds: where others never rest the run decides anew, and is told why.
func TestLookingAgainEnds(t *testing.T) {
	r := newRig()
	r.desk.ledger.Fences = map[string]int64{"bed-5": 1}
	looking(r, func() {
		r.desk.ledger.Fences = maps.Clone(r.desk.ledger.Fences)
		r.desk.ledger.Fences["bed-5"]++
	})
	got, err := r.act(t, step("wake", "bed-1"))
	if err != nil || got.Answer != Refused || !strings.HasPrefix(got.Why, guardFresh+": 3 looks in a row: ") || !strings.Contains(got.Why, "bed-5") {
		t.Errorf("%+v, %v", got, err)
	}
	if len(r.street.looks) != 3 || len(r.desk.commits)+len(r.street.calls) != 0 || len(r.desk.refused) != 1 {
		t.Errorf("%d looks, %d commits, %d refusals", len(r.street.looks), len(r.desk.commits), len(r.desk.refused))
	}
}

// TestAStoppedRunDoesNotLookAgain.
func TestAStoppedRunDoesNotLookAgain(t *testing.T) {
	r := newRig()
	looking(r, func() {
		r.desk.ledger.Fences, r.desk.ledger.Run.Status = map[string]int64{"bed-5": 1}, galen.RunHeld
	})
	if got, err := r.act(t, step("wake", "bed-1")); err != nil || got.Answer != Denied || len(r.street.looks) != 1 {
		t.Errorf("%+v, %v, %d looks", got, err, len(r.street.looks))
	}
}
