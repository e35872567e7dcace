package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/gate"
)

// planned is a decision with what a person wants to know beside it. Names, outlook and class are absent where nobody tells them.
type planned struct {
	galen.Decision
	resource galen.Resource
	members  []galen.Member
	// outlook is what is lost while the targets of its steps that interrupt or destroy are down.
	outlook *galen.Advice
	verbs   map[string]galen.Verb[galen.State]
}

// planned asks for what a plan alone does not tell. A token that may not view it, or a kind that has no answer, makes it shorter.
func (c *cli) planned(ctx context.Context, client *api.ClientWithResponses, r galen.Resource, d galen.Decision) planned {
	p := planned{Decision: d, resource: r}
	if kind, known := savedKind(r.Kind); known {
		p.verbs = kind.Verbs
	}
	if !c.forPeople() {
		return p
	}
	if res, err := wholeResource(ctx, client, r); err == nil && res.JSON200 != nil {
		p.members = res.JSON200.Members
	}
	down := p.down()
	if len(down) == 0 {
		return p
	}
	if res, err := client.WhatIfWithResponse(ctx, r.Kind, r.Name, &api.WhatIfParams{Down: &down}); err == nil && res.JSON200 != nil {
		p.outlook = res.JSON200
	}
	return p
}

// down are the members that the plan takes away, for a while or for good.
func (p planned) down() []string {
	var out []string
	for _, s := range p.all() {
		isMember := slices.ContainsFunc(p.members, func(m galen.Member) bool { return m.Target.ID == s.Target.ID && !m.Spare })
		if p.class(s) >= galen.Disruptive && isMember && !slices.Contains(out, s.Target.ID) {
			out = append(out, s.Target.ID)
		}
	}
	return out
}

func (p planned) all() []galen.Step { return slices.Concat(p.Plan.Steps, p.Plan.Outline) }

// class of a step, as the engine that decided knows it, or else this binary; 0 if neither does.
func (p planned) class(s galen.Step) galen.Class {
	i := slices.IndexFunc(p.all(), func(one galen.Step) bool { return one.Verb == s.Verb })
	if i >= 0 && i < len(p.Classes) {
		return p.Classes[i]
	}
	return p.verbs[s.Verb].Class
}

// mark is how a step is marked, and its ink.
func mark(c galen.Class) (string, ink) {
	switch c {
	case galen.Read:
		return ".", inkOff
	case galen.Reversible:
		return "+", inkGood
	case galen.Disruptive:
		return "~", inkWarn
	case galen.Destructive:
		return "-", inkBad
	default:
		return "?", inkWarn
	}
}

const marks = "+ takes nothing away, ~ interrupts, - destroys"

func className(c galen.Class) string {
	if c == 0 {
		return "of a class that this galen does not know"
	}
	return c.String()
}

// called is a target as people know it, and where it stands.
func (p planned) called(id string) string {
	name, where := p.member(id)
	if where == "" {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, where)
}

// member is what people call a target, and its address and failure domain.
func (p planned) member(id string) (name, where string) {
	for _, m := range p.members {
		if m.Target.ID != id {
			continue
		}
		parts := slices.DeleteFunc([]string{m.Name, m.Domain}, func(s string) bool { return s == "" || s == m.Called() })
		return firstOf(m.Called(), short(id)), strings.Join(parts, ", ")
	}
	return short(id), ""
}

// printPlan shows a decision: what would be done where, why, what each guard says of it, what it waits for and what is lost by it, and
// the sum in the last line.
func printPlan(w io.Writer, p planned) error {
	writeDetails(w, "", []detail{{"why", p.Plan.Why}, {"then", standsThen(p.Decision)}, {"wait", waiting(p.Plan)}, {"end", p.Plan.End}})
	if len(p.all()) > 0 {
		fmt.Fprintf(w, "\n%s\n", paint(inkDim, marks))
	}
	for i, step := range p.all() {
		var verdicts []galen.Verdict
		if i < len(p.Verdicts) {
			verdicts = p.Verdicts[i]
		}
		if err := p.printStep(w, i, step, verdicts); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", paint(inkBold, oneLine(p.sum())))
	return err
}

func (p planned) printStep(w io.Writer, i int, s galen.Step, verdicts []galen.Verdict) error {
	now := i < len(p.Plan.Steps)
	when := "later"
	if now {
		when = "now"
	}
	sign, color := mark(p.class(s))
	fmt.Fprintf(w, "\n%s %s  %s\n", paint(color, sign), paint(inkBold, oneLine(s.Verb+" "+p.called(s.Target.ID))),
		paint(inkDim, oneLine(fmt.Sprintf("%s, %s", when, className(p.class(s))))))
	const indent = "    "
	details := []detail{{"call", p.call(s)}, {"wait", p.waits(s)}}
	if s.Why != p.Plan.Why {
		details = slices.Insert(details, 0, detail{"why", s.Why})
	}
	if s.Undo != nil {
		name, _ := p.member(s.Undo.Target.ID)
		details = append(details, detail{"undo", s.Undo.Verb + " " + name})
	}
	details = append(details, p.losses(i, s)...)
	details = append(details, detail{"guards", allowing(verdicts, now)})
	writeDetails(w, indent, details)
	return printVerdicts(w, indent+"        ", toShow(verdicts, now, shape(w).wide))
}

// call is what is called, with its arguments.
func (p planned) call(s galen.Step) string {
	text := p.resource.Kind + " " + s.Verb
	if len(s.Args) > 0 && string(s.Args) != "null" {
		for _, a := range leaves("", s.Args) {
			if a.name != "" {
				text += fmt.Sprintf(" %s=%s", a.name, cut(oneLine(a.text), longName))
			}
		}
	}
	return text
}

// waits is how long the call and its effect may take.
func (p planned) waits(s galen.Step) string {
	text := fmt.Sprintf("for its effect, %s at most; then a person is asked", span(s.Within.D()))
	if v, known := p.verbs[s.Verb]; known && v.Call > 0 {
		text = fmt.Sprintf("for the call, %s at most, and %s", span(v.Call), text)
	}
	return text
}

// losses are what is lost by a step that takes a member away, and what would be lost if it went wrong.
func (p planned) losses(i int, s galen.Step) []detail {
	if p.class(s) < galen.Disruptive {
		return nil
	}
	name, _ := p.member(s.Target.ID)
	out := []detail{{"lost", "what " + name + " holds, for good: it has to come from other replicas"}}
	if p.class(s) == galen.Disruptive {
		out = []detail{{"lost", "what " + name + " does, while it is away"}}
	}
	told := slices.ContainsFunc(p.all()[:i], func(b galen.Step) bool { return b.Target.ID == s.Target.ID && p.class(b) >= galen.Disruptive })
	if p.outlook == nil || told || !slices.Contains(p.down(), s.Target.ID) {
		return out
	}
	out = append(out, detail{"", p.clients()})
	if threats := p.threats(); threats != "" {
		out = append(out, detail{"risk", "if one more goes down before it is back, clients lose " + threats})
	}
	return out
}

// clients is what they lose while the targets are down.
func (p planned) clients() string {
	var lost []string
	for _, l := range p.outlook.Outlook.Levels {
		if l.Loses() > 0 {
			lost = append(lost, fmt.Sprintf("%s of %s in %d of %d ranges", strings.TrimSpace(l.Name+" "+l.Group), l.Of, l.Loses(), l.Ranges))
		}
	}
	switch {
	case p.outlook.Answer == galen.DontKnow:
		return "whether clients lose anything is unknown: " + p.outlook.Why
	case len(lost) > 0:
		return "clients lose " + few(lost)
	}
	return "clients lose nothing; " + p.outlook.Outlook.Margin
}

// threats sums up what one further loss breaks, with the members whose loss does.
func (p planned) threats() string {
	var names, breaks []string
	for _, t := range p.outlook.Outlook.Threats {
		names = append(names, firstOf(p.outlook.Names[t.ID], short(t.ID)))
		for _, l := range t.Levels {
			breaks = append(breaks, fmt.Sprintf("%s of %s", strings.TrimSpace(l.Name+" "+l.Group), l.Of))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (any of %s)", few(breaks), few(names))
}

// allowing sums up what the guards say of a step.
func allowing(verdicts []galen.Verdict, now bool) string {
	if len(verdicts) == 0 {
		return "none was asked"
	}
	n := 0
	for _, v := range verdicts {
		if v.Answer == galen.Allow {
			n++
		}
	}
	text := fmt.Sprintf("%d of %d allow it", n, len(verdicts))
	if !now {
		text += "; they are asked again when it is its turn"
	}
	return text
}

// toShow are the verdicts that a person must know: who does not allow, but for a yes that is wanted for all steps alike and the
// answers that a later step will get otherwise; wide has all.
func toShow(verdicts []galen.Verdict, now, wide bool) []galen.Verdict {
	if wide {
		return verdicts
	}
	return slices.DeleteFunc(slices.Clone(verdicts), func(v galen.Verdict) bool {
		return v.Answer == galen.Allow || v.Answer == galen.NeedYes && !now
	})
}

// sum is the last line of a plan.
func (p planned) sum() string {
	steps := p.all()
	if len(steps) == 0 {
		switch p.Plan.End {
		case galen.EndDone:
			return "Plan: nothing to do, it is done if it stays so."
		case galen.EndEscalate:
			return "Plan: nothing that galen may do: a person is asked."
		}
		return "Plan: nothing now, it looks again in " + waiting(p.Plan) + "."
	}
	text := fmt.Sprintf("Plan: %s (%d now), %s, %s; %s", some(len(steps), "step"), len(p.Plan.Steps), p.hits(galen.Disruptive), p.hits(galen.Destructive), p.approvals())
	if slices.ContainsFunc(steps, func(s galen.Step) bool { return p.class(s) == 0 }) {
		text += "; " + strings.Replace(p.hits(0), galen.Class(0).String(), "of a class that this galen does not know", 1)
	}
	if v := worst(slices.Concat(first(p.Verdicts, len(p.Plan.Steps))...)); v.Answer == galen.LookAgain {
		text += "; waits for " + v.Guard
	} else if v.Answer == galen.Deny {
		text += "; DENIED by " + v.Guard
	}
	return text + "."
}

// hits counts the steps of a class, with their targets.
func (p planned) hits(c galen.Class) string {
	n := 0
	var names []string
	for _, s := range p.all() {
		if p.class(s) == c {
			name, _ := p.member(s.Target.ID)
			n, names = n+1, append(names, name)
		}
	}
	if n == 0 {
		return "0 " + c.String()
	}
	return fmt.Sprintf("%d %s (%s)", n, c, few(names))
}

// approvals is how many people must say yes.
func (p planned) approvals() string {
	for _, v := range slices.Concat(p.Verdicts...) {
		if v.Guard == gate.GuardApproval && v.Answer == galen.Deny {
			return "no approval lets all of it be done"
		}
	}
	for _, v := range slices.Concat(p.Verdicts...) {
		if v.Answer == galen.NeedYes {
			return "needs " + some(max(p.Approvals, 1), "approval")
		}
	}
	return "needs no approval"
}

func waiting(p galen.Plan) string {
	if p.Wait == 0 {
		return ""
	}
	return p.Wait.String()
}

// standsThen is where the run would stand, if that says more than the plan.
func standsThen(d galen.Decision) string {
	if d.Status == "" || d.Why == d.Plan.Why {
		return string(d.Status)
	}
	return fmt.Sprintf("%s: %s", d.Status, d.Why)
}

// printVerdicts shows answers of guards, aligned.
func printVerdicts(w io.Writer, indent string, verdicts []galen.Verdict) error {
	answers, guards := 0, 0
	for _, v := range verdicts {
		answers, guards = max(answers, widthOf(answerName(v.Answer))), max(guards, widthOf(v.Guard))
	}
	for _, v := range verdicts {
		answer := answerName(v.Answer)
		word, _, _ := strings.Cut(answer, " ")
		head := indent + paint(inkOf("answer", word), padded(answer, answers+gap)) + padded(oneLine(v.Guard), guards+gap)
		writeWrapped(w, head, strings.Repeat(" ", widthOf(head)), oneLine(reason(v)))
	}
	return nil
}
