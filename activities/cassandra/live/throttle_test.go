package live

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
)

// throttledNode is the part of a node's agent that knows its throttle. It counts in bytes, as Cassandra does, and rounds where
// that rounds.
type throttledNode struct {
	generation int64
	bytes      map[string]float64 // by the beginning of the attribute's name
	old        bool               // 4.0: megabits only
	refuses    string             // an attribute that it does not set
	writes     []string
}

func newThrottledNode() *throttledNode {
	return &throttledNode{generation: 100, bytes: map[string]float64{"StreamThroughput": 24 << 20, "InterDCStreamThroughput": 24 << 20}}
}

type asked struct {
	Type      string          `json:"type"`
	Attribute json.RawMessage `json:"attribute"`
	Value     json.RawMessage `json:"value"`
}

func (n *throttledNode) agent(t *testing.T) agent {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list []asked
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
			t.Error(err)
		}
		answers := make([]any, len(list))
		for i, a := range list {
			if a.Type == "write" {
				answers[i] = n.write(t, a)
			} else {
				answers[i] = n.read(t, a)
			}
		}
		if err := json.NewEncoder(w).Encode(answers); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	c, err := jolokia.New(srv.URL, 5*time.Second, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (n *throttledNode) read(t *testing.T, a asked) any {
	var names []string
	if err := json.Unmarshal(a.Attribute, &names); err != nil {
		t.Error(err)
	}
	value := map[string]any{}
	for _, name := range names {
		value[name] = map[string]any{"error_type": "javax.management.AttributeNotFoundException", "error": "No such attribute: " + name, ".error": true}
		if name == "CurrentGenerationNumber" {
			value[name] = n.generation
		}
		for limit, bytes := range n.bytes {
			if form, is := strings.CutPrefix(name, limit); is {
				switch form {
				case "MbPerSec":
					value[name] = int(math.Round(bytes / 125_000))
				case "MbitPerSecAsDouble", "MebibytesPerSecAsDouble":
					if !n.old {
						value[name] = bytes / map[string]float64{"MbitPerSecAsDouble": 125_000, "MebibytesPerSecAsDouble": 1 << 20}[form]
					}
				}
			}
		}
	}
	return map[string]any{"status": 200, "value": value}
}

func (n *throttledNode) write(t *testing.T, a asked) any {
	var name string
	var v int
	if json.Unmarshal(a.Attribute, &name) != nil || json.Unmarshal(a.Value, &v) != nil {
		t.Errorf("a write of %s to %s", a.Value, a.Attribute)
	}
	for limit := range n.bytes {
		switch name {
		case n.refuses:
		case limit + "MbPerSec":
			n.bytes[limit] = float64(v) * 125_000
		case limit + "MebibytesPerSec":
			if n.old {
				continue
			}
			n.bytes[limit] = float64(v) * (1 << 20)
		default:
			continue
		}
		if name == n.refuses {
			break
		}
		n.writes = append(n.writes, fmt.Sprintf("%s=%d", name, v))
		return map[string]any{"status": 200, "value": 0}
	}
	return map[string]any{"status": 404, "error_type": "javax.management.AttributeNotFoundException", "error": "No such attribute: " + name}
}

func (n *throttledNode) tells(t *testing.T) cassandra.Throttle {
	t.Helper()
	_, got, err := (&node{name: "n1", agent: n.agent(t)}).throttled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// do makes a raise to 100 MiB/s or its undo on the node, as it was seen by the view.
func (n *throttledNode) do(t *testing.T, step galen.Step) (string, error) {
	t.Helper()
	d, _ := given(t, "")
	d.rings[orders()].nodes[0].agent = n.agent(t)
	in := intent(step.Verb, "h", "")
	in.Step = step
	return d.Do(t.Context(), in)
}

func raiseOf(now cassandra.Throttle) galen.Step {
	return cassandra.RaiseStream(cassandra.Node{HostID: "h", Instance: "n1"}, cassandra.View{Generation: 100, Throttle: &now}, 100)
}

func TestTheThrottleIsReadInTheUnitThatGoesBack(t *testing.T) {
	for name, c := range map[string]struct {
		bytes float64
		old   bool
		want  cassandra.Rate
	}{
		"the default of 5.0":  {24 << 20, false, cassandra.Rate{Value: 24, Unit: cassandra.Mebibytes}},
		"200 megabits on 5.0": {25_000_000, false, cassandra.Rate{Value: 200, Unit: cassandra.Megabits}},
		"neither":             {25_100_000, false, cassandra.Rate{Value: 25_100_000.0 / (1 << 20), Unit: cassandra.Mebibytes}},
		"no limit":            {0, false, cassandra.Rate{Value: 0, Unit: cassandra.Mebibytes}},
		"the default of 4.0":  {25_000_000, true, cassandra.Rate{Value: 200, Unit: cassandra.Megabits}},
		"no limit on 4.0":     {-125_000, true, cassandra.Rate{Value: 0, Unit: cassandra.Megabits}},
	} {
		n := newThrottledNode()
		n.old, n.bytes["StreamThroughput"] = c.old, c.bytes
		if got := n.tells(t).Stream; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestStreamsAreRaisedAndPutBack(t *testing.T) {
	for name, c := range map[string]struct {
		old  bool
		want []string
	}{
		"5.0": {false, []string{"StreamThroughputMebibytesPerSec=100", "InterDCStreamThroughputMebibytesPerSec=100", "StreamThroughputMebibytesPerSec=24", "InterDCStreamThroughputMebibytesPerSec=24"}},
		"4.0": {true, []string{"StreamThroughputMbPerSec=838", "InterDCStreamThroughputMbPerSec=838", "StreamThroughputMbPerSec=201", "InterDCStreamThroughputMbPerSec=201"}},
	} {
		n := newThrottledNode()
		n.old = c.old
		before := n.tells(t)
		raise := raiseOf(before)
		if reply, err := n.do(t, raise); err != nil {
			t.Fatalf("%s: %s, %v", name, reply, err)
		}
		if args, err := galen.Decode[cassandra.RaiseArgs](raise.Args); err != nil || n.tells(t) != args.To {
			t.Errorf("%s: raised to %s, %v, want %s", name, n.tells(t), err, args.To)
		}
		if reply, err := n.do(t, *raise.Undo); err != nil || n.tells(t) != before {
			t.Errorf("%s: back to %s: %s, %v", name, n.tells(t), reply, err)
		}
		if diff := cmp.Diff(c.want, n.writes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAThrottleThatMovedIsLetAlone(t *testing.T) {
	n := newThrottledNode()
	raise := raiseOf(n.tells(t))
	n.bytes["StreamThroughput"] = 50 << 20
	if _, err := n.do(t, raise); err == nil || !strings.Contains(err.Error(), "not sent: the throttle of instance n1 is 50 MiB/s") {
		t.Errorf("somebody has set it since: %v", err)
	}
	if reply, err := n.do(t, *raise.Undo); err != nil || len(n.writes) != 0 {
		t.Errorf("put back over somebody else's: %s, %v, %v", reply, err, n.writes)
	}
	n = newThrottledNode()
	n.generation++
	if _, err := n.do(t, raise); err == nil || !strings.Contains(err.Error(), "started again") {
		t.Errorf("another process: %v", err)
	}
	if reply, err := n.do(t, *raise.Undo); err != nil || !strings.Contains(reply, "started again since") {
		t.Errorf("put back on another process: %s, %v", reply, err)
	}
	if len(n.writes) != 0 {
		t.Errorf("written: %v", n.writes)
	}
}

func TestHalfARaiseIsAnError(t *testing.T) {
	n := newThrottledNode()
	raise := raiseOf(n.tells(t))
	n.refuses = "InterDCStreamThroughputMebibytesPerSec"
	if _, err := n.do(t, raise); err == nil || !strings.Contains(err.Error(), "No such attribute") {
		t.Errorf("one of two attributes was not set: %v", err)
	}
	if diff := cmp.Diff([]string{"StreamThroughputMebibytesPerSec=100"}, n.writes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if reply, err := n.do(t, *raise.Undo); err != nil || n.tells(t) != raiseFrom(t, raise) {
		t.Errorf("half a raise put back: %s, %s, %v", n.tells(t), reply, err)
	}
}

func raiseFrom(t *testing.T, raise galen.Step) cassandra.Throttle {
	t.Helper()
	args, err := galen.Decode[cassandra.RaiseArgs](raise.Args)
	if err != nil {
		t.Fatal(err)
	}
	return args.From
}

// A node that does not tell it, such as one of which it was not recorded, has no throttle; the rest of its view stands.
func TestALookWithoutThrottle(t *testing.T) {
	d, _ := given(t, "steady-n1.json")
	v := view(t, look(t, d), "n1")
	if v.Jolokia != cassandra.Answered || v.Throttle != nil {
		t.Errorf("%s, %v", v.Jolokia, v.Throttle)
	}
}
