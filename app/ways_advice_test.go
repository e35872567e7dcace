package app

import (
	"encoding/json"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/advice"
)

// TestAdviceIsTheGuards: over the API, before and after the first look, and from what was saved.
func TestAdviceIsTheGuards(t *testing.T) {
	e := engineWithoutTemporal(t)
	client := served(t, e)
	may := func(verb, member string) *api.CanIResponse {
		t.Helper()
		got, err := client.CanIWithResponse(t.Context(), "fake", "demo", &api.CanIParams{Verb: verb, Member: member})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := may("reboot", "db-1"); got.JSON200 == nil || got.JSON200.Answer != galen.DontKnow {
		t.Fatalf("before the first look: %s", got.Body)
	}
	e.lookOnce(t)
	state, _ := e.world.Last(demoDB())
	id := state.Members()[0].Target.ID
	got := may("reboot", id)
	if got.JSON200 == nil || got.JSON200.Answer != galen.Yes || len(got.JSON200.Verdicts) < 8 {
		t.Fatalf("%s", got.Body)
	}
	if got := may("erase", id); got.StatusCode() != 422 {
		t.Errorf("an unknown verb: %d %s", got.StatusCode(), got.Body)
	}
	if _, err := e.journal.OpenIntents(t.Context(), demoDB()); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range state.Members() {
		all = append(all, m.Target.ID)
	}
	what, err := client.WhatIfWithResponse(t.Context(), "fake", "demo", &api.WhatIfParams{Down: &all})
	if err != nil || what.JSON200 == nil || what.JSON200.Answer != galen.No {
		t.Fatalf("%v %s", err, what.Body)
	}
	saved, err := client.GetStateWithResponse(t.Context(), "fake", "demo")
	if err != nil || saved.JSON200 == nil {
		t.Fatalf("%v %s", err, saved.Body)
	}
	b, err := json.Marshal(saved.JSON200)
	if err != nil {
		t.Fatal(err)
	}
	view, err := advice.Load(b, func(string) (galen.ListedKind, bool) { return galen.ListSaved(fake.Kind()), true })
	if err != nil {
		t.Fatal(err)
	}
	later, err := advice.CanI(view, "reboot", id)
	if err != nil || later.Answer != galen.Yes {
		t.Errorf("%v %+v", err, later)
	}
	list, err := client.ListResourcesWithResponse(t.Context(), nil)
	if err != nil || list.JSON200 == nil || list.JSON200.Resources[0].Margin == nil {
		t.Errorf("no margin: %v %s", err, list.Body)
	}
}

// TestAnOldViewIsRenewed: where a view is too old, a question looks itself; a step that was begun beside that look makes the answer unknown.
func TestAnOldViewIsRenewed(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.lookOnce(t)
	a := advisor{e}
	old, err := a.view(t.Context(), demoDB())
	if err != nil || old.State == nil {
		t.Fatal(err)
	}
	looks := e.looks.now()[demoDB()].Total
	v, err := a.afresh(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	if now := e.looks.now()[demoDB()].Total; now != looks+1 || v.State == nil || v.Doubt != "" {
		t.Errorf("%d looks, before %d; doubt %q", now, looks, v.Doubt)
	}
	old.Ledger.Open = []galen.Intent{{ID: "r1-1", Run: "r1", Resource: demoDB(), Step: galen.Step{Verb: "reboot"}}} // settled meanwhile
	if v, err = a.afresh(t.Context(), old); err != nil || v.Doubt == "" {
		t.Errorf("%v; doubt %q", err, v.Doubt)
	}
}
