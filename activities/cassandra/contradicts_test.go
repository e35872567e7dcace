package cassandra_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// read is a ring as it comes back from a file.
func read(t *testing.T, r cassandra.Ring) cassandra.Ring {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	out, err := galen.Decode[cassandra.Ring](b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAFileThatWasChanged: whatever is changed in the file of a ring, and not in all that rests on it, is found.
func TestAFileThatWasChanged(t *testing.T) {
	peers := func(change func(*cassandra.Endpoint)) func(*cassandra.Ring) {
		return func(r *cassandra.Ring) {
			for i := range r.Views {
				for k := range r.Views[i].Peers {
					if r.Views[i].Peers[k].Address == address(2) && i != 1 {
						change(&r.Views[i].Peers[k])
					}
				}
			}
		}
	}
	rep := func(r *cassandra.Ring) *cassandra.View { // the view that keeps the token map
		for i := range r.Views {
			if len(r.Views[i].Tokens) > 0 {
				return &r.Views[i]
			}
		}
		return nil
	}
	for name, change := range map[string]func(*cassandra.Ring){
		"who lives is called down": func(r *cassandra.Ring) { r.Nodes[0].Down, r.Nodes[1].Down = true, true },
		"another host ID":          peers(func(e *cassandra.Endpoint) { e.HostID = "host-9" }),
		"a peer calls it LEFT":     peers(func(e *cassandra.Endpoint) { e.Status = "LEFT" }),
		"a peer calls it removed":  peers(func(e *cassandra.Endpoint) { e.Status = "removed" }),
		"a peer calls it DOWN":     peers(down),
		"an address with a port":   peers(func(e *cassandra.Endpoint) { e.Address, e.Up = e.Address+":7000", false }),
		"another rack":             peers(func(e *cassandra.Endpoint) { e.Rack = "r9" }),
		"no peer knows it": func(r *cassandra.Ring) {
			r.Views[0].Peers, r.Views[2].Peers = r.Views[0].Peers[:1], r.Views[2].Peers[2:]
		},
		"tokens of a node":              func(r *cassandra.Ring) { r.Nodes[1].Tokens[0]++ },
		"tokens that moved":             func(r *cassandra.Ring) { r.Nodes[0].Tokens = append(r.Nodes[0].Tokens, r.Nodes[1].Tokens...) },
		"tokens of a view":              func(r *cassandra.Ring) { rep(r).Tokens[0].Token++ },
		"a map with a stranger":         func(r *cassandra.Ring) { rep(r).Tokens[0].Address = "10.0.0.9" },
		"a view with tokens of its own": func(r *cassandra.Ring) { r.Views[1].Tokens = []cassandra.Owner{{Token: 7, Address: address(1)}} },
		"a hash of its own":             func(r *cassandra.Ring) { r.Views[1].TokenHash = "x" },
		"owners without it":             func(r *cassandra.Ring) { rep(r).Tokens = rep(r).Tokens[1:] },
		"nothing is said of it":         func(r *cassandra.Ring) { r.Nodes[1].Observations = []galen.Observation{} },
		"its machine":                   func(r *cassandra.Ring) { r.Nodes[1].Instance = "" },
		"its machine has another name":  func(r *cassandra.Ring) { r.Instances[1].Name, r.Instances[1].Process = "n9", cassandra.Absent },
		"its process":                   func(r *cassandra.Ring) { r.Instances[1].Process = cassandra.Absent },
		"a second view of it": func(r *cassandra.Ring) {
			r.Views = append(r.Views, cassandra.View{Instance: "zz", Address: address(2), At: r.At, Jolokia: cassandra.Refused})
		},
		"pending ranges": func(r *cassandra.Ring) {
			r.Views[0].Pending = []cassandra.Pending{{Keyspace: "ks", Address: address(2)}}
		},
		"two schemas": func(r *cassandra.Ring) { r.Views[0].Schema = "other" },
		"it leaves":   func(r *cassandra.Ring) { r.Views[0].Leaving = []string{address(2)} },
		"it joins":    func(r *cassandra.Ring) { r.Views[0].Joining = []string{address(2)} },
		"what was said long ago": func(r *cassandra.Ring) {
			for i := range r.Nodes[1].Observations {
				r.Nodes[1].Observations[i].At = r.At.Add(-6 * time.Hour)
			}
		},
		"what will be said":              func(r *cassandra.Ring) { r.Nodes[1].Observations[0].At = r.At.Add(time.Hour) },
		"another cluster":                func(r *cassandra.Ring) { r.Views[0].Cluster, r.Cluster = "other", "test" },
		"a machine of the future":        func(r *cassandra.Ring) { r.Instances[1].At = r.At.Add(time.Hour) },
		"a view of the future":           func(r *cassandra.Ring) { r.Views[0].At = r.At.Add(time.Hour) },
		"a look of long ago":             func(r *cassandra.Ring) { r.At = r.At.Add(-time.Hour) },
		"nodes that are lost":            func(r *cassandra.Ring) { r.Lost = 5 },
		"an unlisted one that is listed": func(r *cassandra.Ring) { r.Nodes[1].Unlisted, r.Nodes[1].Down, r.Lost = true, true, 1 },
		"a dissent of nobody": func(r *cassandra.Ring) {
			r.Dissents = append(r.Dissents, cassandra.Dissent{Observer: "n1", About: "host-2"})
		},
		"maps left out": func(r *cassandra.Ring) { rep(r).Tokens = nil },
		"shunned":       func(r *cassandra.Ring) { r.Nodes[1].Shunned = true },
		"a node that nobody knows": func(r *cassandra.Ring) {
			r.Nodes = append(r.Nodes, cassandra.Node{HostID: "host-9", Address: "10.0.0.9", DC: "dc1", Rack: "r9"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := read(t, fold(seen(at(0), nil)))
			contradicts := cassandra.Kind().ByHand.Contradicts
			if why := contradicts(r); why != "" {
				t.Fatalf("unchanged: %s", why)
			}
			before := text(r)
			change(&r)
			changed := text(r)
			if changed == before {
				t.Fatal("nothing was changed")
			}
			if why := contradicts(r); why == "" || strings.Contains(why, "\n") {
				t.Errorf("it says %q", why)
			}
			if text(r) != changed {
				t.Error("it was changed by being asked")
			}
		})
	}
}
