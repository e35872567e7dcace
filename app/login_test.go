package app

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestPeopleLogIn: a start with oidc ends what tokens said before, one without leaves it.
func TestPeopleLogIn(t *testing.T) {
	e := engineWithoutTemporal(t)
	run := e.askingRun(t)
	yes := galen.Approval{Run: run.ID, By: "ann", Plan: run.Plan, Expires: time.Now().Add(time.Hour), Steps: []galen.ApprovedStep{{Verb: "start", Target: "db-1", Count: 1}}}
	if err := e.journal.Approve(t.Context(), yes); err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []string{"", "https://login.example"} {
		e.o.Config.OIDC.Issuer = issuer
		if err := e.peopleLogIn(t.Context()); err != nil {
			t.Fatal(err)
		}
		l, err := e.journal.Ledger(t.Context(), run.ID)
		if err != nil || (l.Approval == nil) != (issuer != "") {
			t.Errorf("issuer %q: %+v, %v", issuer, l.Approval, err)
		}
	}
}
