package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/cql"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
	"github.com/galenhq/galen/activities/cassandra/live/process"
)

// element is one recorded answer of a real node, or a request to it.
type element struct {
	Request request                    `json:"request"`
	Value   json.RawMessage            `json:"value"`
	Other   map[string]json.RawMessage `json:"-"`
}

type request struct {
	Type      string            `json:"type"`
	MBean     string            `json:"mbean"`
	Operation string            `json:"operation"`
	Attribute []string          `json:"attribute"`
	Arguments []json.RawMessage `json:"arguments"`
}

// replay answers what is asked out of a recorded poll: attributes that were not recorded are unknown ones, pending
// ranges of other keyspaces are none.
func replay(t *testing.T, file string) *jolokia.Client {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(raw) {
		return serve(t, func([]request) []byte { return raw })
	}
	var recorded []json.RawMessage
	if err := json.Unmarshal(raw, &recorded); err != nil {
		t.Fatal(err)
	}
	return serve(t, func(asked []request) []byte {
		answers := make([]json.RawMessage, len(asked))
		for i, r := range asked {
			answers[i] = find(recorded, r)
		}
		b, err := json.Marshal(answers)
		if err != nil {
			t.Error(err)
		}
		return b
	})
}

func find(recorded []json.RawMessage, asked request) json.RawMessage {
	for _, raw := range recorded {
		var e element
		if json.Unmarshal(raw, &e) != nil || e.Request.MBean != asked.MBean || e.Request.Operation != asked.Operation {
			continue
		}
		if asked.Operation == "" || string(e.Request.Arguments[0]) == string(asked.Arguments[0]) {
			return only(raw, e, asked)
		}
	}
	if asked.Operation != "" {
		return json.RawMessage(`{"status":200,"value":{}}`)
	}
	return json.RawMessage(`{"status":404,"error_type":"javax.management.InstanceNotFoundException","error":"not recorded"}`)
}

// only fills attributes in that were asked for and not recorded.
func only(raw json.RawMessage, e element, asked request) json.RawMessage {
	var value map[string]json.RawMessage
	if json.Unmarshal(e.Value, &value) != nil || asked.Operation != "" {
		return raw
	}
	for _, a := range asked.Attribute {
		if _, found := value[a]; !found {
			value[a] = json.RawMessage(`{"error_type":"javax.management.AttributeNotFoundException","error":"not recorded"}`)
		}
	}
	b, err := json.Marshal(map[string]any{"status": 200, "value": value})
	if err != nil {
		return raw
	}
	return b
}

func serve(t *testing.T, answer func([]request) []byte) *jolokia.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked []request
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer(asked))
	}))
	t.Cleanup(srv.Close)
	c, err := jolokia.New(srv.URL, 5*time.Second, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// fakeNative answers as told.
type fakeNative struct {
	keyspaces []cassandra.Keyspace
	repairs   []cql.Repair
	tasks     map[string]int // nil: it does not tell them
	err       error
}

func (f fakeNative) Keyspaces(context.Context) ([]cassandra.Keyspace, error) {
	return f.keyspaces, f.err
}
func (f fakeNative) Serves(context.Context, []cassandra.Keyspace) error { return f.err }
func (f fakeNative) Repairs(context.Context) ([]cql.Repair, error)      { return f.repairs, f.err }
func (f fakeNative) Tasks(context.Context) (map[string]int, error) {
	if f.tasks == nil {
		return nil, errors.New("unconfigured table sstable_tasks")
	}
	return f.tasks, f.err
}
func (f fakeNative) Close() {}

// fakeHost records its calls.
type fakeHost struct {
	calls []string
	look  func(at time.Time) cassandra.Instance
	// refuses is what an admission is answered with; nil admits.
	refuses error
}

// under records a call with the order that it came under.
func (f *fakeHost) under(o process.Order, what ...string) error {
	return f.did(append(what, fmt.Sprintf("by %s, fence %d of %s", o.Intent, o.Fence, o.Target))...)
}

func (f *fakeHost) did(what ...string) error {
	f.calls = append(f.calls, strings.Join(what, " "))
	return nil
}

func (f *fakeHost) Look(at time.Time) cassandra.Instance { return f.look(at) }
func (f *fakeHost) Start(_ context.Context, o process.Order, _ ...string) (int, error) {
	return 42, f.under(o, "start")
}
func (f *fakeHost) Terminate(_ context.Context, o process.Order) error {
	return f.under(o, "terminate")
}
func (f *fakeHost) Kill(_ context.Context, o process.Order, _ int, began time.Time) error {
	return f.under(o, "kill", began.Format(time.RFC3339))
}
func (f *fakeHost) Fence(_ context.Context, o process.Order) error {
	return f.under(o, "fence")
}
func (f *fakeHost) Prepare(_ context.Context, o process.Order, c process.Config) error {
	return f.under(o, "prepare", c.Replace)
}
func (f *fakeHost) Discard(_ context.Context, o process.Order, prepared string) error {
	return f.under(o, "discard", prepared)
}
func (f *fakeHost) Admit(_ context.Context, o process.Order) error {
	if f.refuses != nil {
		return f.refuses
	}
	return f.under(o, "admit")
}

func (f *fakeHost) ClearReplaceFlag(_ context.Context, o process.Order) error {
	return f.under(o, "clear")
}
func (f *fakeHost) RemoveJoiner(_ context.Context, o process.Order, replace string) error {
	return f.under(o, "remove-joiner", replace)
}

// broken is an agent whose answer nobody foresaw.
type broken struct{ agent }

func (broken) Bulk(context.Context, ...jolokia.Request) ([]jolokia.Answer, error) {
	panic("agent: index out of range")
}

// brokenNative is the same by CQL.
type brokenNative struct{ native }

func (brokenNative) Keyspaces(context.Context) ([]cassandra.Keyspace, error) { panic("cql: nil map") }
func (brokenNative) Repairs(context.Context) ([]cql.Repair, error)           { panic("cql: nil map") }

func orders() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "orders"} }

func now() time.Time { return time.Unix(1_800_000_000, 0).UTC() }

func ks1() []cassandra.Keyspace {
	return []cassandra.Keyspace{{Name: "ks1", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 3}}}
}

// given is a driver of nodes n1 to nN whose agents are given in order; "" is a node that nobody listens at.
func given(t *testing.T, files ...string) (*Driver, []*fakeHost) {
	t.Helper()
	r := &ring{}
	var hosts []*fakeHost
	for i, file := range files {
		name, address := "n"+string(rune('1'+i)), "127.0.0."+string(rune('1'+i))
		h := &fakeHost{look: func(at time.Time) cassandra.Instance {
			return cassandra.Instance{Name: name, Address: address, At: at, Process: cassandra.Running, PID: 7, Data: cassandra.DataPresent}
		}}
		n := &node{name: name, address: address, native: fakeNative{keyspaces: ks1()}, host: h, slot: h, now: time.Now, looking: make(chan struct{}, 1)}
		if file == "" {
			h.look = func(at time.Time) cassandra.Instance {
				return cassandra.Instance{Name: name, Address: address, At: at, Process: cassandra.Absent, Data: cassandra.DataPresent}
			}
			n.native = fakeNative{err: &cql.Error{Answer: cassandra.Refused, Doing: "read", Err: errors.New("refused")}}
			n.agent = closed(t)
		} else {
			n.agent = replay(t, file)
		}
		r.nodes, hosts = append(r.nodes, n), append(hosts, h)
	}
	return &Driver{now: now, limit: 5 * time.Second, rings: map[galen.Resource]*ring{orders(): r}}, hosts
}

// closed is the agent of a dead node.
func closed(t *testing.T) *jolokia.Client {
	t.Helper()
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c, err := jolokia.New(srv.URL, time.Second, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func look(t *testing.T, d *Driver, open ...galen.Intent) cassandra.Ring {
	t.Helper()
	got, err := d.Look(t.Context(), orders(), nil, open)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func view(t *testing.T, r cassandra.Ring, name string) cassandra.View {
	t.Helper()
	v, found := r.View(name)
	if !found {
		t.Fatalf("no view of %s", name)
	}
	return v
}
