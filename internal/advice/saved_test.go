package advice

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestFactsOfAFile: one that the guards would pass over, for it is written otherwise than they know it, is refused.
func TestFactsOfAFile(t *testing.T) {
	for key, says := range map[string]string{
		"repair-owed/n0001/ks":              "",
		"repaired/n0001/ks":                 "",
		"silent-since/host-0001/ks":         "",
		"replaced/dc1":                      "",
		"undo-owed/in-1":                    "",
		"repair-owed/n0001":                 "no step of the kind cassandra leaves",
		"repair-owed//ks":                   "no step of the kind cassandra leaves",
		"Repair-owed/n0001/ks":              "no step of the kind cassandra leaves",
		"repairowed/n0001/ks":               "no step of the kind cassandra leaves",
		"x":                                 `the key "repair-owed/n0001/ks"`,
		"repair-owed/n0001/ks that is gone": "leave it out",
	} {
		v := viewOf(heard(1, 3))
		name, gone := strings.CutSuffix(key, " that is gone")
		fact := galen.Fact{Key: name, At: noon(), Gone: gone}
		if key == "x" {
			fact.Key = "repair-owed/n0001/ks"
		}
		v.Ledger.Facts = map[string]galen.Fact{name: fact}
		_, err := Load(saved(t, v), kinds)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", key, err, says)
		}
	}
}

// TestAFileByHand: where no token map is told nothing follows from the views, but what speaks against a node in them has to be said of it.
func TestAFileByHand(t *testing.T) {
	for name, change := range map[string]func(*cassandra.Ring){
		"as it is":             nil,
		"its CQL port refuses": func(r *cassandra.Ring) { r.Views[0].CQL = cassandra.Refused },
		"it is drained":        func(r *cassandra.Ring) { r.Views[0].Mode = "DRAINED" },
		"its process is not":   func(r *cassandra.Ring) { r.Instances[0].Process = cassandra.Absent },
		"a peer calls it DOWN": func(r *cassandra.Ring) {
			r.Views[1].Peers = []cassandra.Endpoint{{Address: r.Nodes[0].Address, HostID: r.Nodes[0].HostID, Status: "NORMAL"}}
		},
		"its machine was looked at in ten years": func(r *cassandra.Ring) { r.Instances[0].At = r.Instances[0].At.Add(10 * 365 * 24 * time.Hour) },
	} {
		r := heard(1, 3)
		if change != nil {
			change(&r)
		}
		v, err := Load(saved(t, viewOf(r)), kinds)
		if err != nil {
			t.Fatal(err)
		}
		want := galen.Yes
		if change != nil {
			want = galen.DontKnow
		}
		if a := asked(t, v, "stop", r.Nodes[1].HostID); a.Answer != want {
			t.Errorf("%s: %s (%s), want %s", name, a.Answer, a.Why, want)
		}
	}
}
