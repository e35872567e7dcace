package galen

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMoved: what is otherwise than it was shown is told, fact by fact, and nothing else.
func TestMoved(t *testing.T) {
	shown := Grounds{"db-1": {"status": "available", "zone": "a"}, "db-2": {"status": "failed"}}
	for _, c := range []struct {
		name string
		is   Grounds
		want string
	}{
		{"nothing", Grounds{"db-1": {"status": "available", "zone": "a"}, "db-2": {"status": "failed"}}, ""},
		{"one fact", Grounds{"db-1": {"status": "failed", "zone": "a"}}, "status of db-1: available, now failed"},
		{"a fact more", Grounds{"db-2": {"status": "failed", "role": "writer"}}, "role of db-2: nothing, now writer"},
		{"a fact less", Grounds{"db-1": {"zone": "a"}}, "status of db-1: available, now nothing"},
		{"of two", Grounds{"db-1": {"status": "x", "zone": "a"}, "db-2": {"status": "y"}}, "status of db-1: available, now x; status of db-2: failed, now y"},
		{"of who was not shown", Grounds{"db-3": {"status": "failed"}}, ""},
		{"nobody looked", nil, ""},
	} {
		if got := TellMoved(Moved(shown, c.is)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	many := Grounds{"a": {}}
	for _, fact := range strings.Fields("a b c d e f g") {
		many["a"][fact] = strings.Repeat("x", 200)
	}
	text := TellMoved(Moved(many, Grounds{"a": {}}))
	if !strings.HasSuffix(text, "and 2 more") || len(text) > 700 {
		t.Errorf("%q", text)
	}
}

// TestStepsMoved: the plan is compared with what is left of the yes.
func TestStepsMoved(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	step := func(verb, id string) Step {
		return Step{Verb: verb, Target: Target{ID: id}, Within: Duration(time.Minute)}
	}
	yes := Approval{At: at, Steps: ApprovedSteps(Plan{Steps: []Step{step("stop", "a")}, Outline: []Step{step("start", "a"), step("start", "b"), step("start", "b")}})}
	done := []Intent{{Step: step("stop", "a"), At: at, Effect: Effect{Status: EffectDone}}}
	for _, c := range []struct {
		name string
		past []Intent
		plan Plan
		want []Change
	}{
		{"the same", nil, Plan{Steps: []Step{step("stop", "a"), step("start", "a"), step("start", "b"), step("start", "b")}}, nil},
		{"what is done is no change", done, Plan{Steps: []Step{step("start", "a"), step("start", "b"), step("start", "b")}}, nil},
		{"another step, one fewer", done, Plan{Steps: []Step{step("fence", "a"), step("start", "a"), step("start", "b")}}, []Change{
			{"b", "step start", "2 times", "once"}, {"a", "step fence", "", "once"},
		}},
		{"given up", done, Plan{End: EndEscalate}, []Change{{"a", "step start", "once", ""}, {"b", "step start", "2 times", ""}}},
	} {
		if diff := cmp.Diff(c.want, yes.StepsMoved(c.past, c.plan)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestAddGrounds: the fields of plain data are named in words.
func TestAddGrounds(t *testing.T) {
	got := map[string]string{}
	err := AddGrounds(got, "node n1", struct {
		HostID string   `json:"host_id"`
		Down   bool     `json:"down"`
		Many   []string `json:"many"`
	}{"x", true, nil})
	if diff := cmp.Diff(map[string]string{"node n1 host id": "x", "node n1 down": "true", "node n1 many": ""}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []any{make(chan int), 7} {
		if AddGrounds(got, "x", bad) == nil {
			t.Errorf("%T is no struct of plain data", bad)
		}
	}
}
