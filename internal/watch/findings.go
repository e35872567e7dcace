package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/galenhq/galen"
)

// found are the findings on a State. What cannot be judged this time, for its detector is at fault or the journal does not tell what is
// owed, is as it was known last: that nobody looked does not make it go. The error tells of that; the findings are to be used all the same.
func (l *Loops) found(ctx context.Context, p *Patrol, state galen.State) ([]galen.Finding, error) {
	now, unjudged, wrong := l.detect(p, state)
	undos, duties, err := l.o.Journal.Abandoned(ctx, p.r)
	if err != nil {
		wrong = errors.Join(wrong, fmt.Errorf("read what ended runs owe: %w", err))
	}
	asKnown := func(c galen.Code) bool { return slices.Contains(unjudged, c) || err != nil && c.Owed() }
	for _, key := range slices.Sorted(maps.Keys(p.known)) {
		had := slices.ContainsFunc(now, func(f galen.Finding) bool { return f.Key() == key })
		if f := p.known[key]; !had && asKnown(f.Code) {
			now = append(now, f)
		}
	}
	now = calm(state, l.o.Policy(p.r), l.o.Now(), now, p.known)
	now = append(now, owed(p.r, state, undos)...)
	return append(now, l.duties(p.r, state, duties)...), wrong
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
