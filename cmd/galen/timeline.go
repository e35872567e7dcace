package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// line is one line of a run's story.
type line struct {
	at    time.Time
	label string
	text  string
	more  []detail
	// again counts the repetitions that were folded into it, the last one at until.
	again int
	until time.Time
	// reason stands alone: a line that says no more than its neighbour is left out.
	reason string
}

// detail is a name and what there is to say of it, below a line.
type detail struct{ name, text string }

// story is what tell has made of the events so far.
type story struct {
	run     galen.Run
	intents map[string]galen.Intent
	opened  int64 // seq of the run's first event
	last    int64 // and of its newest
	lines   []line
	plan    int // number of the plan that was told last
}

// tell makes a story of a run from its events and those around it.
func tell(d api.RunDetail, around []galen.Event) []line {
	s := &story{run: d.Run, intents: map[string]galen.Intent{}}
	for _, in := range d.Intents {
		s.intents[in.ID] = in
	}
	events := slices.Clone(d.Events)
	sortEvents(events)
	if len(events) == 0 {
		return nil
	}
	s.opened, s.last = events[0].Seq, events[len(events)-1].Seq
	for _, e := range around {
		if e.Run == "" && s.belongs(e) {
			events = append(events, e)
		}
	}
	sortEvents(events)
	for _, e := range s.current(events) {
		s.add(e)
	}
	return fold(s.lines)
}

// belongs tells whether an event that names no run is part of the story.
func (s *story) belongs(e galen.Event) bool {
	during := e.Seq > s.opened && (e.Seq < s.last || s.run.Status.Open())
	switch e.Kind {
	case galen.EventFound, galen.EventGone:
		f := read[struct{ Finding galen.Finding }](e).Finding
		return s.mine(f, e.Seq > s.opened) && (s.run.Ended.IsZero() || !e.At.After(s.run.Ended))
	case galen.EventHold, galen.EventRelease, galen.EventPolicy, galen.EventEngine:
		return during && (e.Resource == s.run.Resource || e.Resource == galen.Resource{})
	default:
		return false
	}
}

// mine tells whether a finding is what the run is about: its cause, or, later, anything on its targets. Notes that were there
// before are not.
func (s *story) mine(f galen.Finding, during bool) bool {
	if f.Resource != s.run.Resource {
		return false
	}
	if f.Key() == s.run.Key || s.run.Finding != nil && f.Key() == s.run.Finding.Key() {
		return true
	}
	return (during || !f.Note) && slices.ContainsFunc(s.run.Scope, func(t galen.Target) bool { return f.Has(t.ID) })
}

// current leaves out what was found before the run and was gone again: that is the story of another one.
func (s *story) current(events []galen.Event) []galen.Event {
	var before []galen.Event
	for i, e := range events {
		if e.Seq >= s.opened {
			return append(before, events[i:]...)
		}
		key := read[struct{ Finding galen.Finding }](e).Finding.Key()
		before = slices.DeleteFunc(before, func(b galen.Event) bool {
			return read[struct{ Finding galen.Finding }](b).Finding.Key() == key
		})
		if e.Kind == galen.EventFound {
			before = append(before, e)
		}
	}
	return before
}

// read reads the body of an event. It is tolerant: the engine may be of another version, and what is missing is left out of
// the story.
func read[T any](e galen.Event) T {
	var body T
	if err := json.Unmarshal(e.Body, &body); err != nil {
		var none T
		return none
	}
	return body
}

func (s *story) say(e galen.Event, label, text string, more ...detail) *line {
	s.lines = append(s.lines, line{at: e.At, label: label, text: oneLine(text), more: more})
	return &s.lines[len(s.lines)-1]
}

// add tells one event.
func (s *story) add(e galen.Event) {
	switch e.Kind {
	case galen.EventFound, galen.EventGone:
		s.finding(e)
	case galen.EventDecided:
		s.decided(e)
	case galen.EventRefused:
		s.refused(e)
	case galen.EventIntended:
		s.intended(e)
	case galen.EventCalled:
		s.called(e)
	case galen.EventSettled:
		s.settled(e)
	case galen.EventHeld, galen.EventAsked, galen.EventEnded, galen.EventStatus:
		s.stands(e)
	default:
		s.byPeople(e)
	}
}

// fold makes one line of those that follow each other and differ in numbers only.
func fold(lines []line) []line {
	var out []line
	for _, l := range lines {
		if n := len(out); n > 0 && foldable(out[n-1], l) {
			out[n-1].again++
			out[n-1].until = l.at
			continue
		}
		out = append(out, l)
	}
	return out
}

func foldable(a, b line) bool {
	return a.label == b.label && (a.label == labelDecided || a.label == labelRefused || a.label == labelWaits) &&
		wording(a) == wording(b)
}

// wording is a line without its numbers.
func wording(l line) string {
	words := l.text
	for _, d := range l.more {
		words += "\n" + d.name + " " + d.text
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '.' {
			return -1
		}
		return r
	}, words)
}

// since says how long after its call something of an intent was seen.
func (s *story) since(intent string, at time.Time) string {
	in, known := s.intents[intent]
	if !known {
		return ""
	}
	return fmt.Sprintf(" (%s after its intent)", span(at.Sub(in.At)))
}
