// Package advice answers people before they touch a member by hand: may I, and what if. It asks the guards that a run asks, on a
// State that was seen or saved, and has no opinion of its own: where they do not know, the answer is unknown, never yes.
package advice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

// View is what a question is answered from.
type View struct {
	Kind galen.ListedKind
	// State is nil where the resource was never seen.
	State  galen.State
	Policy galen.Policy
	// Ledger tells the steps in flight, claims and facts; its run has the resource only.
	Ledger galen.Ledger
	// Runs are the open ones of the resource.
	Runs []galen.Run
	Now  time.Time
	// By is who asks, as the journal names them: their own hold keeps them from nothing. "": nobody of those who hold anything.
	By string
	// Since is when they were given that name, zero: always.
	Since time.Time
	// Reckoned is what was reckoned of State by Policy already, for other questions; nil: it is reckoned for this one.
	Reckoned func() galen.Reckoning[galen.State]
	// Asked are the levels that are asked about besides those of the policy, see [View.Besides].
	Asked []string
	// Doubt is why State and Ledger cannot be laid side by side; empty: they can.
	Doubt string
}

// Besides asks for these levels, too, beside those that the policy keeps, of each part, guarded or not: the answer is only stricter by it. An error names
// the levels that the kind knows.
func (v View) Besides(levels []string) (View, error) {
	if len(levels) == 0 {
		return v, nil
	}
	if v.Kind.ByHand != nil {
		for _, name := range levels {
			if !slices.Contains(v.Kind.ByHand.Levels, name) {
				return v, fmt.Errorf("level %q: want one of %s", name, strings.Join(v.Kind.ByHand.Levels, ", "))
			}
		}
	}
	also := func(kept []string) []string {
		out := slices.Clone(kept)
		for _, name := range levels {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		return out
	}
	v.Policy.Levels, v.Reckoned, v.Asked = also(v.Policy.Levels), nil, levels
	own := map[string][]string{}
	for keyspace, kept := range v.Policy.KeyspaceLevels {
		own[keyspace] = also(kept)
	}
	v.Policy.KeyspaceLevels = own
	return v, nil
}

// CanI tells whether a person may do a verb to the member of that ID now. An error means that the question has no sense: the kind
// has no such verb, or the member is none.
func CanI(v View, verb, member string) (out galen.Advice, err error) {
	if v.Kind.ByHand != nil && len(v.Kind.ByHand.Verbs) > 0 && !slices.Contains(v.Kind.ByHand.Verbs, verb) {
		return out, fmt.Errorf("verb %q: want one of %s", verb, strings.Join(v.Kind.ByHand.Verbs, ", "))
	}
	out = v.blank()
	out.Verb, out.Member = verb, member
	if out.Why != "" {
		return out, nil
	}
	defer func() { recovered(recover(), &out) }()
	deed, err := v.Kind.ByHand.Deed(v.State, verb, galen.Target{ID: member})
	if err != nil {
		return out, err
	}
	a := galen.Ask[galen.State]{
		World: galen.World[galen.State]{Now: v.Now, State: v.State, Facts: v.Ledger.Facts, Open: v.Ledger.Open},
		Step:  deed.Step, Class: deed.Class, Claims: deed.Claims, Scope: []galen.Target{deed.Step.Target}, Policy: v.Policy, Ledger: v.Ledger,
	}
	own, outlook := v.reckoned().Judge(a)
	heeded, notes := gate.ByHand(a, v.By, v.Since)
	out.Verdicts, out.Notes = append(heeded, own...), append(notes, v.atWork(deed.Step.Target)...)
	out.Outlook = outlook
	if out.Answer, out.Why = opinion(out); out.Answer == galen.Yes {
		out.Answer, out.Why = v.besides(out, galen.Level.Loses)
	}
	v.name(&out)
	return out, nil
}

// OpenRun is what a note of an open run goes by, as others go by their guard.
const OpenRun = "open run"

// atWork notes the open runs that are about a member: none keeps a person back before it has claimed something, and each may act there yet.
func (v View) atWork(t galen.Target) []galen.Verdict {
	names := galen.NamesOf(v.State.Members(), t.ID)
	var out []galen.Verdict
	for _, run := range v.Runs {
		if run.About(names...) {
			out = append(out, galen.Verdict{Guard: OpenRun, Answer: galen.NeedYes,
				Why: fmt.Sprintf("%s (%s, %s) is about this member and may act on it: galen runs show %s", run.ID, run.Runbook, run.Status, run.ID)})
		}
	}
	return out
}

// besides is what refuses although no guard does: a level that was asked for by its name is lost in what has no guard, or nobody is left.
func (v View) besides(a galen.Advice, count func(galen.Level) int) (galen.Opinion, string) {
	asked := a.Outlook
	asked.Levels = slices.DeleteFunc(slices.Clone(a.Outlook.Told), func(l galen.Level) bool { return !slices.Contains(v.Asked, l.Name) })
	if text := losses(asked, count); text != "" {
		return galen.No, text
	}
	down := slices.Concat(a.Outlook.Asked, a.Outlook.Down)
	if len(a.Outlook.Asked) > 0 && !slices.ContainsFunc(v.State.Members(), func(m galen.Member) bool { return !m.Bare() && !slices.Contains(down, m.Target.ID) }) {
		return galen.No, "no member would be left"
	}
	return a.Answer, a.Why
}

// WhatIf tells what is lost with the members of these IDs down at once; none: what is lost now.
func WhatIf(v View, down []string) (out galen.Advice) {
	out = v.blank()
	if out.Why != "" {
		return out
	}
	defer func() { recovered(recover(), &out) }()
	out.Outlook = v.reckoned().WhatIf(v.Ledger.Open, down)
	if why := v.stale(down); why != "" {
		out.Outlook.Doubts = append(out.Outlook.Doubts, galen.Doubt{Why: why})
	}
	if out.Answer, out.Why = prospect(out.Outlook); out.Answer == galen.Yes {
		out.Answer, out.Why = v.besides(out, counted(out.Outlook))
	}
	v.name(&out)
	return out
}

// blank is the advice before anything is known; it says why where nothing can be.
func (v View) blank() galen.Advice {
	out := galen.Advice{
		Resource: v.Ledger.Run.Resource, Names: map[string]string{}, Answer: galen.DontKnow, At: v.Now, Verdicts: []galen.Verdict{},
		Outlook: galen.Outlook{Asked: []string{}, Down: []string{}, Levels: []galen.Level{}},
	}
	switch {
	case v.Kind.ByHand == nil:
		out.Why = fmt.Sprintf("the kind %s does not tell what is safe to do by hand", v.Kind.Name)
	case v.State == nil:
		out.Why = fmt.Sprintf("%s has not been looked at yet", out.Resource)
	default:
		out.Seen, _ = v.State.Seen()
		if out.Why = v.doubt(); out.Why == "" && !slices.ContainsFunc(v.State.Members(), func(m galen.Member) bool { return !m.Bare() }) {
			out.Why = fmt.Sprintf("no member of %s is known: none of them was heard", out.Resource)
		}
	}
	return out
}

func (v View) reckoned() galen.Reckoning[galen.State] {
	if v.Reckoned != nil {
		return v.Reckoned()
	}
	return v.Kind.ByHand.Reckon(v.State, v.Policy)
}

// doubt is why nobody knows which steps are in flight, "" if that is known: they count as down.
func (v View) doubt() string {
	if v.Ledger.Observe != "" {
		return "the journal may not know every step in flight: " + v.Ledger.Observe
	}
	if why := v.Policy.ClockDoubt(0, v.Ledger.ClockOff()); why != "" {
		return "which came first, view or step, cannot be told: " + why
	}
	return v.Doubt
}

// Stale says why the view is too old or too narrow for any answer; "" if it is not, or if there is none.
func (v View) Stale() string {
	if v.State == nil {
		return ""
	}
	return v.stale(nil)
}

// stale says why the view is too old or too narrow for an answer; "" if it is not. The age is that which a call may rest on (I-05).
func (v View) stale(down []string) string {
	var scope []galen.Target
	for _, id := range down {
		scope = append(scope, galen.Target{ID: id})
	}
	oldest, missing := v.State.Seen(scope...)
	age := v.Now.Sub(oldest)
	switch {
	case oldest.IsZero():
		return "nobody was heard"
	case age > v.Policy.ViewAge.D():
		return fmt.Sprintf("the view is %s old, at most %s is believed", age.Round(time.Second), v.Policy.ViewAge)
	case age < -gate.MaxAhead:
		return fmt.Sprintf("the view is %s from the future: a clock was set", (-age).Round(time.Second))
	case len(missing) > 0:
		return "not heard: " + strings.Join(missing, ", ")
	}
	return ""
}

// opinion is the answer to can-i: the gravest reason decides.
func opinion(a galen.Advice) (galen.Opinion, string) {
	find := func(is func(galen.Verdict) bool) (string, bool) {
		i := slices.IndexFunc(a.Verdicts, is)
		if i < 0 {
			return "", false
		}
		return a.Verdicts[i].Guard + ": " + a.Verdicts[i].Why, true
	}
	denies := func(v galen.Verdict) bool { return v.Answer == galen.Deny }
	if why, found := find(denies); found {
		return galen.No, why
	}
	if answer, why := doubted(a.Outlook); answer != galen.Yes {
		return answer, why
	}
	if why, found := find(gate.Blind); found {
		return galen.DontKnow, why
	}
	if why, found := find(func(v galen.Verdict) bool { return v.Answer == galen.LookAgain }); found {
		return galen.No, why
	}
	if why, found := find(func(v galen.Verdict) bool { return v.Answer != galen.Allow }); found {
		return galen.DontKnow, why
	}
	if text := losses(a.Outlook, galen.Level.Loses); text != "" {
		return galen.No, text // the guards and the outlook rest on one count; whoever breaks that gets no yes
	}
	if len(a.Verdicts) == 0 {
		return galen.DontKnow, "no guard was asked"
	}
	return galen.Yes, a.Outlook.Margin
}

// prospect is the answer to what-if.
func prospect(o galen.Outlook) (galen.Opinion, string) {
	if answer, why := doubted(o); answer != galen.Yes {
		return answer, why
	}
	if text := losses(o, counted(o)); text != "" {
		return galen.No, text
	}
	return galen.Yes, o.Margin
}

// counted is how ranges are counted that a question of what-if is about: those that the members take, or, of none, those that are lost.
func counted(o galen.Outlook) func(galen.Level) int {
	if len(o.Asked) == 0 {
		return func(l galen.Level) int { return l.Lost }
	}
	return galen.Level.Loses
}

// doubted: a doubt that lasts is a no, any other means that nobody knows now.
func doubted(o galen.Outlook) (galen.Opinion, string) {
	if len(o.Doubts) == 0 {
		return galen.Yes, ""
	}
	if i := slices.IndexFunc(o.Doubts, func(d galen.Doubt) bool { return d.Lasting }); i >= 0 {
		return galen.No, o.Doubts[i].Why + ": nobody can tell what is safe"
	}
	return galen.DontKnow, o.Doubts[0].Why
}

// losses names the levels that are lost by a count, "" if none is.
func losses(o galen.Outlook, count func(galen.Level) int) string {
	var lost []string
	for _, l := range o.Levels {
		if n := count(l); n > 0 {
			lost = append(lost, fmt.Sprintf("%s in %d of %d ranges", strings.TrimSpace(l.Of+" "+l.Name+" "+l.Group), n, l.Ranges))
		}
	}
	if len(lost) == 0 {
		return ""
	}
	return "lost: " + strings.Join(lost, "; ")
}

// name gives the members that are told of the names that people use.
func (v View) name(a *galen.Advice) {
	told := slices.Concat([]string{a.Member}, a.Outlook.Asked, a.Outlook.Down)
	for _, r := range a.Outlook.Rolling {
		told = append(append(told, r.Members...), r.Others...)
	}
	for _, t := range a.Outlook.Threats {
		told = append(told, t.ID)
	}
	called := map[string]string{}
	for _, m := range v.State.Members() {
		called[m.Target.ID] = m.Called()
	}
	for _, id := range told {
		if name := called[id]; name != "" {
			a.Names[id] = name
		}
	}
}

// recovered: a kind that panics knows nothing.
func recovered(p any, out *galen.Advice) {
	if p != nil {
		out.Answer, out.Why = galen.DontKnow, fmt.Sprintf("the kind panicked (%v), and what cannot be judged is not allowed: please report it", p)
	}
}
