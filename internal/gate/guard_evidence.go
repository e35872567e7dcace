package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// MaxAhead is how far in the future evidence may be: from further on it means that a clock was set.
const MaxAhead = time.Second

// fresh: the evidence is young, and for steps that can hurt nobody who should have been heard is missing (I-05): what destroys
// needs them all even where it takes back the run's own work, for they could tell that it did not fail. The
// gate measures the age again on the monotonic clock, right before the commit.
func fresh(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) {
		return allow("")
	}
	oldest, missing := a.State.Seen(a.Step.Target)
	age := a.Now.Sub(oldest)
	switch {
	case oldest.IsZero():
		return lookAgain("%s was never looked at", a.Step.Target)
	case age > a.Policy.ViewAge.D():
		return lookAgain("the evidence on %s is %s old, at most %s is allowed", a.Step.Target, age.Round(time.Millisecond), a.Policy.ViewAge)
	case age < -MaxAhead:
		return lookAgain("the evidence on %s is %s from the future: a clock was set", a.Step.Target, (-age).Round(time.Millisecond))
	case len(missing) > 0 && (a.Class >= galen.Destructive || a.Class >= galen.Disruptive && !a.Own):
		return lookAgain("not heard: %s; a %s step needs them", strings.Join(missing, ", "), a.Class)
	}
	return allow(fmt.Sprintf("%s old, %s allowed", max(age, 0).Round(time.Millisecond), a.Policy.ViewAge))
}

// listing: a listing that lost many members at once is a broken listing, not many lost members (I-09).
func listing(a galen.Ask[galen.State]) galen.Verdict {
	if a.Class < galen.Disruptive || a.Own {
		return allow("")
	}
	lost, all := 0, 0
	for _, m := range a.State.Members() {
		if m.Bare() {
			continue
		}
		all++
		if m.Unlisted {
			lost++
		}
	}
	most := max(1, galen.ShareOf(a.Policy.ShrinkShare, all))
	if lost > most {
		return lookAgain("the newest listing lacks %d of %d known members, at most %d are believed gone at once", lost, all, most)
	}
	return allow(fmt.Sprintf("%d of %d members not listed, %d allowed", lost, all, most))
}

// observers: enough observers of enough kinds say that the patient is bad, and none that is live says otherwise (I-04).
func observers(a galen.Ask[galen.State]) galen.Verdict {
	if a.Class < galen.Destructive || a.Own {
		return allow("")
	}
	margin := ""
	for _, t := range patients(a) {
		m, found := memberOf(a.State.Members(), t.ID)
		if !found {
			return lookAgain("nobody tells of %s: it is no member", t.ID)
		}
		v := agree(m, a.Now.Add(-a.Policy.ViewAge.D()), a.Policy)
		if v.Answer != galen.Allow {
			return v
		}
		margin = v.Margin
	}
	return allow(margin)
}

// agree counts what was said of a member since the given time; older words prove nothing either way.
func agree(m galen.Member, since time.Time, p galen.Policy) galen.Verdict {
	var bad []string
	var kinds []galen.ObserverKind
	for _, o := range m.Observations {
		if o.At.Before(since) {
			continue
		}
		switch o.Says {
		case galen.Good:
			return lookAgain("%s (%s) says that %s is well; observers must agree before it is destroyed", o.Observer, o.Kind, m.Name)
		case galen.Bad:
			if !slices.Contains(bad, o.Observer) {
				bad = append(bad, o.Observer)
			}
			if !slices.Contains(kinds, o.Kind) {
				kinds = append(kinds, o.Kind)
			}
		case galen.Unknown:
		}
	}
	count := fmt.Sprintf("%d observers of %d kinds say that %s is bad, %d of %d needed", len(bad), len(kinds), m.Name, p.Observers, p.Kinds)
	if len(bad) < p.Observers || len(kinds) < p.Kinds {
		return lookAgain("%s", count)
	}
	return allow(count)
}
