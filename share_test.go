package galen

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestShares compares with the words of I-03: more than max(1, min(a share of the group, its smallest failure domain)) are
// bad, and not all of them in one failure domain.
func TestShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := SafePolicy()
		p.UnhealthyShare = rapid.SampledFrom([]float64{0, 0.1, 0.2, 0.5, 1}).Draw(t, "share")
		var members []Member
		type group struct {
			all, bad   int
			size, sick map[string]int
		}
		groups := map[string]*group{}
		for i := range rapid.IntRange(0, 40).Draw(t, "members") {
			g := fmt.Sprint("dc", rapid.IntRange(1, 2).Draw(t, "group"))
			m := Member{
				Target: Target{ID: fmt.Sprint(i)}, Instance: fmt.Sprint("instance/", i), Group: g, Domain: fmt.Sprint(g, "/r", rapid.IntRange(1, 3).Draw(t, "rack")),
				Bad: rapid.Bool().Draw(t, "bad"), Spare: rapid.IntRange(0, 9).Draw(t, "spare") == 0,
			}
			if rapid.IntRange(0, 9).Draw(t, "bare") == 0 {
				m.Target.ID = m.Instance
			}
			members = append(members, m)
			if m.Bare() {
				continue
			}
			if groups[g] == nil {
				groups[g] = &group{size: map[string]int{}, sick: map[string]int{}}
			}
			groups[g].all++
			groups[g].size[m.Domain]++
			if m.Bad {
				groups[g].bad++
				groups[g].sick[m.Domain]++
			}
		}
		shares := Shares(members, p)
		if len(shares) != len(groups) {
			t.Fatalf("%d shares of %d groups", len(shares), len(groups))
		}
		for _, s := range shares {
			g := groups[s.Group]
			smallest := g.all
			for _, n := range g.size {
				smallest = min(smallest, n)
			}
			most := max(1, min(int(p.UnhealthyShare*float64(g.all)+1e-9), smallest))
			tooMany := g.bad > most && len(g.sick) > 1
			if s.TooMany() != tooMany || s.Storm() != (tooMany && g.bad > 2) || s.Bad != g.bad || s.All != g.all {
				t.Fatalf("%+v, counted %d of %d bad, %d allowed", s, g.bad, g.all, most)
			}
			for domain, n := range g.size {
				if got, whole := WholeDomain(members, domain); got != n || whole != (n > 1 && g.sick[domain] == n) {
					t.Fatalf("%s: %d, whole %t; counted %d of %d", domain, got, whole, g.sick[domain], n)
				}
			}
		}
	})
}

func TestCooldownOf(t *testing.T) {
	p := SafePolicy()
	p.Cooldowns = []Cooldown{{Cause: "node-down", Class: Reversible, For: Duration(time.Minute)}}
	same := Recovery{Cause: "node-down", Class: Reversible}
	for _, c := range []struct {
		r     Recovery
		cause Code
		class Class
		want  time.Duration
	}{
		{same, "node-down", Reversible, time.Minute},
		{same, "node-frozen", Reversible, time.Hour},
		{same, "node-down", Disruptive, time.Hour},
		{Recovery{}, "node-down", Reversible, time.Hour},
	} {
		if got := p.CooldownOf(c.r, c.cause, c.class).D(); got != c.want {
			t.Errorf("%+v, then %s %s: %s, want %s", c.r, c.cause, c.class, got, c.want)
		}
	}
}

func TestCauseOfARun(t *testing.T) {
	r := Resource{Kind: "cassandra", Name: "orders"}
	for _, c := range []struct {
		run  Run
		want Code
	}{
		{Run{Resource: r, Key: "x", Finding: &Finding{Code: "node-down"}}, "node-down"},
		{Run{Resource: r, Key: "cassandra/orders/node-down/dc1/r1", Asked: "alert f"}, "node-down"},
		{Run{Resource: r, Key: "cassandra/orders/node-down/dc1/r1", Asked: "person ada"}, ""},
		{Run{Resource: r, Key: "my-key", Asked: "person ada"}, ""},
	} {
		if got := c.run.Cause(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.run, got, c.want)
		}
	}
}
