package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// byPeople tells what people and the engine itself did, and whatever this version does not know.
func (s *story) byPeople(e galen.Event) {
	switch e.Kind {
	case galen.EventOpened:
		s.say(e, "opened", fmt.Sprintf("run of %s, asked by %s", s.run.Runbook, s.run.Asked))
	case galen.EventApproved:
		s.approved(e)
	case galen.EventRejected:
		s.say(e, "rejected", fmt.Sprintf("by %s: %s", e.By, read[struct{ Why string }](e).Why))
	case galen.EventVoided:
		s.voided(e)
	case galen.EventStop:
		s.stop(e)
	case galen.EventHold, galen.EventRelease:
		s.hold(e)
	case galen.EventEngine:
		s.say(e, "engine", e.By+" "+read[struct{ Is string }](e).Is)
	case galen.EventPolicy:
		s.say(e, "policy", "changed by "+e.By)
	default:
		s.say(e, string(e.Kind), strings.TrimSpace(e.By+" "+read[struct{ Why string }](e).Why))
	}
}

func (s *story) approved(e galen.Event) {
	a := read[struct{ Approval galen.Approval }](e).Approval
	steps := make([]string, 0, len(a.Steps))
	for _, step := range a.Steps {
		name := step.Verb + " " + short(step.Target)
		if step.Count > 1 {
			name = fmt.Sprintf("%s (%d times)", name, step.Count)
		}
		steps = append(steps, name)
	}
	var more []detail
	if len(steps) > 0 {
		more = []detail{{"yes to", strings.Join(steps, ", ")}}
	}
	s.say(e, "approved", fmt.Sprintf("by %s, until %s", e.By, clock(a.Expires)), more...)
}

func (s *story) voided(e galen.Event) {
	body := read[struct {
		Why    string
		InARow int `json:"in_a_row"`
		Moved  []galen.Change
	}](e)
	text := "the approval is void: " + body.Why
	if body.InARow > 0 {
		text = fmt.Sprintf("the world made the approval void, %d in a row: %s", body.InARow, body.Why)
	}
	var more []detail
	for _, c := range body.Moved {
		more = append(more, detail{"moved", c.String()})
	}
	s.say(e, "voided", text, more...)
}

func (s *story) stop(e galen.Event) {
	body := read[struct{ Stop, Why string }](e)
	text := fmt.Sprintf("%s asks the run to %s", e.By, firstOf(body.Stop, "stop"))
	if body.Why != "" {
		text += ": " + oneLine(body.Why)
	}
	s.say(e, "stop", text)
}

func (s *story) hold(e galen.Event) {
	body := read[struct {
		Hold     galen.Hold
		Extended string
	}](e)
	h := body.Hold
	if e.Kind == galen.EventRelease {
		s.say(e, "released", fmt.Sprintf("%s by %s", h.ID, e.By))
		return
	}
	if body.Extended != "" {
		s.say(e, "extended", fmt.Sprintf("%s by %s, until %s: %s", h.ID, e.By, h.Until.UTC().Format(time.RFC3339), oneLine(body.Extended)))
		return
	}
	s.say(e, "hold", fmt.Sprintf("%s forbids any change to %s: %s", e.By, scope(api.Held{Hold: h}), h.Why))
}
