package gate

import (
	"errors"
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// TestAHoldBetweenCommitAndCall stops the call (I-17): what is stored when the gate looks for the last time counts, however short before.
func TestAHoldBetweenCommitAndCall(t *testing.T) {
	for name, c := range map[string]struct {
		hold galen.Hold
		err  error
		want Answer
		says string
	}{
		"on everything":      {hold: galen.Hold{By: "ada", Why: "a storm"}, want: NotSent, says: "ada holds bed-1 since"},
		"on the ward":        {hold: galen.Hold{By: "ada", Why: "a storm", Resource: wards}, want: NotSent, says: "a storm"},
		"on the target":      {hold: galen.Hold{By: "ada", Resource: wards, Target: "bed-1"}, want: NotSent, says: "bed-1"},
		"on what it claims":  {hold: galen.Hold{By: "ada", Resource: wards, Target: "instance/bed-1"}, want: NotSent, says: "instance/bed-1"},
		"on another bed":     {hold: galen.Hold{By: "ada", Resource: wards, Target: "bed-4"}, want: Sent},
		"on another ward":    {hold: galen.Hold{By: "ada", Resource: galen.Resource{Kind: "ward", Name: "west"}}, want: Sent},
		"nobody can tell it": {err: errors.New("the disk is full"), want: NotSent, says: "the disk is full"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			r.desk.held = func() ([]galen.Hold, error) {
				if len(r.desk.commits) == 0 {
					t.Error("the last look was before the commit")
				}
				return []galen.Hold{c.hold}, c.err
			}
			got, err := r.act(t, step("wake", "bed-1"))
			calls := 0
			if c.want == Sent {
				calls = 1
			}
			if err != nil || got.Answer != c.want || len(r.street.calls) != calls || !strings.Contains(got.Why, c.says) {
				t.Fatalf("%+v, %v, %d calls", got, err, len(r.street.calls))
			}
			if len(r.desk.outcomes) != 1 {
				t.Errorf("outcomes %v, want that of the intent", r.desk.outcomes)
			}
		})
	}
}
