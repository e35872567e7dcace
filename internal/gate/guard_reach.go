package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// floor: no step takes the members in service of a group below their floor (I-11). What is bad already serves nobody, so
// that nothing is taken away with it.
func floor(a galen.Ask[galen.State]) galen.Verdict {
	if a.Class < galen.Disruptive || a.Own {
		return allow("")
	}
	target, found := memberOf(a.State.Members(), a.Step.Target.ID)
	if !found || target.Bare() || target.Bad {
		return allow("it takes nobody out of service")
	}
	all, live := without(a, target)
	least, declared := a.Policy.Floors[target.Group]
	if !declared {
		least = galen.ShareOf(a.Policy.FloorShare, all)
	}
	count := fmt.Sprintf("%d of %d members of %s stay in service, the floor is %d", live, all, target.Group, least)
	switch {
	case all-1 < least:
		return deny("even with all others in service, %d of %d members of %s stay, the floor is %d", all-1, all, target.Group, least)
	case live < least:
		return lookAgain("%s", count)
	}
	return allow(count)
}

// without counts the members of a group, and those of them that are in service when one is taken away.
func without(a galen.Ask[galen.State], target galen.Member) (all, live int) {
	for _, m := range a.State.Members() {
		if m.Bare() || m.Group != target.Group {
			continue
		}
		all++
		if !m.Bad && m.Target.ID != target.Target.ID && !leaving(a, m) {
			live++
		}
	}
	return all, live
}

// leaving: an unsettled call takes the member out of service.
func leaving(a galen.Ask[galen.State], m galen.Member) bool {
	return slices.ContainsFunc(a.Ledger.Open, func(in galen.Intent) bool {
		return in.Class >= galen.Disruptive && !in.Effect.Settled() && in.On(m.Target.ID, m.Instance)
	})
}

// across: nothing is moved from one data centre or region to another by itself (I-16): the step's target and all that it
// claims by name lie in one group.
func across(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) || a.Own {
		return allow("")
	}
	members := a.State.Members()
	var groups []string
	for _, id := range touched(a) {
		if m, found := memberOf(members, id); found && m.Group != "" && !slices.Contains(groups, m.Group) {
			groups = append(groups, m.Group)
		}
	}
	if len(groups) > 1 {
		slices.Sort(groups)
		return needYesFor(a, "the step reaches from %s: what crosses data centres is a person's decision", strings.Join(groups, " to "))
	}
	return allow("")
}

// closure: what the engine itself cannot do without is not treated without a person (I-22).
func closure(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) || a.Own || a.Policy.EngineNeeds == "" {
		return allow("")
	}
	return needYesFor(a, "the engine itself needs %s: %s", a.Ledger.Run.Resource, a.Policy.EngineNeeds)
}

// RestorePoint begins the key of the fact that a restore point of a target was verified: "restore-point/<target>".
const RestorePoint = "restore-point/"

// deletion: data are deleted for good only with a restore point that was verified lately, a while after a second person
// has said yes (I-25).
func deletion(a galen.Ask[galen.State]) galen.Verdict {
	if !a.Deletes || a.Own {
		return allow("")
	}
	point, found := a.Ledger.Facts[RestorePoint+a.Step.Target.ID]
	age := a.Ledger.Now.Sub(point.At)
	switch {
	case !found || point.Gone:
		return deny("%s deletes data for good, and no restore point of %s was verified", a.Step.Verb, a.Step.Target.ID)
	case age > a.Policy.RestorePointAge.D():
		return deny("the restore point of %s is %s old, at most %s is allowed", a.Step.Target.ID, age.Round(time.Second), a.Policy.RestorePointAge)
	}
	if missing := a.Approved(); missing != nil {
		return needYes("%s deletes data for good: %s", a.Step.Verb, missing)
	}
	yes := a.Ledger.Approval
	if yes.ByWhoAsked(a.Ledger.Run) {
		return needYes("%s deletes data for good: %s has asked for it, so that another person must say yes", a.Step.Verb, yes.By)
	}
	if since := a.Ledger.Now.Sub(yes.At); since < a.Policy.DeleteDelay.D() {
		return lookAgain("%s said yes %s ago; what deletes for good waits for %s", yes.By, since.Round(time.Second), a.Policy.DeleteDelay)
	}
	return allow(fmt.Sprintf("restore point %s old, %s said yes", age.Round(time.Second), yes.By))
}

// foreign begins the key of the fact that another tool is at work on the resource: "lock/<tool>".
const foreign = "lock/"

// calendar: nothing is changed during declared maintenance, nor under another tool's lock (I-32). A person who says yes
// within the window knows of it.
func calendar(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) || a.Own {
		return allow("")
	}
	for _, key := range slices.Sorted(maps.Keys(a.Ledger.Facts)) {
		f := a.Ledger.Facts[key]
		if tool, is := strings.CutPrefix(key, foreign); is && !f.Gone {
			return lookAgain("%s is at work on %s since %s", tool, a.Ledger.Run.Resource, f.At.UTC().Format(time.RFC3339))
		}
	}
	for _, w := range a.Policy.Windows {
		from, until, in, err := w.Covers(a.Ledger.Now)
		switch yes := a.Ledger.Approval; {
		case err != nil:
			return deny("the window %q cannot be computed: %s", w.Name, err)
		case in && (a.Approved() != nil || yes.At.Before(from)):
			return lookAgain("%s until %s: nothing is changed before that, but by a person's yes", w.Name, until.UTC().Format(time.RFC3339))
		}
	}
	return allow("")
}
