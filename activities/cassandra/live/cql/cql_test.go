package cql

import (
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen/activities/cassandra"
)

func TestKeyspace(t *testing.T) {
	for name, c := range map[string]struct {
		replication map[string]string
		want        cassandra.Keyspace
	}{
		"simple": {map[string]string{"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "3"},
			cassandra.Keyspace{Name: "k", Strategy: "SimpleStrategy", RF: map[string]int{"": 3}}},
		"networks": {map[string]string{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", "dc1": "3", "dc2": "2"},
			cassandra.Keyspace{Name: "k", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 3, "dc2": 2}}},
		"local":     {map[string]string{"class": "LocalStrategy"}, cassandra.Keyspace{Name: "k", Strategy: "LocalStrategy"}},
		"transient": {map[string]string{"class": "NetworkTopologyStrategy", "dc1": "3/1"}, cassandra.Keyspace{Name: "k", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 3}, Transient: true}},
		"nonsense":  {map[string]string{"class": "NetworkTopologyStrategy", "dc1": "-3"}, cassandra.Keyspace{Name: "k", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 0}, Transient: true}},
		"empty":     {nil, cassandra.Keyspace{Name: "k"}},
	} {
		if diff := cmp.Diff(c.want, keyspace("k", c.replication)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestChooseAProof(t *testing.T) {
	rf := func(name string, n int) cassandra.Keyspace {
		return cassandra.Keyspace{Name: name, Strategy: "SimpleStrategy", RF: map[string]int{"": n}}
	}
	for want, in := range map[string][]cassandra.Keyspace{
		"system_distributed": {rf("system_auth", 3), rf("system_distributed", 3)},
		"system_auth":        {rf("system_auth", 2), rf("system_distributed", 1)},
		"":                   {rf("system_auth", 1), rf("ks1", 3), {Name: "system_distributed", Strategy: "LocalStrategy"}},
	} {
		got, err := choose(in)
		if got.keyspace != want || (err == nil) != (want != "") {
			t.Errorf("got %q, %v, want %q", got.keyspace, err, want)
		}
	}
}

func TestOutcome(t *testing.T) {
	for want, in := range map[string]struct {
		status, cause string
		completed     bool
	}{
		"IN_PROGRESS": {"prepare_start", "", false}, "COMPLETED": {"success", "", true}, "FAILED": {"failure", "Endpoint not alive", true},
	} {
		if got, _ := outcome(in.status, in.cause, in.completed); got != want {
			t.Errorf("%+v: got %s, want %s", in, got, want)
		}
	}
}

func TestRefusedAndHung(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := node(t, l.Addr().String(), 200*time.Millisecond)
	began := time.Now()
	_, err = n.Keyspaces(t.Context())
	if AnswerOf(err) != cassandra.Hung || time.Since(began) > 5*time.Second {
		t.Errorf("nothing answers: got %v after %s, want hung", err, time.Since(began))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = n.Keyspaces(t.Context())
	if AnswerOf(err) != cassandra.Refused {
		t.Errorf("nothing listens: got %v, want refused", err)
	}
}

// A server that speaks something else must neither hang nor crash us.
func TestNonsense(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	n := node(t, l.Addr().String(), time.Second)
	if _, err := n.Repairs(t.Context()); err == nil {
		t.Error("nonsense was taken for an answer")
	}
}

func node(t *testing.T, address string, limit time.Duration) *Node {
	t.Helper()
	n, err := New(address, limit, Login{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func TestNewRefuses(t *testing.T) {
	for _, a := range []string{"", "127.0.0.1", "localhost:9042", "127.0.0.1:0"} {
		if _, err := New(a, time.Second, Login{}); err == nil {
			t.Errorf("address %q was taken", a)
		}
	}
	if _, err := New("127.0.0.1:9042", 0, Login{}); err == nil {
		t.Error("a node without a deadline was made")
	}
}
