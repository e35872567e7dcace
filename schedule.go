package galen

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule asks for the same run again and again, as its author would.
type Schedule struct {
	Name     string          `json:"name"`
	Runbook  string          `json:"runbook"`
	Resource Resource        `json:"resource"`
	Params   json.RawMessage `json:"params,omitempty"`
	// Spec is when: five fields of cron, or @daily and its like, in Zone (IANA; empty: UTC).
	Spec string `json:"spec"`
	Zone string `json:"zone,omitempty"`
	// Within are the windows in which a firing may be; none: always.
	Within []Window `json:"within,omitempty"`
	// Missed says what becomes of a firing that nobody was there for: skip, or once, however many there were.
	Missed string `json:"missed"`
	// Late is how long after its time a firing is not missed yet.
	Late Duration `json:"late"`
	// By is the author, for whom each run is asked.
	By string    `json:"by"`
	At time.Time `json:"at"`
	// Paused: it does not fire until somebody resumes it. Deleted: nobody can.
	Paused  bool `json:"paused,omitempty"`
	Deleted bool `json:"deleted,omitempty"`
	// Next is when it fires next; zero while it is paused.
	Next time.Time `json:"next,omitzero"`
	Last *Firing   `json:"last,omitempty"`
}

// Firing is what became of one time of a schedule.
type Firing struct {
	Due time.Time `json:"due"`
	At  time.Time `json:"at"`
	// Is opened, refused or missed.
	Is  string `json:"is"`
	Run string `json:"run,omitempty"`
	Why string `json:"why,omitempty"`
}

// What can become of a firing.
const (
	FiringOpened  = "opened"
	FiringRefused = "refused"
	FiringMissed  = "missed"
)

// What a schedule does about firings that it missed.
const (
	MissedSkip = "skip"
	MissedOnce = "once"
)

// maxLate: what is a day late is another day's.
const maxLate = 24 * time.Hour

// scheduleWindows is the most windows of one schedule.
const scheduleWindows = 16

// Check refuses a schedule that cannot be meant; its spec is not parsed.
func (s Schedule) Check() error {
	switch {
	case !tokenForm.MatchString(s.Name):
		return fmt.Errorf("name %q: want 1 to 63 characters of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit", s.Name)
	case s.Runbook == "" || s.Resource == (Resource{}) || s.By == "":
		return fmt.Errorf("runbook %q, resource %q and author %q are all required", s.Runbook, s.Resource, s.By)
	case !slices.Contains([]string{MissedSkip, MissedOnce}, s.Missed):
		return fmt.Errorf("missed: %q: want skip or once", s.Missed)
	case s.Late.D() < time.Second || s.Late.D() > maxLate:
		return fmt.Errorf("late: %s: want 1s to %s", s.Late, maxLate)
	case len(s.Within) > scheduleWindows:
		return fmt.Errorf("within: %d windows, at most %d are allowed", len(s.Within), scheduleWindows)
	}
	return s.checkWindows()
}

func (s Schedule) checkWindows() error {
	var errs []error
	for i, w := range s.Within {
		for _, err := range w.faults() {
			errs = append(errs, fmt.Errorf("within[%d]: %w", i, err))
		}
		if w.Zone == "Local" {
			errs = append(errs, fmt.Errorf("within[%d]: zone: Local is another one on each machine: want an IANA name such as Europe/Berlin", i))
		}
	}
	return errors.Join(errs...)
}

// Due tells whether its next time has come.
func (s Schedule) Due(now time.Time) bool {
	return !s.Paused && !s.Deleted && !s.Next.IsZero() && !now.Before(s.Next)
}

// Open tells whether a firing may be at that time by the windows.
func (s Schedule) Open(t time.Time) bool {
	return len(s.Within) == 0 || slices.ContainsFunc(s.Within, func(w Window) bool {
		_, _, in, err := w.Covers(t)
		return in && err == nil
	})
}

// Opens is when the next of its windows begins, after that time; zero: none does.
func (s Schedule) Opens(after time.Time) time.Time {
	var first time.Time
	for _, w := range s.Within {
		if at, err := w.Begins(after); err == nil && !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

const scheduleKey = "schedule/"

// Key is the idempotency key of the run of one firing.
func (s Schedule) Key(due time.Time) string {
	return scheduleKey + s.Name + "/" + due.UTC().Format(time.RFC3339)
}

// Schedule is the name of the schedule that asked for the run, "" for none.
func (r Run) Schedule() string {
	rest, is := strings.CutPrefix(r.Key, scheduleKey)
	name, _, whole := strings.Cut(rest, "/")
	if !is || !whole {
		return ""
	}
	return name
}
