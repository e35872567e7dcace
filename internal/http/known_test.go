package http

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestAMistypedResourceIsNotWell: a list of nothing would say that all is well with it. What is no longer looked after stays
// readable where the journal has it.
func TestAMistypedResourceIsNotWell(t *testing.T) {
	h := Handler((&engine{happened: []galen.Event{{Resource: galen.Resource{Kind: "fake", Name: "gone"}}}}).options())
	for _, c := range []struct {
		path   string
		status int
	}{
		{"/v1/findings?resource=fake/demo", http.StatusOK}, {"/v1/findings?resource=fake/dmo", http.StatusNotFound}, {"/v1/findings?resource=fake/gone", http.StatusNotFound},
		{"/v1/runs?resource=fake/demo", http.StatusOK}, {"/v1/runs?resource=fake/dmo", http.StatusNotFound}, {"/v1/runs?resource=fake/gone", http.StatusOK},
		{"/v1/journal/events?resource=fake/dmo", http.StatusNotFound}, {"/v1/journal/events?resource=fake/gone", http.StatusOK},
	} {
		w := call(t, h, "GET", c.path, "")
		if w.Code != c.status || c.status == http.StatusNotFound && !strings.Contains(complaint(t, w), "GET /v1/resources tells which there are") {
			t.Errorf("%s: %d %s, want %d", c.path, w.Code, w.Body, c.status)
		}
	}
	w := call(t, Handler((&engine{broken: errDisk}).options()), "GET", "/v1/runs?resource=fake/dmo", "")
	if w.Code != http.StatusInternalServerError {
		t.Errorf("the journal does not say whether it has the resource: %d %s", w.Code, w.Body)
	}
}

func TestARunThatIsNotThere(t *testing.T) {
	w := call(t, Handler((&engine{}).options()), "GET", "/v1/runs/nope", "")
	if got := complaint(t, w); w.Code != http.StatusNotFound || got != "run nope: not found; GET /v1/runs tells which there are" || listIn(t, w) != "/v1/runs" {
		t.Errorf("%d %q, list %q", w.Code, got, listIn(t, w))
	}
	w = call(t, Handler((&engine{}).options()), "POST", "/v1/holds", `{"resource":"redis/*","why":"x","until":"2026-11-24T00:00:00Z"}`)
	if got := complaint(t, w); w.Code != http.StatusUnprocessableEntity || listIn(t, w) != "/v1/resources" || !strings.Contains(got, "GET /v1/resources tells which there are") {
		t.Errorf("%d %q, list %q", w.Code, got, listIn(t, w))
	}
	if w = call(t, Handler((&engine{}).options()), "GET", "/v1/none", ""); w.Code != http.StatusNotFound || listIn(t, w) != "" {
		t.Errorf("a call that is not there: %s", w.Body)
	}
}

// listIn is the list that an error names.
func listIn(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	e, err := galen.Decode[api.Error](w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return deref(e.List)
}
