package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
)

// What an RF 3 ring has to spare with one node down.
const oneDown = "0 to spare: orders, QUORUM: 2 of 3 replicas up, 2 needed"

const (
	n2 = "6a1f2f0e-8d2c-4e0b-9c0e-0d9f5a1b2c3d"
	n4 = "instance/n4"
)

// book is a real journal on a clock of its own, so that the stories are told from what a journal writes.
type book struct {
	t     *testing.T
	store *journal.Store
	path  string
	now   time.Time
	res   galen.Resource
	run   galen.Run
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{t: t, now: noon(), path: filepath.Join(t.TempDir(), "galen.db"), res: galen.Resource{Kind: "cassandra", Name: "orders"}}
	ids := 0
	store, err := journal.Open(t.Context(), b.path, journal.Options{
		Now: func() time.Time { return b.now }, NoSync: true,
		NewID: func(time.Time) string { ids++; return fmt.Sprintf("id-%d", ids) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	b.store = store
	return b
}

func (b *book) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) after(d time.Duration) *book { b.now = b.now.Add(d); return b }

func (b *book) finding() galen.Finding {
	at := b.now
	return galen.Finding{
		Resource: b.res, Code: "node-down", Targets: []galen.Target{{ID: n2, Generation: 1763899000}}, Domain: "dc1/r2", Urgency: galen.High,
		Since: at.Add(-12 * time.Second), Why: "n2 (127.0.0.2) in dc1/r2: down for all of n1, n3, jolokia n2, host n2", Margin: oneDown,
		Evidence: []galen.Observation{
			{Observer: "n1", Kind: galen.Peer, Says: galen.Bad, At: at, Detail: "DOWN NORMAL"},
			{Observer: "n3", Kind: galen.Peer, Says: galen.Bad, At: at, Detail: "DOWN NORMAL"},
			{Observer: "jolokia n2", Kind: galen.Probe, Says: galen.Bad, At: at, Detail: "connection refused"},
			{Observer: "host n2", Kind: galen.Host, Says: galen.Bad, At: at, Detail: "no process, data gone"},
		},
	}
}

func (b *book) found() {
	_, _, err := b.store.SaveFindings(b.t.Context(), b.res, []galen.Finding{b.finding()})
	b.must(err)
}

func (b *book) gone() {
	_, _, err := b.store.SaveFindings(b.t.Context(), b.res, nil)
	b.must(err)
}

func (b *book) open() {
	f := b.finding()
	run, _, err := b.store.OpenRun(b.t.Context(), galen.Run{
		Key: f.Key(), Resource: b.res, Runbook: "cassandra/heal-node", Version: 1, Finding: &f, Scope: f.Targets, Asked: "detector node-down",
		Urgency: f.Urgency, Deadline: b.now.Add(6 * time.Hour),
	})
	b.must(err)
	b.run = run
}

func step(verb, target string) galen.Step {
	return galen.Step{Verb: verb, Target: galen.Target{ID: target}, Within: galen.Duration(10 * time.Minute), Why: "because"}
}

func (b *book) decide(status galen.RunStatus, why string, p galen.Plan, verdicts ...galen.Verdict) int {
	d := galen.Decision{Run: b.run.ID, Plan: p, Status: status, Why: why, Margin: oneDown, Until: b.now.Add(2 * time.Second)}
	for range p.Steps {
		d.Verdicts = append(d.Verdicts, verdicts)
	}
	d, err := b.store.Decide(b.t.Context(), d, nil)
	b.must(err)
	return d.Number
}

func (b *book) wait(every time.Duration, why string) {
	b.decide(galen.RunWaiting, why, galen.Plan{Wait: galen.Duration(every), Why: why})
}

func allowed() []galen.Verdict {
	return []galen.Verdict{
		{Guard: "I-07 identity", Answer: galen.Allow},
		{Guard: "I-05 fresh view", Answer: galen.Allow, Margin: "41ms old, 10s allowed"},
		{Guard: "I-04 observers agree", Answer: galen.Allow, Margin: "4 observers of 3 kinds say that n2 is bad, 3 of 2 needed"},
		{Guard: "I-02 quorum", Answer: galen.Allow, Why: "every range keeps its levels", Margin: "0 to spare: 2 of 3 replicas stay, 2 needed"},
	}
}

// act commits an intent and records its call.
func (b *book) act(class galen.Class, s galen.Step, reply string, facts ...galen.Fact) string {
	return b.answered(class, s, galen.SentYes, reply, facts...)
}

func (b *book) answered(class galen.Class, s galen.Step, sent, reply string, facts ...galen.Fact) string {
	led, err := b.store.Ledger(b.t.Context(), b.run.ID)
	b.must(err)
	c := galen.Commit{
		Intent:   galen.Intent{ID: fmt.Sprintf("%s-%d", b.run.ID, len(led.Past)+1), Run: b.run.ID, Step: s, Class: class},
		Revision: led.Revision, Account: led.Account, Verdicts: allowed(), Facts: facts, Touched: []string{s.Target.ID},
	}
	if class == galen.Destructive {
		c.Spend = []galen.Spend{{Budget: galen.BudgetDestructive}}
	}
	in, err := b.store.Commit(b.t.Context(), c)
	b.must(err)
	b.after(3 * time.Millisecond)
	b.must(b.store.Outcome(b.t.Context(), in.ID, sent, reply))
	return in.ID
}

func (b *book) effect(intent string, status galen.EffectStatus, why string, facts ...galen.Fact) {
	b.must(b.store.Settle(b.t.Context(), b.run.ID, []galen.Settlement{{Intent: intent, Effect: galen.Effect{Status: status, Why: why, At: b.now}, Margin: oneDown, Facts: facts}}))
}

// serve answers as the engine's API does, from the journal.
func (b *book) serve() string {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			b.t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			b.t.Error(err)
		}
	}
	mux.HandleFunc("GET /v1/runs/{id}", func(w http.ResponseWriter, r *http.Request) {
		led, err := b.store.Ledger(r.Context(), r.PathValue("id"))
		b.must(err)
		plans, err := b.store.Plans(r.Context(), led.Run.ID, 0, 1000)
		b.must(err)
		slices.Reverse(plans)
		events, err := b.store.Events(r.Context(), journal.EventFilter{Run: led.Run.ID, Limit: 10_000})
		answer(w, api.RunDetail{Run: led.Run, Plans: plans, Intents: led.Past, Events: events}, err)
	})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, api.Status{}, nil) })
	mux.HandleFunc("GET /v1/journal/events", func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.ParseInt(r.FormValue("after"), 10, 64) // absent is 0
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		events, err := b.store.Events(r.Context(), journal.EventFilter{After: after, Limit: limit, Newest: r.FormValue("newest") == "true"})
		answer(w, api.EventList{Events: events}, err)
	})
	s := httptest.NewServer(mux)
	b.t.Cleanup(s.Close)
	return s.URL
}

func (b *book) show() string {
	b.t.Helper()
	got := galenCLI(b.t, b.serve(), "runs", "show", b.run.ID)
	if got.code != exitOK {
		b.t.Fatalf("exit code %d: %s", got.code, got.errs)
	}
	return got.out
}

// A node is dead with its data: the whole ladder, the engine killed in the middle of it.
func TestStoryOfAReplacement(t *testing.T) {
	b := newBook(t)
	b.found()
	b.after(time.Minute).gone() // an earlier story
	b.after(time.Minute).found()
	b.after(9 * time.Millisecond).open()
	b.after(30*time.Millisecond).wait(2*time.Second, "n2 is down since 12:01:48; waiting until 12:02:10 for it to come back by itself")
	b.after(2*time.Second).wait(time.Second, "n2 is down since 12:01:48; waiting until 12:02:11 for it to come back by itself")
	b.after(2*time.Second).wait(2*time.Second, "n2 is down since 12:01:48; waiting until 12:02:12 for it to come back by itself")
	fence := galen.Plan{
		Steps: []galen.Step{step("fence", n2)}, Why: "n2 is down; its data are gone: fence it, then n4 takes its place",
		Outline: []galen.Step{step("prepare", n4), step("replace", n2), step("repair", n4), step("repair", n4), step("clear-replace", n4)},
	}
	notYet := galen.Verdict{Guard: "I-04 observers agree", Answer: galen.LookAgain, Why: "2 observers of 2 kinds say that n2 is bad, 3 of 2 needed"}
	b.after(2*time.Second).decide(galen.RunWaiting, notYet.Guard+": "+notYet.Why, fence, notYet)
	b.after(time.Second).decide(galen.RunRunning, fence.Why, fence, allowed()...)
	b.after(20 * time.Millisecond)
	b.must(b.store.Refused(t.Context(), b.run.ID, fence.Steps[0], append(allowed(), galen.Verdict{
		Guard: "I-19 claims", Answer: galen.LookAgain, Why: "ring is claimed by run id-9 since 2026-11-23T12:01:00Z",
	})))
	b.after(time.Second)
	id := b.act(galen.Destructive, fence.Steps[0], "start command and configuration moved away")
	b.after(time.Second).effect(id, galen.EffectDone, "its start command is away and no process runs")
	replace := galen.Plan{Steps: []galen.Step{step("replace", n2)}, Why: "n2 is fenced, n4 reads back as prepared: start it in that place, attempt 1 of at most 3"}
	b.after(50*time.Millisecond).decide(galen.RunRunning, replace.Why, replace, allowed()...)
	id = b.act(galen.Destructive, replace.Steps[0], "started, pid 4242", galen.Fact{Key: "repair-owed/" + n2})
	b.after(4*time.Second).effect(id, galen.EffectUnderWay, "n4 streams")
	b.after(3 * time.Second)
	b.must(b.store.Append(t.Context(), galen.Event{Kind: galen.EventEngine, By: "galen 0.1.0", Body: []byte(`{"is":"started"}`)}))
	b.after(14*time.Second).effect(id, galen.EffectDone, "n4 owns the tokens of 127.0.0.2")
	repair := galen.Plan{Steps: []galen.Step{step("repair", n4)}, Why: "n4 streamed each range from one replica only: repair keyspace orders, 1 of 1"}
	b.after(time.Second).decide(galen.RunRunning, repair.Why, repair, allowed()...)
	id = b.act(galen.Reversible, repair.Steps[0], "repair 7 started")
	b.after(6*time.Second).effect(id, galen.EffectDone, "repair 7 completed", galen.Fact{Key: "repair-owed/" + n2, Gone: true})
	b.after(time.Second).gone()
	done := "n4 has taken the place of 127.0.0.2: UP at every live peer, it serves, it is repaired"
	b.decide(galen.RunWaiting, done, galen.Plan{End: galen.EndDone, Why: done})
	b.after(30 * time.Second)
	b.must(b.store.SetRun(t.Context(), b.run.ID, galen.RunVerified, "n4 has taken the place of 127.0.0.2: seen so on 3 looks in 30s", time.Time{}))
	golden(t, file("story-replacement"), b.show())
}

// People come in: a yes is asked for, made void, given again, and at the end a person must decide.
func TestStoryWithPeople(t *testing.T) {
	b := newBook(t)
	b.found()
	b.open()
	restart := galen.Plan{Steps: []galen.Step{step("start", n2)}, Why: "its process is gone, its data are there: restart 1 of at most 3"}
	ask := galen.Verdict{Guard: "approval", Answer: galen.NeedYes, Why: "mode approve: nobody has approved it yet"}
	plan := b.after(time.Second).decide(galen.RunAsking, ask.Why, restart, append(allowed(), ask)...)
	yes := galen.Approval{Run: b.run.ID, Runbook: b.run.Runbook, Version: 1, Steps: galen.ApprovedSteps(restart), Basis: map[string]string{n2: "x"}, Grounds: galen.Grounds{n2: {"process": "running"}}, By: "operator"}
	for range 2 {
		yes.ID, yes.Expires = "", b.after(time.Minute).now.Add(30*time.Minute)
		b.must(b.store.Approve(t.Context(), yes))
		led, err := b.store.Ledger(t.Context(), b.run.ID)
		b.must(err)
		if plan--; plan == 0 {
			_, err = b.store.Void(t.Context(), led.Approval.ID, "approval: "+n2+" has changed since", galen.Grounds{n2: {"process": "stopped"}})
			b.must(err)
		}
	}
	b.must(b.store.SetHold(t.Context(), galen.Hold{ID: "hold-1", Resource: b.res, Why: "disks are being swapped", By: "operator", Until: b.now.Add(4 * time.Hour)}))
	b.after(time.Second).must(b.store.Refused(t.Context(), b.run.ID, restart.Steps[0], []galen.Verdict{{Guard: "I-17 hold", Answer: galen.LookAgain, Why: "operator holds all changes here"}}))
	b.must(b.store.Release(t.Context(), "hold-1", "operator"))
	b.after(time.Second)
	id := b.act(galen.Reversible, restart.Steps[0], "started, pid 4242")
	b.after(2*time.Minute).effect(id, galen.EffectFailed, "process 4242 ended with its log saying: corrupt commitlog")
	b.after(time.Second).decide(galen.RunHeld, "1 restart did not help, and there is no spare", galen.Plan{End: galen.EndEscalate, Why: "1 restart did not help, and there is no spare"})
	b.after(13 * time.Hour)
	b.must(b.store.Stop(t.Context(), b.run.ID, galen.StopCancel, "operator", "mended by hand"))
	golden(t, file("story-people"), b.show())
}

// A guard denies for good: the run is held, in one line that names the guard.
func TestStoryOfADenial(t *testing.T) {
	b := newBook(t)
	b.found()
	b.open()
	deny := galen.Verdict{Guard: "I-02 quorum", Answer: galen.Deny, Why: "without those that cannot come back, QUORUM of keyspace orders is lost", Margin: "-1 to spare: 1 of 3 replicas stay, 2 needed"}
	p := galen.Plan{Steps: []galen.Step{step("fence", n2)}, Why: "its data are gone: fence it"}
	b.after(time.Second).decide(galen.RunHeld, deny.Guard+": "+deny.Why, p, append(allowed()[:3], deny)...)
	golden(t, file("story-denial"), b.show())
}

// A host refuses every call: its reason is told in full, and nobody is asked for a yes to a plan that has no step. What was
// noted before, of this member or of others, is no part of the story.
func TestStoryOfARefusal(t *testing.T) {
	b := newBook(t)
	note := galen.Finding{
		Resource: b.res, Code: "stale-seed", Domain: "dc1/r2", Targets: b.finding().Targets, Note: true, Why: "the seeds of n2 name 127.0.0.9", Since: b.now,
	}
	other := b.finding()
	other.Domain, other.Targets = "dc1/r3", []galen.Target{{ID: "7b1a"}}
	_, _, err := b.store.SaveFindings(t.Context(), b.res, []galen.Finding{note, other})
	b.must(err)
	b.after(168 * time.Second)
	_, _, err = b.store.SaveFindings(t.Context(), b.res, []galen.Finding{note, other, b.finding()})
	b.must(err)
	b.after(200 * time.Millisecond).open()
	reason := "start 6a1f2f0e-8d2c-4e0b-9c0e-0d9f5a1b2c3d: instance n2: a later intent has acted on the target: intent id-1-1 has fence 1764319671234 on " +
		n2 + ", intent 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44-3 had 1764319679999 already (/var/lib/cassandra/n2/galen/fences): look again"
	b.decide(galen.RunRunning, "restart 1 of at most 3", galen.Plan{Steps: []galen.Step{step("start", n2)}, Why: "restart 1 of at most 3"}, allowed()...)
	id := b.answered(galen.Reversible, step("start", n2), galen.SentError, reason, galen.Fact{Key: "repaired/instance/n4/patient"})
	b.after(12*time.Second).effect(id, galen.EffectAbsent, "no start was attempted", galen.Fact{Key: "replaced/dc1"})
	why := "1 starts never happened; the last: " + reason
	b.after(time.Second).decide(galen.RunHeld, why, galen.Plan{End: galen.EndEscalate, Why: why})
	golden(t, file("story-refusal"), b.show())
	asked := galenCLI(t, b.serve(), "runs", "approve", b.run.ID)
	for _, want := range []string{"plan 2 has no step to say yes to", "galen runs cancel id-1 --why", "mend what it names", "galen runs approve id-1 --plan 2"} {
		if asked.code != exitNotDone || !contains(asked.errs, want) {
			t.Errorf("no %q in %+v", want, asked)
		}
	}
}

func TestExportedLinesProveThemselves(t *testing.T) {
	b := newBook(t)
	b.found()
	b.open()
	got := galenCLI(t, b.serve(), "journal", "export")
	if got.code != exitOK {
		t.Fatal(got.errs)
	}
	prev := ""
	lines := 0
	for text := range lineSeq(got.out) {
		var e galen.Event
		b.must(json.Unmarshal([]byte(text), &e))
		hash := e.Hash
		e.Hash = ""
		if galen.HashJSON(e) != hash || e.Prev != prev {
			t.Errorf("line %d does not prove itself: %s", e.Seq, text)
		}
		prev = hash
		lines++
	}
	if lines != 2 {
		t.Errorf("%d lines, want 2", lines)
	}
}
