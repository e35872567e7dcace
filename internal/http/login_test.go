package http

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// provider answers for a signed token by its first part.
type provider struct{ err error }

func (provider) Login() api.Login {
	return api.Login{Issuer: "https://login.example.com", ClientId: "galen", Scopes: []string{"openid"}}
}

func (p provider) Holder(context.Context, string) (galen.Token, error) {
	return galen.Token{Name: "ann@example.com", Grants: []galen.Grant{{Scope: galen.ScopeApprove, Resource: "fake/*"}}}, p.err
}

// TestLogins: a signed token is the provider's to judge, each of its answers has its status, and named tokens count whatever it says.
func TestLogins(t *testing.T) {
	const raw = "eyJhbGciOiJSUzI1NiJ9.e30.AA"
	for _, c := range []struct {
		err  error
		want int
		says string
	}{
		{nil, 200, ""},
		{Unauthorized(errors.New("expired; log in again: galen login")), 401, "galen login"},
		{Forbidden(errors.New("no group")), 403, "no group"},
		{Unavailable(errors.New("the provider does not answer")), 503, "does not answer"},
	} {
		e := newTwo()
		o := e.options()
		o.Runs, o.Records, o.World, o.Logins = e, e, e, provider{c.err}
		h := Handler(o)
		if w := callAs(t, h, raw, "GET", "/v1/runs/run-demo", ""); w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
		if w := callAs(t, h, testToken, "GET", "/v1/runs/run-demo", ""); w.Code != 200 {
			t.Errorf("%v, and the file's token: %d %s", c.err, w.Code, w.Body)
		}
		if w := callAs(t, h, "", "GET", "/v1/login", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "login.example.com") {
			t.Errorf("where to log in: %d %s", w.Code, w.Body)
		}
	}
	e := newTwo()
	nobody := Handler(e.options())
	if w := callAs(t, nobody, raw, "GET", "/v1/runs/run-demo", ""); w.Code != 401 {
		t.Errorf("nobody logs in, and a signed token: %d", w.Code)
	}
	if w := callAs(t, nobody, "", "GET", "/v1/login", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "oidc in the configuration") {
		t.Errorf("nobody logs in: %d %s", w.Code, w.Body)
	}
}

// TestATokenIsNoPerson where people log in: it says no yes to what needs several people; and who logs in makes no schedule.
func TestATokenIsNoPerson(t *testing.T) {
	const raw = "eyJhbGciOiJSUzI1NiJ9.e30.AA"
	step := galen.Step{Verb: "replace", Target: galen.Target{ID: "db-1"}, Within: galen.Duration(time.Minute)}
	e := &engine{
		runs:  map[string]galen.Run{"a": {ID: "a", Resource: demo(), Runbook: "fake/heal", Plan: 1, Status: galen.RunAsking}},
		plans: map[string]galen.Decision{"a": {Run: "a", Number: 1, Plan: galen.Plan{Steps: []galen.Step{step}}, Approvals: 2}},
	}
	o := e.options()
	o.Logins = provider{}
	h := Handler(o)
	if w := callAs(t, h, testToken, "POST", "/v1/runs/a/approve", `{"plan":1}`); w.Code != 409 || !strings.Contains(w.Body.String(), "galen login") || len(e.approved) > 0 {
		t.Errorf("a token: %d %s", w.Code, w.Body)
	}
	if w := callAs(t, h, raw, "POST", "/v1/runs/a/approve", `{"plan":1}`); w.Code != 200 || len(e.approved) != 1 || e.approved[0].By != "ann@example.com" {
		t.Errorf("a person: %d %s", w.Code, w.Body)
	}
	e.plans["a"] = galen.Decision{Run: "a", Number: 1, Plan: galen.Plan{Steps: []galen.Step{step}}}
	if w := callAs(t, h, testToken, "POST", "/v1/runs/a/approve", `{"plan":1}`); w.Code != 200 {
		t.Errorf("a token, and one yes is enough: %d %s", w.Code, w.Body)
	}
	if got := e.approved; len(got) != 2 || got[0].Lineage.Program || !got[1].Lineage.Program {
		t.Errorf("whose yes is a program's, should more be wanted later: %+v", got)
	}
	if w := callAs(t, h, raw, "POST", "/v1/schedules", `{"name":"x","runbook":"fake/heal","resource":"fake/demo","spec":"@daily"}`); w.Code != 422 || len(e.schedules) > 0 {
		t.Errorf("a schedule of a person: %d %s", w.Code, w.Body)
	}
}
