package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// found are the findings on a State. What cannot be judged this time, for its detector is at fault or the journal does not tell what is
// owed, is as it was known last: that nobody looked does not make it go. The error tells of that; the findings are to be used all the same.
func (l *Loops) found(ctx context.Context, p *Patrol, state galen.State) ([]galen.Finding, error) {
	now, unjudged, wrong := l.detect(p, state)
	debts, err := l.o.Journal.Abandoned(ctx, p.r)
	if err != nil {
		wrong = errors.Join(wrong, fmt.Errorf("read owed undos: %w", err))
		unjudged = append(unjudged, galen.CodeUndoOwed)
	}
	for _, key := range slices.Sorted(maps.Keys(p.known)) {
		had := slices.ContainsFunc(now, func(f galen.Finding) bool { return f.Key() == key })
		if f := p.known[key]; !had && slices.Contains(unjudged, f.Code) {
			now = append(now, f)
		}
	}
	now = calm(state, l.o.Policy(p.r), l.o.Now(), now, p.known)
	return append(now, owed(p.r, state, debts)...), wrong
}

// detect runs all detectors on a State: at most one finding per key, the gravest. One that panics hinders no other: its codes are
// unjudged, and it is a finding itself.
func (l *Loops) detect(p *Patrol, state galen.State) (out []galen.Finding, unjudged []galen.Code, wrong error) {
	best := map[string]int{}
	for _, d := range l.o.Detectors {
		found, err := l.askDetector(p.r, d, state)
		if err != nil {
			found = []galen.Finding{l.faulty(p, d, err)}
			unjudged, wrong = append(unjudged, d.Codes...), errors.Join(wrong, err)
		}
		for _, f := range found {
			i, had := best[f.Key()]
			switch {
			case !had:
				best[f.Key()] = len(out)
				out = append(out, f)
			case f.Urgency > out[i].Urgency:
				out[i] = f
			}
		}
	}
	return out, unjudged, wrong
}

func (l *Loops) askDetector(r galen.Resource, d galen.Detector[galen.State], state galen.State) (found []galen.Finding, err error) {
	defer func() { err = recovered(recover(), "watch "+r.String()+" with the detector "+d.Name, err) }()
	return d.Detect(l.o.Now(), state, l.o.Policy(r)), nil
}

// faulty is the finding that a detector finds nothing, for it is at fault: for people, no run mends it.
func (l *Loops) faulty(p *Patrol, d galen.Detector[galen.State], err error) galen.Finding {
	f := galen.Finding{
		Resource: p.r, Code: galen.CodeDetectorFault, Domain: d.Name, Urgency: galen.High, Note: true, Since: l.o.Now(),
		Targets: []galen.Target{{ID: p.r.String()}}, Evidence: []galen.Observation{}, Why: err.Error(),
	}
	if was, had := p.known[f.Key()]; had {
		f.Since = was.Since
	}
	return f
}

// owed are the findings that undos of ended runs are still owed, one for each failure domain.
func owed(r galen.Resource, state galen.State, debts []galen.Debt) []galen.Finding {
	domains, unread := map[string]*galen.Finding{}, map[string]string{}
	for _, d := range debts {
		domain, target := "unknown", d.Step.Target
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
