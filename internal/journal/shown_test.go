package journal_test

import (
	"fmt"
	"testing"

	"github.com/galenhq/galen"
)

// testShown: what people were shown of a plan is known while its targets change, the newest ways of it, and of an older plan, too.
func testShown(t *testing.T, w world) {
	ctx := t.Context()
	run := w.open(t, "k")
	decide := func(status, verb string) string {
		t.Helper()
		step := stop("a")
		step.Verb = verb
		d := galen.Decision{
			Run: run.ID, Plan: galen.Plan{Steps: []galen.Step{step}, Why: "w"}, State: "s", Basis: status, Status: galen.RunAsking,
			Shown: map[string]string{"a": status}, Grounds: galen.Grounds{"a": {"status": status}},
		}
		_, err := w.Decide(ctx, d, nil)
		must(t, err)
		return galen.HashJSON(d.Shown)
	}
	knows := func(what string, plan int, shown, want string) {
		t.Helper()
		d, err := w.Shown(ctx, run.ID, plan, shown)
		if want == "" {
			refused(t, err, galen.ErrNotFound)
			return
		}
		must(t, err)
		equal(t, what, d.Grounds["a"]["status"]+fmt.Sprint(d.Number, d.Plan.Steps[0].Verb), want+fmt.Sprint(plan, "stop"))
	}
	up, down := decide("up", "stop"), decide("down", "stop")
	knows("as it is", 1, down[:8], "down")
	knows("as it was last", 1, "", "down")
	knows("as it was", 1, up, "up")
	knows("as it was, in short", 1, up[:8], "up")
	decide("up", "stop")
	decide("up", "stop")
	knows("as it is again", 1, up, "up")
	knows("as it was in between", 1, down, "down")
	decide("up", "start")
	knows("of an older plan", 1, down, "down")
	knows("as it never was", 1, galen.HashJSON("x"), "")
	knows("of no plan", 3, "", "")
	decide("up", "stop")
	for i := range 20 {
		decide(fmt.Sprint("s", i), "stop")
	}
	knows("long ago", 3, galen.HashJSON(map[string]string{"a": "s2"}), "")
	knows("lately", 3, galen.HashJSON(map[string]string{"a": "s3"}), "s3")
	knows("now", 3, galen.HashJSON(map[string]string{"a": "s19"}), "s19")
}
