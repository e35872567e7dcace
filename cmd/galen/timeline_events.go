package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// The labels that the code itself looks at.
const (
	labelDecided = "decided"
	labelRefused = "refused"
	labelWaits   = "waits"
)

// finding: what was seen, and what each observer says.
func (s *story) finding(e galen.Event) {
	f := read[struct{ Finding galen.Finding }](e).Finding
	where := string(f.Code)
	if f.Domain != "" {
		where += " in " + f.Domain
	}
	if e.Kind == galen.EventGone {
		s.say(e, "gone", where+" is no longer seen")
		return
	}
	level := urgencyName(f.Urgency)
	if f.Note {
		level = "note"
	}
	s.say(e, "seen", fmt.Sprintf("%s, %s: %s", where, level, f.Why), append(toSpare(f.Margin), evidence(f.Evidence)...)...)
}

// toSpare is what the resource had to spare at a moment; engines before this told none.
func toSpare(margin string) []detail {
	if margin == "" {
		return nil
	}
	return []detail{{"margin", margin}}
}

// evidence groups observers of one kind that say the same.
func evidence(all []galen.Observation) []detail {
	var out []detail
	who := map[string][]string{}
	var order []galen.Observation
	same := func(o galen.Observation) string {
		detail := strings.ReplaceAll(o.Detail, o.Observer, "")
		return string(o.Kind) + "\x00" + string(o.Says) + "\x00" + detail
	}
	for _, o := range all {
		if len(who[same(o)]) == 0 {
			order = append(order, o)
		}
		who[same(o)] = append(who[same(o)], o.Observer)
	}
	for _, o := range order {
		text := few(who[same(o)])
		if o.Detail != "" {
			text += ": " + o.Detail
		}
		out = append(out, detail{fmt.Sprintf("%s says %s", o.Kind, o.Says), text})
	}
	return out
}

// decided: the plan, why, and which guard already now says no.
func (s *story) decided(e galen.Event) {
	d := read[struct{ Decision galen.Decision }](e).Decision
	p := d.Plan
	again := d.Number == s.plan && len(p.Steps) > 0
	s.plan = d.Number
	if !again {
		l := s.say(e, labelDecided, planText(d), append(toSpare(d.Margin), outline(p)...)...)
		l.reason = d.Why
	}
	for i, step := range p.Steps {
		if i >= len(d.Verdicts) {
			break
		}
		// A yes that is wanted has its own line.
		if v := worst(d.Verdicts[i]); v.Answer != galen.Allow && (v.Answer != galen.NeedYes || d.Status != galen.RunAsking) {
			l := s.say(e, labelRefused, refusal(step, v))
			l.reason = v.Guard + ": " + v.Why
			break
		}
	}
}

// planText is a plan in one sentence.
func planText(d galen.Decision) string {
	p := d.Plan
	var text string
	switch {
	case len(p.Steps) > 0:
		names := make([]string, 0, len(p.Steps))
		for _, step := range p.Steps {
			names = append(names, stepName(step))
		}
		text = strings.Join(names, ", then ") + ": " + p.Why
		if d.Status == galen.RunHeld {
			text = "held, would " + text
		}
	case p.End == galen.EndDone:
		text = "done, if it stays so: " + p.Why
	case p.End == galen.EndEscalate:
		text = "ask a person: " + p.Why
	default:
		text = "wait: " + p.Why
	}
	if len(p.Steps) == 0 && d.Why != "" && !strings.Contains(d.Why, p.Why) && d.Status == galen.RunWaiting {
		text += "; " + d.Why
	}
	return text
}

// outline is what should follow a plan's steps.
func outline(p galen.Plan) []detail {
	if len(p.Outline) == 0 {
		return nil
	}
	return []detail{{"then", counted(p.Outline)}}
}

// counted names steps in their order; those that repeat are counted.
func counted(steps []galen.Step) string {
	var names []string
	n := 0
	for i, step := range steps {
		n++
		if i+1 < len(steps) && stepName(steps[i+1]) == stepName(step) {
			continue
		}
		name := stepName(step)
		if n > 1 {
			name = fmt.Sprintf("%s (%d times)", name, n)
		}
		names, n = append(names, name), 0
	}
	return strings.Join(names, ", ")
}

// refusal names the step, the guard, the reason, and what follows.
func refusal(step galen.Step, v galen.Verdict) string {
	after := "looks again"
	switch v.Answer {
	case galen.NeedYes:
		after = "a person's yes is needed"
	case galen.LookAgain:
	default:
		after = "final"
	}
	return fmt.Sprintf("%s by %s: %s (%s)", stepName(step), v.Guard, reason(v), after)
}

// refused: the gate said no at the call.
func (s *story) refused(e galen.Event) {
	body := read[struct {
		Step     galen.Step
		Verdicts []galen.Verdict
	}](e)
	v := worst(body.Verdicts)
	l := s.say(e, labelRefused, refusal(body.Step, v), quorum(body.Verdicts, v)...)
	l.reason = v.Guard + ": " + v.Why
}

// quorumGuard begins the name of the guard whose margin is always shown.
const quorumGuard = "I-02 quorum"

// quorum is the quorum's margin, if another guard was the one that refused.
func quorum(verdicts []galen.Verdict, told galen.Verdict) []detail {
	for _, v := range verdicts {
		if v.Guard == quorumGuard && v.Guard != told.Guard && v.Margin != "" {
			return []detail{{v.Guard, v.Margin}}
		}
	}
	return nil
}

// intended: the gate allowed the step. What counts is how much was left.
func (s *story) intended(e galen.Event) {
	c := read[galen.Commit](e)
	if _, known := s.intents[c.Intent.ID]; !known {
		s.intents[c.Intent.ID] = c.Intent
	}
	text := fmt.Sprintf("%s (%s) by all %s", stepName(c.Intent.Step), c.Intent.Class, some(len(c.Verdicts), "guard"))
	s.say(e, "allowed", text, append(margins(c.Verdicts), owed(c)...)...)
}

// margins are what each guard had left, the quorum's first.
func margins(verdicts []galen.Verdict) []detail {
	var out []detail
	for _, v := range verdicts {
		switch {
		case v.Guard == quorumGuard:
			out = append([]detail{{v.Guard, firstOf(v.Margin, v.Why)}}, out...)
		case v.Margin != "":
			out = append(out, detail{v.Guard, v.Margin})
		}
	}
	return slices.DeleteFunc(out, func(d detail) bool { return d.text == "" })
}

// owed is what the intent takes and promises.
func owed(c galen.Commit) []detail {
	var out []detail
	var budgets []string
	for _, b := range c.Spend {
		budgets = append(budgets, fmt.Sprintf("1 %s for %s", b.Budget, short(b.Target)))
	}
	if len(budgets) > 0 {
		out = append(out, detail{"budget", strings.Join(budgets, ", ")})
	}
	return append(out, facts(c.Facts)...)
}

// facts tells what is paid, what is owed, and what is only noted. Whose key says so is a debt: "repair-owed/...".
func facts(all []galen.Fact) []detail {
	names := map[string][]string{}
	for _, f := range all {
		kind, _, _ := strings.Cut(f.Key, "/")
		label := "noted"
		switch debt := strings.HasSuffix(kind, "-owed"); {
		case debt && f.Gone:
			label = "paid"
		case debt:
			label = "owes"
		case f.Gone:
			label = "no longer"
		}
		names[label] = append(names[label], factName(f.Key))
	}
	var out []detail
	for _, label := range []string{"paid", "owes", "noted", "no longer"} {
		if len(names[label]) > 0 {
			out = append(out, detail{label, strings.Join(names[label], ", ")})
		}
	}
	return out
}

// factName is a fact's key with short IDs.
func factName(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = short(part)
	}
	return strings.Join(parts, " ")
}

// called: the one call, and what was answered.
func (s *story) called(e galen.Event) {
	body := read[struct {
		Intent, Verb, Sent, Reply string
		Target                    galen.Target
	}](e)
	name := stepName(galen.Step{Verb: body.Verb, Target: body.Target})
	switch body.Sent {
	case galen.SentNot:
		s.say(e, "not sent", name+": "+cut(oneLine(body.Reply), errorShown))
	case galen.SentError:
		s.say(e, "called", fmt.Sprintf("%s: answered with an error, so the next looks must tell: %s", name, cut(oneLine(body.Reply), errorShown)))
	default:
		s.say(e, "called", name+": "+firstOf(cut(oneLine(body.Reply), replyShown), "accepted"))
	}
}

// How many characters of an answer a story shows; of an error the useful part may come last.
const (
	replyShown = 200
	errorShown = 4000
)

// settled: what a look showed of an effect.
func (s *story) settled(e galen.Event) {
	body := read[struct {
		Intent, Verb string
		Target       galen.Target
		Effect       galen.Effect
		Facts        []galen.Fact
		Margin       string
	}](e)
	text := stepName(galen.Step{Verb: body.Verb, Target: body.Target})
	if body.Effect.Why != "" {
		text += ": " + body.Effect.Why
	}
	s.say(e, effectName(body.Effect.Status), text+s.since(body.Intent, e.At), append(toSpare(body.Margin), facts(body.Facts)...)...)
}

// stands: where the run stands changed. A decision or refusal that says no more than this line is left out.
func (s *story) stands(e galen.Event) {
	body := read[struct {
		Status galen.RunStatus
		Why    string
		Plan   int
	}](e)
	text := body.Why
	if n := len(s.lines); n > 0 && s.lines[n-1].reason == body.Why && body.Status == galen.RunHeld {
		if last := s.lines[n-1]; last.label == labelRefused {
			text = "refused " + last.text
			s.lines = s.lines[:n-1]
		} else if last.text == "ask a person: "+oneLine(body.Why) {
			s.lines = s.lines[:n-1]
		}
	}
	switch {
	case body.Status == galen.RunHeld:
		s.say(e, "held", "for a person: "+text)
	case body.Status == galen.RunAsking:
		s.say(e, "asks", fmt.Sprintf("for a yes to plan %d: %s", body.Plan, text))
	case body.Status == galen.RunNotConfirmed:
		s.say(e, "unconfirmed", text)
	case !body.Status.Open():
		s.say(e, string(body.Status), text)
	case body.Status == galen.RunWaiting:
		s.say(e, labelWaits, text)
	default:
		s.say(e, "goes on", text)
	}
}

// clock is a moment for people.
func clock(t time.Time) string { return t.UTC().Format(time.TimeOnly) }
