package galen

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScopes(t *testing.T) {
	for _, c := range []struct {
		have Scope
		may  string
	}{
		{ScopeView, "view"}, {ScopePropose, "view propose"}, {ScopeApprove, "view propose approve"}, {ScopeOperate, "view propose approve operate"},
		{ScopeAdmin, "view propose approve operate admin alerts"}, {ScopeAlerts, "alerts"}, {"root", ""}, {"", ""},
	} {
		var may []string
		for _, s := range append(Scopes(), "root", "") {
			if c.have.Includes(s) {
				may = append(may, string(s))
			}
		}
		if got := strings.Join(may, " "); got != c.may {
			t.Errorf("%s may %q, want %q", c.have, got, c.may)
		}
	}
}

func TestTokenMay(t *testing.T) {
	token := Token{Grants: []Grant{{ScopeView, "cassandra/*"}, {ScopeOperate, "cassandra/orders-*"}}}
	orders, pay, all := Resource{Kind: "cassandra", Name: "orders-eu"}, Resource{Kind: "cassandra", Name: "pay"}, Resource{}
	for _, c := range []struct {
		scope Scope
		on    Resource
		want  bool
	}{
		{ScopeView, orders, true}, {ScopeOperate, orders, true}, {ScopeAdmin, orders, false}, {ScopeView, pay, true}, {ScopePropose, pay, false},
		{ScopeView, Resource{Kind: "rds", Name: "pay"}, false}, {ScopeView, all, false},
	} {
		if got := token.May(c.scope, c.on); got != c.want {
			t.Errorf("%s on %q: %v", c.scope, c.on, got)
		}
	}
	if !token.MayAny(ScopeOperate) || token.MayAny(ScopeAdmin) || !token.MayAll(ScopeView, "cassandra/o*") || token.MayAll(ScopeOperate, "cassandra/o*") {
		t.Error("any, or all")
	}
	if everything := (Token{Grants: []Grant{{ScopeAdmin, Everything}}}); !everything.May(ScopeAlerts, all) || !everything.MayAll(ScopeOperate, "rds/[a-c]*") {
		t.Error("admin may everything")
	}
}

func TestTokenCheck(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	good := func() Token {
		return Token{Name: "ci", Grants: []Grant{{ScopePropose, "cassandra/*"}}, Expires: now.Add(time.Hour)}
	}
	if err := good().Check(now); err != nil || !good().Counts(now) || good().Counts(now.Add(time.Hour)) {
		t.Errorf("a good one: %v", err)
	}
	revoked := good()
	revoked.Revoked = now
	if revoked.Counts(now) {
		t.Error("a revoked one counts")
	}
	for says, spoil := range map[string]func(*Token){
		"1 to 63 characters":      func(x *Token) { x.Name = "ci\x1b[0m" },
		"is taken":                func(x *Token) { x.Name = Operator },
		"want 1 to 64":            func(x *Token) { x.Grants = nil },
		"when the token ends":     func(x *Token) { x.Expires = time.Time{} },
		"is past":                 func(x *Token) { x.Expires = now },
		"grants[0]: scope \"root": func(x *Token) { x.Grants[0].Scope = "root" },
		"is no pattern":           func(x *Token) { x.Grants[0].Resource = "*" },
		"it is for everything":    func(x *Token) { x.Grants[0].Scope = ScopeAdmin },
		"scope alerts on":         func(x *Token) { x.Grants[0].Scope = ScopeAlerts },
	} {
		bad := good()
		spoil(&bad)
		if err := bad.Check(now); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// TestCoversIsSound: what a covered pattern means, the covering one means, too.
func TestCoversIsSound(t *testing.T) {
	for _, c := range []struct {
		p, other Pattern
		want     bool
	}{
		{"*/*", "cassandra/[a-z]*", true}, {"cassandra/*", "cassandra/orders-*", true}, {"cassandra/*-eu", "cassandra/orders-*", false},
		{"cassandra/?", "cassandra/*", false}, {"cassandra/[*]", "cassandra/*", false}, {"cassandra/*a-z*", "cassandra/[a-z]", false},
		{"cassandra/*", "cassandra/orders", true}, {"cassandra/?", "cassandra/a", true}, {"cassandra/*", "rds/*", false}, {"*/*", "*", false},
	} {
		if got := c.p.Covers(c.other); got != c.want {
			t.Errorf("%s covers %s: %v", c.p, c.other, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?\[\]-]{1,3}/[ab*?\[\]-]{1,4}`)
		p, other := Pattern(pattern.Draw(t, "p")), Pattern(pattern.Draw(t, "other"))
		name := rapid.StringMatching(`[ab-]{1,3}`)
		r := Resource{Kind: name.Draw(t, "kind"), Name: name.Draw(t, "name")}
		if p.Covers(other) && other.Matches(r) && !p.Matches(r) {
			t.Fatalf("%s covers %s, which means %s", p, other, r)
		}
	})
}
