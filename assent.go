package galen

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Assent is the yes of one person, as far as it counts beside another's.
type Assent struct {
	By      string         `json:"by"`
	At      time.Time      `json:"at"`
	Expires time.Time      `json:"expires"`
	Steps   []ApprovedStep `json:"steps"`
	Lineage Lineage        `json:"lineage,omitzero"`
}

// Lineage is where the token of a person comes from: who makes one knows its secret.
type Lineage struct {
	// Makers made the token, the token of who made it, and so on, each by name and by the name that they cannot change, if they have one.
	Makers []string `json:"makers,omitempty"`
	// Since is when the token was made; zero: it is no token of the journal's.
	Since time.Time `json:"since,omitzero"`
	// Asked: it made the token that asked for the run, or one of its makers.
	Asked bool `json:"asked,omitempty"`
	// Person is who it is by a name that they cannot change, "" for a named token.
	Person string `json:"person,omitempty"`
	// Program: it is a named token, and people log in. It is nobody of its own.
	Program bool `json:"program,omitempty"`
}

// same tells whether two yeses are one person's, under whatever names.
func (a Assent) same(by string, l Lineage) bool {
	return a.goesBy(by) || a.goesBy(l.Person)
}

// goesBy tells whether it is the yes of who is called so, by a name that they can change or by the one that they cannot.
func (a Assent) goesBy(name string) bool {
	return name != "" && (a.By == name || a.Lineage.Person == name)
}

// asked tells whether it is the yes of who asked for the run.
func (a Assent) asked(run Run) bool {
	return a.goesBy(run.AskedBy()) || a.goesBy(run.AskedPerson)
}

// askersToken tells whether it is the yes of a token that who asked for the run has made, or made the maker of. Whoever holds the token file
// made the first of all tokens, and gave them away.
func (a Assent) askersToken(run Run) bool {
	return slices.ContainsFunc([]string{run.AskedBy(), run.AskedPerson}, func(name string) bool {
		return name != "" && name != Operator && slices.Contains(a.Lineage.Makers, name)
	})
}

// made tells whether it is the yes of one of the makers of another's token.
func (a Assent) made(other Assent) bool {
	return slices.ContainsFunc(other.Lineage.Makers, a.goesBy)
}

// MadeBy tells whether the approval is by one of the makers of a token.
func (a Approval) MadeBy(makers []string) bool {
	return slices.ContainsFunc(makers, a.own().goesBy)
}

// ByWhoAsked tells whether the newest yes is that of who asked for the run, by whatever name or token.
func (a Approval) ByWhoAsked(run Run) bool {
	one := a.own()
	return one.asked(run) || one.askersToken(run) || one.Lineage.Asked
}

// Assents are the yeses that the approval joins, the newest first.
func (a Approval) Assents() []Assent { return append([]Assent{a.own()}, a.With...) }

func (a Approval) own() Assent {
	return Assent{By: a.By, At: a.At, Expires: a.Expires, Steps: a.Steps, Lineage: a.Lineage}
}

// Joined are the assents that stay beside a newer approval of the same run: of others, not expired, to the same runbook and parameters, for
// the targets that are to the second person what they were to the first.
func (a Approval) Joined(newer Approval, now time.Time) []Assent {
	if a.Run != newer.Run || a.Runbook != newer.Runbook || a.Version != newer.Version || a.Params != newer.Params {
		return nil
	}
	var out []Assent
	for _, one := range a.Assents() {
		if one.same(newer.By, newer.Lineage) || !now.Before(one.Expires) {
			continue
		}
		one.Steps = slices.DeleteFunc(slices.Clone(one.Steps), func(s ApprovedStep) bool {
			was, told := a.Basis[s.Target]
			is, tells := newer.Basis[s.Target]
			return !told || !tells || was != is
		})
		if len(one.Steps) > 0 {
			out = append(out, one)
		}
	}
	return out
}

// NotCounted is a yes that does not count as that of a person of its own.
type NotCounted struct{ By, Why string }

// String says why, of whom.
func (n NotCounted) String() string { return n.By + n.Why }

// People are those whose yes to the run counts as that of a person of their own, and why that of others does not, where so many are wanted.
// Who asked for the run has no say in it, nor has a token that was made since it was opened. Of two tokens of which one made the other only
// the one that was made counts: its maker knows both secrets. Where people log in, and several are wanted, a token is none.
func (a Approval) People(run Run, now time.Time, wanted int) (said []string, not []NotCounted) {
	return a.people(run, now, wanted, func(Assent) bool { return true })
}

// PeopleFor are those of [Approval.People] who said yes to this step of the ledger's run, whose target goes by these names.
func (a Approval) PeopleFor(l Ledger, s Step, names []string, wanted int) (said []string, not []NotCounted) {
	return a.people(l.Run, l.Now, wanted, func(one Assent) bool {
		yes := a
		yes.At, yes.Expires, yes.Steps = one.At, one.Expires, one.Steps
		return yes.Covers(l.Run, s, names, l.Past, l.Now) == nil
	})
}

// void says why the yes is not that of a person of its own, "" if it is.
func (a Assent) void(run Run, wanted int) string {
	switch {
	case a.asked(run):
		return " asked for the run"
	case a.askersToken(run):
		return "'s token was made by who asked for the run"
	case a.Lineage.Asked:
		return " made the token that asked for the run"
	case a.Lineage.Since.After(run.Created):
		return "'s token was made after the run was opened"
	case a.Lineage.Program && wanted > 1:
		return " is a token, and people log in"
	}
	return ""
}

func (a Approval) people(run Run, now time.Time, wanted int, covers func(Assent) bool) (said []string, not []NotCounted) {
	var all []Assent
	for _, one := range a.Assents() {
		if !now.Before(one.Expires) || !covers(one) {
			continue
		}
		if why := one.void(run, wanted); why != "" {
			not = append(not, NotCounted{one.By, why})
			continue
		}
		all = append(all, one)
	}
	var heard []Assent
	for _, one := range all {
		if i := slices.IndexFunc(all, one.made); i >= 0 {
			not = append(not, NotCounted{one.By, " made the token of " + all[i].By})
			continue
		}
		if !slices.ContainsFunc(heard, func(other Assent) bool { return other.same(one.By, one.Lineage) }) {
			heard, said = append(heard, one), append(said, one.By)
		}
	}
	slices.Sort(said)
	return said, not
}

// Few says who has said yes and who else is wanted; "" if there are enough.
func Few(run Run, said []string, not []NotCounted, wanted int) string {
	if len(said) >= wanted {
		return ""
	}
	text := fmt.Sprintf("what is destructive needs the yes of %d people, %d so far", wanted, len(said))
	if len(said) > 0 {
		text += " (" + strings.Join(said, ", ") + ")"
	}
	for i, one := range not {
		text += []string{"; not counted: ", ", "}[min(i, 1)] + one.String()
	}
	text += ": another person must say yes"
	if asked := run.AskedBy(); asked != "" {
		text += ", and not " + asked + ", who asked for the run"
	}
	return text
}
