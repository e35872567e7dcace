package journal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// yes is the newest approval of a run.
func (w world) yes(t *testing.T, run galen.Run) galen.Approval {
	t.Helper()
	all, err := w.Approvals(t.Context(), journal.ApprovalFilter{Run: run.ID, Limit: 1})
	must(t, err)
	if len(all) == 0 {
		t.Fatal("nobody has approved")
	}
	return all[0].Approval
}

func (w world) approve(t *testing.T, run galen.Run, id string, steps ...galen.ApprovedStep) {
	t.Helper()
	must(t, w.Approve(t.Context(), galen.Approval{
		ID: id, Run: run.ID, Runbook: run.Runbook, Version: run.Version, By: "ann", Steps: steps,
		Basis: map[string]string{"a": "b1"}, Expires: w.clock.read().Add(30 * time.Minute),
	}))
}

func (w world) void(t *testing.T, id string) int {
	t.Helper()
	n, err := w.Void(t.Context(), id, "the world moved", nil)
	must(t, err)
	return n
}

func testApprovals(t *testing.T, w world) {
	run := w.open(t, "k")
	step := galen.ApprovedStep{Verb: "stop", Target: "a", Count: 1}
	if w.ledger(t, run).Approval != nil {
		t.Fatal("an approval out of nothing")
	}
	hasty := run.Created.Add(7 * time.Hour) // by the clock of an engine that is ahead
	must(t, w.Approve(t.Context(), galen.Approval{Run: run.ID, ID: "y0", Steps: []galen.ApprovedStep{step}, By: "ann", At: hasty, Expires: hasty.Add(time.Hour)}))
	yes := w.ledger(t, run).Approval
	equal(t, "the time that a yes has, by the journal's clock", yes.Expires.Sub(yes.At), time.Hour)
	equal(t, "given ahead of time", yes.At.Before(hasty), true)
	w.approve(t, run, "y1", step)
	w.approve(t, run, "y2", step)
	equal(t, "the newest counts", w.ledger(t, run).Approval.ID, "y2")
	in := w.commit(t, run, "a")
	if w.ledger(t, run).Approval != nil {
		t.Error("a used-up approval is offered")
	}
	w.settle(t, in, galen.EffectAbsent)
	if w.ledger(t, run).Approval == nil {
		t.Error("an absent effect does not give the yes back")
	}
	equal(t, "first void", w.void(t, "y2"), 1)
	equal(t, "voided again", w.void(t, "y2"), 1)
	if w.ledger(t, run).Approval != nil {
		t.Error("a voided approval is offered, or the one that it replaced")
	}
	w.approve(t, run, "y3", step)
	equal(t, "second void", w.void(t, "y3"), 2)
	w.approve(t, run, "y4", step)
	equal(t, "third void", w.void(t, "y4"), 3)
	w.settle(t, w.commit(t, run, "b"), galen.EffectDone)
	w.approve(t, run, "y5", step)
	equal(t, "after an intent the row starts over", w.void(t, "y5"), 1)
	equal(t, "voided events", w.count(t, galen.EventVoided), 4)

	w.approve(t, run, "y6", step)
	must(t, w.Reject(t.Context(), run.ID, "bob", "not now"))
	l := w.ledger(t, run)
	if l.Approval != nil || l.Run.Status != galen.RunHeld || !strings.Contains(l.Run.Why, "bob") {
		t.Errorf("after the rejection: %+v, %+v", l.Approval, l.Run)
	}
	late := galen.Approval{Run: run.ID, By: "cy", Expires: w.clock.read().Add(time.Hour), Asked: true}
	if err := w.Approve(t.Context(), late); !errors.Is(err, galen.ErrMoved) || !strings.Contains(err.Error(), "rejected by bob: not now") {
		t.Errorf("a yes of somebody who did not know of the no: %v", err)
	}
	w.approve(t, run, "y7", step)
	equal(t, "a rejection ends the row", w.void(t, "y7"), 1)
	all, err := w.Approvals(t.Context(), journal.ApprovalFilter{Run: run.ID})
	must(t, err)
	equal(t, "all", len(all), 8)
	w.approve(t, run, "y8", step)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "the gate denied it", time.Time{}))
	equal(t, "a yes of a run that was held is over already", w.void(t, "y8"), 1)
	w.approve(t, run, "y9", step)
	equal(t, "what the hold ended is not of the world's making", w.void(t, "y9"), 2)

	_, err = w.Void(t.Context(), "nobody", "", nil)
	refused(t, err, galen.ErrNotFound)
	if w.Approve(t.Context(), galen.Approval{Run: run.ID, By: "ann", Expires: w.clock.read()}) == nil {
		t.Error("an expired approval was taken")
	}
	if w.Approve(t.Context(), galen.Approval{Run: run.ID, Expires: w.clock.read().Add(time.Hour)}) == nil {
		t.Error("nobody approved")
	}
	must(t, w.SetRun(t.Context(), run.ID, galen.RunCancelled, "", time.Time{}))
	refused(t, w.Reject(t.Context(), run.ID, "bob", "no"), galen.ErrEnded)
	refused(t, w.Approve(t.Context(), galen.Approval{Run: run.ID, By: "ann", Expires: w.clock.read().Add(time.Hour)}), galen.ErrEnded)
}

// testApproveRearms: the yes and the run that it lets go on are one transaction; there is no crash in between.
func testApproveRearms(t *testing.T, w world) {
	run := w.open(t, "k")
	step := galen.ApprovedStep{Verb: "stop", Target: "a", Count: 1}
	must(t, w.SetRun(t.Context(), run.ID, galen.RunAsking, "may I?", time.Time{}))
	w.approve(t, run, "y1", step)
	equal(t, "who asks goes on by its next look", w.ledger(t, run).Run.Status, galen.RunAsking)

	before := w.ledger(t, run)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "the gate denied it", time.Time{}))
	held := w.ledger(t, run)
	if held.Approval != nil {
		t.Error("a run that becomes held keeps a yes that was given before: it would go on by itself")
	}
	if yes := w.yes(t, run); held.LastYes.IsZero() || !held.LastYes.Equal(yes.At) {
		t.Errorf("the last yes was at %s, want %s, whatever became of it", held.LastYes, yes.At)
	}
	equal(t, "voided events", w.count(t, galen.EventVoided), 1)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "still", time.Time{}))
	equal(t, "voided once", w.count(t, galen.EventVoided), 1)

	outbox := w.outbox(t)
	w.approve(t, run, "y2", step)
	after := w.ledger(t, run)
	if after.Run.Status != galen.RunRunning || after.Run.Why != "approved by ann, goes on" || after.Approval == nil || after.Approval.ID != "y2" {
		t.Errorf("after the yes: %+v, %+v", after.Run, after.Approval)
	}
	if held.Revision == before.Revision || after.Revision == held.Revision {
		t.Errorf("revisions %d, %d, %d: the gate would not see the change", before.Revision, held.Revision, after.Revision)
	}
	equal(t, "wakes", w.outbox(t)-outbox, 1)
	events, err := w.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventStatus})
	must(t, err)
	if n := len(events); n == 0 || events[n-1].By != "ann" || !strings.Contains(string(events[n-1].Body), `"was":"held"`) {
		t.Errorf("no event says that the run goes on: %+v", events)
	}
}

// testDecideMoved: a look takes seconds, and a person may act in between.
func testDecideMoved(t *testing.T, w world) {
	step := galen.ApprovedStep{Verb: "stop", Target: "a", Count: 1}
	for _, c := range []struct {
		name string
		do   func(galen.Run) error
		want error
	}{
		{"rejects", func(r galen.Run) error { return w.Reject(t.Context(), r.ID, "bob", "no") }, galen.ErrMoved},
		{"cancels", func(r galen.Run) error { return w.Stop(t.Context(), r.ID, galen.StopCancel, "bob", "because") }, galen.ErrMoved},
		{"approves", func(r galen.Run) error { w.approve(t, r, "", step); return nil }, galen.ErrMoved},
		{"sees another engine decide anew", func(r galen.Run) error { w.decide(t, r, plan(time.Minute), galen.RunWaiting); return nil }, galen.ErrMoved},
		{"leaves the engine suspended since its look", func(galen.Run) error { w.clock.skip(galen.DecideWithin); return nil }, galen.ErrMoved},
		{"starts an engine with another configuration", func(galen.Run) error {
			return w.Configure(t.Context(), journal.Configuration{ring().String(): "another"}, "bob")
		}, galen.ErrMoved},
		{"starts one with the same", func(galen.Run) error {
			return w.Configure(t.Context(), journal.Configuration{ring().String(): "another"}, "bob")
		}, nil},
		{"lets it take its time", func(galen.Run) error { w.clock.skip(galen.DecideWithin - time.Second); return nil }, nil},
		{"sees it decide the same", func(r galen.Run) error { w.decide(t, r, plan(time.Second), galen.RunWaiting); return nil }, nil},
		{"lets it be", func(galen.Run) error { return nil }, nil},
		{"works on another run", func(galen.Run) error { w.settle(t, w.commit(t, w.open(t, "other"), "o"), galen.EffectDone); return nil }, nil},
	} {
		run := w.open(t, c.name)
		w.decide(t, run, plan(time.Second), galen.RunWaiting)
		was := w.ledger(t, run).Standing()
		must(t, c.do(run))
		before := w.ledger(t, run).Run
		d, err := w.Decide(t.Context(), galen.Decision{Run: run.ID, Was: &was, Plan: plan(time.Hour), Status: galen.RunRunning, Why: "goes on"}, nil)
		if !errors.Is(err, c.want) {
			t.Errorf("a person %s: %v, want %v", c.name, err, c.want)
		}
		after := w.ledger(t, run).Run
		if c.want != nil && cmp.Diff(before, after) != "" {
			t.Errorf("a person %s, and the run is %+v", c.name, after)
		}
		if c.want == nil && (after.Status != galen.RunRunning || after.Plan != d.Number) {
			t.Errorf("a person %s, and the run is %+v", c.name, after)
		}
	}
	// Knowing of the cancel, the same plan is stored as one that knows.
	run := w.open(t, "knows")
	w.decide(t, run, plan(time.Second), galen.RunWaiting)
	must(t, w.Stop(t.Context(), run.ID, galen.StopCancel, "bob", "because"))
	equal(t, "the plan does not know", w.ledger(t, run).Run.PlanStop, "")
	w.decide(t, run, plan(time.Second), galen.RunWaiting)
	equal(t, "the plan knows", w.ledger(t, run).Run.PlanStop, galen.StopCancel)
	// A decision to hold takes the yes of before away, in the same transaction.
	w.approve(t, run, "y", step)
	w.decide(t, run, plan(time.Second), galen.RunHeld)
	if w.ledger(t, run).Approval != nil {
		t.Error("a run that was decided to be held keeps its yes")
	}
}

// testHoldMoved: what the gate denies, or nobody can decide, holds the run only if it stands as it stood when that was found.
func testHoldMoved(t *testing.T, w world) {
	step := galen.ApprovedStep{Verb: "stop", Target: "a", Count: 1}
	hold := func(r galen.Run, was galen.Standing) error {
		return w.HoldRun(t.Context(), r.ID, "the gate denied it", was)
	}
	for _, c := range []struct {
		name string
		do   func(galen.Run)
		want error
		held string // with which words; "" for not
	}{
		{"approves", func(r galen.Run) { w.approve(t, r, "", step) }, galen.ErrMoved, ""},
		{"cancels", func(r galen.Run) { must(t, w.Stop(t.Context(), r.ID, galen.StopCancel, "bob", "because")) }, galen.ErrMoved, ""},
		{"sees another engine decide anew", func(r galen.Run) { w.decide(t, r, plan(time.Minute), galen.RunWaiting) }, galen.ErrMoved, ""},
		{"leaves the engine suspended", func(galen.Run) { w.clock.skip(galen.DecideWithin) }, galen.ErrMoved, ""},
		{"lets it be", func(galen.Run) {}, nil, "the gate denied it"},
		{"rejects", func(r galen.Run) { must(t, w.Reject(t.Context(), r.ID, "bob", "no")) }, nil, "rejected by bob: no"},
		{"sees it end", func(r galen.Run) { must(t, w.SetRun(t.Context(), r.ID, galen.RunVerified, "well", time.Time{})) }, galen.ErrEnded, ""},
	} {
		run := w.open(t, "hold "+c.name)
		w.decide(t, run, plan(time.Second), galen.RunRunning)
		w.approve(t, run, "", step)
		was := w.ledger(t, run).Standing()
		c.do(run)
		before := w.ledger(t, run)
		if err := hold(run, was); !errors.Is(err, c.want) {
			t.Errorf("a person %s: %v, want %v", c.name, err, c.want)
		}
		after := w.ledger(t, run)
		if c.held == "" && (cmp.Diff(before.Run, after.Run) != "" || cmp.Diff(before.Approval, after.Approval) != "") {
			t.Errorf("a person %s, and the run is %+v with the yes %+v", c.name, after.Run, after.Approval)
		}
		if c.held != "" && (after.Run.Status != galen.RunHeld || after.Run.Why != c.held || after.Approval != nil) {
			t.Errorf("a person %s, and the run is %+v with the yes %+v", c.name, after.Run, after.Approval)
		}
	}
	run := w.open(t, "paged")
	must(t, hold(run, w.ledger(t, run).Standing()))
	events, err := w.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventHeld})
	must(t, err)
	equal(t, "pages", len(events), 1)
	refused(t, w.HoldRun(t.Context(), "nobody", "x", galen.Standing{}), galen.ErrNotFound)
}

// testEmptyYes: a held run whose plan has no steps is let go on by a yes that names none.
func testEmptyYes(t *testing.T, w world) {
	run := w.open(t, "k")
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "past its deadline", time.Time{}))
	w.approve(t, run, "y")
	l := w.ledger(t, run)
	if l.Run.Status != galen.RunRunning || l.Approval == nil || l.Approval.ID != "y" {
		t.Fatalf("after the yes: %+v, %+v", l.Run, l.Approval)
	}
	w.decide(t, run, plan(time.Second), galen.RunAsking)
	if w.ledger(t, run).Approval == nil {
		t.Error("the yes is gone while the run asks for its first step")
	}
	w.clock.skip(30 * time.Minute)
	if w.ledger(t, run).Approval != nil {
		t.Error("the yes outlives its time")
	}
	w.approve(t, run, "y2")
	w.decide(t, run, plan(time.Second), galen.RunHeld)
	if w.ledger(t, run).Approval != nil {
		t.Error("held again, and the yes counts still")
	}
}

// testRebase: whoever settles an effect, the yes of the intent's own run follows it in the same transaction.
func testRebase(t *testing.T, w world) {
	run, watcher := w.open(t, "k"), w.open(t, "watcher")
	yes := galen.Approval{
		ID: "y", Run: run.ID, By: "ann", Expires: w.clock.read().Add(time.Hour), Steps: []galen.ApprovedStep{{Verb: "stop", Target: "a", Count: 2}},
		Basis: map[string]string{"a": "a1", "b": "b1"},
	}
	must(t, w.Approve(t.Context(), yes))
	yes.ID, yes.Run = "z", watcher.ID
	must(t, w.Approve(t.Context(), yes))
	in := w.commit(t, run, "a")
	say := func(status galen.EffectStatus, basis map[string]string) {
		t.Helper()
		must(t, w.Settle(t.Context(), watcher.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: status}, Basis: basis}}))
	}
	shown := func(r galen.Run) string { return fmt.Sprint(w.ledger(t, r).Approval.Basis) }
	say(galen.EffectUnderWay, map[string]string{"a": "a2", "c": "c2"})
	equal(t, "what was shown and is concerned follows", shown(run), "map[a:a2 b:b1]")
	equal(t, "the yes of another run stays", shown(watcher), "map[a:a1 b:b1]")
	say(galen.EffectUnderWay, map[string]string{"a": "a3"})
	equal(t, "no news, no new basis", shown(run), "map[a:a2 b:b1]")
	say(galen.EffectDone, map[string]string{"a": "a4"})
	equal(t, "settled", shown(run), "map[a:a4 b:b1]")
	equal(t, "voided", w.void(t, "y"), 1)
	second := w.commit(t, run, "a")
	must(t, w.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: second.ID, Effect: galen.Effect{Status: galen.EffectDone}, Basis: map[string]string{"a": "a5"}}}))
}

func (w world) outbox(t *testing.T) int {
	t.Helper()
	items, err := w.Outbox(t.Context(), 0)
	must(t, err)
	return len(items)
}

func testHolds(t *testing.T, w world) {
	run := w.open(t, "k")
	w.openOn(t, "elsewhere", other())
	must(t, w.OutboxDone(t.Context(), 1, 2))
	must(t, w.SetHold(t.Context(), galen.Hold{ID: "h", Resource: ring(), Why: "migration", By: "ann", Until: w.clock.read().Add(time.Hour)}))
	w.woken(t, "who is held", run)
	w.clock.skip(48 * time.Hour)
	holds, err := w.Holds(t.Context())
	must(t, err)
	equal(t, "overdue holds stay", len(holds), 1)
	later := w.clock.read().Add(time.Hour)
	longer, err := w.ExtendHold(t.Context(), "h", later, "bea", "the disks are late")
	must(t, err)
	equal(t, "who set it", longer.By, "ann")
	equal(t, "its end", longer.Until.Equal(later), true)
	equal(t, "in the ledger", w.ledger(t, run).Holds[0].Until.Equal(later), true)
	for _, bad := range []struct {
		until   time.Time
		by, why string
	}{{w.clock.read(), "bea", "w"}, {later, "", "w"}, {later, "bea", ""}} {
		if _, err := w.ExtendHold(t.Context(), "h", bad.until, bad.by, bad.why); err == nil {
			t.Errorf("extended until %s by %q: %q", bad.until, bad.by, bad.why)
		}
	}
	if w.Release(t.Context(), "h", "") == nil {
		t.Error("nobody released it")
	}
	must(t, w.Release(t.Context(), "h", "ann"))
	refused(t, w.Release(t.Context(), "h", "ann"), galen.ErrReleased)
	_, err = w.ExtendHold(t.Context(), "h", later, "bea", "w")
	refused(t, err, galen.ErrReleased)
	refused(t, w.Release(t.Context(), "nobody's", "ann"), galen.ErrNotFound)
	w.woken(t, "who was held", run)
	for _, bad := range []galen.Hold{
		{By: "ann", Until: later}, {Why: "w", Until: later}, {By: "ann", Why: "w"}, {By: "ann", Why: "w", Until: w.clock.read()},
		{By: "ann", Why: "w", Until: later, Pattern: "cassandra"}, {By: "ann", Why: "w", Until: later, Pattern: "*/*", Resource: ring()},
	} {
		if w.SetHold(t.Context(), bad) == nil {
			t.Errorf("set %+v", bad)
		}
	}
	equal(t, "hold events", w.count(t, galen.EventHold), 2)
	equal(t, "release events", w.count(t, galen.EventRelease), 1)
}

// woken empties the outbox, which must hold one wake for the run and nothing else.
func (w world) woken(t *testing.T, who string, run galen.Run) {
	t.Helper()
	items, err := w.Outbox(t.Context(), 0)
	must(t, err)
	if len(items) != 1 || items[0].Kind != journal.OutboxWake || items[0].Run != run.ID {
		t.Errorf("%s is not woken: %+v", who, items)
	}
	for _, item := range items {
		must(t, w.OutboxDone(t.Context(), item.ID))
	}
}

func testRecoveries(t *testing.T, w world) {
	run, next := w.open(t, "k"), w.open(t, "next")
	in := w.commit(t, run, "a")
	must(t, w.Outcome(t.Context(), in.ID, galen.SentYes, ""))
	w.settle(t, in, galen.EffectDone)
	unsent := w.commit(t, run, "b")
	must(t, w.Outcome(t.Context(), unsent.ID, galen.SentNot, ""))
	w.settle(t, unsent, galen.EffectAbsent)
	refused := w.commit(t, run, "c") // the target said no: there was no treatment
	must(t, w.Outcome(t.Context(), refused.ID, galen.SentError, "a later intent has acted on the target"))
	equal(t, "while nobody knows", len(w.ledger(t, next).Recoveries), 2)
	w.settle(t, refused, galen.EffectAbsent)
	got := w.ledger(t, next).Recoveries
	if len(got) != 1 || got[0] != (galen.Recovery{Run: run.ID, Runbook: run.Runbook, Target: "a", Class: in.Class, At: in.At}) {
		t.Fatalf("recoveries: %+v", got)
	}
	must(t, w.Acknowledge(t.Context(), ring(), []string{"host a", "a"}, "ann"))
	equal(t, "acknowledged", w.ledger(t, next).Recoveries[0].Acknowledged, true)
	in = w.commit(t, next, "a")
	w.settle(t, in, galen.EffectDone)
	got = w.ledger(t, next).Recoveries
	equal(t, "both", len(got), 2)
	equal(t, "a new one is not", got[1].Acknowledged, false)
	c := w.commitOf(t, next, "d")
	c.Intent.Undoes = "another"
	back, err := w.Commit(t.Context(), c)
	must(t, err)
	w.settle(t, back, galen.EffectDone)
	equal(t, "what was put back is no treatment", len(w.ledger(t, next).Recoveries), 2)
	w.clock.skip(25 * time.Hour)
	equal(t, "after a day", len(w.ledger(t, next).Recoveries), 0)
	if w.Acknowledge(t.Context(), ring(), []string{"a"}, "") == nil || w.Acknowledge(t.Context(), ring(), nil, "ann") == nil || w.Acknowledge(t.Context(), ring(), []string{"a", ""}, "ann") == nil {
		t.Error("nobody acknowledged it")
	}
}

// testAcksPruned: a fence is never pruned, and each dropped row is told by an event (the journal is verified when it closes).
func testAcksPruned(t *testing.T, w world) {
	run := w.open(t, "k")
	fence := w.commit(t, run, "a").Fence
	must(t, w.Acknowledge(t.Context(), ring(), []string{"host a", "a"}, "ann"))
	w.clock.skip(29 * 24 * time.Hour)
	must(t, w.Acknowledge(t.Context(), ring(), []string{"b"}, "ann"))
	must(t, w.Prune(t.Context()))
	equal(t, "pruned too soon", w.count(t, galen.EventPruned), 0)
	w.clock.skip(2 * 24 * time.Hour)
	for range 2 {
		must(t, w.Prune(t.Context()))
	}
	told, err := w.Events(t.Context(), journal.EventFilter{Kind: galen.EventPruned})
	must(t, err)
	if len(told) != 1 {
		t.Fatalf("told %d times: %+v", len(told), told)
	}
	body := string(told[0].Body)
	for row, want := range map[string]bool{"host a": true, "a": true, "b": false} {
		if got := strings.Contains(body, `"ack/`+ring().String()+`/`+row+`":""`); got != want {
			t.Errorf("%q is gone: %t, want %t: %s", row, got, want, body)
		}
	}
	equal(t, "the fence stays", w.ledger(t, run).Fences["a"], fence)
	must(t, w.Acknowledge(t.Context(), ring(), []string{"a"}, "ann")) // anew, and gone again a month later
	w.clock.skip(31 * 24 * time.Hour)
	must(t, w.Prune(t.Context()))
	equal(t, "pruned again", w.count(t, galen.EventPruned), 2)
}

// testOutdated: a yes that covers no more what a decision needs one for has ended, should the world come back to what it was.
func testOutdated(t *testing.T, w world) {
	run := w.open(t, "k")
	w.approve(t, run, "y1", galen.ApprovedStep{Verb: "stop", Target: "a", Count: 1})
	ask := galen.Decision{Run: run.ID, At: w.clock.read(), Plan: galen.Plan{Steps: []galen.Step{stop("b")}, Why: "b is ill"}, Status: galen.RunAsking, Why: "may I?"}
	_, err := w.Decide(t.Context(), ask, nil)
	must(t, err)
	equal(t, "a yes that stands", w.ledger(t, run).Approval != nil, true)
	ask.Outdates = "y1 does not name b"
	for range 2 { // once is enough
		_, err = w.Decide(t.Context(), ask, nil)
		must(t, err)
	}
	equal(t, "a yes that is outdated", w.ledger(t, run).Approval == nil, true)
	events, err := w.Events(t.Context(), journal.EventFilter{Run: run.ID, Kind: galen.EventVoided})
	must(t, err)
	if len(events) != 1 || !strings.Contains(string(events[0].Body), "y1 does not name b") || !strings.Contains(string(events[0].Body), `"in_a_row":1`) || !strings.Contains(string(events[0].Body), `"moved":[`) {
		t.Errorf("told by %+v", events)
	}
	w.approve(t, run, "y2", galen.ApprovedStep{Verb: "stop", Target: "b", Count: 1})
	ask.Outdates = ""
	_, err = w.Decide(t.Context(), ask, nil)
	must(t, err)
	equal(t, "a new yes", w.ledger(t, run).Approval.ID, "y2")
}
