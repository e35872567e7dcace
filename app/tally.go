package app

import (
	"context"
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
	confirmed map[string]bool // open runs, by ID
}

// newTally counts what the catalogue knows, and everything else as "other".
func newTally(j *journal.Store, o opened, detectors []galen.Detector[galen.State]) *tally {
	known := galenhttp.Known{
		Codes:    []string{string(galen.CodeUndoOwed), string(galen.CodeStorm), string(galen.CodeDetectorFault)},
		Runbooks: slices.Sorted(maps.Keys(o.runbooks)), Verbs: map[string][]string{}, Guards: gate.OwnNames(),
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
	return &tally{Tally: galenhttp.NewTally(known), journal: j, confirmed: map[string]bool{}}
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

// talliedDecisions counts the first decision of a run that rests on its trouble, and the runs that are held by one.
type talliedDecisions struct {
	activities.Journal
	t *tally
}

func (j talliedDecisions) Decide(ctx context.Context, d galen.Decision, state []byte) (galen.Decision, error) {
	first := d.Finding != nil && !j.t.isConfirmed(d.Run)
	var before galen.Run
	if first || d.Status == galen.RunHeld {
		before, _ = j.t.journal.Run(ctx, d.Run) // a number less
	}
	out, err := j.Journal.Decide(ctx, d, state)
	if err != nil || before.ID == "" {
		return out, err
	}
	if first {
		j.t.confirm(before, out)
	}
	if d.Status == galen.RunHeld && before.Status != galen.RunHeld {
		j.t.Held(before)
	}
	return out, nil
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

// talliedRuns counts how runs end, and that they are held.
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
		t.mu.Unlock()
	case after.Status == galen.RunHeld:
		t.Held(after)
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
