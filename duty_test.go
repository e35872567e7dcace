package galen_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

// TestDuties: what is owed but an undo is read from the keys of the facts, sorted; all else is no duty.
func TestDuties(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	facts := map[string]galen.Fact{}
	for _, key := range []string{"repair-owed/n4/orders", "repair-owed/n10/a/b", "repair-owed/n4/auth", "check-owed/n9", "undo-owed/i1", "-owed/n1/x", "repaired/n4/orders", "replaced/dc1", "x/repair-owed/n1"} {
		facts[key] = galen.Fact{Key: key, Intent: "i1", At: at}
	}
	facts["repair-owed/n5/orders"] = galen.Fact{Intent: "i1", At: at, Gone: true}
	duty := func(what, instance, of string) galen.Duty {
		return galen.Duty{What: what, Instance: instance, Of: of, Intent: "i1", At: at}
	}
	want := []galen.Duty{duty("check", "n9", ""), duty("repair", "n10", "a/b"), duty("repair", "n4", "auth"), duty("repair", "n4", "orders")}
	if diff := cmp.Diff(want, galen.Duties(facts)); diff != "" {
		t.Error(diff)
	}
	if code := want[0].Code(); code != "check-owed" || !code.Owed() || !galen.CodeUndoOwed.Owed() || galen.CodeStorm.Owed() {
		t.Errorf("the code is %s", code)
	}
}

// TestANoteOfWhatIsOwedSaysHowMuch: that less is owed than before is news, though it is the same member that owes it.
func TestANoteOfWhatIsOwedSaysHowMuch(t *testing.T) {
	more := galen.Finding{Code: "repair-owed", Note: true, Why: "of a and b"}
	less := more
	less.Why = "of b"
	if more.Same(less) || !more.Same(more) {
		t.Error("what was paid is not told")
	}
	more.Code, less.Code = "unreachable", "unreachable"
	if !more.Same(less) {
		t.Error("newer words are news")
	}
}
