package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestFourEyes: what is destructive goes by the yes of two people wherever it goes by a yes, and by none where the mode lets it go.
func TestFourEyes(t *testing.T) {
	second := func(s *scene) { s.ledger.Approval = s.approved() }
	one := func(s *scene) { s.ledger.Approval = s.approved(); s.ledger.Approval.With = nil }
	asked := func(by string) func(*scene) {
		return func(s *scene) { s.ledger.Run.Asked = galen.AskedBy(by) }
	}
	mode := func(m galen.Mode) func(*scene) { return func(s *scene) { s.policy.Mode = m } }
	cooling := func(s *scene) {
		s.ledger.Recoveries = []galen.Recovery{{Run: "run-b", Target: "bed-1", At: noon.Add(-time.Minute)}}
	}
	for _, c := range []struct {
		name   string
		verb   string
		spoil  []func(*scene)
		want   galen.Answer
		reason string
	}{
		{"nobody", "discharge", []func(*scene){mode(galen.ModeApprove)}, galen.NeedYes, "nobody has approved it yet"},
		{"one person", "discharge", []func(*scene){mode(galen.ModeApprove), one}, galen.NeedYes, "2 people, 1 so far (ada)"},
		{"two people", "discharge", []func(*scene){mode(galen.ModeApprove), second}, galen.Allow, ""},
		{"two people, of whom one asked", "discharge", []func(*scene){mode(galen.ModeApprove), second, asked("ada")}, galen.NeedYes, "not ada, who asked for the run"},
		{"two people, a third asked", "discharge", []func(*scene){mode(galen.ModeApprove), second, asked("eve")}, galen.Allow, ""},
		{"one, where one is enough", "discharge", []func(*scene){mode(galen.ModeApprove), one, func(s *scene) { s.policy.DestructiveApprovals = 1 }}, galen.Allow, ""},
		{"one, for what is not destructive", "wake", []func(*scene){mode(galen.ModeApprove), one}, galen.Allow, ""},
		{"mode act asks nobody", "discharge", nil, galen.Allow, ""},
		{"mode act, and one yes that nobody needed", "discharge", []func(*scene){one}, galen.Allow, ""},
		{"mode act, a cool-down and one yes", "discharge", []func(*scene){one, cooling}, galen.NeedYes, "treated by run run-b"},
		{"mode act, a cool-down and two", "discharge", []func(*scene){second, cooling}, galen.Allow, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(c.verb)
			for _, spoil := range c.spoil {
				spoil(&s)
			}
			got := Worst(judged(s.ask(t), CommonGuards()))
			if got.Answer != c.want || !strings.Contains(got.Why, c.reason) {
				t.Errorf("%+v, want %s: %s", got, c.want, c.reason)
			}
		})
	}
}

// TestWaitsForOthers: a yes to this very step that is short of a person may be joined still; nobody joins one to another step, or waits for a
// second person where one is enough.
func TestWaitsForOthers(t *testing.T) {
	one := func(s *scene) { s.ledger.Approval = s.approved(); s.ledger.Approval.With = nil }
	for name, c := range map[string]struct {
		verb  string
		spoil func(*scene)
		want  bool
	}{
		"nobody":                       {"discharge", func(*scene) {}, false},
		"one of two":                   {"discharge", one, true},
		"two":                          {"discharge", func(s *scene) { s.ledger.Approval = s.approved() }, false},
		"one is enough":                {"wake", one, false},
		"one of two, to what it is no": {"discharge", func(s *scene) { one(s); s.ledger.Approval.Steps[0].Verb = "wake" }, false},
		"one of two, and it moved":     {"discharge", func(s *scene) { one(s); s.ledger.Approval.Basis["bed-1"] = "another" }, true},
		"one of two, and it expired":   {"discharge", func(s *scene) { one(s); s.ledger.Approval.Expires = s.ledger.Now }, false},
	} {
		s := newScene(c.verb)
		c.spoil(&s)
		if got := s.ask(t).Waits(); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
