package activities

import (
	"fmt"
	"strings"
	"testing"
	"time"

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

// What a person has cancelled on a target is in no finding that a run is shown, by whatever name; what began on it later is.
func TestARunIsNotShownWhatItLeavesToPeople(t *testing.T) {
	r := galen.Resource{Kind: "cassandra", Name: "d"}
	f := galen.Finding{
		Resource: r, Code: "node-down", Domain: "dc1/r3", Since: night, Targets: []galen.Target{{ID: "h3"}, {ID: "h4"}},
		Began: map[string]time.Time{"h3": night, "h4": night.Add(time.Hour)},
	}
	frozen := f
	frozen.Code = "node-frozen"
	rb := galen.ListedRunbook{Name: "cassandra/heal-node", Heals: []galen.Code{"node-down", "node-frozen"}}
	run := galen.Run{Resource: r, Key: f.Key(), Scope: []galen.Target{{ID: "h4"}}}
	for _, c := range []struct {
		name   string
		until  time.Time
		all    galen.Finding
		want   string
		scoped int
	}{
		{"it began before", night, f, "[h4]", 1},
		{"so it did under another name", night, frozen, "[h4]", 1},
		{"it began later", night.Add(-time.Second), f, "[h3 h4]", 2},
	} {
		run.Except = map[string]time.Time{"h3": c.until}
		got := newest(run, rb, []galen.Finding{c.all})
		if got == nil || fmt.Sprint(got.Targets) != c.want {
			t.Fatalf("%s: shown %+v, want %s", c.name, got, c.want)
		}
		now := run
		if now.Finding = got; len(now.InScope()) != c.scoped {
			t.Errorf("%s: in scope are %v", c.name, now.InScope())
		}
	}
	run.Except = map[string]time.Time{"h3": night, "h4": night.Add(time.Hour)}
	if got := newest(run, rb, []galen.Finding{f}); got != nil {
		t.Errorf("shown %+v, and all of it is left to people", got)
	}
	if got := seenAndLeft(run, rb, []galen.Finding{f}); !strings.HasPrefix(got, "node-down in dc1/r3 is seen, and left to people") {
		t.Errorf("of an alert about it: %q", got)
	}
	if got := seenAndLeft(run, rb, nil); got != "" {
		t.Errorf("nothing is seen, and the alert is told %q", got)
	}
	for left, want := range map[string]string{"": "nothing confirmed the alert within 10s", "it is seen": "it is seen"} {
		asked := thought{subject: subject{ledger: galen.Ledger{Run: run}, state: quiet{}, policy: galen.Policy{ConfirmFor: galen.Duration(10 * time.Second)}, now: night}, unconfirmed: true, left: left}
		if c := unconfirmed(asked); !c.done || c.final != galen.RunNotConfirmed || c.why != want {
			t.Errorf("%+v, want %q", c, want)
		}
	}
}

// quiet is a State with one member that is well.
type quiet struct{ galen.State }

func (quiet) Members() []galen.Member {
	return []galen.Member{{Target: galen.Target{ID: "h3"}, Domain: "dc1/r3", Observations: []galen.Observation{{Says: galen.Good, At: night}}}}
}

// What a run owes is what its own intents left; another run's is found and told elsewhere.
func TestWhatARunOwes(t *testing.T) {
	fact := func(intent string, gone bool) galen.Fact {
		return galen.Fact{Intent: intent, At: night, Gone: gone, Value: []byte(`{"verb":"tune","target":{"id":"n1"}}`)}
	}
	serves, spare := member("h1", false, galen.Host, galen.Peer), member("instance/n2", false)
	serves.Instance, spare.Instance, spare.Spare = "instance/n1", "instance/n2", true
	still := func(galen.State, galen.Duty) (string, bool) { return "heal-node repairs it", true }
	for _, c := range []struct {
		name   string
		facts  map[string]galen.Fact
		remedy func(galen.State, galen.Duty) (string, bool)
		want   string
	}{
		{"nothing", nil, still, ""},
		{"a repair", map[string]galen.Fact{"repair-owed/n1/orders": fact("i1", false)}, still, "the repair of orders on n1 is owed since intent i1: heal-node repairs it"},
		{"a repair that nobody needs any more", map[string]galen.Fact{"repair-owed/n1/orders": fact("i1", false)}, func(galen.State, galen.Duty) (string, bool) { return "", false }, ""},
		{"a repair that was done", map[string]galen.Fact{"repair-owed/n1/orders": fact("i1", true)}, still, ""},
		{"a repair of who is no member any more", map[string]galen.Fact{"repair-owed/n2/orders": fact("i1", false)}, still, ""},
		{"another run's repair", map[string]galen.Fact{"repair-owed/n1/orders": fact("i9", false)}, still, ""},
		{"an undo", map[string]galen.Fact{galen.UndoOwed + "i1": fact("i1", false)}, still, "tune n1, which takes back intent i1, is owed"},
		{"another run's undo", map[string]galen.Fact{galen.UndoOwed + "i9": fact("i9", false)}, still, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := owes(subject{
				kind:   galen.ListedKind{Remedy: c.remedy},
				state:  plain{serves, spare},
				ledger: galen.Ledger{Facts: c.facts, Past: []galen.Intent{{ID: "i1"}, {ID: "i2"}}},
			})
			if got != c.want {
				t.Errorf("it owes %q, want %q", got, c.want)
			}
		})
	}
}
