package cassandra_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// recordedRing is one ring of the recording: what Cassandra 5.0.9's own classes say of it (make record-placement).
type recordedRing struct {
	Nodes []struct {
		Address, DC, Rack, Replacing string
		Status                       cassandra.NodeStatus
		Tokens                       []cassandra.Token
	}
	Keyspaces []recordedKeyspace
}

type recordedKeyspace struct {
	Name, Strategy string
	RF             map[string]int
	Pending        []struct {
		Start, End cassandra.Token
		Address    string
	}
	// Rows are the ranges by their ends: who holds it (by index of the node), who will, and how many answers a QUORUM
	// write waits for.
	Rows []struct {
		End              cassandra.Token
		Natural, Pending []int
		Quorum           int
	}
}

// recordedRings calls check for each ring of the recording.
func recordedRings(t *testing.T, check func(t *testing.T, r recordedRing)) {
	t.Helper()
	f, err := os.Open("testdata/placement.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for ; lines.Scan(); count++ {
		var r recordedRing
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if check(t, r); t.Failed() {
			t.Fatalf("ring %d: %+v", count, r.Nodes)
		}
	}
	if err := lines.Err(); err != nil || count < 200 {
		t.Errorf("%d rings, %v", count, err)
	}
}

func (r recordedRing) ring() cassandra.Ring {
	out := cassandra.Ring{Name: "recorded"}
	for i, n := range r.Nodes {
		out.Nodes = append(out.Nodes, cassandra.Node{
			HostID: r.host(i), Address: n.Address, DC: n.DC, Rack: n.Rack, Status: n.Status, Replacing: n.Replacing, Tokens: n.Tokens,
		})
	}
	for _, k := range r.Keyspaces {
		out.Keyspaces = append(out.Keyspaces, cassandra.Keyspace{Name: k.Name, Strategy: k.Strategy, RF: k.RF})
		for _, p := range k.Pending {
			out.Pending = append(out.Pending, cassandra.Pending{Keyspace: k.Name, Address: p.Address, Range: cassandra.Range{Start: p.Start, End: p.End}})
		}
	}
	return out
}

// host is the ID that a test gives to a node.
func (recordedRing) host(i int) string { return fmt.Sprintf("h%02d", i) }

// TestQuorumPlacesAsCassandraDoes: each range has the replicas that Cassandra itself puts there.
func TestQuorumPlacesAsCassandraDoes(t *testing.T) {
	recordedRings(t, func(t *testing.T, r recordedRing) {
		q := cassandra.NewQuorum(r.ring(), galen.Policy{})
		for _, k := range r.Keyspaces {
			for _, row := range k.Rows {
				var want []string
				for _, i := range row.Natural {
					want = append(want, r.host(i))
				}
				if diff := cmp.Diff(want, q.Replicas(k.Name, row.End)); diff != "" {
					t.Errorf("%s %v at %d (-Cassandra +Galen):\n%s", k.Strategy, k.RF, row.End, diff)
				}
			}
		}
	})
}

// TestQuorumCountsPendingAsCassandraDoes: with some nodes down, QUORUM has as much to spare as the worst range has by
// Cassandra's count, of reads (which know nothing of pending replicas) and of writes (which wait for them).
func TestQuorumCountsPendingAsCassandraDoes(t *testing.T) {
	dice := rand.New(rand.NewPCG(4, 4))
	pending, lost := 0, 0
	recordedRings(t, func(t *testing.T, r recordedRing) {
		for _, k := range r.Keyspaces {
			q := cassandra.NewQuorum(r.ring(), galen.Policy{KeyspaceLevels: map[string][]string{k.Name: {"QUORUM"}}})
			for range 4 {
				down := map[string]bool{}
				for i := range r.Nodes {
					down[r.host(i)] = dice.IntN(4) == 0
				}
				alive := func(of []int) (n int) {
					for _, i := range of {
						if !down[r.host(i)] {
							n++
						}
					}
					return n
				}
				worst := 100
				for _, row := range k.Rows {
					up, joining := alive(row.Natural), alive(row.Pending)
					worst = min(worst, up-(row.Quorum-len(row.Pending)), up+joining-row.Quorum)
					pending += len(row.Pending)
				}
				got := q.Verdict(down)
				if got.Margin.Spare() != worst || (len(got.Breaks) > 0) != (worst < 0) || len(got.Doubts) > 0 {
					t.Errorf("%s %v, %v down: %s, doubts %v; Cassandra has %d to spare", k.Strategy, k.RF, down, got.MarginText(), got.Doubts, worst)
				}
				lost += len(got.Breaks)
			}
		}
	})
	if pending < 1000 || lost < 100 {
		t.Errorf("the recording has only %d pending replicas and %d losses", pending, lost)
	}
}
