package watch_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
)

// codes are those of findings, with a star for a note.
func codes(fs []galen.Finding) string {
	var out []string
	for _, f := range fs {
		star := ""
		if f.Note {
			star = "*"
		}
		out = append(out, string(f.Code)+star)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestWhatIsOwedIsNotKnown: the rest is found, woken and kept as ever, and what was owed is not called gone.
func TestWhatIsOwedIsNotKnown(t *testing.T) {
	s := newStation(crashed())
	s.book.debts = []galen.Debt{{Intent: "i1", At: noon, Step: galen.Step{Verb: fake.VerbSet, Target: galen.Target{ID: "db-2"}}}}
	s.round(t, 0)
	s.book.debts, s.book.unpaid = nil, errors.New("the row is damaged")
	for range 30 {
		if err := s.tryRound(t, 10*time.Second); !errors.Is(err, s.book.unpaid) {
			t.Fatalf("%v, want that it is told", err)
		}
	}
	if got := codes(s.book.findings); got != "instance-unavailable undo-owed" {
		t.Errorf("found %s", got)
	}
	if len(s.desk.asked) != 2 || s.desk.wakes == 0 || len(s.book.vitals) < 5 {
		t.Errorf("asked %d times, woken %d times, vitals kept %d times", len(s.desk.asked), s.desk.wakes, len(s.book.vitals))
	}
	s.book.unpaid = nil
	s.round(t, time.Second)
	if got := codes(s.book.findings); got != "instance-unavailable" {
		t.Errorf("found %s once it is known that nothing is owed", got)
	}
}

// TestAnOwedUndoThatCannotBeReadIsAFinding, for its run tells a person.
func TestAnOwedUndoThatCannotBeReadIsAFinding(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	s.book.debts = []galen.Debt{
		{Intent: "i1", At: noon, Step: galen.Step{Verb: fake.VerbSet, Target: galen.Target{ID: "db-2"}}, Unread: "unknown field idempotent"},
		{Intent: "i2", At: noon, Unread: "not JSON"},
	}
	s.round(t, time.Second)
	want := map[string]string{"billing/zone-b": "of intent i1 cannot be read, a newer release wrote it or it is damaged: unknown field idempotent", "unknown": "not JSON"}
	if len(s.desk.asked) != len(want) {
		t.Fatalf("asked %+v", s.desk.asked)
	}
	for _, f := range s.desk.asked {
		if f.Code != galen.CodeUndoOwed || len(f.Targets) != 1 || f.Targets[0].ID == "" || !strings.Contains(f.Why, want[f.Domain]) {
			t.Errorf("%+v", f)
		}
	}
}

// TestADetectorThatPanicsBlindsNoOther: it is a finding itself, and what it found last stays until it is mended.
func TestADetectorThatPanicsBlindsNoOther(t *testing.T) {
	s := newStation(crashed())
	s.extra = []galen.Finding{finding("a", galen.High)}
	s.round(t, 0)
	s.broken = "out of range"
	since := s.now.Add(10 * time.Second)
	for range 6 {
		if err := s.tryRound(t, 10*time.Second); err == nil || !strings.Contains(err.Error(), "detector test: it panicked (out of range)") {
			t.Fatalf("%v", err)
		}
	}
	if got := codes(s.book.findings); got != "detector-fault* instance-unavailable odd" {
		t.Errorf("found %s", got)
	}
	for _, f := range s.book.findings {
		if f.Code == galen.CodeDetectorFault && (f.Domain != "test" || !strings.Contains(f.Why, "out of range") || !f.Since.Equal(since)) {
			t.Errorf("%+v", f)
		}
	}
	if len(s.desk.asked) != 2 || s.book.saves != 2 || s.desk.wakes == 0 {
		t.Errorf("asked %d times, saved %d times, woken %d times", len(s.desk.asked), s.book.saves, s.desk.wakes)
	}
	s.broken, s.extra = "", nil
	s.round(t, time.Second)
	if got := codes(s.book.findings); got != "instance-unavailable" {
		t.Errorf("found %s once the detector is mended", got)
	}
}
