package http

import (
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

func TestAdvice(t *testing.T) {
	e := &engine{members: []galen.Member{{Target: galen.Target{ID: "id-1"}, Instance: "instance/n1", Name: "10.0.0.1"}, {Target: galen.Target{ID: "id-2"}, Instance: "instance/n2", Name: "10.0.0.2"}}}
	h := Handler(e.options())
	for _, c := range []struct {
		path   string
		status int
		says   string
	}{
		{"/v1/resources/fake/demo/can-i?verb=stop&member=n2", 200, `"member":"id-2"`},
		{"/v1/resources/fake/demo/can-i?verb=stop&member=10.0.0.1", 200, `"member":"id-1"`},
		{"/v1/resources/fake/demo/can-i?verb=stop&member=n3", 404, `"list":"/v1/resources/fake/demo/members"`},
		{"/v1/resources/fake/demo/can-i?verb=stop", 400, "member"},
		{"/v1/resources/fake/demo/can-i?member=n1", 400, "verb"},
		{"/v1/resources/fake/demo/can-i?verb=%20&member=n1", 422, "verb"},
		{"/v1/resources/fake/other/can-i?verb=stop&member=n1", 404, "GET /v1/resources"},
		{"/v1/resources/Fake/other/can-i?verb=stop&member=n1", 400, "kind/name"},
		{"/v1/resources/fake/demo/what-if?down=n2,n1", 200, `"asked":["id-2","id-1"]`},
		{"/v1/resources/fake/demo/what-if", 200, `"answer":"yes"`},
		{"/v1/resources/fake/demo/what-if?down=n1,n9", 404, "n9"},
		{"/v1/resources/fake/demo/what-if?down=n1" + strings.Repeat(",n1", 1000), 400, "1001 of them, at most 1000"},
		{"/v1/resources/fake/demo/what-if?level=A" + strings.Repeat(",A", 16), 400, "17 of them, at most 16"},
		{"/v1/resources/fake/demo/can-i?verb=stop&member=n2&level=A" + strings.Repeat(",A", 16), 400, "17 of them, at most 16"},
		{"/v1/resources/fake/demo/state", 200, `"form":1`},
		{"/v1/resources/fake/other/state", 404, "GET /v1/resources"},
		{"/v1/resources/fake/demo", 200, `"margin":"1 to spare"`},
		{"/v1/status", 200, `"margin":"1 to spare"`},
	} {
		w := call(t, h, "GET", c.path, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s, want %d with %q", c.path, w.Code, w.Body, c.status, c.says)
		}
	}
	// Before the first look nobody knows the members, and the answer is unknown.
	w := call(t, Handler((&engine{}).options()), "GET", "/v1/resources/fake/demo/can-i?verb=stop&member=n2", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"unknown"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := call(t, Handler((&engine{}).options()), "GET", "/v1/resources/fake/demo/state", ""); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
