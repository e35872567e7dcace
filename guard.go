package galen

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Answer is what a guard says of a step.
type Answer string

// The answers, from mild to final.
const (
	Allow     Answer = "allow"
	NeedYes   Answer = "ask"        // a person's approval is needed
	LookAgain Answer = "look-again" // an observation is missing or stale, a claim is taken: retried until the deadline
	Deny      Answer = "deny"       // final: escalates
)

// Answers are all of them, from mild to final.
func Answers() []Answer { return []Answer{Allow, NeedYes, LookAgain, Deny} }

// Worse tells whether a is stricter than b.
func (a Answer) Worse(b Answer) bool { return a.rank() > b.rank() }

func (a Answer) rank() int {
	switch a {
	case Allow:
		return 0
	case NeedYes:
		return 1
	case LookAgain:
		return 2
	default: // an answer nobody knows is a denial
		return 3
	}
}

// Verdict is the answer of one guard on one step, with its reason.
type Verdict struct {
	Guard  string `json:"guard"` // "I-02 quorum"
	Answer Answer `json:"answer"`
	Why    string `json:"why"`
	// Margin is what is left before the guard would deny, where it counts something: "2 of 3 replicas stay, 2 needed".
	Margin string `json:"margin,omitempty"`
}

// World is what the engine knows of a resource at one moment.
type World[S State] struct {
	Now    time.Time
	State  S
	Vitals []Sample
	Facts  map[string]Fact
	// Open are the intents on the resource whose effect is not settled, of any run.
	Open []Intent
}

// Ask is the question put to a guard. Class comes from the registry, never from the step.
type Ask[S State] struct {
	World[S]
	Step  Step
	Class Class
	// Own: the step takes back what this run itself made, by [Verb.Own] and the run's intents, or pays an owed undo. The
	// guards of the ring allow it.
	Own bool
	// Deletes: the verb deletes data for good, by the registry.
	Deletes bool
	// Version of the run's runbook that this engine has; 0: none.
	Version int
	// ClockStep is by how much the engine's clock was set lately.
	ClockStep time.Duration
	// Claims are what the verb needs for the step.
	Claims []Claim
	// Scope are the targets of the finding or request.
	Scope  []Target
	Policy Policy
	Ledger Ledger
}

// Approved tells whether a person's yes, or that of as many as it needs, covers this very step while its target is still as it was shown: nil,
// or why not.
func (a Ask[S]) Approved() error {
	if err := a.Covered(); err != nil {
		return err
	}
	return a.fourEyes(NamesOf(a.State.Members(), a.Step.Target.ID))
}

// Covered is Approved, however many people are needed: a yes that does not cover the step counts no more.
func (a Ask[S]) Covered() error {
	yes := a.Ledger.Approval
	if yes == nil {
		return errors.New("nobody has approved it yet")
	}
	names := NamesOf(a.State.Members(), a.Step.Target.ID)
	if err := yes.Covers(a.Ledger.Run, a.Step, names, a.Ledger.Past, a.Ledger.Now); err != nil {
		return err
	}
	for _, name := range names {
		shown, known := yes.Basis[name]
		switch {
		case known && shown != a.State.Basis(Target{ID: name}):
			return fmt.Errorf("%s has changed since approval %s was given%s", name, yes.ID, a.moved(name))
		case known:
			return a.reached()
		}
	}
	return fmt.Errorf("approval %s was given without a view of %s", yes.ID, a.Step.Target.ID)
}

// Waits tells whether a yes to this very step, as its target may have been shown, waits for that of others.
func (a Ask[S]) Waits() bool {
	yes, names := a.Ledger.Approval, NamesOf(a.State.Members(), a.Step.Target.ID)
	return yes != nil && yes.Covers(a.Ledger.Run, a.Step, names, a.Ledger.Past, a.Ledger.Now) == nil && a.fourEyes(names) != nil
}

// reached: what the step reaches besides its target was shown to the person, too, and is still so. A yes to a failover to one is none to a
// failover to another that no step was about.
func (a Ask[S]) reached() error {
	members, yes := a.State.Members(), a.Ledger.Approval
	for _, c := range a.Claims {
		if c.Target() == "" {
			continue
		}
		names := NamesOf(members, c.Target())
		i := slices.IndexFunc(names, func(name string) bool { _, shown := yes.Basis[name]; return shown })
		switch {
		case i < 0:
			return fmt.Errorf("approval %s was given to %s when it did not reach %s", yes.ID, a.Step, c.Target())
		case yes.Basis[names[i]] != a.State.Basis(Target{ID: names[i]}):
			return fmt.Errorf("%s, which %s reaches, has changed since approval %s was given%s", names[i], a.Step, yes.ID, a.moved(names[i]))
		}
	}
	return nil
}

// moved tells what of a target is otherwise than the approval shows it.
func (a Ask[S]) moved(name string) string {
	yes := a.Ledger.Approval
	text := TellMoved(Moved(Grounds{name: yes.Grounds[name]}, GroundsOf(a.State, []string{name})))
	if text == "" || yes.Grounds[name] == nil {
		return ""
	}
	return " (" + text + ")"
}

// fourEyes: what is destructive goes by the yes of several people, wherever it goes by a yes. What takes back the run's own work does not.
func (a Ask[S]) fourEyes(names []string) error {
	if a.Class < Destructive || a.Own {
		return nil
	}
	l := a.Ledger
	said, not := l.Approval.PeopleFor(l, a.Step, names, a.Policy.DestructiveApprovals)
	if few := Few(l.Run, said, not, a.Policy.DestructiveApprovals); few != "" {
		return errors.New(few)
	}
	return nil
}

// Guard is a rule about a step. Pure. A guard that panics or runs over its limit denies.
type Guard[S State] struct {
	Name  string
	Check func(Ask[S]) Verdict // Guard may be left empty, the engine fills it
}
