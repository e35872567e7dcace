package app

import (
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// TestThePolicyThatWasToldLast: an engine knows its own, and another one's that was told since; of a journal that it has for itself nobody else
// can have told any.
func TestThePolicyThatWasToldLast(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.o.Config.Journal.URLFile = "shared"
	if err := e.policies(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func() galen.Ledger {
		t.Helper()
		l, err := e.journal.Preview(t.Context(), galen.Run{Resource: demoDB(), Runbook: "fake/heal"})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := read(); l.Policy != galen.HashJSON(e.o.Config.Policy(demoDB())) {
		t.Errorf("its own policy is told as %s", l.Policy)
	}
	if err := e.overruled(t.Context()); err != nil {
		t.Error(err)
	}
	if err := e.journal.SetResource(t.Context(), demoDB(), []byte(`{"mode":"observe"}`), "another engine"); err != nil {
		t.Fatal(err)
	}
	if l := read(); l.Policy == galen.HashJSON(e.o.Config.Policy(demoDB())) {
		t.Error("another policy is told as its own")
	}
	if err := e.overruled(t.Context()); err == nil || !strings.Contains(err.Error(), demoDB().String()) {
		t.Errorf("%v", err)
	}
	if view, err := (advisor{e}).known(t.Context(), demoDB()); err != nil || !strings.Contains(view.Doubt, "another policy") {
		t.Errorf("an answer by a policy that does not count: %q, %v", view.Doubt, err)
	}
	if why := e.overruledOn(galen.Resource{Kind: "fake", Name: "gone"}, read().Policy); !strings.Contains(why, "not in the configuration") {
		t.Errorf("a resource that is not its own: %q", why)
	}
	e.o.Config.Journal.URLFile = ""
	if err := e.overruled(t.Context()); err != nil {
		t.Error(err)
	}
}
