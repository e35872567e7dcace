package journal_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func testCommit(t *testing.T, w world) {
	run := w.open(t, "k")
	c := w.commitOf(t, run, "a", claims("ring", "node/a")...)
	c.Intent.ID = "chosen by the gate"
	c.Spend = []galen.Spend{{Budget: galen.BudgetDestructive, Target: "a"}}
	c.Facts = []galen.Fact{{Key: "repair-owed/a", Value: []byte(`{"since": 1}`)}}
	in, err := w.Commit(t.Context(), c)
	must(t, err)
	equal(t, "ID", in.ID, c.Intent.ID)
	equal(t, "fence", in.Fence, in.At.UnixMilli())
	equal(t, "effect", in.Effect.Status, galen.EffectUnknown)
	l := w.ledger(t, run)
	if diff := cmp.Diff([]galen.Intent{in}, l.Past); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(l.Past, l.Open); diff != "" {
		t.Error(diff)
	}
	want := []galen.HeldClaim{
		{Claim: galen.Claim{Name: "node/a"}, Run: run.ID, Urgency: run.Urgency, Intents: []string{in.ID}, Since: in.At},
		{Claim: galen.Claim{Name: "ring"}, Run: run.ID, Urgency: run.Urgency, Intents: []string{in.ID}, Since: in.At},
	}
	if diff := cmp.Diff(want, l.Claims); diff != "" {
		t.Error(diff)
	}
	spent := []galen.Spend{{Budget: galen.BudgetDestructive, Resource: ring(), Run: run.ID, Target: "a", At: in.At}}
	if diff := cmp.Diff(spent, l.Spent); diff != "" {
		t.Error(diff)
	}
	fact := map[string]galen.Fact{"repair-owed/a": {Key: "repair-owed/a", Value: []byte(`{"since":1}`), Intent: in.ID, At: in.At}}
	if diff := cmp.Diff(fact, l.Facts); diff != "" {
		t.Error(diff)
	}
	equal(t, "fences", l.Fences["a"], in.Fence)
	equal(t, "account moved", l.Account, c.Account+1)
	w.settle(t, in, galen.EffectFailed)

	// The same token again: one per budget, run and target.
	c = w.commitOf(t, run, "a")
	c.Spend = spent
	second, err := w.Commit(t.Context(), c)
	must(t, err)
	equal(t, "next fence", second.Fence, in.Fence+1)
	l = w.ledger(t, run)
	equal(t, "tokens", len(l.Spent), 1)
	equal(t, "account stays", l.Account, c.Account)
	events, err := w.Events(t.Context(), journal.EventFilter{Kind: galen.EventIntended, Run: run.ID})
	must(t, err)
	equal(t, "intended", len(events), 2)
	if !strings.Contains(string(events[0].Body), "2 of 3 stay") {
		t.Errorf("no verdicts in %s", events[0].Body)
	}
	w.clock.skip(25 * time.Hour)
	equal(t, "tokens after the window", len(w.ledger(t, run).Spent), 0)

	// A run that is older than what a ledger looks back on pays anew.
	w.settle(t, second, galen.EffectFailed)
	c = w.commitOf(t, run, "a")
	c.Spend = spent
	_, err = w.Commit(t.Context(), c)
	must(t, err)
	equal(t, "tokens spent anew", len(w.ledger(t, run).Spent), 1)
	equal(t, "account moved again", w.ledger(t, run).Account, c.Account+1)
}

func testRefusals(t *testing.T, w world) {
	holder := w.open(t, "holder")
	in := w.commit(t, holder, "a", galen.Claim{Name: "ring"}, galen.Claim{Name: "rack/r1", Shared: true})
	run := w.open(t, "k")
	for _, c := range []struct {
		name   string
		change func(*galen.Commit)
		want   error
	}{
		{"unknown run", func(c *galen.Commit) { c.Intent.Run = "nobody" }, galen.ErrNotFound},
		{"old revision", func(c *galen.Commit) { c.Revision-- }, galen.ErrMoved},
		{"future revision", func(c *galen.Commit) { c.Revision++ }, galen.ErrMoved},
		{"old account", func(c *galen.Commit) { c.Account-- }, galen.ErrMoved},
		{"target at work", func(c *galen.Commit) { c.Intent.Step.Target.ID, c.Touched = "a", []string{"a"} }, galen.ErrUnsettled},
		{"claim taken", func(c *galen.Commit) { c.Claims = claims("node/b", "ring") }, galen.ErrClaimed},
		{"claim taken, wanted shared", func(c *galen.Commit) { c.Claims = []galen.Claim{{Name: "ring", Shared: true}} }, galen.ErrClaimed},
		{"claim shared, wanted alone", func(c *galen.Commit) { c.Claims = claims("rack/r1") }, galen.ErrClaimed},
		{"claim shared by both", func(c *galen.Commit) { c.Claims = []galen.Claim{{Name: "rack/r1", Shared: true}} }, nil},
	} {
		commit := w.commitOf(t, run, "b")
		c.change(&commit)
		_, err := w.Commit(t.Context(), commit)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	commit := w.commitOf(t, run, "c", claims("ring")...)
	_, err := w.Commit(t.Context(), commit)
	var claimed *galen.ClaimedError
	if !errors.As(err, &claimed) || claimed.Holder != holder.ID || claimed.Claim.Name != "ring" {
		t.Errorf("the holder is not told: %v", err)
	}
	twice := w.commitOf(t, run, "c")
	twice.Intent.ID = in.ID
	if _, err := w.Commit(t.Context(), twice); err == nil {
		t.Error("an intent was committed twice")
	}
	untold := w.commitOf(t, run, "c")
	untold.Touched = []string{"b"}
	if _, err := w.Commit(t.Context(), untold); err == nil {
		t.Error("an intent was committed whose target is not told as touched: no hold on it would count")
	}
	elsewhere := w.commitOf(t, run, "c")
	elsewhere.Intent.Resource = other()
	if _, err := w.Commit(t.Context(), elsewhere); err == nil {
		t.Error("an intent on another resource was committed")
	}
	for _, h := range []galen.Hold{{}, {Resource: ring()}, {Resource: ring(), Target: "c"}, {Target: "c"}, {Pattern: "cassandra/*"}} {
		h.ID, h.By, h.Why, h.Until = "h", "ann", "careful", w.clock.read().Add(time.Hour)
		must(t, w.SetHold(t.Context(), h))
		_, err := w.Commit(t.Context(), w.commitOf(t, run, "c"))
		refused(t, err, galen.ErrHeld)
		must(t, w.Release(t.Context(), "h", "ann"))
	}
	must(t, w.SetHold(t.Context(), galen.Hold{ID: "h", Resource: ring(), Target: "instance/n4", By: "ann", Why: "its disks are swapped", Until: w.clock.read().Add(time.Hour)}))
	_, err = w.Commit(t.Context(), w.commitOf(t, run, "c", claims("rack/r3", "node/c", "node/instance/n4")...))
	refused(t, err, galen.ErrHeld)
	must(t, w.Release(t.Context(), "h", "ann"))
	stopped := w.open(t, "stopped")
	must(t, w.Stop(t.Context(), stopped.ID, galen.StopCancel, "ann", "because"))
	_, err = w.Commit(t.Context(), w.commitOf(t, stopped, "c"))
	refused(t, err, galen.ErrMoved)
	w.decide(t, stopped, plan(time.Second), galen.RunRunning)
	_, err = w.Commit(t.Context(), w.commitOf(t, stopped, "s"))
	must(t, err)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunHeld, "deadline", time.Time{}))
	_, err = w.Commit(t.Context(), w.commitOf(t, run, "c"))
	refused(t, err, galen.ErrHeld)
	must(t, w.SetRun(t.Context(), run.ID, galen.RunCancelled, "enough", time.Time{}))
	_, err = w.Commit(t.Context(), w.commitOf(t, run, "c"))
	refused(t, err, galen.ErrEnded)
}

// testNames: what is at work, on hold or approved under one name is so under the others, too: an empty instance becomes a node.
func testNames(t *testing.T, w world) {
	run := w.open(t, "k")
	step := func(target string, also ...string) galen.Commit {
		c := w.commitOf(t, run, target, galen.Claim{Name: "node/" + target})
		c.Intent.Also, c.Touched = also, append([]string{target}, also...)
		return c
	}
	commit := func(c galen.Commit, want error) galen.Intent {
		t.Helper()
		in, err := w.Commit(t.Context(), c)
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", c.Intent.Step, err, want)
		}
		return in
	}
	first := commit(step("instance/n4"), nil)
	commit(step("host-4", "instance/n4"), galen.ErrUnsettled)
	commit(step("instance/n5"), nil)
	w.settle(t, first, galen.EffectDone)
	second := commit(step("host-4", "instance/n4"), nil)
	equal(t, "kept", strings.Join(w.ledger(t, run).Open[1].Also, " "), "instance/n4")
	commit(step("instance/n4"), galen.ErrUnsettled)
	w.settle(t, second, galen.EffectDone)

	must(t, w.SetHold(t.Context(), galen.Hold{ID: "h", Resource: ring(), Target: "instance/n4", By: "ann", Why: "its disks are swapped", Until: w.clock.read().Add(time.Hour)}))
	commit(step("host-4", "instance/n4"), galen.ErrHeld)
	other := step("host-6", "instance/n6")
	other.Touched = append(other.Touched, "host-4", "instance/n4") // it claims that one by another name
	commit(other, galen.ErrHeld)
	must(t, w.Release(t.Context(), "h", "ann"))

	w.approve(t, run, "y", galen.ApprovedStep{Verb: "stop", Target: "instance/n4", Count: 1}, galen.ApprovedStep{Verb: "stop", Target: "host-6", Count: 1})
	commit(step("host-6", "instance/n6"), nil)
	if w.ledger(t, run).Approval == nil {
		t.Error("used up by a step on another")
	}
	commit(step("host-4", "instance/n4"), nil)
	if yes := w.ledger(t, run).Approval; yes != nil {
		t.Errorf("not used up by a step on the same under another name: %+v", yes)
	}
}

func testNothingLeft(t *testing.T, w world) {
	holder := w.open(t, "holder")
	w.commit(t, holder, "a", claims("ring")...)
	run := w.open(t, "k")
	before := w.ledger(t, run)
	events := w.count(t, "")
	c := w.commitOf(t, run, "b", claims("node/b", "ring")...)
	c.Spend = []galen.Spend{{Budget: galen.BudgetDestructive}}
	c.Facts = []galen.Fact{{Key: "f"}}
	_, err := w.Commit(t.Context(), c)
	refused(t, err, galen.ErrClaimed)
	after := w.ledger(t, run)
	after.Now = before.Now
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	equal(t, "events", w.count(t, ""), events)
}

func testRevisions(t *testing.T, w world) {
	run := w.open(t, "k")
	var in galen.Intent
	until := w.clock.read().Add(time.Hour)
	approval := galen.Approval{ID: "y", Run: run.ID, By: "ann", Expires: until, Steps: []galen.ApprovedStep{{Verb: "x", Target: "x", Count: 1}}}
	held := galen.Hold{ID: "h", Resource: ring(), By: "ann", Why: "w", Until: until}
	all := galen.Hold{ID: "all", By: "ann", Why: "w", Until: until}
	for _, c := range []struct {
		name    string
		account bool
		do      func() error
	}{
		{"commit", false, func() (err error) {
			in, err = w.Commit(t.Context(), w.commitOf(t, run, "a", claims("ring")...))
			return err
		}},
		{"outcome", false, func() error { return w.Outcome(t.Context(), in.ID, galen.SentYes, "") }},
		{"settle", false, func() error {
			return w.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectDone}}})
		}},
		{"spend", true, func() error {
			c := w.commitOf(t, run, "b")
			c.Spend = []galen.Spend{{Budget: galen.BudgetDestructive}}
			_, err := w.Commit(t.Context(), c)
			return err
		}},
		{"approve", false, func() error { return w.Approve(t.Context(), approval) }},
		{"void", false, func() error { _, err := w.Void(t.Context(), "y", "moved", nil); return err }},
		{"stop", false, func() error { return w.Stop(t.Context(), run.ID, galen.StopYield, "engine", "because") }},
		{"hold", false, func() error { return w.SetHold(t.Context(), held) }},
		{"release", false, func() error { return w.Release(t.Context(), "h", "ann") }},
		{"hold all", true, func() error { return w.SetHold(t.Context(), all) }},
		{"release all", true, func() error { return w.Release(t.Context(), "all", "ann") }},
		{"acknowledge", false, func() error { return w.Acknowledge(t.Context(), ring(), []string{"a"}, "ann") }},
		{"policy", false, func() error { return w.SetResource(t.Context(), ring(), []byte(`{"mode":"act"}`), "ann") }},
		{"reject", false, func() error { return w.Reject(t.Context(), run.ID, "ann", "no") }},
		{"end", false, func() error { return w.SetRun(t.Context(), run.ID, galen.RunCancelled, "", time.Time{}) }},
	} {
		before := w.ledger(t, run)
		must(t, c.do())
		after := w.ledger(t, run)
		if c.account && after.Account <= before.Account || !c.account && after.Revision <= before.Revision {
			t.Errorf("%s: resource %d to %d, account %d to %d", c.name, before.Revision, after.Revision, before.Account, after.Account)
		}
	}
}

// held are the names of the claims of a run, with "+" where the newest plan keeps one.
func (w world) held(t *testing.T, run galen.Run) string {
	t.Helper()
	var names []string
	for _, c := range w.ledger(t, run).Claims {
		if c.Run != run.ID {
			continue
		}
		name := c.Name
		if c.Kept {
			name += "+"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func testClaims(t *testing.T, w world) {
	run := w.open(t, "k")
	w.decide(t, run, plan(time.Second, claims("ring")...), galen.RunRunning)
	in := w.commit(t, run, "a", claims("ring", "node/a")...)
	equal(t, "at work", w.held(t, run), "node/a ring+")
	w.settle(t, in, galen.EffectUnderWay)
	equal(t, "under way", w.held(t, run), "node/a ring+")
	w.settle(t, in, galen.EffectDone)
	equal(t, "settled, the plan keeps ring", w.held(t, run), "ring+")
	w.decide(t, run, plan(time.Minute, claims("ring")...), galen.RunWaiting)
	equal(t, "still kept", w.held(t, run), "ring+")

	second := w.commit(t, run, "b", galen.Claim{Name: "node/b"})
	w.decide(t, run, plan(time.Hour), galen.RunWaiting)
	equal(t, "the newest plan lists none", w.held(t, run), "node/b")
	w.settle(t, second, galen.EffectAbsent)
	equal(t, "all settled", w.held(t, run), "")

	w.decide(t, run, plan(time.Second, claims("ring")...), galen.RunRunning)
	third := w.commit(t, run, "c", claims("ring", "rack/r1")...)
	w.decide(t, run, plan(time.Second, claims("ring")...), galen.RunAsking)
	equal(t, "asks a person", w.held(t, run), "rack/r1 ring")
	must(t, w.SetRun(t.Context(), run.ID, galen.RunCancelled, "enough", time.Time{}))
	equal(t, "ended with an unsettled intent", w.held(t, run), "rack/r1 ring")

	// Another run's look settles it: a claim outlives its engine and its run.
	watcher := w.open(t, "watcher")
	must(t, w.Settle(t.Context(), watcher.ID, []galen.Settlement{{Intent: third.ID, Effect: galen.Effect{Status: galen.EffectDone}}}))
	equal(t, "settled by another", w.held(t, run), "")

	// Shared, then alone: from then on alone.
	one, two := w.open(t, "one"), w.open(t, "two")
	shared := w.commit(t, one, "d", galen.Claim{Name: "rack/r2", Shared: true})
	w.commit(t, one, "e", galen.Claim{Name: "rack/r2"})
	_, err := w.Commit(t.Context(), w.commitOf(t, two, "f", galen.Claim{Name: "rack/r2", Shared: true}))
	refused(t, err, galen.ErrClaimed)
	w.settle(t, shared, galen.EffectDone)
	equal(t, "needed still", w.held(t, one), "rack/r2")
	must(t, w.SetRun(t.Context(), two.ID, galen.RunHeld, "x", time.Time{}))
}

func testOutcome(t *testing.T, w world) {
	run := w.open(t, "k")
	in := w.commit(t, run, "a")
	if w.Outcome(t.Context(), in.ID, "perhaps", "") == nil {
		t.Error("an outcome that is none")
	}
	refused(t, w.Outcome(t.Context(), "nobody", galen.SentYes, ""), galen.ErrNotFound)
	reply := strings.Repeat("é", 40<<10)
	must(t, w.Outcome(t.Context(), in.ID, galen.SentError, "\xff"+reply))
	must(t, w.Outcome(t.Context(), in.ID, galen.SentError, "again"))
	if w.Outcome(t.Context(), in.ID, galen.SentNot, "") == nil {
		t.Error("a second, other outcome")
	}
	got := w.ledger(t, run).Past[0]
	equal(t, "sent", got.Sent, galen.SentError)
	if n := len(got.Reply); n > 64<<10 || n < 64<<10-3 || !strings.HasPrefix(got.Reply, "\uFFFDé") {
		t.Errorf("the reply has %d bytes", n)
	}
	equal(t, "events", w.count(t, galen.EventCalled), 1)
}

func testSettle(t *testing.T, w world) {
	run := w.open(t, "k")
	in := w.commit(t, run, "a")
	say := func(status galen.EffectStatus, why string, facts ...galen.Fact) {
		t.Helper()
		must(t, w.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: status, Why: why}, Facts: facts}}))
	}
	say(galen.EffectUnderWay, "10 %", galen.Fact{Key: "f"}, galen.Fact{Key: "g"})
	before := w.ledger(t, run)
	say(galen.EffectUnderWay, "20 %")
	after := w.ledger(t, run)
	equal(t, "wording", after.Past[0].Effect.Why, "20 %")
	equal(t, "revision", after.Revision, before.Revision)
	equal(t, "events", w.count(t, galen.EventSettled), 1)
	say(galen.EffectDone, "there", galen.Fact{Key: "f", Gone: true})
	say(galen.EffectFailed, "no")
	l := w.ledger(t, run)
	equal(t, "effect", l.Past[0].Effect.Status, galen.EffectDone)
	equal(t, "open", len(l.Open), 0)
	equal(t, "facts", len(l.Facts), 1)
	equal(t, "fact", l.Facts["g"].Intent, in.ID)
	equal(t, "events at the end", w.count(t, galen.EventSettled), 2)
	refused(t, w.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: "nobody"}}), galen.ErrNotFound)
	refused(t, w.Settle(t.Context(), "nobody", nil), galen.ErrNotFound)
	w.commit(t, run, "a") // the target is free again
}

// A fact that is to be kept yields to one that stands, and tells nobody that it changed; who removes it makes way for the next.
func testFactKept(t *testing.T, w world) {
	run := w.open(t, "k")
	keep := func(value string) galen.Intent {
		t.Helper()
		c := w.commitOf(t, run, "a")
		c.Facts = []galen.Fact{{Key: "f", Value: []byte(value), Keep: true}, {Key: "g", Value: []byte(value)}}
		in, err := w.Commit(t.Context(), c)
		must(t, err)
		return in
	}
	stands := func(by galen.Intent, value string) {
		t.Helper()
		want := galen.Fact{Key: "f", Value: []byte(value), Intent: by.ID, At: by.At}
		if diff := cmp.Diff(want, w.ledger(t, run).Facts["f"]); diff != "" {
			t.Error(diff)
		}
	}
	first := keep("1")
	stands(first, "1")
	w.settle(t, first, galen.EffectFailed)
	second := keep("2")
	stands(first, "1")
	equal(t, "replaced", string(w.ledger(t, run).Facts["g"].Value), "2")
	gone := galen.Settlement{Intent: second.ID, Effect: galen.Effect{Status: galen.EffectFailed}, Facts: []galen.Fact{{Key: "f", Gone: true}}}
	must(t, w.Settle(t.Context(), run.ID, []galen.Settlement{gone}))
	stands(keep("3"), "3")
}

func testRefused(t *testing.T, w world) {
	run := w.open(t, "k")
	say := func(answer galen.Answer, why string) {
		t.Helper()
		must(t, w.Refused(t.Context(), run.ID, stop("a"), []galen.Verdict{{Guard: "I-05 fresh", Answer: answer, Why: why}}))
	}
	say(galen.LookAgain, "11 s old")
	say(galen.LookAgain, "12 s old")
	equal(t, "repeated", w.count(t, galen.EventRefused), 1)
	say(galen.Deny, "gone")
	say(galen.LookAgain, "11 s old")
	equal(t, "changed", w.count(t, galen.EventRefused), 3)
	refused(t, w.Refused(t.Context(), "nobody", stop("a"), nil), galen.ErrNotFound)
}

// race runs the same loop on behalf of several runs until each has committed so often.
func race(t *testing.T, w world, workers, rounds int, target func(worker int) string, taken []galen.Claim) {
	var inside, most atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		run := w.open(t, fmt.Sprint("racer ", i))
		wg.Go(func() {
			for done := 0; done < rounds; {
				l, err := w.Ledger(t.Context(), run.ID)
				if err != nil {
					t.Error(err)
					return
				}
				in, err := w.Commit(t.Context(), galen.Commit{
					Intent:   galen.Intent{Run: run.ID, Step: stop(target(i)), Class: galen.Disruptive},
					Revision: l.Revision, Account: l.Account, Claims: taken, Touched: []string{target(i)},
				})
				switch {
				case errors.Is(err, galen.ErrMoved), errors.Is(err, galen.ErrUnsettled), errors.Is(err, galen.ErrClaimed):
					runtime.Gosched()
					continue
				case err != nil:
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				if err := w.Outcome(t.Context(), in.ID, galen.SentYes, ""); err != nil {
					t.Error(err)
				}
				inside.Add(-1)
				done++
				if err := w.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectDone}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "most holders at once", most.Load(), 1)
}

func testRaceTarget(t *testing.T, w world) {
	race(t, w, 4, 5, func(int) string { return "a" }, nil)
}

func testRaceClaim(t *testing.T, w world) {
	race(t, w, 4, 5, func(i int) string { return fmt.Sprint("node", i) }, claims("ring"))
}

func testRaceBudget(t *testing.T, w world) {
	const limit, workers = 3, 8
	var wg sync.WaitGroup
	var acted atomic.Int64
	for i := range workers {
		run := w.openOn(t, fmt.Sprint("k", i), galen.Resource{Kind: "cassandra", Name: fmt.Sprint("r", i)})
		wg.Go(func() {
			for {
				l, err := w.Ledger(t.Context(), run.ID)
				if err != nil {
					t.Error(err)
					return
				}
				if len(l.Spent) >= limit { // the budget's guard
					return
				}
				_, err = w.Commit(t.Context(), galen.Commit{
					Intent:   galen.Intent{Run: run.ID, Step: stop("a"), Class: galen.Destructive},
					Revision: l.Revision, Account: l.Account, Spend: []galen.Spend{{Budget: galen.BudgetDestructive}}, Touched: []string{"a"},
				})
				if errors.Is(err, galen.ErrMoved) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				acted.Add(1)
				return
			}
		})
	}
	wg.Wait()
	equal(t, "destructive targets in the account", acted.Load(), limit)
}
