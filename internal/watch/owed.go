package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// nowhere is the failure domain of whom no member goes by.
const nowhere = "unknown"

// owed are the findings that undos of ended runs are still owed, one for each failure domain.
func owed(r galen.Resource, state galen.State, debts []galen.Debt) []galen.Finding {
	domains, unread := map[string]*galen.Finding{}, map[string]string{}
	for _, d := range debts {
		domain, target := nowhere, d.Step.Target
		if target.ID == "" { // not even that can be read
			target.ID = "intent/" + d.Intent
		}
		for _, m := range state.Members() {
			if m.Is(target.ID) {
				domain = m.Domain
			}
		}
		f := domains[domain]
		if f == nil {
			f = &galen.Finding{Resource: r, Code: galen.CodeUndoOwed, Domain: domain, Urgency: galen.Medium, Since: d.At}
			domains[domain] = f
		}
		if !f.Has(target.ID) {
			f.Targets = append(f.Targets, target)
		}
		if d.At.Before(f.Since) {
			f.Since = d.At
		}
		f.Why = fmt.Sprintf("runs that have ended owe an undo on %d targets, the oldest: %s of intent %s", len(f.Targets), d.Step, d.Intent)
		if d.Unread != "" {
			unread[domain] = fmt.Sprintf("; that of intent %s cannot be read, a newer release wrote it or it is damaged: %s", d.Intent, d.Unread)
		}
	}
	out := make([]galen.Finding, 0, len(domains))
	for _, domain := range slices.Sorted(maps.Keys(domains)) {
		f := domains[domain]
		f.Why += unread[domain]
		slices.SortFunc(f.Targets, func(a, b galen.Target) int { return strings.Compare(a.ID, b.ID) })
		out = append(out, *f)
	}
	return out
}

// duties are the notes on what else runs that have ended left undone, one for each code and failure domain. No run is opened for them: who
// cancelled one, for the ring was too busy, say, is not overruled.
func (l *Loops) duties(r galen.Resource, state galen.State, left []galen.Duty) []galen.Finding {
	var keys []string
	notes := map[string]galen.Finding{}
	for len(left) > 0 {
		n := 1
		for n < len(left) && left[n].What == left[0].What && left[n].Instance == left[0].Instance {
			n++
		}
		note, owed := l.noteOf(r, state, left[:n])
		if left = left[n:]; !owed {
			continue
		}
		key := note.Key()
		if f, had := notes[key]; had {
			note = joined(f, note)
		} else {
			keys = append(keys, key)
		}
		notes[key] = note
	}
	out := make([]galen.Finding, 0, len(keys))
	for _, key := range keys {
		f := notes[key]
		f.Why = "left undone by runs that have ended: " + f.Why
		out = append(out, f)
	}
	return out
}

// noteOf is the note on all duties of one sort towards one member; false: none of them is owed any more.
func (l *Loops) noteOf(r galen.Resource, state galen.State, left []galen.Duty) (note galen.Finding, owed bool) {
	const most = 8 // that are named
	var of, runs []string
	var how string
	for _, d := range left {
		h, still := l.remedy(r, state, d)
		if !still {
			continue
		}
		how, of = h, append(of, d.Of)
		if !slices.Contains(runs, d.Run) {
			runs = append(runs, d.Run)
		}
		if note.Since.IsZero() || d.At.Before(note.Since) {
			note.Since = d.At
		}
	}
	if len(of) == 0 {
		return galen.Finding{}, false
	}
	if more := len(of) - most; more > 0 {
		of = append(of[:most], fmt.Sprintf("%d more", more))
	}
	if how == "" {
		how = "see to it by hand"
	}
	d := left[0]
	target, domain, who := holder(state, d.Instance)
	return galen.Finding{
		Resource: r, Code: d.Code(), Domain: domain, Urgency: galen.Medium, Note: true, Since: note.Since,
		Targets: []galen.Target{target}, Evidence: []galen.Observation{},
		Why: fmt.Sprintf("%s of %s on %s, since %s, by run %s: %s",
			d.What, strings.Join(of, ", "), who, note.Since.UTC().Format(time.RFC3339), strings.Join(runs, ", "), how),
	}, true
}

// remedy is what the kind says; where it panics the duty is told all the same.
func (l *Loops) remedy(r galen.Resource, state galen.State, d galen.Duty) (how string, owed bool) {
	defer func() {
		if err := recovered(recover(), "ask "+r.String()+" how to mend it", nil); err != nil {
			how, owed = "see to it by hand: "+err.Error(), true
		}
	}()
	return l.o.Kinds[r.Kind].Remedy(state, d)
}

// holder is the member that runs on an instance, or goes by its name, its failure domain and its name for people.
func holder(state galen.State, instance string) (t galen.Target, domain, name string) {
	id := "instance/" + instance
	for _, m := range state.Members() {
		if (m.Is(id) || m.Is(instance)) && !m.Bare() {
			return m.Target, m.Domain, instance + " (" + m.Name + ")"
		}
	}
	return galen.Target{ID: id}, nowhere, instance
}

// joined is one note of two with the same key.
func joined(a, b galen.Finding) galen.Finding {
	a.Targets = append(a.Targets, b.Targets...)
	slices.SortFunc(a.Targets, func(a, b galen.Target) int { return strings.Compare(a.ID, b.ID) })
	if b.Since.Before(a.Since) {
		a.Since = b.Since
	}
	a.Why += "; " + b.Why
	return a
}
