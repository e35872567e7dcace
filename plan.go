package galen

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Step is one verb on one target. It is made only by the constructors of a kind; as it can also be written by hand,
// the gate checks it again.
type Step struct {
	Verb   string          `json:"verb"`
	Why    string          `json:"why"`
	Target Target          `json:"target"`
	Args   json.RawMessage `json:"args,omitempty"`
	// Within is the deadline of the whole effect, from the intent on; at its end the run is held.
	Within Duration `json:"within"`
	Undo   *Step    `json:"undo,omitempty"`
}

// Hash names what the step does: verb, target, arguments, deadline and undo; not why.
func (s Step) Hash() string {
	s.Why = ""
	if s.Undo != nil {
		u := *s.Undo
		u.Why = ""
		s.Undo = &u
	}
	return HashJSON(s)
}

// String is for people: verb and target.
func (s Step) String() string { return s.Verb + " " + s.Target.String() }

// The ways a plan can end a run.
const (
	EndDone     = "done"     // the problem is gone, positively seen
	EndEscalate = "escalate" // a person is needed
)

// Plan is what to do next. A value: printed, hashed, compared, approved.
type Plan struct {
	// Steps are done now and at once, in this order.
	Steps []Step `json:"steps,omitempty"`
	// Outline is what should follow: shown and approved, not executed.
	Outline []Step `json:"outline,omitempty"`
	// Keep lists the claims kept between steps while the newest plan lists them.
	Keep []Claim `json:"keep,omitempty"`
	// Wait: look again at the latest then.
	Wait Duration `json:"wait,omitzero"`
	// End is "", done or escalate.
	End string `json:"end,omitempty"`
	Why string `json:"why"`
}

// Hash names the whole plan, reasons left out.
func (p Plan) Hash() string {
	p.Why = ""
	p.Steps, p.Outline = bare(p.Steps), bare(p.Outline)
	return HashJSON(p)
}

func bare(steps []Step) []Step {
	out := make([]Step, len(steps))
	for i, s := range steps {
		s.Why = ""
		if s.Undo != nil {
			u := *s.Undo
			u.Why = ""
			s.Undo = &u
		}
		out[i] = s
	}
	return out
}

// Valid tells whether the plan has a form that the engine can execute: exactly one of steps, wait, end; a reason;
// every step with verb, target and deadline.
func (p Plan) Valid() error {
	forms := 0
	for _, has := range []bool{len(p.Steps) > 0, p.Wait > 0 && len(p.Steps) == 0, p.End != ""} {
		if has {
			forms++
		}
	}
	switch {
	case forms != 1:
		return fmt.Errorf("plan: want exactly one of steps, wait or end, got %d steps, wait %s, end %q", len(p.Steps), p.Wait, p.End)
	case p.End != "" && p.End != EndDone && p.End != EndEscalate:
		return fmt.Errorf("plan: end %q: want done or escalate", p.End)
	case strings.TrimSpace(p.Why) == "":
		return fmt.Errorf("plan: no reason given")
	}
	for _, s := range slices.Concat(p.Steps, p.Outline) {
		if err := s.whole(); err != nil {
			return err
		}
	}
	return nil
}

// whole tells whether nothing is missing that every step has.
func (s Step) whole() error {
	if s.Verb == "" || s.Target.ID == "" || s.Within <= 0 {
		return fmt.Errorf("plan: step %q on %q within %s: verb, target and deadline are required", s.Verb, s.Target.ID, s.Within)
	}
	return nil
}

// Claim excludes others: "ring", "rack/dc1/r1", "node/<id>"; alone, or shared with other shared holders.
type Claim struct {
	Name   string `json:"name"`
	Shared bool   `json:"shared,omitempty"`
}

// Rank orders claims of a resource: ring 3 > rack 2 > node 1; others 0. Claims taken later must rank lower than
// those kept.
func (c Claim) Rank() int {
	switch head, _, _ := strings.Cut(c.Name, "/"); head {
	case "ring":
		return 3
	case "rack":
		return 2
	case "node":
		return 1
	default:
		return 0
	}
}

// Target is the ID of the one target that the claim names, "node/<id>"; "" for a wider one.
func (c Claim) Target() string {
	id, found := strings.CutPrefix(c.Name, "node/")
	if !found {
		return ""
	}
	return id
}

// Excludes tells whether two claims cannot be held by two runs at once.
func (c Claim) Excludes(d Claim) bool { return c.Name == d.Name && !(c.Shared && d.Shared) }
