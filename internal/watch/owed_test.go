package watch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
)

// repairOf is a repair that a run left.
func repairOf(instance, of string, at time.Time) galen.Duty {
	return galen.Duty{What: "repair", Instance: instance, Of: of, Intent: "run-7-2", Run: "run-7", At: at}
}

// TestADutyThatAnEndedRunLeft is a note, one for each failure domain, until it is done. No run is opened for it.
func TestADutyThatAnEndedRunLeft(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	s.round(t, time.Second)
	if len(s.book.findings) != 0 {
		t.Fatalf("found %s when nothing is owed", codes(s.book.findings))
	}
	s.book.duties = []galen.Duty{repairOf("db-2", "auth", noon), repairOf("db-2", "orders", noon.Add(-time.Hour)), repairOf("gone", "orders", noon)}
	s.round(t, time.Second)
	s.round(t, time.Second)
	if got := codes(s.book.findings); got != "repair-owed* repair-owed*" || s.book.saves != 1 || len(s.desk.asked) != 0 {
		t.Fatalf("found %s, saved %d times, asked for %d runs", got, s.book.saves, len(s.desk.asked))
	}
	there, gone := s.book.findings[0], s.book.findings[1]
	if there.Domain != "billing/zone-b" || there.Targets[0].ID != "db-2" || there.Urgency != galen.Medium || !there.Since.Equal(noon.Add(-time.Hour)) {
		t.Errorf("%+v", there)
	}
	want := "repair of auth, orders on db-2 (db-2), since " + noon.Add(-time.Hour).Format(time.RFC3339) + ", by run run-7: see to it by hand"
	if !strings.HasSuffix(there.Why, want) {
		t.Errorf("told %q, want %q", there.Why, want)
	}
	if gone.Domain != "unknown" || gone.Targets[0].ID != "instance/gone" || !gone.Since.Equal(noon) {
		t.Errorf("%+v", gone)
	}
	s.book.duties = s.book.duties[:1]
	s.round(t, time.Second)
	if got := s.book.findings; len(got) != 1 || strings.Contains(got[0].Why, "orders") {
		t.Errorf("one was done, and is told: %+v", got)
	}
	s.book.duties = nil
	s.round(t, time.Second)
	if len(s.book.findings) != 0 {
		t.Errorf("found %s when all is done", codes(s.book.findings))
	}
}

// TestDutiesOfOneDomain are one note, which names both members, and of many keyspaces the first ones only.
func TestDutiesOfOneDomain(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 6, noon))
	for i := range 20 {
		s.book.duties = append(s.book.duties, repairOf("db-2", fmt.Sprintf("k%02d", i), noon))
	}
	s.book.duties = append(s.book.duties, repairOf("db-5", "orders", noon.Add(-time.Minute)))
	s.round(t, time.Second)
	if len(s.book.findings) != 1 {
		t.Fatalf("%+v", s.book.findings)
	}
	f := s.book.findings[0]
	if !f.Has("db-2") || !f.Has("db-5") || !f.Since.Equal(noon.Add(-time.Minute)) || !strings.Contains(f.Why, "k07, 12 more on db-2") || !strings.Contains(f.Why, "orders on db-5") {
		t.Errorf("%+v", f)
	}
}

// TestWhatIsNotKnownToBeDone stands while the journal does not tell, after a restart of the engine too.
func TestWhatIsNotKnownToBeDone(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	s.book.duties = []galen.Duty{repairOf("db-2", "orders", noon)}
	s.round(t, 0)
	s.book.duties, s.book.unpaid = nil, errors.New("the row is damaged")
	for range 3 {
		s.restart()
		if err := s.tryRound(t, 10*time.Second); !errors.Is(err, s.book.unpaid) {
			t.Fatalf("%v, want that it is told", err)
		}
		if got := codes(s.book.findings); got != "repair-owed*" {
			t.Errorf("found %s", got)
		}
	}
	s.book.unpaid = nil
	s.round(t, time.Second)
	if len(s.book.findings) != 0 {
		t.Errorf("found %s once it is known that nothing is owed", codes(s.book.findings))
	}
}

// TestWhatNobodyOwesAnyMore is not told, and the rest with the words of its kind.
func TestWhatNobodyOwesAnyMore(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	k := s.kinds[fake.KindName]
	k.Remedy = func(_ galen.State, d galen.Duty) (string, bool) { return "repair " + d.Instance, d.Of != "dropped" }
	s.kinds[fake.KindName] = k
	s.book.duties = []galen.Duty{repairOf("db-1", "dropped", noon), repairOf("db-2", "dropped", noon.Add(-time.Hour)), repairOf("db-2", "orders", noon)}
	s.round(t, time.Second)
	if len(s.book.findings) != 1 {
		t.Fatalf("%+v", s.book.findings)
	}
	f := s.book.findings[0]
	if f.Has("db-1") || !f.Since.Equal(noon) || strings.Contains(f.Why, "dropped") || !strings.HasSuffix(f.Why, ": repair db-2") {
		t.Errorf("%+v", f)
	}
}

// TestAKindThatPanicsKeepsNothingFromBeingFound: neither its words for what is owed nor its margin.
func TestAKindThatPanicsKeepsNothingFromBeingFound(t *testing.T) {
	s := newStation(crashed())
	s.book.duties = []galen.Duty{repairOf("db-2", "orders", noon)}
	k := s.kinds[fake.KindName]
	k.Remedy = func(galen.State, galen.Duty) (string, bool) { panic("no words") }
	k.Margin = func(galen.State, []galen.Intent, galen.Policy) string { panic("no margin") }
	s.kinds[fake.KindName] = k
	_ = s.tryRound(t, 0) // the first sight of it
	err := s.tryRound(t, 10*time.Second)
	if err == nil || !strings.Contains(err.Error(), "no margin") || s.desk.wakes == 0 {
		t.Errorf("%v, woken %d times", err, s.desk.wakes)
	}
	if got := codes(s.book.findings); got != "instance-unavailable repair-owed*" || !strings.Contains(s.book.findings[1].Why, "see to it by hand: ") {
		t.Errorf("found %s: %+v", got, s.book.findings)
	}
}
