package main

import (
	"net/http"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/api"
)

const n1 = "5b1f2f0e-8d2c-4e0b-9c0e-0d9f5a1b2c3d"

// ringOf is what an engine tells of a ring beside a plan: its members, and what one node less means.
func ringOf(c *canned) {
	detail := c.answers["GET /v1/resources/cassandra/orders"].(api.ResourceDetail)
	detail.Members = append(detail.Members, galen.Member{Target: galen.Target{ID: n1}, Instance: "instance/n1", Name: "127.0.0.1", Domain: "dc1/r1"})
	c.answers["GET /v1/resources/cassandra/orders"] = detail
	quorum := galen.Level{Of: "orders", Name: "QUORUM", Ranges: 24, Alive: 2, Replicas: 3, Needed: 2}
	lost := quorum
	lost.Lost = 24
	c.answers["GET /v1/resources/cassandra/orders/what-if"] = galen.Advice{
		Resource: orders(), Names: map[string]string{n1: "n1", n2: "n2"}, Answer: galen.Yes, Verdicts: []galen.Verdict{},
		Outlook: galen.Outlook{Asked: []string{n2}, Levels: []galen.Level{quorum}, Margin: oneDown, Threats: []galen.Threat{{ID: n1, Levels: []galen.Level{lost}}}},
	}
}

func wanted() galen.Verdict {
	return galen.Verdict{Guard: "approval", Answer: galen.NeedYes, Why: "a person's yes is needed: nobody has approved it yet"}
}

// TestPlanReads: a plan as a person reads it, for each of the ways that it can go.
func TestPlanReads(t *testing.T) {
	fence, prepare, replace := step(cassandra.VerbFence, n2), step(cassandra.VerbPrepare, n4), step(cassandra.VerbReplace, n2)
	discard := step(cassandra.VerbDiscard, n4)
	prepare.Undo, prepare.Args = &discard, []byte(`{"cluster":"orders","dc":"dc1","seeds":["127.0.0.1"]}`)
	prepare.Why = "prepare the empty instance n4"
	strange := step("polish", n2)
	for name, d := range map[string]galen.Decision{
		"heal": {
			Status: galen.RunAsking, Why: wanted().Why, Approvals: 2,
			Plan:     galen.Plan{Steps: []galen.Step{fence}, Outline: []galen.Step{prepare, replace}, Why: "because"},
			Verdicts: [][]galen.Verdict{append(allowed(), wanted()), append(allowed()[:2], wanted()), append(allowed()[:2], wanted(), galen.Verdict{Guard: "fence first", Answer: galen.Deny, Why: "n2 is not fenced"})},
		},
		"denied": {
			Status: galen.RunHeld, Why: "I-25 deletion: no restore point",
			Plan:     galen.Plan{Steps: []galen.Step{step(cassandra.VerbStop, n2), strange}, Why: "because"},
			Verdicts: [][]galen.Verdict{append(allowed(), galen.Verdict{Guard: "I-25 deletion", Answer: galen.Deny, Why: "no restore point"})},
		},
		"wait":     {Status: galen.RunWaiting, Why: "it may come back", Plan: galen.Plan{Wait: galen.Duration(2e9), Why: "it may come back"}},
		"done":     {Status: galen.RunWaiting, Why: "n2 is well", Plan: galen.Plan{End: galen.EndDone, Why: "n2 is well"}},
		"escalate": {Status: galen.RunHeld, Why: "no spare", Plan: galen.Plan{End: galen.EndEscalate, Why: "no spare"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := cannedAPI()
			ringOf(c)
			c.answers["POST /v1/runs"] = api.RunAnswer{Plan: &d}
			server := c.start(t)
			got := galenCLI(t, server, "run", "cassandra/heal-node", "cassandra/orders", "--plan")
			if got.code != exitOK {
				t.Fatalf("%+v", got)
			}
			golden(t, file("plan-"+name), got.out)
			if name != "heal" {
				return
			}
			wide := galenCLI(t, server, "run", "cassandra/heal-node", "cassandra/orders", "--plan", "-o", "wide")
			golden(t, file("plan-heal-wide"), wide.out)
			for _, kept := range []string{"GET /v1/resources/cassandra/orders", "GET /v1/resources/cassandra/orders/what-if"} {
				c.answers[kept] = http.StatusForbidden
			}
			if got := galenCLI(t, server, "run", "cassandra/heal-node", "cassandra/orders", "--plan"); got.code != exitOK || !contains(got.out, "2 destructive (6a1f2f0e); needs 2 approvals.") {
				t.Errorf("a token that may not view the ring: %+v", got)
			}
		})
	}
}
