package galen_test

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

func TestADebtIsOwedWithTheIntentAndPaidNewestFirst(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	facts := map[string]galen.Fact{"other/x": {Key: "other/x"}}
	for i, id := range []string{"run-1", "run-2"} {
		undo := galen.Step{Verb: "set", Why: "back", Target: galen.Target{ID: "a"}, Within: galen.Duration(time.Minute)}
		in := galen.Intent{ID: id, At: at.Add(time.Duration(i) * time.Second), Step: galen.Step{Undo: &undo}}
		f, err := galen.Owe(in)
		if err != nil {
			t.Fatal(err)
		}
		facts[f.Key] = *f
	}
	got, err := galen.Debts(facts)
	if err != nil || len(got) != 2 || got[0].Intent != "run-2" || got[1].Step.Verb != "set" {
		t.Fatalf("debts: %+v, %v", got, err)
	}
	for _, c := range []struct {
		name string
		in   galen.Intent
		want string
	}{
		{"absent", galen.Intent{ID: "run-1", Step: galen.Step{Undo: &galen.Step{}}, Effect: galen.Effect{Status: galen.EffectAbsent}}, "undo-owed/run-1"},
		{"failed stays owed", galen.Intent{ID: "run-1", Step: galen.Step{Undo: &galen.Step{}}, Effect: galen.Effect{Status: galen.EffectFailed}}, ""},
		{"undone", galen.Intent{ID: "run-3", Undoes: "run-1", Effect: galen.Effect{Status: galen.EffectDone}}, "undo-owed/run-1"},
		{"undo failed", galen.Intent{ID: "run-3", Undoes: "run-1", Effect: galen.Effect{Status: galen.EffectFailed}}, ""},
	} {
		key := ""
		for _, f := range galen.Paid(c.in) {
			if f.Gone {
				key += f.Key
			}
		}
		if key != c.want {
			t.Errorf("%s: takes away %q, want %q", c.name, key, c.want)
		}
	}
	facts["undo-owed/bad"] = galen.Fact{Key: "undo-owed/bad", Value: []byte(`{"verb":1}`)}
	if _, err := galen.Debts(facts); err == nil {
		t.Error("an unreadable debt must be an error")
	}
	facts["undo-owed/newer"] = galen.Fact{Key: "undo-owed/newer", Value: []byte(`{"verb":"set","why":"","target":{"id":"a"},"within":"1m","idempotent":true}`)}
	unread := map[string]galen.Debt{}
	all := galen.AllDebts(facts)
	for _, d := range all {
		if d.Unread != "" {
			unread[d.Intent] = d
		}
	}
	newer := unread["newer"]
	if len(all) != 4 || len(unread) != 2 || newer.Step.Target.ID != "a" || newer.Step.Verb != "set" || !strings.Contains(newer.Unread, "idempotent") {
		t.Errorf("all debts, those that cannot be read among them: %+v", all)
	}
}
