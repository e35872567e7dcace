package main

import (
	"bytes"
	_ "embed" // the list
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

//go:embed equivalent.json
var equivalentList []byte

// same is a mutant that does what the program does, as far as anything can tell.
type same struct {
	File string `json:"file"`
	Func string `json:"func"`
	Text string `json:"text"`
	From string `json:"from"`
	To   string `json:"to"`
	Nth  int    `json:"nth,omitempty"` // absent: 1
	Why  string `json:"why"`
}

func (e same) of(m *mutant) bool {
	return e.File == m.File && e.Func == m.Func && e.Text == m.Text && e.From == m.From && e.To == m.To && max(e.Nth, 1) == m.Nth
}

// mark writes the reasons into the mutants. An entry for one of these files must find its mutant.
func mark(list []byte, sources []*source) error {
	var entries []same
	d := json.NewDecoder(bytes.NewReader(list))
	d.DisallowUnknownFields()
	if err := d.Decode(&entries); err != nil {
		return fmt.Errorf("read the equivalent mutants: %w", err)
	}
	for _, e := range entries {
		i := slices.IndexFunc(sources, func(s *source) bool { return s.name == e.File })
		if i < 0 {
			continue
		}
		if e.Why == "" {
			return fmt.Errorf("equivalent.json gives no reason for %+v", e)
		}
		j := slices.IndexFunc(sources[i].mutants, e.of)
		if j < 0 {
			return fmt.Errorf("equivalent.json names a mutant that is not there (any more): %+v", e)
		}
		sources[i].mutants[j].Why = e.Why
	}
	return nil
}

// unmask turns survivors of the list into equivalents, and errs for each that the tests tell apart.
func unmask(mutants []*mutant) error {
	var wrong []error
	for _, m := range mutants {
		switch {
		case m.Why == "":
		case m.Status == survived || m.Status == uncovered:
			m.Status = equivalent
		default:
			wrong = append(wrong, fmt.Errorf("equivalent.json excuses a mutant that is %s %s: %s", m.Status, m.Killer, m.name()))
		}
	}
	return errors.Join(wrong...)
}
