package real

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/advice"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// asksBeforeTouching asks the engine, which only observes, before and after a real node is gone: over the API, by the command line, and by
// the nodetool that asks first. What it answers is what the mathematics says about the State that it saved.
func asksBeforeTouching(t *testing.T, binary string, ring *lab.Ring, gone, next int) {
	p := newPhysicianOf(t, binary, ring, setupOf(ring, 0, nil), map[string]any{"mode": "observe"}, nil)
	took, err := p.engine.AskMay(t.Context(), engine.May{
		Resource: resource(), Verb: cassandra.VerbStop, Members: []string{"n1", "n2", "n3"}, Times: 300, Every: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(took)
	t.Logf("can-i over the API on a live ring of %d, asked %d times while it is watched: p50 %s, p99 %s, max %s (make figures has the goal)",
		len(ring.Nodes()), len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	for i := range ring.Nodes() {
		p.mathematicsSays(i+1, galen.Yes)
	}
	if exit, called := p.nodetool(ring.Node(next), "drain"); exit != nodetoolRan || called != "-p 7199 drain" { // the port of the node that was asked about
		t.Errorf("nodetool at yes: exit %d, called %q", exit, called)
	}

	kill(t, ring.Node(gone))
	p.until("can-i says no", time.Minute, func() (bool, error) {
		a, err := p.canI(next)
		if a.Answer == galen.No {
			return true, nil
		}
		return false, errors.Join(err, errors.New(string(a.Answer)+": "+a.Why))
	})
	a := p.mathematicsSays(next, galen.No)
	if !strings.Contains(a.Why, "I-02 quorum") || !strings.Contains(a.Why, client.Keyspace) || !strings.Contains(a.Why, "QUORUM") {
		t.Errorf("why: %s; want the guard, the keyspace and the level", a.Why)
	}
	p.loses(a, p.state().Keyspaces)
	if exit, called := p.nodetool(ring.Node(next), "drain"); exit != 1 || called != "" {
		t.Errorf("nodetool at no: exit %d, called %q; want 1 and no call", exit, called)
	}
	if exit, called := p.nodetool(ring.Node(next), "status"); exit != nodetoolRan || called != "status" {
		t.Errorf("harmless: exit %d, called %q", exit, called)
	}
	if out, err := p.engine.Galen(t.Context(), "what-if", resource().String(), "--down", ring.Node(next).Instance); err == nil || !strings.Contains(out, client.Keyspace) {
		t.Errorf("what-if: %v\n%s", err, out)
	}
	start(t, ring, ring.Node(gone))
	p.until("can-i says yes again", time.Minute, func() (bool, error) {
		a, err := p.canI(next)
		return a.Answer == galen.Yes, errors.Join(err, errors.New(a.Why))
	})
}

// canI asks over the API whether a node may be stopped.
func (p physician) canI(i int) (galen.Advice, error) {
	c, err := p.engine.Client()
	if err != nil {
		return galen.Advice{}, err
	}
	res, err := c.CanIWithResponse(p.Context(), resource().Kind, resource().Name, &api.CanIParams{Verb: cassandra.VerbStop, Member: p.ring.Node(i).Instance})
	if err != nil || res.JSON200 == nil {
		return galen.Advice{}, errors.Join(err, errors.New("no answer"))
	}
	return *res.JSON200, nil
}

// saved is the State as the engine writes it down.
func (p physician) saved() advice.View {
	p.Helper()
	c, err := p.engine.Client()
	if err != nil {
		p.Fatal(err)
	}
	res, err := c.GetStateWithResponse(p.Context(), resource().Kind, resource().Name)
	if err != nil || res.JSON200 == nil {
		p.Fatalf("%v %s", err, res.Body)
	}
	b, err := json.Marshal(res.JSON200)
	if err != nil {
		p.Fatal(err)
	}
	v, err := advice.Load(b, func(name string) (galen.ListedKind, bool) {
		return galen.ListSaved(cassandra.Kind()), name == cassandra.KindName
	})
	if err != nil {
		p.Fatal(err)
	}
	return v
}

func (p physician) state() cassandra.Ring { return p.saved().State.(cassandra.Ring) }

// mathematicsSays holds the answer over the API against the mathematics on the saved State, level by level.
func (p physician) mathematicsSays(i int, want galen.Opinion) galen.Advice {
	p.Helper()
	a, err := p.canI(i)
	if err != nil || a.Answer != want {
		p.Fatalf("can-i stop n%d: %v %s (%s), want %s", i, err, a.Answer, a.Why, want)
	}
	v := p.saved()
	ring, id := v.State.(cassandra.Ring), p.hostID(i)
	before := map[string]bool{}
	for _, n := range ring.Nodes {
		if n.Down {
			before[n.HostID] = true
		}
	}
	after := map[string]bool{id: true}
	for down := range before {
		after[down] = true
	}
	q := cassandra.NewQuorum(ring, v.Policy)
	if safe := q.Lowered(before, after).Safe(); safe != (want == galen.Yes) {
		p.Errorf("can-i stop n%d: %s, the mathematics says safe %t", i, a.Answer, safe)
	}
	taken := map[[3]string]int{}
	for _, b := range q.Lowered(before, after).Breaks {
		taken[[3]string{b.Keyspace, b.DC, b.Level}] += b.Ranges
	}
	levels, now := q.Levels(after), q.Levels(before)
	for j, l := range levels {
		levels[j].LostNow, levels[j].Taken = now[j].Lost, taken[[3]string{l.Of, l.Group, l.Name}]
	}
	if len(levels) == 0 || galen.HashJSON(levels) != galen.HashJSON(a.Outlook.Levels) {
		p.Errorf("can-i stop n%d tells the levels\n%+v\nthe mathematics\n%+v", i, a.Outlook.Levels, levels)
	}
	return a
}

// loses checks that the answer names the keyspace in its data centre, each level that a second loss takes, and all of its ranges: with
// three nodes and three replicas each range is on every node.
func (p physician) loses(a galen.Advice, keyspaces []cassandra.Keyspace) {
	p.Helper()
	var dc string
	for _, k := range keyspaces {
		if k.Name == client.Keyspace && len(k.RF) == 1 {
			for dc = range k.RF {
			}
		}
	}
	for _, want := range []struct{ level, group string }{{"QUORUM", ""}, {"LOCAL_QUORUM", dc}} {
		j := slices.IndexFunc(a.Outlook.Levels, func(l galen.Level) bool {
			return l.Of == client.Keyspace && l.Name == want.level && l.Group == want.group
		})
		if j < 0 || dc == "" {
			p.Errorf("%s of %s in %q is not told: %+v", want.level, client.Keyspace, want.group, a.Outlook.Levels)
			continue
		}
		if l := a.Outlook.Levels[j]; l.LostNow != 0 || l.Lost != l.Ranges || l.Ranges == 0 || l.Alive != 1 || l.Replicas != 3 || l.Needed != 2 {
			p.Errorf("%+v; want all ranges lost with 1 of 3 replicas, 2 needed", l)
		}
	}
}

// nodetoolRan is what the nodetool behind the one that asks ends with.
const nodetoolRan = 7

// nodetool calls the one of deploy/ with the built galen, before one that only writes down how it was called.
func (p physician) nodetool(n *lab.Node, args ...string) (exit int, called string) {
	p.Helper()
	dir := p.TempDir()
	wrote := filepath.Join(dir, "called")
	script := "#!/bin/sh\necho \"$*\" > " + wrote + "\nexit 7\n"
	if err := os.WriteFile(filepath.Join(dir, "nodetool"), []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		p.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join("..", "..", "deploy", "nodetool", "nodetool"), args...)
	cmd.Env = []string{
		"PATH=" + dir + ":/usr/bin:/bin", "GALEN_COMMAND=" + p.engine.Binary, "GALEN_RESOURCE=" + resource().String(), "GALEN_MEMBER=" + n.Instance,
		"GALEN_SERVER=" + p.engine.Server(), "GALEN_TOKEN_FILE=" + filepath.Join(p.engine.Data, "token"), "HOME=" + dir,
	}
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		p.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(wrote)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.Fatal(err)
	}
	p.Logf("nodetool %s: exit %d\n%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out)
	return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(b))
}
