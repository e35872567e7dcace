package jolokia_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.2:7000": "127.0.0.2", "/127.0.0.2:7000": "127.0.0.2", "localhost/127.0.0.1:7000": "127.0.0.1",
		"127.0.0.2/127.0.0.2:7000": "127.0.0.2", "/127.0.0.2": "127.0.0.2", "127.0.0.2": "127.0.0.2",
		"[2001:db8::1]:7000": "2001:db8::1", "/[2001:db8:0:0:0:0:0:1]:7000": "2001:db8::1", "h/[::1]": "::1",
		"/2001:db8:0:0:0:0:0:1:7000": "2001:db8::1", "2001:db8::1": "2001:db8::1", "::ffff:10.0.0.1": "10.0.0.1",
	} {
		if got, err := jolokia.Address(text); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "/", "localhost", "localhost/", "127.0.0.1/", "127.0.0.256:7000", "127.0.0.1:x", "[::1", ":7000", "1.2.3.4:70000"} {
		if got, err := jolokia.Address(text); err == nil {
			t.Errorf("%q was read as %q", text, got)
		}
	}
}

// The same node in the same answer before and after something resolved the names.
func TestDriftingEndpointText(t *testing.T) {
	read := func(file string) map[string]string {
		body := recorded(t, file)
		c, _ := node(t, 200, body)
		got, err := c.Bulk(t.Context(), asked(t, body)...)
		if err != nil {
			t.Fatal(err)
		}
		var states map[string]string
		if err := got[1].Attr("SimpleStatesWithPort", &states); err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for endpoint, state := range states {
			a, err := jolokia.Address(endpoint)
			if err != nil {
				t.Fatal(err)
			}
			out[a] = state
		}
		return out
	}
	want := map[string]string{"127.0.0.1": "UP", "127.0.0.2": "UP", "127.0.0.3": "UP"}
	for _, file := range []string{"steady-n1.json", "drift-n1.json"} {
		if diff := cmp.Diff(want, read(file)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestParseRange(t *testing.T) {
	for text, want := range map[string]jolokia.Range{
		"[8454757700450216950, -9223372036854770000]": {8454757700450216950, -9223372036854770000},
		"(-5,7]": {-5, 7},
		"[-9223372036854775808,9223372036854775807]": {math.MinInt64, math.MaxInt64},
	} {
		if got, err := jolokia.ParseRange(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "[", "[]", "[1]", "[1, 2", "1, 2", "[1, 2, 3]", "[1, 9223372036854775808]", "[a, b]"} {
		if got, err := jolokia.ParseRange(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func gossip(t *testing.T, file string) map[string]jolokia.Endpoint {
	t.Helper()
	body := recorded(t, file)
	c, _ := node(t, 200, body)
	answers, err := c.Bulk(t.Context(), asked(t, body)...)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	if err := answers[1].Attr("AllEndpointStatesWithPort", &text); err != nil {
		t.Fatal(err)
	}
	list, err := jolokia.ParseGossip(text)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]jolokia.Endpoint{}
	for _, e := range list {
		out[e.Address] = e
	}
	return out
}

func TestGossipOfRealNodes(t *testing.T) {
	got := gossip(t, "steady-n1.json")["127.0.0.2"]
	want := jolokia.Endpoint{Address: "127.0.0.2", Generation: got.Generation, Heartbeat: got.Heartbeat, Status: "NORMAL", DC: "dc1",
		Rack: "r2", HostID: got.HostID, Release: "5.0.9", Schema: got.Schema, RPCReady: true, LoadBytes: got.LoadBytes}
	if diff := cmp.Diff(want, got); diff != "" || got.Generation == 0 || got.Heartbeat == 0 || len(got.HostID) != 36 || got.LoadBytes == 0 {
		t.Errorf("(-want +got):\n%s\n%+v", diff, got)
	}
	for file, want := range map[string]string{"stopped-n1.json": "shutdown", "replace-n1-silent.json": "", "replace-n1-pending.json": "BOOT_REPLACE",
		"hibernate-n1.json": "hibernate", "join-n1.json": "BOOT", "leaving-n1.json": "LEAVING", "left-n1.json": "LEFT"} {
		who := map[string]string{"stopped-n1.json": "127.0.0.2", "hibernate-n1.json": "127.0.0.3"}[file]
		if who == "" {
			who = "127.0.0.4"
		}
		e, found := gossip(t, file)[who]
		if !found || e.Status != want {
			t.Errorf("%s: %s has status %q (found: %v), want %q", file, who, e.Status, found, want)
		}
	}
	stopped := gossip(t, "stopped-n1.json")["127.0.0.2"]
	if stopped.Heartbeat != 1<<31-1 || stopped.RPCReady {
		t.Errorf("a node that was stopped: %+v", stopped)
	}
}

func TestGossipRefuses(t *testing.T) {
	for _, text := range []string{"  generation:1\n", "nobody\n", "/127.0.0.1:7000\n  generation:x", "/127.0.0.1:7000\n  LOAD:1:NaN"} {
		if got, err := jolokia.ParseGossip(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func TestRangesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := jolokia.Range{Start: rapid.Int64().Draw(t, "start"), End: rapid.Int64().Draw(t, "end")}
		if got, err := jolokia.ParseRange(want.String()); err != nil || got != want {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	})
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"localhost/127.0.0.1:7000", "[8454757700450216950, -9223372036854770000]", "/[::1]:7000",
		"/127.0.0.1:7000\n  generation:1\n  heartbeat:2\n  STATUS:32:NORMAL,-1\n  LOAD:1:5.0\n  TOKENS:30:<hidden>\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := jolokia.Address(s); err == nil {
			if again, err := jolokia.Address(a); err != nil || again != a {
				t.Fatalf("%q became %q and then %q, %v", s, a, again, err)
			}
		}
		if r, err := jolokia.ParseRange(s); err == nil {
			if again, err := jolokia.ParseRange(r.String()); err != nil || again != r {
				t.Fatalf("%q became %v and then %v, %v", s, r, again, err)
			}
		}
		if list, err := jolokia.ParseGossip(s); err == nil {
			for _, e := range list {
				if e.Address == "" || e.LoadBytes < 0 {
					t.Fatalf("%q became %+v", s, e)
				}
			}
		}
	})
}
