package http

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// careful is a resource whose policy has rules.
type careful struct{ *engine }

func (careful) Watched() []Watched {
	policy := galen.SafePolicy()
	policy.Mode = galen.ModeAct
	policy.Modes = []galen.ModeRule{{Runbook: "fake/he*", Class: galen.Destructive, Mode: galen.ModeSuggest}, {Class: galen.Disruptive, Mode: galen.ModeApprove}}
	return []Watched{{Resource: demo(), PolicyName: "careful", Policy: policy}, {Resource: otherDB(), PolicyName: "default", Policy: galen.SafePolicy()}}
}

// TestModes: what holds for each runbook on each resource is what the gate asks the policy for.
func TestModes(t *testing.T) {
	o := (&engine{}).options()
	o.World = careful{&engine{}}
	second, stranger := o.Runbooks[0], o.Runbooks[0]
	second.Name, stranger.Name = "fake/tune", "other/heal"
	o.Runbooks = append(o.Runbooks, second, stranger)
	h := Handler(o)
	row := func(resource, policy, runbook, reversible, disruptive, destructive string) string {
		return fmt.Sprintf("%s %s %s %s %s %s", resource, policy, runbook, reversible, disruptive, destructive)
	}
	all := []string{
		row("fake/demo", "careful", "fake/heal", "act", "approve", "suggest"), row("fake/demo", "careful", "fake/tune", "act", "approve", "act"),
		row("fake/other", "default", "fake/heal", "approve", "approve", "approve"), row("fake/other", "default", "fake/tune", "approve", "approve", "approve"),
	}
	for query, want := range map[string][]string{
		"": all, "?resource=fake/demo": all[:2], "?runbook=fake/tune": {all[1], all[3]}, "?resource=fake/other&runbook=fake/heal": {all[2]},
	} {
		w := call(t, h, "GET", "/v1/modes"+query, "")
		got, err := galen.Decode[api.ModeList](w.Body.Bytes())
		if err != nil || w.Code != http.StatusOK {
			t.Fatalf("%s: %d %v %s", query, w.Code, err, w.Body)
		}
		var said []string
		for _, m := range got.Modes {
			said = append(said, row(m.Resource, m.Policy, m.Runbook, string(m.Reversible), string(m.Disruptive), string(m.Destructive)))
		}
		if strings.Join(said, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %q, want %q", query, said, want)
		}
	}
	for query, status := range map[string]int{"?runbook=fake/none": 422, "?resource=fake/nobody": 404, "?resource=x": 400, "?limit=0": 400} {
		if w := call(t, h, "GET", "/v1/modes"+query, ""); w.Code != status {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// TestReady: an engine that cannot carry on what it is asked for says what it cannot do, to a probe without a token, and not why: that names
// users, addresses and files.
func TestReady(t *testing.T) {
	for _, c := range []struct {
		broken error
		status int
	}{{nil, http.StatusOK}, {errDisk, http.StatusServiceUnavailable}, {&OutageError{"the journal cannot be written", errDisk}, http.StatusServiceUnavailable}} {
		w := callAs(t, Handler((&engine{broken: c.broken}).options()), "", "GET", "/v1/ready", "")
		if w.Code != c.status {
			t.Errorf("%v: %d %s", c.broken, w.Code, w.Body)
		}
		if c.broken == nil {
			continue
		}
		says := complaint(t, w)
		var out *OutageError
		if errors.As(c.broken, &out) != strings.HasPrefix(says, "the journal cannot be written") || strings.Contains(says, errDisk.Error()) || w.Header().Get("Retry-After") == "" {
			t.Errorf("%v: %s", c.broken, w.Body)
		}
	}
	w := callAs(t, Handler((&engine{}).options()), "", "GET", "/v1/version", "")
	if v, err := galen.Decode[api.Version](w.Body.Bytes()); err != nil || v.Version != "test" || !strings.HasPrefix(v.Go, "go") || !v.Started.Equal(noon()) {
		t.Errorf("%v %s", err, w.Body)
	}
}
