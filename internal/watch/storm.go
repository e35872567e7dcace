package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// calm keeps what a storm leaves of the findings: while too many members are bad in several failure domains, there is one
// finding for the whole group in the place of one for each domain. No runbook heals it; it is for people (I-03). known are the
// findings of the round before: the storm says the same until it is over, so that it is told once.
func calm(state galen.State, p galen.Policy, now time.Time, found []galen.Finding, known map[string]galen.Finding) []galen.Finding {
	members := state.Members()
	for _, s := range galen.Shares(members, p) {
		if !s.Storm() {
			continue
		}
		storm := stormOf(state.Resource(), s, members, now)
		found = slices.DeleteFunc(found, func(f galen.Finding) bool {
			return !f.Note && len(f.Targets) > 0 && !slices.ContainsFunc(f.Targets, func(t galen.Target) bool { return !storm.Has(t.ID) })
		})
		if was, had := known[storm.Key()]; had {
			storm.Targets, storm.Since = was.Targets, was.Since
		}
		found = append(found, storm)
	}
	return found
}

func stormOf(r galen.Resource, s galen.Share, members []galen.Member, now time.Time) galen.Finding {
	f := galen.Finding{
		Resource: r, Code: galen.CodeStorm, Domain: s.Group, Urgency: galen.Critical, Since: now, Evidence: []galen.Observation{},
		Why: fmt.Sprintf("%d of %d members of %s are bad, in %d failure domains: look for the common cause; Galen only observes until at most %d are",
			s.Bad, s.All, s.Group, s.Domains, s.Allowed),
	}
	for _, m := range members {
		if m.Bad && !m.Bare() && m.Group == s.Group {
			f.Targets = append(f.Targets, m.Target)
		}
	}
	slices.SortFunc(f.Targets, func(a, b galen.Target) int { return strings.Compare(a.ID, b.ID) })
	return f
}
