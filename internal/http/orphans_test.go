package http

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestStatusOfWhatIsLeft: what stands on resources that nobody looks after is told with its number, and to nobody who may not view it.
func TestStatusOfWhatIsLeft(t *testing.T) {
	old, mine := galen.Resource{Kind: "fake", Name: "old"}, demo()
	e := &engine{
		standing:  []galen.Run{{ID: "a", Resource: old, Status: galen.RunHeld}, {ID: "b", Resource: mine, Status: galen.RunHeld}},
		schedules: []galen.Schedule{{Name: "x", Resource: old}, {Name: "y", Resource: galen.Resource{Kind: "fake", Name: "older"}}, {Name: "z", Resource: mine}},
		holds:     []galen.Hold{{ID: "h", Resource: old}, {ID: "all"}, {ID: "mine", Resource: mine}},
	}
	e.tokens = map[string]galen.Token{hashOf(secretOf("narrow")): {Name: "narrow", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: noon().Add(time.Hour)}}
	left := func(secret string, is func(galen.Resource) bool) []api.Orphan {
		t.Helper()
		o := e.options()
		o.Orphaned = func(context.Context) (func(galen.Resource) bool, error) { return is, nil }
		w := callAs(t, Handler(o), secret, "GET", "/v1/status", "")
		var got api.Status
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("%d %s %v", w.Code, w.Body, err)
		}
		return deref(got.Orphans)
	}
	gone := func(r galen.Resource) bool { return r != mine }
	want := []api.Orphan{{Resource: "fake/old", OpenRuns: 1, Schedules: 1, Holds: 1}, {Resource: "fake/older", Schedules: 1}}
	if diff := cmp.Diff(want, left(testToken, gone)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := left(secretOf("narrow"), gone); got != nil {
		t.Errorf("to who may not view them: %v", got)
	}
	if got := left(testToken, func(galen.Resource) bool { return false }); got != nil {
		t.Errorf("nothing is left: %v", got)
	}
	o := e.options()
	o.Orphaned = func(context.Context) (func(galen.Resource) bool, error) { return nil, errors.New("away") }
	if w := call(t, Handler(o), "GET", "/v1/status", ""); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
