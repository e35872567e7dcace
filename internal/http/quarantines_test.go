package http

import (
	"net/http"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func TestQuarantines(t *testing.T) {
	e := &engine{}
	h := Handler(e.options())
	if w := call(t, h, "GET", "/v1/quarantines", ""); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"quarantines":[]}` {
		t.Errorf("without any: %d %s", w.Code, w.Body)
	}
	e.quarantines = []galen.Quarantine{{Runbook: "fake/heal", Verb: "reboot", Targets: []string{"a", "b"}, Why: "twice", At: noon()}}
	w := call(t, h, "GET", "/v1/quarantines", "")
	got, err := galen.Decode[api.QuarantineList](w.Body.Bytes())
	if err != nil || len(got.Quarantines) != 1 || got.Quarantines[0].Runbook != "fake/heal" {
		t.Errorf("%v: %+v", err, got)
	}
	for body, want := range map[string]int{
		`{"runbook": "fake/heal"}`:              http.StatusBadRequest,
		`{"runbook": "fake/heal", "why": " "}`:  http.StatusBadRequest,
		`{"runbook": "fake/none", "why": "no"}`: http.StatusNotFound,
	} {
		if w := call(t, h, "POST", "/v1/quarantines/clear", body); w.Code != want || complaint(t, w) == "" || len(e.quarantines) != 1 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := call(t, h, "POST", "/v1/quarantines/clear", `{"runbook": "fake/heal", "why": "mended"}`); w.Code != http.StatusNoContent || len(e.quarantines) != 0 {
		t.Errorf("cleared: %d %s", w.Code, w.Body)
	}
}
