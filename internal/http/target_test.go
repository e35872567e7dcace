package http

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

const hostID = "33333333-cccc-4000-8000-000000000003"

func ring() []galen.Member {
	return []galen.Member{
		{Target: galen.Target{ID: hostID}, Instance: "instance/n3", Name: "127.0.0.3"},
		{Target: galen.Target{ID: "node-4"}, Name: "Node4.example:7000"},
		{Target: galen.Target{ID: "old-3"}, Name: "127.0.0.3", Unlisted: true},
		{Target: galen.Target{ID: "instance/n5"}, Instance: "instance/n5", Name: "fd00::5", Spare: true},
		{Target: galen.Target{ID: "twin-a"}, Name: "127.0.0.9"}, {Target: galen.Target{ID: "twin-b"}, Name: "127.0.0.9"},
	}
}

// TestTargetsByName: people name a member as they know it; what is stored is what the gate compares with.
func TestTargetsByName(t *testing.T) {
	for _, c := range []struct{ given, want, says string }{
		{hostID, hostID, ""}, {"33333333", hostID, ""}, {"n3", hostID, ""}, {"instance/n3", hostID, ""}, {"127.0.0.3", hostID, ""}, {"127.0.0.3:7000", hostID, ""},
		{"::ffff:127.0.0.3", hostID, ""}, {"node4.EXAMPLE", "node-4", ""}, {"old-3", "old-3", ""}, {"n5", "instance/n5", ""}, {"[fd00::5]:7000", "instance/n5", ""},
		{"n4", "", "no member of fake/demo; its members are " + hostID + " (instance/n3, 127.0.0.3)"},
		{"127.0.0.9", "", "several members of fake/demo: twin-a (127.0.0.9), twin-b (127.0.0.9)"},
		{" ", "", "no member"},
	} {
		e := &engine{members: ring()}
		h := Handler(e.options())
		held := call(t, h, "POST", "/v1/holds", `{"why":"x","until":"2026-11-24T00:00:00Z","resource":"fake/demo","target":"`+c.given+`"}`)
		seen := call(t, h, "POST", "/v1/resources/fake/demo/acknowledge", `{"target":"`+c.given+`"}`)
		if c.want == "" {
			status := http.StatusNotFound
			if strings.HasPrefix(c.says, "several") {
				status = http.StatusUnprocessableEntity
			}
			for _, w := range []string{complaint(t, held), complaint(t, seen)} {
				if !strings.Contains(w, c.says) || held.Code != status || seen.Code != status {
					t.Errorf("%q: %d %d %s, want %d with %q", c.given, held.Code, seen.Code, w, status, c.says)
				}
			}
			if len(e.holds)+len(e.acknowledged) > 0 {
				t.Errorf("%q: stored all the same", c.given)
			}
			continue
		}
		got, err := galen.Decode[api.Held](held.Body.Bytes())
		if err != nil || held.Code != http.StatusCreated || got.Target != c.want || got.Called == "" || len(e.holds) != 1 || !e.holds[0].Covers(demo(), c.want) {
			t.Errorf("hold %q: %d %s %v, want target %s", c.given, held.Code, held.Body, err, c.want)
		}
		if seen.Code != http.StatusOK || !strings.Contains(seen.Body.String(), c.want) || len(e.acknowledged) != 1 || e.acknowledged[0] != c.want {
			t.Errorf("acknowledge %q: %d %s %v", c.given, seen.Code, seen.Body, e.acknowledged)
		}
	}
}

// TestAWholeResourceCanAlwaysBeHeld: a hold is never refused because something was not seen yet; a resource that is not
// looked after is a mistyped one, and its hold would hold nothing.
func TestAWholeResourceCanAlwaysBeHeld(t *testing.T) {
	e := &engine{}
	h := Handler(e.options())
	for _, body := range []string{`{"why":"x"%s}`, `{"why":"x","resource":"fake/demo"%s}`, `{"why":"x","resource":"fake/d*"%s}`} {
		body = fmt.Sprintf(body, `,"until":"2026-11-24T00:00:00Z"`)
		if w := call(t, h, "POST", "/v1/holds", body); w.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	for _, body := range []string{`{"why":"x","until":"2026-11-24T00:00:00Z","resource":"fake/demo","target":"n1"}`} {
		w := call(t, h, "POST", "/v1/holds", body)
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(complaint(t, w), "hold the whole resource") {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	w := call(t, h, "POST", "/v1/holds", `{"why":"x","until":"2026-11-24T00:00:00Z","resource":"fake/dem"}`)
	if w.Code != http.StatusNotFound || !strings.Contains(complaint(t, w), "GET /v1/resources") || len(e.holds) != 3 {
		t.Errorf("a mistyped resource: %d %s, %d holds", w.Code, w.Body, len(e.holds))
	}
}
