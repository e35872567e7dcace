package ringd_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/test/ringd"
)

func TestMain(m *testing.M) {
	ringd.MaybeServe()
	os.Exit(m.Run())
}

func start(t *testing.T) *ringd.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := ringd.Start(ctx, ringd.Options{Name: "demo", Log: filepath.Join(t.TempDir(), "calls.jsonl"), Faster: 50})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

// engine is one life of an engine: what it knows is gone with it.
type engine struct {
	t     *testing.T
	ring  *ringd.Driver
	state cassandra.Ring
	calls int64
}

func (e *engine) look(open ...galen.Intent) cassandra.Ring {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 5*time.Second)
	defer cancel()
	seen, err := e.ring.Look(ctx, resource(), nil, open)
	if err != nil {
		e.t.Fatal(err)
	}
	e.state = cassandra.Fold(e.state, seen)
	return e.state
}

// until looks until something holds.
func (e *engine) until(what string, holds func(cassandra.Ring) bool) {
	e.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(e.look()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			e.t.Fatalf("still not: %s", what)
		}
	}
}

func (e *engine) node(instance string) cassandra.Node {
	e.t.Helper()
	n, found := e.state.NodeOf(instance)
	if !found {
		e.t.Fatalf("%s is no node", instance)
	}
	return n
}

func (e *engine) instance(name string) cassandra.Instance {
	e.t.Helper()
	i, found := e.state.Instance(name)
	if !found {
		e.t.Fatalf("no instance %s", name)
	}
	return i
}

func (e *engine) do(id string, s galen.Step) error {
	ctx, cancel := context.WithTimeout(e.t.Context(), 500*time.Millisecond)
	defer cancel()
	e.calls++
	_, err := e.ring.Do(ctx, galen.Intent{ID: id, Run: "run-1", Resource: resource(), Step: s, Class: galen.Destructive, At: time.Now(), Fence: e.calls})
	return err
}

func isDown(instance string) func(cassandra.Ring) bool {
	return func(r cassandra.Ring) bool { n, found := r.NodeOf(instance); return found && n.Down }
}

// One engine begins a replacement, another one, who knows nothing of the first, sees it end; each call is on disk.
func TestRingOutlivesTheEngine(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	first := &engine{t: t, ring: ringd.Connect(p.URL)}
	first.until("n3 is seen", func(r cassandra.Ring) bool { _, found := r.NodeOf("n3"); return found })
	for _, trouble := range []ring.Trouble{ring.Kill, ring.LoseData} {
		if err := p.Make(ctx, trouble, "n3"); err != nil {
			t.Fatal(err)
		}
	}
	first.until("n3 is down", isDown("n3"))
	dead := first.node("n3")
	if err := first.do("fence-1", cassandra.Fence(dead)); err != nil {
		t.Fatal(err)
	}
	if err := first.do("prepare-1", cassandra.Prepare(first.state, first.instance("n4"), dead)); err != nil {
		t.Fatal(err)
	}
	first.look()
	if err := p.Strike(ctx, ring.Fault{Verb: cassandra.VerbReplace, Kind: ring.HungAfter}); err != nil {
		t.Fatal(err)
	}
	replace := cassandra.Replace(dead, first.instance("n4"))
	if err := first.do("replace-1", replace); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("the call hangs until the deadline: %v", err)
	}

	second := &engine{t: t, ring: ringd.Connect(p.URL)}
	second.until("n4 has the place", func(r cassandra.Ring) bool {
		n, found := r.NodeOf("n4")
		return found && n.Status == cassandra.Normal && len(r.Ailing(n)) == 0 && len(r.Nodes) == 3
	})
	if err := second.do("replace-1", replace); err == nil {
		t.Error("the host refuses the same start again")
	}
	calls, err := ringd.Accepted(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	var verbs []string
	for _, c := range calls {
		verbs = append(verbs, c.Verb)
	}
	if got := strings.Join(verbs, " "); got != "fence prepare replace" || len(ring.Doubled(calls)) > 0 {
		t.Errorf("accepted: %s, want fence prepare replace, once each", got)
	}
	harms, err := p.Harms(ctx)
	if err != nil || len(harms) > 0 {
		t.Errorf("harms %v, %v", harms, err)
	}
	all, err := p.Calls(ctx)
	if err != nil || len(all) != 4 {
		t.Errorf("%d calls arrived, want 4 (%v)", len(all), err)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	p := start(t)
	if err := p.Make(t.Context(), "sink", "n1"); err == nil {
		t.Error("unknown trouble")
	}
	if err := p.Make(t.Context(), ring.Kill, "n9"); err == nil {
		t.Error("unknown instance")
	}
	if _, err := p.Look(t.Context(), galen.Resource{Kind: "cassandra", Name: "else"}, nil, nil); err == nil {
		t.Error("another resource")
	}
}

// All nodes dead: what is seen can still be told and read.
func TestEverythingDown(t *testing.T) {
	p := start(t)
	e := &engine{t: t, ring: p.Driver}
	e.look()
	for _, n := range []string{"n1", "n2", "n3"} {
		if err := p.Make(t.Context(), ring.Kill, n); err != nil {
			t.Fatal(err)
		}
	}
	e.until("all are down", func(r cassandra.Ring) bool { return isDown("n1")(r) && isDown("n2")(r) && isDown("n3")(r) })
}
