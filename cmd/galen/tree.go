package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// branch is one line of a run's tree, with what hangs below it.
type branch struct {
	sign string
	ink  ink
	head string // what it is, in a column of its own
	text string
	more []detail
	// goes on: its sign turns while somebody looks on.
	on bool
}

// tree is a run as it stands: what was found, each call with its effect, and what it does now, waits for or would do next.
type tree struct {
	planned
	detail api.RunDetail
	now    time.Time
}

func treeOf(d api.RunDetail, members []galen.Member, now time.Time) tree {
	t := tree{detail: d, now: now, planned: planned{resource: d.Run.Resource, members: members}}
	if i := newest(d); i >= 0 {
		t.Decision = d.Plans[i]
	}
	return t
}

func (t tree) name(s galen.Step) string {
	name, _ := t.member(s.Target.ID)
	return s.Verb + " " + name
}

// branches in the order of time.
func (t tree) branches() []branch {
	r := t.detail.Run
	var out []branch
	if f := r.Finding; f != nil {
		out = append(out, branch{sign: "✔", ink: inkGood, head: "found", text: fmt.Sprintf("%s in %s: %s", f.Code, firstOf(f.Domain, f.Resource.String()), f.Why)})
	} else {
		out = append(out, branch{sign: "✔", ink: inkGood, head: "asked for", text: "by " + r.Asked})
	}
	for _, in := range t.detail.Intents {
		out = append(out, t.call(in))
	}
	if r.Status.Open() {
		out = append(out, t.next()...)
	}
	return append(out, t.stands())
}

// call is a step that passed the gate, and what became of it. One under way tells more.
func (t tree) call(in galen.Intent) branch {
	b := branch{head: t.name(in.Step), text: effectName(in.Effect.Status)}
	took := span(in.Effect.At.Sub(in.At))
	switch in.Effect.Status {
	case galen.EffectDone:
		b.sign, b.ink, b.text = "✔", inkGood, "done in "+took
	case galen.EffectFailed:
		b.sign, b.ink, b.text = "✘", inkBad, "failed after "+took
	case galen.EffectAbsent:
		b.sign, b.ink, b.text = "∅", inkDim, "did not happen"
	default:
		b.sign, b.ink, b.on = "▸", inkWarn, true
		stands := "no effect seen yet"
		if in.Effect.Status == galen.EffectUnderWay {
			stands = effectName(in.Effect.Status)
		}
		b.text = fmt.Sprintf("%s for %s of %s", stands, span(t.now.Sub(in.At)), span(in.Step.Within.D()))
		b.more = append(t.gate(in), detail{"call", t.answer(in)})
	}
	if in.Effect.Why != "" {
		b.text += ": " + in.Effect.Why
	}
	return b
}

// gate is what the guards had left when they let a call pass.
func (t tree) gate(in galen.Intent) []detail {
	for _, e := range t.detail.Events {
		if c := read[galen.Commit](e); e.Kind == galen.EventIntended && c.Intent.ID == in.ID {
			out := []detail{{"guards", fmt.Sprintf("all %d allowed it", len(c.Verdicts))}}
			for _, m := range margins(c.Verdicts) {
				if m.name == quorumGuard {
					out = append(out, detail{"margin", m.text})
				}
			}
			return out
		}
	}
	return nil
}

func (tree) answer(in galen.Intent) string {
	switch in.Sent {
	case "":
		return "its outcome is not known: the next looks must tell"
	case galen.SentNot:
		return "not sent: " + in.Reply
	case galen.SentError:
		return "answered with an error, the next looks must tell: " + cut(oneLine(in.Reply), replyShown)
	default:
		return firstOf(cut(oneLine(in.Reply), replyShown), "accepted")
	}
}

// next are the steps of the newest plan that have not been called since it was made, and what should follow them.
func (t tree) next() []branch {
	var out []branch
	for i, s := range t.Plan.Steps {
		called := slices.ContainsFunc(t.detail.Intents, func(in galen.Intent) bool { return !in.At.Before(t.At) && in.Step.Hash() == s.Hash() })
		if called {
			continue
		}
		b := branch{sign: "○", ink: inkBold, head: t.name(s), text: "next"}
		if i < len(t.Verdicts) && len(t.Verdicts[i]) > 0 {
			b.text = "next: " + allowing(t.Verdicts[i], true)
			for _, v := range toShow(t.Verdicts[i], true, false) {
				b.more = append(b.more, detail{answerName(v.Answer), fmt.Sprintf("%s: %s", v.Guard, reason(v))})
			}
		}
		out = append(out, b)
	}
	for i, n := 0, 0; i < len(t.Plan.Outline); i++ {
		n++
		if i+1 < len(t.Plan.Outline) && t.name(t.Plan.Outline[i+1]) == t.name(t.Plan.Outline[i]) {
			continue
		}
		b := branch{sign: "·", ink: inkDim, head: t.name(t.Plan.Outline[i]), text: "later"}
		if n > 1 {
			b.text = fmt.Sprintf("later, %d times", n)
		}
		out, n = append(out, b), 0
	}
	return out
}

// stands is where the run is, with how long it has been there.
func (t tree) stands() branch {
	r := t.detail.Run
	b := branch{head: string(r.Status), text: r.Why, on: true, sign: "▸", ink: inkWarn}
	if r.Stop != "" && r.Status.Open() {
		b.head = status(r)
	}
	since := t.since()
	switch r.Status {
	case galen.RunVerified:
		b.sign, b.ink, b.on = "✔", inkGood, false
	case galen.RunHeld:
		b.sign, b.ink, b.on = "✘", inkBad, false
	case galen.RunAsking:
		b.sign, b.on = "?", false
		b.head += since
		b.more = []detail{{"say yes", fmt.Sprintf("galen runs approve %s --plan %s", r.ID, planToken(t.detail))}, {"or no", fmt.Sprintf("galen runs reject %s --why ...", r.ID)}}
		if p := t.detail.People; p != nil {
			b.more = append(b.more, detail{"people", saidYes(*p)})
		}
	case galen.RunWaiting:
		b.head += since
		switch left := r.Until.Sub(t.now); {
		case r.Until.IsZero():
		case left < 0:
			b.more = []detail{{"looks again", "due for " + span(-left)}}
		default:
			b.more = []detail{{"looks again", "in " + span(left) + " at the latest"}}
		}
	default:
		if !r.Status.Open() {
			b.sign, b.ink, b.on = "∎", inkDim, false
		}
	}
	return b
}

// since is how long it has stood there: repeated decisions leave no event.
func (t tree) since() string {
	var at time.Time
	for _, e := range t.detail.Events {
		if slices.Contains([]galen.EventKind{galen.EventDecided, galen.EventAsked, galen.EventStatus}, e.Kind) && e.At.After(at) {
			at = e.At
		}
	}
	if at.IsZero() {
		return ""
	}
	return " for " + span(t.now.Sub(at))
}

// turns are the signs of what goes on, one after the other.
const turns = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

// printTree draws a run; what goes on has the sign of that turn.
func printTree(w io.Writer, t tree, turn int) error {
	r := t.detail.Run
	fmt.Fprintf(w, "%s %s\n", paint(inkBold, "run "+oneLine(r.ID)), oneLine(fmt.Sprintf("%s on %s, %s, for %s", r.Runbook, r.Resource, urgencyName(r.Urgency), span(lasted(r, t.now)))))
	all := t.branches()
	heads := 0
	for _, b := range all {
		heads = max(heads, widthOf(oneLine(b.head)))
	}
	for i, b := range all {
		fork, trunk := "├─ ", "│  "
		if i == len(all)-1 {
			fork, trunk = "└─ ", "   "
		}
		sign := b.sign
		if b.on {
			sign = string([]rune(turns)[turn%len([]rune(turns))])
		}
		head := paint(inkDim, fork) + paint(b.ink, sign) + " " + padded(oneLine(b.head), heads+gap)
		indent := trunk + strings.Repeat(" ", heads+2+gap)
		writeWrapped(w, head, paint(inkDim, trunk)+indent[len(trunk):], oneLine(b.text))
		writeDetails(w, paint(inkDim, trunk)+indent[len(trunk):], b.more)
	}
	return nil
}
