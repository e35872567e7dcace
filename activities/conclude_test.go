package activities

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

var night = time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)

// plain is a State of given members.
type plain []galen.Member

func (p plain) Resource() galen.Resource                   { return galen.Resource{Kind: "fake", Name: "a"} }
func (p plain) Members() []galen.Member                    { return p }
func (p plain) Seen(...galen.Target) (time.Time, []string) { return night, nil }
func (p plain) Basis(scope ...galen.Target) string         { return galen.HashJSON(scope) }

func member(id string, bad bool, kinds ...galen.ObserverKind) galen.Member {
	m := galen.Member{Target: galen.Target{ID: id}, Name: id, Bad: bad}
	for _, k := range kinds {
		m.Observations = append(m.Observations, galen.Observation{Observer: string(k), Kind: k, Says: galen.Good, At: night})
	}
	return m
}

func step() galen.Step {
	return galen.Step{Verb: "start", Target: galen.Target{ID: "n1"}, Within: galen.Duration(time.Minute), Why: "it is down"}
}

func stop() galen.Step {
	return galen.Step{Verb: "stop", Target: galen.Target{ID: "n1"}, Within: galen.Duration(time.Minute), Why: "it is to be restarted"}
}

// modes are act, but for one class.
func modes(class galen.Class, mode galen.Mode) func(*thought) {
	return func(t *thought) {
		t.policy.Mode, t.policy.Modes = galen.ModeAct, []galen.ModeRule{{Class: class, Mode: mode}}
	}
}

// thinking is a thought on a run about n1, which two kinds of observers see good.
func thinking(plan galen.Plan, change func(*thought)) thought {
	t := thought{plan: plan, subject: subject{
		state: plain{member("n1", false, galen.Peer, galen.Probe)}, policy: galen.SafePolicy(), now: night,
		ledger: galen.Ledger{Now: night, Run: galen.Run{
			ID: "r1", Resource: galen.Resource{Kind: "fake", Name: "a"}, Status: galen.RunRunning, Created: night.Add(-time.Minute),
			Deadline: night.Add(time.Hour), Scope: []galen.Target{{ID: "n1"}},
		}},
	}}
	t.kind.Verbs = map[string]galen.Verb[galen.State]{"start": {Class: galen.Reversible}, "stop": {Class: galen.Disruptive}}
	for range len(plan.Steps) + len(plan.Outline) {
		t.verdicts = append(t.verdicts, []galen.Verdict{{Guard: "g", Answer: galen.Allow}})
	}
	if change != nil {
		change(&t)
	}
	return t
}

// unheard makes it an alert about a member of which nobody can say how it is.
func unheard(t *thought) {
	m := member("n1", false)
	m.Observations = []galen.Observation{{Observer: "peer", Kind: galen.Peer, Says: galen.Unknown, At: night}}
	other := member("n2", false, galen.Peer, galen.Probe)
	m.Domain, other.Domain = "dc1/r1", "dc1/r2"
	t.unconfirmed, t.state = true, plain{m, other}
}

func answer(a galen.Answer) func(*thought) {
	return func(t *thought) { t.verdicts[0] = []galen.Verdict{{Guard: "I-02", Answer: a, Why: "because"}} }
}

func TestConclude(t *testing.T) {
	done := galen.Plan{End: galen.EndDone, Why: "all good"}
	wait := galen.Plan{Wait: galen.Duration(time.Second), Why: "not yet"}
	act := galen.Plan{Steps: []galen.Step{step()}, Why: "start it"}
	leaves := galen.Plan{Steps: []galen.Step{stop()}, Outline: []galen.Step{step()}, Why: "restart it"}
	escalate := galen.Plan{End: galen.EndEscalate, Why: "three restarts did not help"}
	open := galen.Intent{ID: "i1", Run: "r1", Step: step(), At: night.Add(-2 * time.Minute), Effect: galen.Effect{Status: galen.EffectUnderWay}}
	yes := &galen.Approval{ID: "a1", Run: "r1", At: night.Add(-time.Second), Expires: night.Add(time.Hour)}
	expired := &galen.Approval{ID: "a1", Run: "r1", At: night.Add(-time.Second), Expires: night, Steps: []galen.ApprovedStep{{Verb: "start", Target: "n1", Count: 1}}}
	cases := []struct {
		name   string
		plan   galen.Plan
		change func(*thought)
		status galen.RunStatus
		done   bool
		steps  int
		why    string
	}{
		{"allowed", act, nil, galen.RunRunning, false, 1, "start it"},
		{"ask", act, answer(galen.NeedYes), galen.RunAsking, false, 0, "because"},
		{"look again", act, answer(galen.LookAgain), galen.RunWaiting, false, 0, "I-02: because"},
		{"denied", act, answer(galen.Deny), galen.RunHeld, false, 0, "I-02: because"},
		{"no guard was asked", act, func(t *thought) { t.verdicts = nil }, galen.RunHeld, false, 0, "no guard"},
		{"observe only", act, func(t *thought) { t.policy.Mode = galen.ModeObserve }, galen.RunWaiting, false, 0, "would start n1"},
		{"suggests", act, func(t *thought) { t.policy.Mode = galen.ModeSuggest }, galen.RunWaiting, false, 0, "mode suggest, would start n1"},
		{"its class is only observed", act, func(t *thought) {
			t.kind = galen.ListedKind{Verbs: map[string]galen.Verb[galen.State]{"start": {Class: galen.Reversible}}}
			t.policy.Mode, t.policy.Modes = galen.ModeAct, []galen.ModeRule{{Class: galen.Reversible, Mode: galen.ModeObserve}}
		}, galen.RunWaiting, false, 0, "mode observe, would start n1"},
		{"done after it suggested", done, func(t *thought) {
			t.ledger.Run.Suggested = &galen.Suggestion{Plan: 2, At: night, Steps: []string{"start n1: it is down"}}
		}, galen.RunWaiting, true, 0, "all good; galen did nothing (mode suggest): it ended otherwise; suggested since 2026-01-05T03:00:00Z, plan 2: start n1: it is down"},
		{"done by itself after it suggested", done, func(t *thought) {
			t.ledger.Run.Suggested = &galen.Suggestion{Plan: 2, At: night, Steps: []string{"start n1: it is down"}}
			paid := open
			paid.Effect.Status = galen.EffectDone
			t.ledger.Past = []galen.Intent{paid}
		}, galen.RunWaiting, true, 0, "all good"},
		{"the journal is in doubt", act, func(t *thought) { t.ledger.Observe = "observe only: a jump" }, galen.RunWaiting, false, 0, "observe only: a jump"},
		{"the journal is in doubt, and a guard denies", act, func(t *thought) { t.ledger.Observe = "observe only: a jump"; answer(galen.Deny)(t) }, galen.RunWaiting, false, 0, "observe only: a jump"},
		{"waits", wait, nil, galen.RunWaiting, false, 0, "not yet"},
		{"escalates", escalate, nil, galen.RunHeld, false, 0, "three restarts"},
		{"done", done, nil, galen.RunWaiting, true, 0, "all good"},
		{"done, seen bad", done, func(t *thought) { t.state = plain{member("n1", true, galen.Peer, galen.Probe)} }, galen.RunWaiting, false, 0, "seen bad"},
		{"done, one kind of observer", done, func(t *thought) { t.state = plain{member("n1", false, galen.Probe)} }, galen.RunWaiting, false, 0, "by 1 kinds"},
		{"done, and somebody disagrees", done, func(t *thought) {
			m := member("n1", false, galen.Peer, galen.Host)
			m.Observations = append(m.Observations, galen.Observation{Observer: "cql", Kind: galen.Probe, Says: galen.Bad, Detail: "refused", At: night})
			t.state = plain{m}
		}, galen.RunWaiting, false, 0, "cql calls n1"},
		{"done, an effect is open", done, func(t *thought) {
			young := open
			young.At = night
			t.ledger.Past = []galen.Intent{young}
		}, galen.RunWaiting, false, 0, "done, but the effect of start n1 (intent i1) is under-way"},
		{"done, an effect is overdue", done, func(t *thought) { t.ledger.Past = []galen.Intent{open} }, galen.RunHeld, false, 0, "not settled 1m0s after"},
		{"done, its member is gone and the others are well", done, func(t *thought) { t.state = plain{member("n2", false, galen.Peer, galen.Probe)} }, galen.RunWaiting, true, 0, "all good"},
		{"done, its member is gone and another is bad", done, func(t *thought) { t.state = plain{member("n2", true, galen.Peer, galen.Probe)} }, galen.RunWaiting, false, 0, "n2 (n2) is seen bad"},
		{"done, its member is gone, and what is left of it is no member", done, func(t *thought) {
			bare := member("instance/n1", false)
			bare.Instance = "instance/n1"
			t.state = plain{bare, member("n2", false, galen.Peer, galen.Probe)}
		}, galen.RunWaiting, true, 0, "all good"},
		{"done, its target is a spare, and another is bad", done, func(t *thought) {
			t.ledger.Run.Scope = []galen.Target{{ID: "instance/n4"}}
			spare := member("instance/n4", false)
			spare.Instance, spare.Spare = "instance/n4", true
			t.state = plain{spare, member("n2", true, galen.Peer, galen.Probe)}
		}, galen.RunWaiting, true, 0, "all good"},
		{"done, and owes", done, func(t *thought) { t.owes = "the repair of orders on n1 is owed" }, galen.RunWaiting, false, 0, "done, but the repair of orders"},
		{"refused too long, done, and owes", done, func(t *thought) {
			t.owes, t.now = "the repair of orders on n1 is owed", night.Add(11*time.Minute)
		}, galen.RunHeld, false, 0, "done, but the repair of orders on n1 is owed; refused for longer than 10m0s: its runbook plans nothing for what it owes"},
		{"done, and the rest was suggested", done, func(t *thought) {
			t.ledger.Past = []galen.Intent{{Step: step(), Sent: galen.SentYes, Effect: galen.Effect{Status: galen.EffectDone}}}
			t.ledger.Run.Suggested = &galen.Suggestion{Plan: 4, Steps: []string{"fence n2"}}
		}, galen.RunWaiting, true, 0, "the rest galen did not do (mode suggest): it ended otherwise; suggested since 0001-01-01T00:00:00Z, plan 4: fence n2"},
		{"done, owes, cancelled", done, func(t *thought) { t.owes, t.ledger.Run.Stop = "the repair of orders", galen.StopCancel }, galen.RunWaiting, true, 0, "all good"},
		{"done, seen bad past its deadline", done, func(t *thought) {
			t.state, t.ledger.Run.Deadline = plain{member("n1", true, galen.Peer, galen.Probe)}, night.Add(-time.Second)
		}, galen.RunHeld, false, 0, "past its deadline"},
		{"done past its deadline", done, func(t *thought) { t.ledger.Run.Deadline = night.Add(-time.Second) }, galen.RunWaiting, true, 0, "all good"},
		{"held, then done, and seen bad", done, func(t *thought) {
			t.state = plain{member("n1", true, galen.Peer, galen.Probe)}
			t.ledger.Run.Status, t.ledger.Run.Why = galen.RunHeld, "a person"
		}, galen.RunHeld, false, 0, "a person"},
		{"an effect is overdue", wait, func(t *thought) { t.ledger.Past = []galen.Intent{open} }, galen.RunHeld, false, 0, "not settled 1m0s after"},
		{"overdue, approved since", wait, func(t *thought) { t.ledger.Past, t.ledger.Approval = []galen.Intent{open}, yes }, galen.RunWaiting, false, 0, "not yet"},
		{"overdue, approved since, but that has expired", wait, func(t *thought) { t.ledger.Past, t.ledger.Approval = []galen.Intent{open}, expired }, galen.RunHeld, false, 0, "not settled 1m0s after"},
		{"past its deadline, and the yes since has expired", wait, func(t *thought) {
			t.ledger.Run.Deadline, t.ledger.Approval = night.Add(-time.Minute), expired
		}, galen.RunHeld, false, 0, "past its deadline"},
		{"past its deadline", wait, func(t *thought) { t.ledger.Run.Deadline = night.Add(-time.Second) }, galen.RunHeld, false, 0, "past its deadline"},
		{"refused too long", act, func(t *thought) { t.now = night.Add(11 * time.Minute); answer(galen.LookAgain)(t) }, galen.RunHeld, false, 0, "refused for longer"},
		{"refused too long by the gate alone", act, func(t *thought) { t.now = night.Add(11 * time.Minute) }, galen.RunHeld, false, 0, "the gate refuses what the guards allow"},
		{"held stays held", act, func(t *thought) { t.ledger.Run.Status, t.ledger.Run.Why = galen.RunHeld, "a person" }, galen.RunHeld, false, 0, "a person"},
		{"held, then approved", act, func(t *thought) { t.ledger.Run.Status, t.ledger.Approval = galen.RunHeld, yes }, galen.RunRunning, false, 1, "start it"},
		{"held, cancelled, nothing of its own to take back", act, func(t *thought) {
			t.ledger.Run.Status, t.ledger.Run.Stop, t.ledger.Run.Why = galen.RunHeld, galen.StopCancel, "a person"
		}, galen.RunHeld, false, 0, "a person"},
		{"held, cancelled, waits", wait, func(t *thought) {
			t.ledger.Run.Status, t.ledger.Run.Stop, t.ledger.Run.Why = galen.RunHeld, galen.StopCancel, "a person"
		}, galen.RunHeld, false, 0, "a person"},
		{"held, cancelled, takes back its own work past its deadline", act, func(t *thought) {
			t.ledger.Run.Status, t.ledger.Run.Stop, t.own, t.ledger.Run.Deadline = galen.RunHeld, galen.StopCancel, true, night.Add(-time.Hour)
		}, galen.RunRunning, false, 1, "start it"},
		{"held, not cancelled, could take back its own work", act, func(t *thought) {
			t.ledger.Run.Status, t.own, t.ledger.Run.Why = galen.RunHeld, true, "a person"
		}, galen.RunHeld, false, 0, "a person"},
		{"takes away, and may only suggest what follows", leaves, modes(galen.Reversible, galen.ModeSuggest), galen.RunWaiting, false, 0, "mode suggest, would stop n1"},
		{"takes away, and what follows needs a yes", leaves, func(t *thought) {
			modes(galen.Reversible, galen.ModeApprove)(t)
			t.verdicts[1] = []galen.Verdict{{Guard: gate.GuardApproval, Answer: galen.NeedYes, Why: "nobody has"}}
		}, galen.RunAsking, false, 0, "nobody has"},
		{"takes away, and what follows is approved", leaves, modes(galen.Reversible, galen.ModeApprove), galen.RunRunning, false, 1, "restart it"},
		{"takes away, and another guard is against what follows today", leaves, func(t *thought) {
			t.verdicts[1] = []galen.Verdict{{Guard: "I-02", Answer: galen.NeedYes, Why: "not now"}}
		}, galen.RunRunning, false, 1, "restart it"},
		{"takes nothing away, and may only suggest what follows", galen.Plan{Steps: []galen.Step{step()}, Outline: []galen.Step{stop()}, Why: "start it"},
			modes(galen.Disruptive, galen.ModeSuggest), galen.RunRunning, false, 1, "start it"},
		{"has begun, and may only suggest what follows", act, func(t *thought) {
			modes(galen.Reversible, galen.ModeSuggest)(t)
			t.ledger.Past = []galen.Intent{{ID: "i1", Run: "r1", Step: stop(), Sent: galen.SentYes, Effect: galen.Effect{Status: galen.EffectDone}}}
		}, galen.RunHeld, false, 0, "mode suggest: it has begun, and may not go on by itself: would start n1"},
		{"has tried in vain, and may only suggest", act, func(t *thought) {
			modes(galen.Reversible, galen.ModeSuggest)(t)
			t.ledger.Past = []galen.Intent{{ID: "i1", Run: "r1", Step: step(), Sent: galen.SentNot, Effect: galen.Effect{Status: galen.EffectAbsent}}}
		}, galen.RunWaiting, false, 0, "mode suggest, would start n1"},
		{"cancelled past its deadline, sees what it takes back", wait, func(t *thought) {
			young := open
			young.At, young.Undoes = night, "i0"
			t.ledger.Run.Stop, t.ledger.Past, t.ledger.Run.Deadline = galen.StopCancel, []galen.Intent{young}, night.Add(-time.Hour)
		}, galen.RunWaiting, false, 0, "not yet"},
		{"cancelled past its deadline, sees what clears away its own work and pays no debt", wait, func(t *thought) {
			young := open
			young.At = night
			t.kind.Verbs = map[string]galen.Verb[galen.State]{young.Step.Verb: {Own: true}}
			t.ledger.Run.Stop, t.ledger.Past, t.ledger.Run.Deadline = galen.StopCancel, []galen.Intent{young}, night.Add(-time.Hour)
		}, galen.RunWaiting, false, 0, "not yet"},
		{"cancelled past its deadline, what it did before is still under way", wait, func(t *thought) {
			young := open
			young.At = night
			t.ledger.Run.Stop, t.ledger.Past, t.ledger.Run.Deadline = galen.StopCancel, []galen.Intent{young}, night.Add(-time.Hour)
		}, galen.RunHeld, false, 0, "past its deadline"},
		{"past its deadline, a yes without steps since, waits", wait, func(t *thought) {
			t.ledger.Run.Deadline, t.ledger.Approval = night.Add(-time.Minute), yes
		}, galen.RunWaiting, false, 0, "not yet"},
		{"past its deadline, a yes without steps since, asks for the first step", act, func(t *thought) {
			t.ledger.Run.Deadline, t.ledger.Approval = night.Add(-time.Minute), yes
			answer(galen.NeedYes)(t)
		}, galen.RunAsking, false, 0, "because"},
		{"held, then healed", done, func(t *thought) { t.ledger.Run.Status = galen.RunHeld }, galen.RunWaiting, true, 0, "all good"},
		{"yields, done", done, func(t *thought) { t.ledger.Run.Stop, t.ledger.Run.StopBy = galen.StopYield, "r9" }, galen.RunWaiting, false, 0, "at a safe point, waits for run r9: all good"},
		{"yields, done past its deadline", done, func(t *thought) {
			t.ledger.Run.Stop, t.ledger.Run.StopBy, t.ledger.Run.Deadline = galen.StopYield, "r9", night.Add(-time.Second)
		}, galen.RunHeld, false, 0, "at a safe point, waits for run r9: all good; the run is past its deadline"},
		{"yields, done while held", done, func(t *thought) {
			t.ledger.Run.Stop, t.ledger.Run.Status, t.ledger.Run.Why = galen.StopYield, galen.RunHeld, "a person"
		}, galen.RunHeld, false, 0, "a person"},
		{"yields, escalates", escalate, func(t *thought) { t.ledger.Run.Stop = galen.StopYield }, galen.RunHeld, false, 0, "three restarts"},
		{"cancelled, escalates", escalate, func(t *thought) { t.ledger.Run.Stop = galen.StopCancel }, galen.RunWaiting, true, 0, "cancelled; no effect of it is open, and its runbook needs a person to go on: three restarts"},
		{"held past its deadline, cancelled, escalates", escalate, func(t *thought) {
			t.ledger.Run.Status, t.ledger.Run.Stop, t.ledger.Run.Deadline = galen.RunHeld, galen.StopCancel, night.Add(-time.Hour)
		}, galen.RunWaiting, true, 0, "three restarts"},
		{"cancelled, escalates, an effect is open", escalate, func(t *thought) {
			young := open
			young.At = night
			t.ledger.Run.Stop, t.ledger.Past = galen.StopCancel, []galen.Intent{young}
		}, galen.RunHeld, false, 0, "three restarts"},
		{"alert not confirmed yet", wait, func(t *thought) { t.unconfirmed = true }, galen.RunWaiting, false, 0, "looks on"},
		{"alert never confirmed", wait, func(t *thought) { t.unconfirmed, t.ledger.Run.Created = true, night.Add(-time.Hour) }, galen.RunWaiting, true, 0, "nothing confirmed"},
		{"alert of whom nobody can say how it is", wait, func(t *thought) { unheard(t); t.ledger.Run.Created = night.Add(-time.Hour) }, galen.RunWaiting, false, 0, "can be neither confirmed nor refuted: nobody can say how it is with n1"},
		{"alert of whom nobody can say how it is, at first", wait, func(t *thought) { unheard(t) }, galen.RunWaiting, false, 0, "neither confirmed nor refuted: nobody can say how it is with n1"},
		{"alert of whom nobody can say how it is, past its deadline", wait, func(t *thought) {
			unheard(t)
			t.now, t.ledger.Run.Deadline = night.Add(7*time.Hour), night.Add(6*time.Hour)
		}, galen.RunHeld, false, 0, "nobody can say how it is with n1; the run is past its deadline"},
		{"alert of whom somebody said long ago how it is", wait, func(t *thought) { t.unconfirmed, t.now = true, night.Add(time.Hour) }, galen.RunWaiting, false, 0, "nobody can say how it is with n1"},
		{"alert about a ring of which nobody ever told", wait, func(t *thought) {
			m := member("instance/n1", false)
			m.Instance = "instance/n1"
			t.unconfirmed, t.state, t.now = true, plain{m}, night.Add(time.Hour)
		}, galen.RunWaiting, false, 0, "nobody has told of any member of fake/a"},
		{"alert of whom nobody can say how it is, a member that it is not about", wait, func(t *thought) {
			unheard(t)
			t.ledger.Run.Created, t.ledger.Run.Scope = night.Add(-time.Hour), []galen.Target{{ID: "n2"}}
		}, galen.RunWaiting, true, 0, "nothing confirmed"},
		{"alerts about two of a failure domain, and nobody can say how it is with the second", wait, func(t *thought) {
			unheard(t)
			two := t.state.(plain)
			two[0].Domain, two[1].Domain = "dc1/r1", "dc1/r1"
			t.ledger.Run.Created, t.ledger.Run.Scope = night.Add(-time.Hour), []galen.Target{{ID: "n2"}}
		}, galen.RunWaiting, false, 0, "nobody can say how it is with n1"},
		{"alert of whom nobody can say how it is, cancelled", wait, func(t *thought) {
			unheard(t)
			t.ledger.Run.Stop = galen.StopCancel
		}, galen.RunWaiting, true, 0, "nothing was done"},
		{"alert not confirmed, rejected", wait, func(t *thought) {
			t.unconfirmed, t.now, t.ledger.Run.Status, t.ledger.Run.Why = true, night.Add(time.Hour), galen.RunHeld, "rejected by ada"
		}, galen.RunHeld, false, 0, "rejected by ada"},
		{"alert not confirmed, rejected, then approved", wait, func(t *thought) {
			t.unconfirmed, t.ledger.Run.Status, t.ledger.Approval = true, galen.RunHeld, yes
		}, galen.RunWaiting, false, 0, "looks on"},
		{"alert not confirmed, held and cancelled", wait, func(t *thought) {
			t.unconfirmed, t.ledger.Run.Status, t.ledger.Run.Stop = true, galen.RunHeld, galen.StopCancel
		}, galen.RunWaiting, true, 0, "nothing was done"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			refusedSince := time.Time{}
			if strings.HasPrefix(c.name, "refused") {
				refusedSince = night
			}
			got := conclude(thinking(c.plan, c.change), refusedSince)
			if got.status != c.status || got.done != c.done || got.steps != c.steps || !strings.Contains(got.why, c.why) {
				t.Errorf("got %+v, want %s, done %v, %d steps, why %q", got, c.status, c.done, c.steps, c.why)
			}
			if got.wait < minWait {
				t.Errorf("waits only %s", got.wait)
			}
		})
	}
}

// TestAHeldRunDecidesAnewForANewcomer: it keeps the rest of its rack from being healed by any other run. What it was held for holds it
// again, with a page of its own; a person's no stays one.
func TestAHeldRunDecidesAnewForANewcomer(t *testing.T) {
	act := galen.Plan{Steps: []galen.Step{step()}, Why: "start it"}
	finding := func(ids ...string) *galen.Finding {
		f := &galen.Finding{Code: "down"}
		for _, id := range ids {
			f.Targets = append(f.Targets, galen.Target{ID: id})
		}
		return f
	}
	const page = "; has the trouble since it was held, and no other run sees to it: n4"
	unsettled := galen.Intent{ID: "i1", Run: "r1", Step: step(), At: night.Add(-time.Hour), Effect: galen.Effect{Status: galen.EffectUnderWay}}
	for name, c := range map[string]struct {
		plan   galen.Plan
		change func(*thought)
		status galen.RunStatus
		why    string
	}{
		"acts":               {act, func(*thought) {}, galen.RunRunning, "start it"},
		"waits":              {galen.Plan{Wait: galen.Duration(time.Second), Why: "not yet"}, func(*thought) {}, galen.RunWaiting, "not yet"},
		"asks":               {act, answer(galen.NeedYes), galen.RunAsking, "because"},
		"still needs one":    {galen.Plan{End: galen.EndEscalate, Why: "no spare"}, func(*thought) {}, galen.RunHeld, "no spare" + page},
		"in quarantine":      {act, answer(galen.Deny), galen.RunHeld, "I-02: because" + page},
		"past its deadline":  {act, func(t *thought) { t.ledger.Run.Deadline = night.Add(-time.Second) }, galen.RunHeld, "the run is past its deadline 2026-01-05T02:59:59Z" + page},
		"a step not settled": {act, func(t *thought) { t.ledger.Past = []galen.Intent{unsettled} }, galen.RunHeld, step().String() + " is not settled 1m0s after its intent i1: " + page},
		"rejected":           {act, func(t *thought) { t.ledger.Run.HeldFast, t.ledger.Run.Why = true, "rejected by ada: no" }, galen.RunHeld, "rejected by ada: no" + page},
		"rejected past its deadline": {act, func(t *thought) {
			t.ledger.Run.HeldFast, t.ledger.Run.Why, t.ledger.Run.Deadline = true, "rejected by ada: no", night.Add(-time.Second)
		}, galen.RunHeld, "rejected by ada: no" + page},
		"rejected, told already": {act, func(t *thought) { t.ledger.Run.HeldFast, t.ledger.Run.Why = true, "rejected by ada: no"+page }, galen.RunHeld, "rejected by ada: no" + page},
		"cancelled":              {act, func(t *thought) { t.ledger.Run.Stop = galen.StopCancel }, galen.RunHeld, "no spare"},
		"known before":           {act, func(t *thought) { t.ledger.Run.Finding = finding("n1", "n4", "n7") }, galen.RunHeld, "no spare"},
		"one that is well again": {act, func(t *thought) { t.finding = finding("n1") }, galen.RunHeld, "no spare"},
		"nothing is found":       {act, func(t *thought) { t.finding = nil }, galen.RunHeld, "no spare"},
		"of a person's run":      {act, func(t *thought) { t.ledger.Run.Finding = nil }, galen.RunRunning, "start it"},
		"named by that person": {act, func(t *thought) {
			t.ledger.Run.Finding, t.ledger.Run.Scope = nil, finding("n4", "n1").Targets
		}, galen.RunHeld, "no spare"},
	} {
		got := conclude(thinking(c.plan, func(t *thought) {
			t.ledger.Run.Status, t.ledger.Run.Why, t.ledger.Run.Finding, t.finding = galen.RunHeld, "no spare", finding("n1"), finding("n1", "n4")
			c.change(t)
		}), time.Time{})
		if got.status != c.status || got.why != c.why || got.done {
			t.Errorf("%s: got %s %q, want %s %q", name, got.status, got.why, c.status, c.why)
		}
	}
}

func TestCancelledRunEndsCancelled(t *testing.T) {
	for name, past := range map[string][]galen.Intent{"no call": nil, "a call": {{ID: "i1", Step: step(), Effect: galen.Effect{Status: galen.EffectFailed}}}} {
		got := conclude(thinking(galen.Plan{End: galen.EndEscalate, Why: "no node of the ring has the host ID"}, func(t *thought) {
			t.ledger.Run.Status, t.ledger.Run.Stop, t.ledger.Past = galen.RunHeld, galen.StopCancel, past
		}), time.Time{})
		if !got.done || got.final != galen.RunCancelled || got.atOnce != (past == nil) {
			t.Errorf("held, cancelled, and its runbook needs a person, %s: got %+v, want done as cancelled", name, got)
		}
	}
	got := conclude(thinking(galen.Plan{End: galen.EndDone, Why: "safe point"}, func(t *thought) {
		t.ledger.Run.Stop = galen.StopCancel
		t.state = plain{member("n1", true)}
	}), time.Time{})
	if !got.done || got.final != galen.RunCancelled || !got.atOnce {
		t.Errorf("got %+v, want done as cancelled at once although the node is bad", got)
	}
	got = conclude(thinking(galen.Plan{End: galen.EndDone, Why: "safe point"}, func(t *thought) {
		t.ledger.Run.Stop = galen.StopCancel
		t.ledger.Past = []galen.Intent{{ID: "i1", Step: step(), Effect: galen.Effect{Status: galen.EffectDone}}}
	}), time.Time{})
	if !got.done || got.final != galen.RunCancelled || got.atOnce {
		t.Errorf("got %+v, want done as cancelled after the holding time, for it has acted", got)
	}
}
