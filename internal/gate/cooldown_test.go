package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestTheCooldownThatLastsLongestIsTold: whoever is asked reads until when, and that is so.
func TestTheCooldownThatLastsLongestIsTold(t *testing.T) {
	r := newRig()
	now := r.desk.ledger.Now
	r.desk.ledger.Recoveries = []galen.Recovery{
		{Run: "run-b", Target: "bed-1", At: now.Add(-3 * time.Minute)}, {Run: "run-c", Target: "bed-1", At: now.Add(-time.Minute)}, {Run: "run-d", Target: "bed-1", At: now.Add(-2 * time.Minute)},
	}
	got, err := r.act(t, step("wake", "bed-1"))
	if err != nil || got.Answer != Ask || !strings.Contains(got.Why, "treated by run run-c") {
		t.Errorf("%+v, %v", got, err)
	}
}
