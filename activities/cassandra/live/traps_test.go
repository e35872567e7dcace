package live

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen/activities/cassandra"
)

// The traps of real nodes, each as it was recorded: see testdata/README.md.

func at(t *testing.T, r cassandra.Ring, address string) (cassandra.Node, bool) {
	t.Helper()
	i := slices.IndexFunc(r.Nodes, func(n cassandra.Node) bool { return n.Address == address })
	if i < 0 {
		return cassandra.Node{}, false
	}
	return r.Nodes[i], true
}

func member(t *testing.T, r cassandra.Ring, address string) cassandra.Node {
	t.Helper()
	n, found := at(t, r, address)
	if !found {
		t.Fatalf("%s is no node of the ring", address)
	}
	return n
}

func TestSteadyRing(t *testing.T) {
	d, _ := given(t, "steady-n1.json", "steady-n2.json", "steady-n3.json")
	got := look(t, d)
	if len(got.Nodes) != 3 || len(got.Dissents) != 0 || got.Cluster != "lab" || len(got.Schemas) != 1 || len(got.Pending) != 0 {
		t.Errorf("%d nodes, dissents %v, cluster %q, schemas %v", len(got.Nodes), got.Dissents, got.Cluster, got.Schemas)
	}
	for _, n := range got.Nodes {
		if n.Down || n.Status != cassandra.Normal || len(n.Tokens) != 8 || n.DC != "dc1" || n.Instance == "" || !n.Seed || n.Generation == 0 {
			t.Errorf("%+v", n)
		}
	}
	if v := view(t, got, "n1"); v.Gauges["load_bytes"] == 0 || v.Gauges["uptime_ms"] == 0 || len(v.Owners) != 3 {
		t.Errorf("gauges %v, owners %v", v.Gauges, v.Owners)
	} else if e := peer(t, v, "127.0.0.2"); e.Load == 0 {
		t.Errorf("n1 does not tell the load of n2: %+v", e)
	}
	if diff := cmp.Diff(ks1(), got.Keyspaces); diff != "" {
		t.Errorf("keyspaces (-want +got):\n%s", diff)
	}
}

func TestTrapDriftingEndpointText(t *testing.T) {
	before, _ := given(t, "steady-n1.json")
	after, _ := given(t, "drift-n1.json")
	a, b := view(t, look(t, before), "n1"), view(t, look(t, after), "n1")
	addresses := func(v cassandra.View) (out []string) {
		for _, p := range v.Peers {
			out = append(out, p.Address)
			if !p.Up {
				t.Errorf("%s is not UP in %s", p.Address, v.Instance)
			}
		}
		return out
	}
	if diff := cmp.Diff(addresses(a), addresses(b)); diff != "" || a.TokenHash != b.TokenHash || !slices.Equal(a.Owners, b.Owners) {
		t.Errorf("one node under two names (-before +after):\n%s", diff)
	}
}

func TestTrapBooting(t *testing.T) {
	d, _ := given(t, "steady-n2.json", "boot-n1-404.json")
	if v := view(t, look(t, d), "n2"); v.Jolokia != cassandra.Booting || v.Live() {
		t.Errorf("404 for StorageService: %s, %s", v.Jolokia, v.JolokiaError)
	}
	d, _ = given(t, "boot-n1-starting.json")
	if v := view(t, look(t, d), "n1"); v.Jolokia != cassandra.Answered || v.Mode != "STARTING" || v.Live() || len(v.Owners) != 0 {
		t.Errorf("STARTING, where the ownership cannot be told: %s %s, %s", v.Jolokia, v.Mode, v.JolokiaError)
	}
}

func TestTrapOneUnknownAttribute(t *testing.T) {
	// The recorded polls know nothing of InputArguments and the metrics: they are left out, the rest stands.
	d, _ := given(t, "steady-n1.json")
	v := view(t, look(t, d), "n1")
	if _, told := v.Gauges["hints_written_total"]; told || v.Jolokia != cassandra.Answered {
		t.Errorf("an unknown attribute: %s, %s, %v", v.Jolokia, v.JolokiaError, v.Gauges)
	}
}

func TestTrapCutOffJSON(t *testing.T) {
	d, _ := given(t, "snapshots-cut-bulk.json", "steady-n2.json")
	got := look(t, d)
	if v := view(t, got, "n1"); v.Jolokia != cassandra.BadAnswer || v.Mode != "" || v.JolokiaError == "" {
		t.Errorf("cut-off JSON under HTTP 200: %+v", v)
	}
	if v := view(t, got, "n2"); v.Jolokia != cassandra.Answered {
		t.Errorf("its neighbour: %s", v.Jolokia)
	}
	for _, r := range poll() {
		attributes, _ := r.Attribute.([]string)
		for _, bad := range []string{"SnapshotDetails", "SchemaVersionsWithPort"} {
			if slices.Contains(attributes, bad) {
				t.Errorf("the poll asks for %s, which breaks or blocks it", bad)
			}
		}
	}
}

func TestTrapJoiningNodesInTheTokenMap(t *testing.T) {
	d, _ := given(t, "join-n1.json", "", "", "join-n4.json")
	got := look(t, d)
	v := view(t, got, "n1")
	if !slices.ContainsFunc(v.Tokens, func(o cassandra.Owner) bool { return o.Address == "127.0.0.4" }) || slices.Contains(v.Owners, "127.0.0.4") {
		t.Errorf("recorded: the joiner has tokens in the map and no share of the ring; owners %v", v.Owners)
	}
	if n := member(t, got, "127.0.0.4"); n.Status != cassandra.Joining || len(got.Pending) != 16 {
		t.Errorf("status %s, %d pending ranges; want JOINING, 16", n.Status, len(got.Pending))
	}
}

func TestTrapLeftNodesAreUP(t *testing.T) {
	d, _ := given(t, "left-n1.json", "left-n2.json")
	got := look(t, d)
	p := peer(t, view(t, got, "n1"), "127.0.0.4")
	if !p.Up || p.Status != "LEFT" {
		t.Errorf("recorded: UP and LEFT, got %+v", p)
	}
	if _, found := at(t, got, "127.0.0.4"); found {
		t.Error("a node that LEFT is a node of the ring")
	}
}

func peer(t *testing.T, v cassandra.View, address string) cassandra.Endpoint {
	t.Helper()
	i := slices.IndexFunc(v.Peers, func(e cassandra.Endpoint) bool { return e.Address == address })
	if i < 0 {
		t.Fatalf("%s does not know %s", v.Instance, address)
	}
	return v.Peers[i]
}

func TestTrapHeartbeatOfAStoppedNode(t *testing.T) {
	d, _ := given(t, "stopped-n1.json", "", "stopped-n3.json")
	got := look(t, d)
	p := peer(t, view(t, got, "n1"), "127.0.0.2")
	if p.Up || p.Status != "shutdown" || p.Heartbeat != 1<<31-1 || p.RPCReady {
		t.Errorf("got %+v", p)
	}
	if n := member(t, got, "127.0.0.2"); !n.Down || n.Status != cassandra.Normal || len(n.Tokens) != 8 {
		t.Errorf("a stopped node keeps its place and is down: %+v", n)
	}
}

func TestTrapHibernateWithoutPendingRanges(t *testing.T) {
	d, _ := given(t, "hibernate-n1.json", "", "hibernate-n3.json")
	got := look(t, d)
	if p := peer(t, view(t, got, "n1"), "127.0.0.3"); p.Up || p.Status != "hibernate" || len(got.Pending) != 0 {
		t.Errorf("recorded: DOWN, hibernate, nothing pending; got %+v, %d pending", p, len(got.Pending))
	}
	if n := member(t, got, "127.0.0.3"); n.Status != cassandra.Joining {
		t.Errorf("a node that replaces itself is %s, want JOINING", n.Status)
	}
}

func TestTrapReplacementWithoutPendingRanges(t *testing.T) {
	d, _ := given(t, "replace-n1-silent.json", "", "", "replace-n4-silent.json")
	got := look(t, d)
	if p := peer(t, view(t, got, "n1"), "127.0.0.4"); !p.Up || p.Status != "" || len(got.Pending) != 0 {
		t.Errorf("recorded: UP, no status, nothing pending; got %+v", p)
	}
	if v := view(t, got, "n4"); v.Mode != "JOINING" || v.Live() {
		t.Errorf("the joiner says %s", v.Mode)
	}
	if n := member(t, got, "127.0.0.3"); !n.Down {
		t.Errorf("the dead node: %+v", n)
	}
	d, _ = given(t, "replace-n1-pending.json", "", "", "replace-n4-bootstrap.json")
	got = look(t, d)
	if n := member(t, got, "127.0.0.4"); n.Status != cassandra.Joining || len(got.Pending) != 24 {
		t.Errorf("later: %s, %d pending ranges; want JOINING, 24", n.Status, len(got.Pending))
	}
}

func TestTrapReplacedAddressStaysDown(t *testing.T) {
	d, _ := given(t, "replaced-n1.json", "replaced-n2.json", "", "replaced-n4.json")
	got := look(t, d)
	if p := peer(t, view(t, got, "n2"), "127.0.0.3"); p.Up || p.Status != "NORMAL" {
		t.Errorf("recorded: the failure detector keeps it DOWN, got %+v", p)
	}
	if _, found := at(t, got, "127.0.0.3"); found {
		t.Error("a replaced address is a node of the ring")
	}
	if n := member(t, got, "127.0.0.4"); n.Down || n.Status != cassandra.Normal || len(n.Tokens) != 8 {
		t.Errorf("its successor: %+v", n)
	}
}

func TestTrapCorpseReturns(t *testing.T) {
	d, _ := given(t, "corpse-n1.json", "corpse-n2.json", "corpse-n3.json", "corpse-n4.json")
	got := look(t, d)
	robbed, thief := member(t, got, "127.0.0.4"), member(t, got, "127.0.0.3")
	if len(robbed.Tokens) != 0 || robbed.Down || robbed.Status != cassandra.Normal || len(thief.Tokens) != 8 {
		t.Errorf("robbed: %+v\nthief: %+v", robbed, thief)
	}
	if v := view(t, got, "n4"); v.Mode != "NORMAL" || slices.Contains(v.Owners, "127.0.0.4") {
		t.Errorf("recorded: the robbed node is NORMAL and owns nothing; mode %s, owners %v", v.Mode, v.Owners)
	}
}

// A node that does not tell its tasks is no worse for it: an older one, or a login without the right. Nothing to do is told too.
func TestTasksAreNotNeeded(t *testing.T) {
	d, _ := given(t, "steady-n1.json", "steady-n2.json", "steady-n3.json")
	nodes := d.rings[orders()].nodes
	nodes[0].native = fakeNative{keyspaces: ks1(), tasks: map[string]int{cassandra.TaskValidation: 2}}
	nodes[1].native = fakeNative{keyspaces: ks1(), tasks: map[string]int{}}
	got := look(t, d)
	for name, want := range map[string]map[string]int{"n1": {cassandra.TaskValidation: 2}, "n2": {}, "n3": nil} {
		if v := view(t, got, name); v.CQL != cassandra.Answered || !v.Live() || !reflect.DeepEqual(v.Tasks, want) {
			t.Errorf("%s: cql %s, tasks %#v, want %#v", name, v.CQL, v.Tasks, want)
		}
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var stored cassandra.Ring
	if err := json.Unmarshal(b, &stored); err != nil {
		t.Fatal(err)
	}
	if n2, n3 := view(t, stored, "n2"), view(t, stored, "n3"); n2.Tasks == nil || n3.Tasks != nil {
		t.Errorf("stored: n2 tells %#v, n3 %#v", n2.Tasks, n3.Tasks)
	}
}

// A fault in what reads one node costs that node's view only, and never the engine, which watches other rings too.
func TestAPanicCostsNobodyElse(t *testing.T) {
	d, hosts := given(t, "steady-n1.json", "steady-n2.json", "steady-n3.json")
	n := d.rings[orders()].nodes[1]
	n.agent, n.native = broken{n.agent}, brokenNative{n.native}
	hosts[1].look = func(time.Time) cassandra.Instance { panic("host: nil pointer") }
	for range 2 {
		got := look(t, d, intent(cassandra.VerbRepair, "h", strings.Replace(repairArgs, "n1", "n2", 1)))
		v, i := view(t, got, "n2"), instance(t, got, "n2")
		if v.Jolokia != cassandra.BadAnswer || !strings.Contains(v.JolokiaError, "index out of range") {
			t.Errorf("n2: jolokia %s, %s", v.Jolokia, v.JolokiaError)
		}
		if v.CQL != cassandra.BadAnswer || !strings.Contains(v.CQLError, "nil map") || !strings.Contains(i.Error, "nil pointer") {
			t.Errorf("n2: cql %s, %s; host %s", v.CQL, v.CQLError, i.Error)
		}
		if len(got.Repairs) != 0 {
			t.Errorf("repairs %+v", got.Repairs)
		}
		for _, name := range []string{"n1", "n3"} {
			if v := view(t, got, name); v.Jolokia != cassandra.Answered || instance(t, got, name).Error != "" {
				t.Errorf("%s: %s", name, v.Jolokia)
			}
		}
	}
}

func instance(t *testing.T, r cassandra.Ring, name string) cassandra.Instance {
	t.Helper()
	i, found := r.Instance(name)
	if !found {
		t.Fatalf("no instance %s", name)
	}
	return i
}

// A node that hangs, by its agent and by its host, costs its own view only.
func TestHungNodeCostsNobodyElse(t *testing.T) {
	d, hosts := given(t, "steady-n1.json", "steady-n2.json", "steady-n3.json")
	d.limit = 300 * time.Millisecond
	release := make(chan struct{})
	defer close(release)
	d.rings[orders()].nodes[1].agent = serve(t, func([]request) []byte { <-release; return nil })
	hosts[1].look = func(time.Time) cassandra.Instance { <-release; return cassandra.Instance{} }
	for range 2 {
		began := time.Now()
		got := look(t, d)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the look took %s", took)
		}
		if v := view(t, got, "n2"); v.Jolokia != cassandra.Hung {
			t.Errorf("n2: %s", v.Jolokia)
		}
		if i, _ := got.Instance("n2"); i.Error == "" {
			t.Errorf("the host of n2: %+v", i)
		}
		for _, name := range []string{"n1", "n3"} {
			i, _ := got.Instance(name)
			if v := view(t, got, name); v.Jolokia != cassandra.Answered || i.Error != "" {
				t.Errorf("%s: %s, %s", name, v.Jolokia, i.Error)
			}
		}
	}
}
