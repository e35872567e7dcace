package live

import (
	"os"
	"strings"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

func TestDownIsOfOneMindAndStillNormal(t *testing.T) {
	d, _ := given(t, "down-n1.json", "down-n2.json", "")
	got := look(t, d)
	n := member(t, got, "127.0.0.3")
	if !n.Down || n.Status != cassandra.Normal {
		t.Errorf("recorded: DOWN at both peers, status NORMAL; got down %v, %s, %+v", n.Down, n.Status, n.Observations)
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.2"} {
		if member(t, got, address).Down {
			t.Errorf("%s is down", address)
		}
	}
}

// A node that is leaving was told to leave once more, and answered 200 and null within milliseconds: the return of a
// call proves nothing, and Cassandra guards nothing. So our own guard must refuse a second movement, by what is seen.
func TestTrapOperationAcceptedTwice(t *testing.T) {
	answer, err := os.ReadFile("testdata/decommission-second.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(answer), `"status":200`) || !strings.Contains(string(answer), `"value":null`) {
		t.Fatalf("recorded: accepted with null; got %s", answer)
	}
	d, _ := given(t, "leaving-n1.json", "", "", "leaving-n4.json")
	got := look(t, d)
	if n := member(t, got, "127.0.0.4"); n.Status != cassandra.Leaving {
		t.Fatalf("127.0.0.4 is %s, recorded while it was leaving", n.Status)
	}
	n := member(t, got, "127.0.0.1")
	for _, g := range cassandra.Guards() {
		if !strings.HasPrefix(g.Name, "I-01") {
			continue
		}
		v := g.Check(galen.Ask[cassandra.Ring]{
			World: galen.World[cassandra.Ring]{Now: got.At, State: got}, Step: cassandra.Stop(n), Class: galen.Disruptive,
			Scope: []galen.Target{n.Target()}, Policy: galen.SafePolicy(), Ledger: galen.Ledger{Now: got.At},
		})
		if v.Answer == galen.Allow {
			t.Errorf("%s allows a stop while 127.0.0.4 is leaving: %s", g.Name, v.Why)
		}
		return
	}
	t.Fatal("no guard I-01")
}
