package journal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func testOpenRun(t *testing.T, w world) {
	a := w.open(t, "k")
	equal(t, "status", a.Status, galen.RunOpened)
	got, err := w.Run(t.Context(), a.ID)
	must(t, err)
	a.Params = json.RawMessage(`{"a":1}`) // stored compact
	if diff := cmp.Diff(a, got); diff != "" {
		t.Fatal(diff)
	}
	b, opened, err := w.OpenRun(t.Context(), galen.Run{Key: "k", Resource: ring(), Runbook: "x", Urgency: galen.Critical})
	must(t, err)
	equal(t, "second opened", opened, false)
	equal(t, "second ID", b.ID, a.ID)
	equal(t, "urgency", b.Urgency, galen.Critical)
	n, err := w.Duplicates(t.Context(), a.ID)
	must(t, err)
	equal(t, "duplicates", n, 1)
	must(t, w.SetRun(t.Context(), a.ID, galen.RunVerified, "well", time.Time{}))
	c := w.open(t, "k") // an ended run gives its key back
	if c.ID <= a.ID {
		t.Fatalf("IDs do not sort by age: %s, then %s", a.ID, c.ID)
	}
	hasty := c.Created.Add(7 * time.Hour) // by the clock of an engine that is ahead
	d, _, err := w.OpenRun(t.Context(), galen.Run{Key: "hasty", Resource: ring(), Runbook: "x", Created: hasty, Deadline: hasty.Add(time.Hour)})
	must(t, err)
	equal(t, "the time that a run has, by the journal's clock", d.Deadline.Sub(d.Created), time.Hour)
	equal(t, "opened ahead of time", d.Created.Before(hasty), true)
	for _, bad := range []galen.Run{{}, {Key: "x", Resource: ring()}, {Key: "x", Runbook: "y"}, {Resource: ring(), Runbook: "y"}} {
		if _, _, err := w.OpenRun(t.Context(), bad); err == nil {
			t.Errorf("opened %+v", bad)
		}
	}
	_, err = w.Run(t.Context(), "nobody")
	refused(t, err, galen.ErrNotFound)
	if _, _, err := w.OpenRun(t.Context(), galen.Run{ID: a.ID, Key: "z", Resource: ring(), Runbook: "y"}); err == nil {
		t.Error("an ID was given twice")
	}
}

func testOpenAlone(t *testing.T, w world) {
	request := func(key, runbook string, targets ...string) galen.Run {
		run := galen.Run{Key: key, Resource: ring(), Runbook: runbook, Version: 1, Asked: galen.AskedBy("ann")}
		for _, id := range targets {
			run.Scope = append(run.Scope, galen.Target{ID: id})
		}
		return run
	}
	const restart = "cassandra/restart-node"
	opened, errs := make([]bool, 10), make([]error, 10)
	var all sync.WaitGroup
	for i := range opened {
		all.Go(func() {
			_, opened[i], errs[i] = w.OpenAlone(t.Context(), request(fmt.Sprint("k", i), restart, fmt.Sprint("other-", i), "a"))
		})
	}
	all.Wait()
	runs, err := w.Runs(t.Context(), journal.RunFilter{Resource: ring(), OpenOnly: true})
	must(t, err)
	equal(t, "opened at once", len(runs), 1)
	for i, err := range errs {
		var already *galen.AlreadyError
		if opened[i] != (err == nil) || err != nil && (!errors.As(err, &already) || already.Run != runs[0].ID || already.Status != galen.RunOpened) {
			t.Errorf("request %d: opened %t, %v", i, opened[i], err)
		}
	}
	again, created, err := w.OpenAlone(t.Context(), request(runs[0].Key, restart, "a"))
	if err != nil || created || again.ID != runs[0].ID {
		t.Errorf("the same request again: %s, %t, %v", again.ID, created, err)
	}
	elsewhere := request("elsewhere", restart, "a")
	elsewhere.Resource.Name = "elsewhere"
	for _, run := range []galen.Run{elsewhere, request("another target", restart, "b"), request("another runbook", "cassandra/replace-node", "a")} {
		if _, created, err := w.OpenAlone(t.Context(), run); err != nil || !created {
			t.Errorf("%s: %t, %v", run.Key, created, err)
		}
	}
	must(t, w.SetRun(t.Context(), runs[0].ID, galen.RunCancelled, "enough", time.Time{}))
	if _, created, err := w.OpenAlone(t.Context(), request("after its end", restart, "a")); err != nil || !created {
		t.Errorf("after its end: %t, %v", created, err)
	}
}

func testRuns(t *testing.T, w world) {
	var all []galen.Run
	for i := range 5 {
		r := ring()
		if i == 4 {
			r = other()
		}
		all = append(all, w.openOn(t, fmt.Sprint("k", i), r))
	}
	must(t, w.SetRun(t.Context(), all[0].ID, galen.RunCancelled, "enough", time.Time{}))
	for name, c := range map[string]struct {
		f    journal.RunFilter
		want string
	}{
		"all":      {journal.RunFilter{}, "k4 k3 k2 k1 k0"},
		"resource": {journal.RunFilter{Resource: ring()}, "k3 k2 k1 k0"},
		"open":     {journal.RunFilter{OpenOnly: true, Resource: ring()}, "k3 k2 k1"},
		"status":   {journal.RunFilter{Status: galen.RunCancelled}, "k0"},
		"page":     {journal.RunFilter{Limit: 2, Before: all[3].ID}, "k2 k1"},
	} {
		got, err := w.Runs(t.Context(), c.f)
		must(t, err)
		var keys []string
		for _, r := range got {
			keys = append(keys, r.Key)
		}
		equal(t, name, strings.Join(keys, " "), c.want)
	}
}

// testVerifyRun: whoever comes to write the end long after the last look does not call it verified.
func testVerifyRun(t *testing.T, w world) {
	for _, c := range []struct {
		name string
		told bool // when it was looked at
		late time.Duration
		want error
	}{
		{"at once", true, 0, nil},
		{"in time", true, galen.DecideWithin - time.Second, nil},
		{"too late", true, galen.DecideWithin, galen.ErrMoved},
		{"of an older release, in time", false, galen.DecideWithin - time.Second, nil},
		{"of an older release, too late", false, galen.DecideWithin, galen.ErrMoved},
	} {
		run := w.open(t, c.name)
		d := w.decide(t, run, plan(time.Second), galen.RunWaiting)
		looked := time.Time{}
		if c.told {
			looked = d.At
		}
		w.clock.skip(c.late)
		before, err := w.Run(t.Context(), run.ID)
		must(t, err)
		if err := w.VerifyRun(t.Context(), run.ID, "well", looked); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		after, err := w.Run(t.Context(), run.ID)
		must(t, err)
		if c.want != nil {
			equal(t, c.name+": the run", cmp.Diff(before, after), "")
			continue
		}
		if after.Status != galen.RunVerified || after.Why != "well" || after.Ended.IsZero() {
			t.Errorf("%s: %+v", c.name, after)
		}
		w.clock.skip(time.Hour)
		must(t, w.VerifyRun(t.Context(), run.ID, "well", looked)) // whoever did not hear of the end says it again
	}
	equal(t, "ended events", w.count(t, galen.EventEnded), 3)
	undecided := w.open(t, "nobody has decided")
	refused(t, w.VerifyRun(t.Context(), undecided.ID, "well", time.Time{}), galen.ErrMoved)
	must(t, w.SetRun(t.Context(), undecided.ID, galen.RunCancelled, "enough", time.Time{}))
	refused(t, w.VerifyRun(t.Context(), undecided.ID, "well", w.clock.read()), galen.ErrEnded)
	refused(t, w.VerifyRun(t.Context(), "nobody", "well", w.clock.read()), galen.ErrNotFound)
}

func testSetRun(t *testing.T, w world) {
	run := w.open(t, "k")
	until := w.clock.read().Add(time.Minute)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunWaiting, "for streaming", until))
	must(t, w.SetRun(t.Context(), run.ID, galen.RunWaiting, "for streaming still", until.Add(time.Minute)))
	equal(t, "status events", w.count(t, galen.EventStatus), 1)
	got, err := w.Run(t.Context(), run.ID)
	must(t, err)
	equal(t, "why", got.Why, "for streaming still")
	if !got.Until.Equal(until.Add(time.Minute)) {
		t.Fatalf("until is %s", got.Until)
	}
	must(t, w.SetRun(t.Context(), run.ID, galen.RunAsking, "may I", time.Time{}))
	equal(t, "asked events", w.count(t, galen.EventAsked), 1)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "deadline", time.Time{}))
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "deadline", time.Time{}))
	equal(t, "held events", w.count(t, galen.EventHeld), 1)
	refused(t, w.SetRun(t.Context(), run.ID, galen.RunWaiting, "cannot see it", time.Time{}), galen.ErrHeld)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunVerified, "well", time.Time{}))
	must(t, w.SetRun(t.Context(), run.ID, galen.RunVerified, "well", time.Time{}))
	equal(t, "ended events", w.count(t, galen.EventEnded), 1)
	refused(t, w.SetRun(t.Context(), run.ID, galen.RunRunning, "again", time.Time{}), galen.ErrEnded)
	refused(t, w.SetRun(t.Context(), "nobody", galen.RunRunning, "", time.Time{}), galen.ErrNotFound)
	got, err = w.Run(t.Context(), run.ID)
	must(t, err)
	if got.Ended.IsZero() {
		t.Error("no end time")
	}
}

func testStop(t *testing.T, w world) {
	run := w.open(t, "k")
	if w.Stop(t.Context(), run.ID, "die", "ann", "because") == nil {
		t.Error("stopped with a word that is none")
	}
	must(t, w.Stop(t.Context(), run.ID, galen.StopYield, "engine", "because"))
	must(t, w.Stop(t.Context(), run.ID, galen.StopYield, "engine", "because"))
	equal(t, "yield", w.ledger(t, run).Run.Stop, galen.StopYield)
	must(t, w.Stop(t.Context(), run.ID, galen.StopCancel, "ann", "because"))
	must(t, w.Stop(t.Context(), run.ID, galen.StopYield, "engine", "because"))
	equal(t, "cancel stays", w.ledger(t, run).Run.Stop, galen.StopCancel)
	equal(t, "events", w.count(t, galen.EventStop), 2)
	told, err := w.Events(t.Context(), journal.EventFilter{Kind: galen.EventStop})
	must(t, err)
	for _, e := range told { // wish and reason are one event: no crash can part them
		if !strings.Contains(string(e.Body), `"why":"because"`) {
			t.Errorf("asked for no reason: %s", e.Body)
		}
	}
	must(t, w.SetRun(t.Context(), run.ID, galen.RunCancelled, "done", time.Time{}))
	refused(t, w.Stop(t.Context(), run.ID, galen.StopCancel, "ann", "because"), galen.ErrEnded)
}

func testThousandDuplicates(t *testing.T, w world) {
	const workers, each = 20, 50
	var wg sync.WaitGroup
	opened := make(chan string, workers*each)
	for i := range workers {
		wg.Go(func() {
			for j := range each {
				run, fresh, err := w.OpenRun(t.Context(), galen.Run{
					Key: "alert", Resource: ring(), Runbook: "cassandra/heal-node", Urgency: galen.Urgency(i*each + j),
				})
				if err != nil {
					t.Error(err)
				}
				if fresh {
					opened <- run.ID
				}
			}
		})
	}
	wg.Wait()
	equal(t, "opened", len(opened), 1)
	id := <-opened
	n, err := w.Duplicates(t.Context(), id)
	must(t, err)
	equal(t, "duplicates", n, workers*each-1)
	run, err := w.Run(t.Context(), id)
	must(t, err)
	equal(t, "urgency", run.Urgency, workers*each-1)
	items, err := w.Outbox(t.Context(), 0)
	must(t, err)
	equal(t, "starts", len(items), 1)
	equal(t, "events", w.count(t, galen.EventOpened), 1)
}

func plan(wait time.Duration, keep ...galen.Claim) galen.Plan {
	return galen.Plan{Wait: galen.Duration(wait), Why: fmt.Sprint("waits ", wait), Keep: keep}
}

func (w world) decide(t *testing.T, run galen.Run, p galen.Plan, status galen.RunStatus) galen.Decision {
	t.Helper()
	d, err := w.Decide(t.Context(), galen.Decision{Run: run.ID, Plan: p, State: "s", Basis: "b", Status: status, Why: p.Why}, nil)
	must(t, err)
	return d
}

func testDecide(t *testing.T, w world) {
	run := w.open(t, "k")
	d := w.decide(t, run, plan(time.Second), galen.RunWaiting)
	equal(t, "first number", d.Number, 1)
	again := plan(time.Second)
	again.Why = "other words"
	d = w.decide(t, run, again, galen.RunWaiting)
	equal(t, "same plan", fmt.Sprint(d.Number, d.Count), "1 2")
	equal(t, "decided events", w.count(t, galen.EventDecided), 1)
	d = w.decide(t, run, plan(time.Minute), galen.RunWaiting)
	equal(t, "other plan", fmt.Sprint(d.Number, d.Count), "2 1")
	d = w.decide(t, run, plan(time.Second), galen.RunWaiting)
	equal(t, "first plan again", fmt.Sprint(d.Number, d.Count), "3 1")
	asked := galen.Decision{Run: run.ID, Plan: plan(time.Second), Status: galen.RunAsking, Why: "may I", Shown: map[string]string{"a": "b1"}}
	d, err := w.Decide(t.Context(), asked, nil)
	must(t, err)
	equal(t, "status only", fmt.Sprint(d.Number, d.Count), "3 2")
	equal(t, "asked events", w.count(t, galen.EventAsked), 1)
	asked.Shown = map[string]string{"a": "b2"}
	asked.Verdicts = [][]galen.Verdict{{{Guard: "g", Answer: galen.NeedYes, Why: "1 s old"}}}
	_, err = w.Decide(t.Context(), asked, nil)
	must(t, err)
	asked.Verdicts[0][0].Why = "2 s old"
	_, err = w.Decide(t.Context(), asked, nil)
	must(t, err)
	equal(t, "decided events at the end", w.count(t, galen.EventDecided), 5)
	got, err := w.Plan(t.Context(), run.ID, 3)
	must(t, err)
	equal(t, "newest basis shown", got.Shown["a"], "b2")
	for _, c := range []struct {
		before, limit int
		want          string
	}{{0, 0, "3 2 1 "}, {3, 0, "2 1 "}, {0, 2, "3 2 "}, {1, 9, ""}} {
		all, err := w.Plans(t.Context(), run.ID, c.before, c.limit)
		must(t, err)
		numbers := ""
		for _, d := range all {
			numbers += fmt.Sprint(d.Number, " ")
		}
		equal(t, fmt.Sprintf("plans before %d, at most %d", c.before, c.limit), numbers, c.want)
	}
	_, err = w.Plan(t.Context(), run.ID, 9)
	refused(t, err, galen.ErrNotFound)
	asked.Hash = "of something else"
	if _, err := w.Decide(t.Context(), asked, nil); err == nil {
		t.Error("a wrong hash was believed")
	}
	asked.Hash, asked.Status, asked.Finding = "", galen.RunVerified, &galen.Finding{Resource: ring(), Code: "node-down", Urgency: galen.Critical}
	_, err = w.Decide(t.Context(), asked, nil)
	must(t, err)
	last, err := w.Run(t.Context(), run.ID)
	must(t, err)
	if last.Ended.IsZero() || last.Urgency != galen.Critical || last.Finding == nil {
		t.Errorf("the run is %+v", last)
	}
	_, err = w.Decide(t.Context(), asked, nil)
	refused(t, err, galen.ErrEnded)
}

// testSuggestion: a plan that was approved before the mode was changed is suggested from then on, and no row changes without its event.
func testSuggestion(t *testing.T, w world) {
	run := w.open(t, "k")
	d := galen.Decision{Run: run.ID, Plan: plan(time.Second), Status: galen.RunWaiting, Why: "w"}
	decide := func(suggests ...string) *galen.Suggestion {
		t.Helper()
		d.Suggests = suggests
		_, err := w.Decide(t.Context(), d, nil)
		must(t, err)
		got, err := w.Run(t.Context(), run.ID)
		must(t, err)
		return got.Suggested
	}
	equal(t, "before", decide() == nil, true)
	first := decide("start n1: it is down")
	equal(t, "kept", fmt.Sprint(first.Plan, first.Steps), "1 [start n1: it is down]")
	equal(t, "decided events", w.count(t, galen.EventDecided), 2)
	w.clock.skip(time.Minute)
	equal(t, "since the first time", decide("start n1: it is down").At.Equal(first.At), true)
	equal(t, "decided events of the same", w.count(t, galen.EventDecided), 2)
	d.Plan = plan(time.Minute)
	equal(t, "another plan", decide("kill n1: it hangs").Plan, 2)
	d.Plan = plan(time.Hour)
	equal(t, "once it waits only", decide().Plan, 2)
}

// testHeldAnew: a person is paged for each reason once.
func testHeldAnew(t *testing.T, w world) {
	run := w.open(t, "k")
	d := galen.Decision{Run: run.ID, Plan: galen.Plan{End: galen.EndEscalate, Why: "no spare"}, Status: galen.RunHeld}
	for i, why := range []string{"no spare", "no spare", "no spare; n4, too", "no spare; n4, too"} {
		d.Why = why
		_, err := w.Decide(t.Context(), d, nil)
		must(t, err)
		equal(t, fmt.Sprintf("pages after look %d", i+1), w.count(t, galen.EventHeld), 1+i/2)
	}
	last, err := w.Run(t.Context(), run.ID)
	must(t, err)
	equal(t, "why", last.Why, d.Why)
	fast := func(what string, want bool) {
		t.Helper()
		last, err := w.Run(t.Context(), run.ID)
		must(t, err)
		equal(t, what, last.HeldFast, want)
	}
	fast("held by a look", false)
	must(t, w.Reject(t.Context(), run.ID, "ada", "no"))
	fast("rejected", true)
	w.decide(t, run, d.Plan, galen.RunHeld)
	fast("looked at", true)
	w.decide(t, run, plan(time.Second), galen.RunWaiting)
	fast("goes on", false)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "its workflow was lost", time.Time{}))
	fast("held by no look", true)
}

// testMovedMeanwhile: who has moved a run without a decision has changed nothing of its plan; the next decision does, by an event.
func testMovedMeanwhile(t *testing.T, w world) {
	run := w.open(t, "k")
	w.decide(t, run, plan(time.Second), galen.RunRunning)
	for i, to := range []galen.RunStatus{galen.RunWaiting, galen.RunHeld} {
		must(t, w.SetRun(t.Context(), run.ID, to, "by no look", time.Time{}))
		for range 2 {
			w.decide(t, run, plan(time.Second), to)
			equal(t, fmt.Sprintf("decided events, %s", to), w.count(t, galen.EventDecided), 2+i)
		}
	}
}

// testForgotten: the same refusal again is only counted, until nobody has met it for a month.
func testForgotten(t *testing.T, w world) {
	run := w.open(t, "k")
	refuse := func(want int) {
		t.Helper()
		must(t, w.Refused(t.Context(), run.ID, stop("a"), []galen.Verdict{{Guard: "g", Answer: galen.LookAgain, Why: "busy"}}))
		equal(t, "refused", w.count(t, galen.EventRefused), want)
	}
	refuse(1)
	w.clock.skip(20 * 24 * time.Hour)
	refuse(1)
	w.clock.skip(20 * 24 * time.Hour)
	must(t, w.Prune(t.Context()))
	refuse(1)
	w.clock.skip(31 * 24 * time.Hour)
	must(t, w.Prune(t.Context()))
	refuse(2)
}

func testStates(t *testing.T, w world) {
	run := w.open(t, "k")
	body := []byte(`{"nodes":[1,2,3]}`)
	hash := galen.HashJSON(json.RawMessage(body))
	d := galen.Decision{Run: run.ID, Plan: plan(time.Second), State: hash, Basis: "b", Status: galen.RunWaiting}
	_, err := w.Decide(t.Context(), d, body)
	must(t, err)
	got, err := w.State(t.Context(), hash)
	must(t, err)
	equal(t, "body", string(got), string(body))
	uncited := []byte(`{"nodes":[4]}`)
	d.State = galen.HashJSON(json.RawMessage(uncited))
	_, err = w.Decide(t.Context(), d, uncited)
	must(t, err)
	_, err = w.State(t.Context(), d.State)
	refused(t, err, galen.ErrNotFound)
	if _, err := w.Decide(t.Context(), d, body); err == nil {
		t.Error("a state with another hash was believed")
	}
	w.clock.skip(29 * 24 * time.Hour)
	must(t, w.Prune(t.Context()))
	_, err = w.State(t.Context(), hash)
	must(t, err)
	w.clock.skip(2 * 24 * time.Hour)
	must(t, w.Prune(t.Context()))
	_, err = w.State(t.Context(), hash)
	refused(t, err, galen.ErrNotFound)
}
