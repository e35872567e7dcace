package http

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestALateYesIsToldWhatMoved: the facts that were shown, and of another plan its steps; nothing where nobody knows what was shown.
func TestALateYesIsToldWhatMoved(t *testing.T) {
	decision := func(number int, status string, verbs ...string) galen.Decision {
		d := galen.Decision{
			Run: "a", Number: number, At: noon(), Shown: map[string]string{"db-1": status}, Grounds: galen.Grounds{"db-1": {"status": status}}, Plan: galen.Plan{Why: "w"},
		}
		for _, verb := range verbs {
			d.Plan.Steps = append(d.Plan.Steps, galen.Step{Verb: verb, Target: galen.Target{ID: "db-1"}})
		}
		return d
	}
	done := galen.Intent{Step: galen.Step{Verb: "reboot", Target: galen.Target{ID: "db-1"}}, At: noon().Add(time.Second)}
	status := galen.Change{Target: "db-1", What: "status", Before: "up", After: "down"}
	for name, c := range map[string]struct {
		before galen.Decision
		past   []galen.Intent
		body   string
		says   string
		want   []galen.Change
	}{
		"its targets": {decision(2, "up"), nil, `{"plan":2,"shown":"` + galen.HashJSON(map[string]string{"db-1": "up"})[:8] + `"}`,
			"the world has changed since you read the plan: status of db-1: up, now down: read the run again (galen runs show a), then approve its newest plan", []galen.Change{status}},
		"of which nobody knows": {galen.Decision{}, nil, `{"plan":2,"shown":"01234567"}`,
			"the world has changed since you read the plan: read the run again (galen runs show a), then approve its newest plan", nil},
		"its steps": {decision(1, "down", "reboot", "failover"), []galen.Intent{done}, `{"plan":1}`,
			"plan 1 of run a is not its newest, which is plan 2: step failover of db-1: once, now nothing: read the run again (galen runs show a), then approve its newest plan",
			[]galen.Change{{Target: "db-1", What: "step failover", Before: "once"}}},
		"both": {decision(1, "up"), []galen.Intent{done}, `{"plan":1}`,
			"plan 1 of run a is not its newest, which is plan 2: status of db-1: up, now down: read the run again (galen runs show a), then approve its newest plan", []galen.Change{status}},
	} {
		plan := decision(2, "down")
		e := &engine{
			runs: map[string]galen.Run{"a": {ID: "a", Resource: demo(), Status: galen.RunAsking, Plan: 2}}, plans: map[string]galen.Decision{"a": plan}, before: c.before, past: c.past,
		}
		w := call(t, Handler(e.options()), "POST", "/v1/runs/a/approve", c.body)
		got, err := galen.Decode[api.Error](w.Body.Bytes())
		if err != nil || w.Code != 409 || got.Type != problemBase+"moved" || got.Detail != c.says {
			t.Errorf("%s: %d %s %v", name, w.Code, w.Body, err)
		}
		if diff := cmp.Diff(c.want, deref(got.Moved)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAYesThatDoesNotKnowOfANo: somebody said no while another one read the plan; whoever has read of the no may say yes all the same.
func TestAYesThatDoesNotKnowOfANo(t *testing.T) {
	plan := galen.Decision{Run: "a", Number: 2, At: noon(), Shown: map[string]string{"db-1": "up"}, Plan: galen.Plan{Why: "w"}}
	run := galen.Run{ID: "a", Resource: demo(), Status: galen.RunAsking, Plan: 2}
	asking := shownOf(run, plan)
	run.Status, run.HeldFast, run.Why = galen.RunHeld, true, "rejected by bob: not now"
	e := &engine{runs: map[string]galen.Run{"a": run}, plans: map[string]galen.Decision{"a": plan}}
	h := Handler(e.options())
	if w := call(t, h, "POST", "/v1/runs/a/approve", `{"plan":2,"shown":"`+asking+`"}`); w.Code != 409 || !strings.Contains(complaint(t, w), "rejected by bob: not now") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := call(t, h, "POST", "/v1/runs/a/approve", `{"plan":2,"shown":"`+shownOf(run, plan)+`"}`); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
