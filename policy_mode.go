package galen

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Mode is how far Galen goes by itself on a resource.
type Mode string

// The modes, each of which goes further than the one before.
const (
	ModeObserve Mode = "observe" // finds and plans, never acts
	ModeSuggest Mode = "suggest" // the same, and keeps what it would have done beside how the incident ended otherwise
	ModeApprove Mode = "approve" // acts on a person's yes; the default
	ModeAct     Mode = "act"     // acts where the guards allow
)

// Modes are all of them, in order.
func Modes() []Mode { return []Mode{ModeObserve, ModeSuggest, ModeApprove, ModeAct} }

// UnmarshalText refuses an unknown mode.
func (m *Mode) UnmarshalText(b []byte) error {
	got := Mode(b)
	if err := got.valid(); err != nil {
		return err
	}
	*m = got
	return nil
}

// Schema says its form to programs.
func (Mode) Schema() map[string]any { return map[string]any{"enum": Modes()} }

func (m Mode) valid() error {
	if m.rank() < 0 {
		return fmt.Errorf("%q: want observe, suggest, approve or act", string(m))
	}
	return nil
}

// rank is how far a mode goes; -1: it is none.
func (m Mode) rank() int {
	for i, mode := range Modes() {
		if m == mode {
			return i
		}
	}
	return -1
}

// Less tells whether m goes less far than o. What is no mode goes nowhere.
func (m Mode) Less(o Mode) bool { return m.rank() < o.rank() }

// Acts tells whether the engine may ever change something in this mode.
func (m Mode) Acts() bool { return m == ModeApprove || m == ModeAct }

// ModeRule is the mode of the steps of one class of some runbooks.
type ModeRule struct {
	// Runbook is a name with the wildcards of [path.Match]: "cassandra/restart-*", of which none matches the slash. Empty or "*": any.
	Runbook string `json:"runbook,omitempty"`
	// Class of the steps; absent: any that changes something.
	Class Class `json:"class,omitempty"`
	Mode  Mode  `json:"mode"`
}

func (r ModeRule) valid() error {
	if err := r.validRunbook(); err != nil {
		return err
	}
	if (r.Runbook == "" || r.Runbook == anyRunbook) && r.Class == 0 {
		return errors.New("names neither a runbook nor a class: set mode instead")
	}
	if r.Class != 0 && (r.Class < Reversible || r.Class > Destructive) {
		return fmt.Errorf("class: want reversible, disruptive or destructive, got %s", r.Class)
	}
	if err := r.Mode.valid(); err != nil {
		return fmt.Errorf("mode %w", err)
	}
	return nil
}

func (r ModeRule) validRunbook() error {
	if _, err := path.Match(r.Runbook, ""); err != nil {
		return fmt.Errorf("runbook: %q is no pattern: want a name with *, ? or [a-z], such as cassandra/restart-*", r.Runbook)
	}
	if r.Runbook != "" && r.Runbook != anyRunbook && strings.Count(r.Runbook, "/") != 1 {
		return fmt.Errorf("runbook: %q names none: want kind/name, such as cassandra/restart-*, or * for all", r.Runbook)
	}
	return nil
}

// anyRunbook is the pattern of all.
const anyRunbook = "*"

// Names tells whether the rule is for a runbook.
func (r ModeRule) Names(runbook string) bool {
	named, err := path.Match(r.Runbook, runbook)
	return r.Runbook == "" || r.Runbook == anyRunbook || named && err == nil
}

// ModeOf is the mode of a runbook's steps of a class: that of the first rule that names them, else that of the resource.
func (p Policy) ModeOf(runbook string, class Class) Mode {
	for _, r := range p.Modes {
		if r.Names(runbook) && (r.Class == 0 || r.Class == class) {
			return r.Mode
		}
	}
	return p.Mode
}

// ModeOfPlan is the mode of those steps of a runbook that goes least far, by their classes. Where one of them takes something out of service,
// what is to follow, and to bring it back, counts as well: a node that was stopped, and may not be started, helps nobody.
func (p Policy) ModeOfPlan(runbook string, steps, follow []Class) Mode {
	if slices.ContainsFunc(steps, Class.TakesAway) {
		steps = slices.Concat(steps, follow)
	}
	out := ModeAct
	for _, class := range steps {
		if mode := p.ModeOf(runbook, class); mode.Less(out) {
			out = mode
		}
	}
	return out
}
