package http

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestReleasedAgain: whoever may release a hold and does it twice, for the first answer was lost, learns that it is released; to others it is
// as one that never was.
func TestReleasedAgain(t *testing.T) {
	body, err := json.Marshal(map[string]any{"hold": galen.Hold{ID: "hold-1", Pattern: "cassandra/*"}})
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{happened: []galen.Event{{Seq: 1, Kind: galen.EventRelease, Body: body}}}
	for _, c := range []struct {
		resource, hold string
		code           int
		says           string
	}{
		{"cassandra/*", "hold-1", 409, "problem:released"},
		{"cassandra/*", "hold-2", 403, "there is none, or it is not for this token"},
		{"cassandra/orders", "hold-1", 403, "there is none, or it is not for this token"},
		{"fake/*", "hold-1", 403, "there is none, or it is not for this token"},
	} {
		e.tokens = map[string]galen.Token{hashOf(secretOf("me")): {
			Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeOperate, Resource: galen.Pattern(c.resource)}}, Expires: noon().Add(time.Hour),
		}}
		h := Handler(e.options())
		w := callAs(t, h, secretOf("me"), "POST", "/v1/holds/"+c.hold+"/release", "")
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s on %s: %d %s", c.hold, c.resource, w.Code, w.Body)
		}
	}
}

// TestScheduleWithoutParameters: what is required is missing in it, as in a run that is asked for; and an empty word is none of those there are.
func TestScheduleWithoutParameters(t *testing.T) {
	e := &engine{}
	h := Handler(e.options())
	body := func(more string) string {
		return `{"name":"x","runbook":"fake/heal","resource":"fake/demo","spec":"@daily"` + more + `}`
	}
	if w := call(t, h, "POST", "/v1/schedules", body("")); w.Code != 201 || string(e.schedules[0].Params) != "{}" || e.schedules[0].Missed != galen.MissedSkip {
		t.Errorf("%d %s: %+v", w.Code, w.Body, e.schedules)
	}
	if w := call(t, h, "POST", "/v1/schedules", body(`,"missed":""`)); w.Code != 422 || !strings.Contains(w.Body.String(), "want skip or once") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
