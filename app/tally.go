package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/gate"
	galenhttp "github.com/galenhq/galen/internal/http"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/trace"
	"github.com/galenhq/galen/internal/watch"
)

// tally counts at the ports of the engine what passes there: it reads what was answered, and changes nothing.
type tally struct {
	*galenhttp.Tally
	journal *journal.Store

	mu        sync.Mutex
	confirmed map[string]bool   // open runs, by ID
	away      map[string]string // what their newest decision did not let through, and who said so
}

// newTally counts what the catalogue knows, and everything else as "other".
func newTally(j *journal.Store, o opened, detectors []galen.Detector[galen.State]) *tally {
	known := galenhttp.Known{
		Codes:    []string{string(galen.CodeUndoOwed), string(galen.CodeStorm), string(galen.CodeDetectorFault)},
		Runbooks: slices.Sorted(maps.Keys(o.runbooks)), Verbs: map[string][]string{}, Guards: gate.OwnNames(),
	}
	for _, answer := range gate.Answers() {
		known.Answers = append(known.Answers, string(answer))
	}
	for _, d := range detectors {
		for _, code := range d.Codes {
			known.Codes = append(known.Codes, string(code))
		}
	}
	for _, g := range gate.CommonGuards() {
		known.Guards = append(known.Guards, g.Name)
	}
	for name, kind := range o.kinds {
		known.Verbs[name] = slices.Sorted(maps.Keys(kind.Verbs))
		for _, g := range kind.Guards {
			known.Guards = append(known.Guards, g.Name)
		}
	}
	return &tally{Tally: galenhttp.NewTally(known), journal: j, confirmed: map[string]bool{}, away: map[string]string{}}
}

// talliedGate counts the answers to steps.
type talliedGate struct {
	*gate.Gate
	t *tally
}

func (g talliedGate) Act(ctx context.Context, req gate.Request) (gate.Result, error) {
	res, err := g.Gate.Act(ctx, req)
	if res.Answer == "" {
		return res, err
	}
	run, unknown := g.t.journal.Run(context.WithoutCancel(ctx), req.Run)
	if unknown != nil {
		return res, err // a number less: the step's own answer counts more
	}
	g.t.Judged(run.Resource.Kind, req.Step, string(res.Answer), res.Verdicts)
	if in := res.Intent; in != nil && in.ID == gate.FirstIntent(run.ID) && res.Answer != gate.NotSent {
		g.t.Reached(run, galenhttp.StageCalled, in.At)
	}
	return res, err
}

// talliedDecisions counts the first decision of a run that rests on its trouble, the runs that one makes wait for a person, and the guards
// that keep a step from the gate.
type talliedDecisions struct {
	activities.Journal
	t *tally
}

func (j talliedDecisions) Decide(ctx context.Context, d galen.Decision, state []byte) (galen.Decision, error) {
	first := d.Finding != nil && !j.t.isConfirmed(d.Run)
	var before galen.Run
	if first || d.Status == galen.RunHeld || d.Status == galen.RunAsking {
		before, _ = j.t.journal.Run(ctx, d.Run) // a number less
	}
	out, err := j.Journal.Decide(ctx, d, state)
	if err != nil {
		return out, err
	}
	j.t.turned(out)
	if before.ID == "" {
		return out, nil
	}
	if first {
		j.t.confirm(before, out)
	}
	j.t.summoned(before, d.Status, d.Why)
	return out, nil
}

// summoned counts that a run needs a person from now on, a held one also for something else than before: as each look finds it again, once.
func (t *tally) summoned(before galen.Run, now galen.RunStatus, why string) {
	switch {
	case now == galen.RunHeld && (before.Status != now || before.Why != why):
		t.Held(before)
	case now == galen.RunAsking && before.Status != now:
		t.Asked(before)
	}
}

// turned counts the guards' answers to steps that a decision does not let through to the gate, which each look finds again, once.
func (t *tally) turned(d galen.Decision) {
	verdicts := turnedAway(d)
	what := ""
	for _, v := range verdicts {
		what += fmt.Sprintf("%d %s %s\n", d.Number, v.Guard, v.Answer)
	}
	t.mu.Lock()
	again := t.away[d.Run] == what
	if t.away[d.Run] = what; what == "" {
		delete(t.away, d.Run)
	}
	t.mu.Unlock()
	if !again {
		t.Answered(verdicts)
	}
}

// turnedAway are the verdicts on the steps that a decision does not let through, and the yes that what is to follow them needs beforehand.
func turnedAway(d galen.Decision) (out []galen.Verdict) {
	steps := min(len(d.Plan.Steps), len(d.Verdicts))
	for _, of := range d.Verdicts[:steps] {
		if gate.Worst(of).Answer != galen.Allow {
			out = append(out, of...)
		}
	}
	if len(out) > 0 || d.Status != galen.RunAsking {
		return out
	}
	return slices.DeleteFunc(slices.Concat(d.Verdicts[steps:]...), func(v galen.Verdict) bool { return v.Answer != galen.NeedYes })
}

// confirm counts the first decision on the trouble itself. One that was made by an engine before this one is not counted again: a run of
// a detector has its first plan then, an alert's its finding.
func (t *tally) confirm(before galen.Run, d galen.Decision) {
	t.mu.Lock()
	t.confirmed[before.ID] = true
	t.mu.Unlock()
	if before.FromAlert() && before.Finding == nil || !before.FromAlert() && before.Plan == 0 {
		t.Reached(before, galenhttp.StageConfirmed, d.At)
	}
}

func (t *tally) isConfirmed(run string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.confirmed[run]
}

// talliedRuns counts how runs end, and that they wait for a person.
type talliedRuns struct {
	activities.Runs
	t *tally
}

func (r talliedRuns) SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error {
	return r.t.moved(ctx, id, func() error { return r.Runs.SetRun(ctx, id, status, why, until) })
}

func (r talliedRuns) HoldRun(ctx context.Context, id, why string, was galen.Standing) error {
	return r.t.moved(ctx, id, func() error { return r.Runs.HoldRun(ctx, id, why, was) })
}

func (r talliedRuns) VerifyRun(ctx context.Context, id, why string, looked time.Time) error {
	return r.t.moved(ctx, id, func() error { return r.Runs.VerifyRun(ctx, id, why, looked) })
}

// moved counts what became of a run. An end that is told again is counted once.
func (t *tally) moved(ctx context.Context, id string, move func() error) error {
	before, _ := t.journal.Run(ctx, id) // a number less
	if err := move(); err != nil || before.ID == "" {
		return err
	}
	after, _ := t.journal.Run(context.WithoutCancel(ctx), id)
	switch {
	case after.ID == "" || before.Status == after.Status:
	case !after.Status.Open():
		t.Ended(after)
		t.mu.Lock()
		delete(t.confirmed, id)
		delete(t.away, id)
		t.mu.Unlock()
	default:
		t.summoned(before, after.Status, after.Why)
	}
	return nil
}

// talliedFindings counts what the watch finds.
type talliedFindings struct {
	watch.Journal
	t *tally
}

func (j talliedFindings) SaveFindings(ctx context.Context, r galen.Resource, now []galen.Finding) (news, gone []galen.Finding, err error) {
	was, unknown := j.Findings(ctx, r)
	news, gone, err = j.Journal.SaveFindings(ctx, r, now)
	if err != nil || unknown != nil {
		return news, gone, err
	}
	for _, f := range news {
		if !slices.ContainsFunc(was, func(old galen.Finding) bool { return old.Key() == f.Key() }) { // else it only changed
			j.t.Found(f)
		}
	}
	return news, gone, nil
}

// talliedInbox counts the runs that are opened.
type talliedInbox struct {
	watch.Inbox
	t     *tally
	trace *trace.Tracer
}

func (i talliedInbox) OpenRun(ctx context.Context, run galen.Run) (galen.Run, bool, error) {
	run.Trace = i.trace.Carry(ctx) // the workflow goes on below it
	out, created, err := i.Inbox.OpenRun(ctx, run)
	if err == nil && created {
		i.t.Opened(out)
	}
	return out, created, err
}
