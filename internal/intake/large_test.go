package intake

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestACallThatIsTooLargeIsKept: each is counted, and one a day is kept of each sender.
func TestACallThatIsTooLargeIsKept(t *testing.T) {
	s := newStore()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	in := NewInbox(InboxOptions{Store: s, Now: func() time.Time { return now }})
	for _, sender := range []string{"a", "a", "b", "b", "b"} {
		if err := in.TooLarge(t.Context(), sender, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(24 * time.Hour)
	if err := in.TooLarge(t.Context(), "a", 1<<20); err != nil {
		t.Fatal(err)
	}
	if len(s.order) != 3 || len(s.taken()) != 0 {
		t.Fatalf("kept: %+v", s.alerts)
	}
	for _, a := range s.alerts {
		if a.State != Refused || !strings.Contains(a.Why, "larger than 1048576 bytes") || !strings.Contains(a.Why, "group by more labels") {
			t.Errorf("%+v", a)
		}
	}
	disk := errors.New("disk full")
	s.fail = func(int) error { return disk }
	if err := in.TooLarge(t.Context(), "a", 1<<20); !errors.Is(err, disk) {
		t.Error(err)
	}
	if got := countsOf(t, in); got.Refused != 7 || got.Stored != 0 || got.Duplicates != 0 {
		t.Errorf("%+v", got)
	}
}
