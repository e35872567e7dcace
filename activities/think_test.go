package activities

import (
	"testing"

	"github.com/galenhq/galen"
)

// A run that an alert hinted at adopts what the State shows of its member, under whatever name its runbook heals.
func TestAHintedRunAdoptsTheFindingOfItsMember(t *testing.T) {
	r := galen.Resource{Kind: "cassandra", Name: "d"}
	run := galen.Run{Resource: r, Key: galen.Finding{Resource: r, Code: "node-down", Domain: "dc1/r3"}.Key(), Scope: []galen.Target{{ID: "h3"}}, Asked: galen.AskedAlert + " 1"}
	rb := galen.ListedRunbook{Name: "cassandra/heal-node", Heals: []galen.Code{"node-down", "node-frozen"}}
	found := func(code galen.Code, target string) galen.Finding {
		return galen.Finding{Resource: r, Code: code, Domain: "dc1/r3", Targets: []galen.Target{{ID: target}}}
	}
	for _, c := range []struct {
		name string
		all  []galen.Finding
		want galen.Code
	}{
		{"another name", []galen.Finding{found("node-frozen", "h3")}, "node-frozen"},
		{"its own name", []galen.Finding{found("node-frozen", "h3"), found("node-down", "h3")}, "node-down"},
		{"another member", []galen.Finding{found("node-frozen", "h4")}, ""},
		{"what the runbook does not heal", []galen.Finding{found("stolen-ring", "h3")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := newest(run, rb, c.all)
			switch {
			case got == nil && c.want != "":
				t.Errorf("adopts nothing, want %s", c.want)
			case got != nil && got.Code != c.want:
				t.Errorf("adopts %s, want %q", got.Code, c.want)
			}
		})
	}
}
