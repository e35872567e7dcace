package config

import (
	"strings"
	"testing"
	"time"
)

func TestOIDC(t *testing.T) {
	const good = `issuer: https://login.example.com
client_id: galen
groups:
  sre: [{scope: approve, resource: "cassandra/*"}]`
	parse := func(text string) (*Config, error) {
		return Parse([]byte("data: /x\nresources:\n  - {resource: fake/a, setup: {}}\noidc:\n  " + strings.ReplaceAll(text, "\n", "\n  ")))
	}
	c, err := parse(good)
	if err != nil || c.OIDC.GroupsClaim != "groups" || c.OIDC.ClockSkew.D() != 30*time.Second || c.OIDC.MaxAge.D() != time.Hour || len(c.OIDC.Scopes) != 4 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := parse(good + "\nclock_skew: 0s"); err != nil || *c.OIDC.ClockSkew != 0 {
		t.Errorf("clocks that are never apart: %+v, %v", c, err)
	}
	for change, want := range map[string]string{
		"https://login|http://login":                         "in the clear",
		"https://login.example.com|login.example.com":        "want the URL",
		"client_id: galen|client_id: \"\"":                   "client_id: required",
		"approve|god":                                        "oidc.groups.sre[0]",
		"approve|admin":                                      "it is for everything",
		"[{scope: approve, resource: \"cassandra/*\"}]|[]":   "at least one grant",
		"client_id: galen|client_id: galen\nclock_skew: 1h":  "clock_skew",
		"client_id: galen|client_id: galen\nmax_age: 48h":    "max_age",
		"client_id: galen|client_id: galen\nmax_age: 0s":     "oidc.max_age: 0s: want 1m0s to 24h0m0s",
		"client_id: galen|client_id: galen\nmax_age: 1s":     "max_age",
		"client_id: galen|client_id: galen\nscopes: [email]": "openid is required",
		"client_id: galen|client_id: galen\nscopes: []":      "openid is required",
		"client_id: galen|client_id: galen\nsecret: x":       "secret",
		"client_id: galen|client_id: galen\nca_file: ''":     "oidc.ca_file: empty",
		good + "|issuer: ''\nclient_id: ''\ngroups: {}":      "oidc.groups: empty",
		good + "|{}": `oidc: field "issuer" is missing`,
	} {
		from, to, _ := strings.Cut(change, "|")
		if _, err := parse(strings.Replace(good, from, to, 1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", change, err, want)
		}
	}
	if _, err := parse(strings.Replace(good, "https://login.example.com", "http://127.0.0.1:5556", 1)); err != nil {
		t.Errorf("on this machine: %v", err)
	}
}
