package gate

import (
	"testing"

	"github.com/galenhq/galen"
)

// TestWhatDestroysNeedsAllWhoCanTell: an undo goes ahead although a rack is not heard; to delete even one's own failed
// work does not, for whether it failed is what the missing ones could tell.
func TestWhatDestroysNeedsAllWhoCanTell(t *testing.T) {
	for class, want := range map[galen.Class]galen.Answer{
		galen.Reversible: galen.Allow, galen.Disruptive: galen.Allow, galen.Destructive: galen.LookAgain,
	} {
		s := newScene("dismiss")
		s.ward.Missing = []string{"room-2"}
		a := s.ask(t)
		a.Own, a.Class = true, class
		if v := fresh(a); v.Answer != want {
			t.Errorf("%s: %s (%s), want %s", class, v.Answer, v.Why, want)
		}
	}
}
