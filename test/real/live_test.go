package real

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// hands is a person who heals a ring through the live driver alone, without engine, gate and runbook.
type hands struct {
	*testing.T
	driver *live.Driver
	ring   *lab.Ring
	state  cassandra.Ring   // folded
	fences map[string]int64 // of each intent, one higher than of the one before
}

// newHands drives the ring; the node of that number only through a relay.
func newHands(t *testing.T, ring *lab.Ring, relayed int) (*hands, *lab.Relay) {
	t.Helper()
	relay, err := ring.Relay(relayed)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(setupOf(ring, relayed, relay))
	if err != nil {
		t.Fatal(err)
	}
	d, err := live.Open(map[galen.Resource]json.RawMessage{resource(): raw}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	t.Cleanup(func() { // a person's numbers are no engine's: the next one begins at 1
		for _, n := range append(ring.Nodes(), ring.Spares()...) {
			if err := os.Remove(filepath.Join(n.Folder, "galen", "fences")); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		}
	})
	return &hands{T: t, driver: d, ring: ring, fences: map[string]int64{}}, relay
}

// look looks once, folds, and tells how long it took.
func (h *hands) look(open ...galen.Intent) time.Duration {
	h.Helper()
	began := time.Now()
	seen, err := h.driver.Look(h.Context(), resource(), nil, open)
	if err != nil {
		h.Fatal(err)
	}
	took := time.Since(began)
	h.state = cassandra.Fold(h.state, seen)
	return took
}

// until looks until the folded state says what is wanted.
func (h *hands) until(what string, limit time.Duration, open []galen.Intent, wanted func() bool) {
	h.Helper()
	began := time.Now()
	for {
		h.look(open...)
		if wanted() {
			h.Logf("%s after %.1f s", what, time.Since(began).Seconds())
			return
		}
		if time.Since(began) > limit {
			h.Fatalf("not in %s: %s; the state:\n%s", limit, what, text(h.state))
		}
		select {
		case <-h.Context().Done():
			h.Fatal(h.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func text(r cassandra.Ring) string {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// do makes a step, after its verb's own check, and returns the intent.
func (h *hands) do(id string, s galen.Step) galen.Intent {
	h.Helper()
	in, err := h.try(id, s)
	if err != nil {
		h.Fatalf("%s: %v", s, err)
	}
	return in
}

func (h *hands) try(id string, s galen.Step) (galen.Intent, error) {
	if h.fences[id] == 0 {
		h.fences[id] = int64(len(h.fences) + 1)
	}
	in := galen.Intent{ID: id, Resource: resource(), Step: s, At: time.Now().UTC(), Fence: h.fences[id]}
	if err := h.verb(s.Verb).Check(h.state, s); err != nil {
		return in, err
	}
	reply, err := h.driver.Do(h.Context(), in)
	in.Reply, in.Sent = reply, galen.SentYes
	return in, err
}

func (h *hands) verb(name string) galen.Verb[cassandra.Ring] {
	verbs := cassandra.Verbs()
	return verbs[slices.IndexFunc(verbs, func(v galen.Verb[cassandra.Ring]) bool { return v.Name == name })]
}

// done looks until the effect of an intent is done.
func (h *hands) done(in galen.Intent, limit time.Duration) {
	h.Helper()
	v := h.verb(in.Step.Verb)
	h.until(in.Step.Verb+" is done", limit, []galen.Intent{in}, func() bool {
		e := v.Effect(h.state, in)
		if e.Status == galen.EffectFailed {
			h.Fatalf("%s failed: %s", in.Step, e.Why)
		}
		return e.Status == galen.EffectDone
	})
}

func (h *hands) node(i int) cassandra.Node {
	h.Helper()
	n, found := h.state.NodeOf(h.ring.Node(i).Instance)
	if !found {
		h.Fatalf("%s is no node of the ring:\n%s", h.ring.Node(i).Instance, text(h.state))
	}
	return n
}

func (h *hands) instance(i int) cassandra.Instance {
	h.Helper()
	got, found := h.state.Instance(h.ring.Node(i).Instance)
	if !found {
		h.Fatalf("no instance %d", i)
	}
	return got
}

func (h *hands) view(i int) cassandra.View {
	h.Helper()
	v, found := h.state.View(h.ring.Node(i).Instance)
	if !found {
		h.Fatalf("no view of %d", i)
	}
	return v
}

// healsByHand: the live driver tells what it meets, and the verbs that the engine's own tests do not get to do what they say.
func (h *hands) healsByHand(relay *lab.Relay) {
	h.until("all are well", 30*time.Second, nil, func() bool {
		return len(h.state.Nodes) == 3 && !slices.ContainsFunc(h.state.Nodes, func(n cassandra.Node) bool { return len(h.state.Ailing(n)) > 0 })
	})
	h.Logf("a look at 3 nodes and a spare takes %s", h.look())
	if len(h.state.Dissents) != 0 || len(h.state.Keyspaces) < 5 || !h.instance(4).Vacant() {
		h.Errorf("a steady ring:\n%s", text(h.state))
	}
	h.tellsLoad(3)
	h.repairs(1)
	h.tunes(1)
	h.cutPath(relay)
	h.freeze(1)
	h.restart(3)
	h.stops(3)
}

// repairs repairs on one node, and finds the repair again when the reply is lost.
func (h *hands) repairs(i int) {
	h.Helper()
	for _, keyspace := range h.state.RepairedKeyspaces(lab.DC) {
		in := h.do("repair-"+keyspace, cassandra.RepairRanges(h.state, h.node(i), keyspace))
		h.done(in, time.Minute)
		told := h.state.Repairs
		in.Reply = ""
		h.done(in, 10*time.Second)
		if len(told) != 1 || len(h.state.Repairs) != 1 || told[0].Command != h.state.Repairs[0].Command {
			h.Errorf("by its number %+v, with the reply lost %+v", told, h.state.Repairs)
		}
	}
}

// tellsLoad: nodes 1 to last tell the gauges and tasks that I-30 and I-32 rest on, and nothing waits in a ring at rest.
func (h *hands) tellsLoad(last int) {
	h.Helper()
	for i := 1; i <= last; i++ {
		for _, gauge := range []string{cassandra.GaugeReads, cassandra.GaugeWrites, cassandra.GaugeCQL} {
			if waiting, told := h.view(i).Gauges[gauge]; !told || waiting > 100 {
				h.Errorf("node %d: %s told %t, %v waiting", i, gauge, told, waiting)
			}
		}
		if tasks := h.view(i).Tasks; tasks == nil || tasks[cassandra.TaskValidation]+tasks[cassandra.TaskCleanup]+tasks[cassandra.TaskUpgrade] > 0 {
			h.Errorf("node %d: tasks %#v; want them told, and none of others", i, tasks)
		}
	}
}

// seesOthersTasks: what a person orders at a node shows in a look while it runs, by the name that the guards know.
func (h *hands) seesOthersTasks(i int, rows *client.Client) {
	h.Helper()
	const mib = 12 // at 1 MiB/s longer than two looks take
	node := h.ring.Node(i)
	did := func(err error) {
		h.Helper()
		if err != nil {
			h.Error(err)
		}
	}
	if err := rows.Fill(h.Context(), mib); err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.Context(), time.Minute)
	defer cancel()
	did(node.Order(ctx, "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)", client.Keyspace, []string{client.Bulk}))
	did(node.Throttle(ctx, 1))
	var upgrade sync.WaitGroup
	upgrade.Go(func() {
		did(node.Order(ctx, "upgradeSSTables(java.lang.String,boolean,int,[Ljava.lang.String;)", client.Keyspace, false, 1, []string{client.Bulk}))
	})
	h.until("an upgrade of sstables is seen", 30*time.Second, nil, func() bool { return h.view(i).Tasks[cassandra.TaskUpgrade] > 0 })
	did(node.Throttle(ctx, 0))
	upgrade.Wait()
	h.until("its end is seen", 30*time.Second, nil, func() bool { return h.view(i).Tasks[cassandra.TaskUpgrade] == 0 })
	did(rows.Empty(ctx))
}

// tunes raises a node's stream throttle and puts it back; each once, and only where the node is as the step says.
func (h *hands) tunes(i int) {
	h.Helper()
	was := h.view(i).Throttle
	if was == nil {
		h.Fatalf("node %d does not tell its throttle:\n%s", i, text(h.state))
	}
	raise := cassandra.RaiseStream(h.node(i), h.view(i), 100)
	in := h.do("raise-1", raise)
	h.done(in, 30*time.Second) // it counts once it cannot arrive again
	if now := h.view(i).Throttle; now == nil || now.Stream != (cassandra.Rate{Value: 100, Unit: cassandra.Mebibytes}) {
		h.Errorf("raised to 100 MiB/s, and the node tells %s", now)
	}
	if reply, err := h.driver.Do(h.Context(), in); err == nil {
		h.Errorf("from %s once more: %q, want a refusal", was, reply)
	}
	h.done(h.do("restore-1", *raise.Undo), 10*time.Second)
	if now := h.view(i).Throttle; now == nil || *now != *was {
		h.Errorf("put back to %s, want %s", now, was)
	}
}

// cutPath: only our way to node 2 is cut; peers and host see it fine.
func (h *hands) cutPath(relay *lab.Relay) {
	h.Helper()
	for mode, want := range map[lab.CutMode]cassandra.Answer{lab.Hang: cassandra.Hung, lab.Refuse: cassandra.Refused} {
		if err := relay.Cut(mode); err != nil {
			h.Fatal(err)
		}
		took := h.look()
		v := h.view(2)
		h.Logf("path cut by %s: jolokia %s, cql %s, the look took %s", mode, v.Jolokia, v.CQL, took)
		if v.Jolokia != want || v.CQL != want || h.node(2).Down || h.view(1).Jolokia != cassandra.Answered || len(h.state.Dissents) == 0 {
			h.Errorf("path cut by %s: jolokia %s (%s), cql %s (%s), down %v, dissents %v", mode, v.Jolokia, v.JolokiaError, v.CQL, v.CQLError, h.node(2).Down, h.state.Dissents)
		}
	}
	if err := relay.Restore(); err != nil {
		h.Fatal(err)
	}
	h.until("the path is back", 20*time.Second, nil, func() bool { return len(h.state.Ailing(h.node(2))) == 0 })
}

// freeze: a node under SIGSTOP hangs and costs nobody else's freshness.
func (h *hands) freeze(i int) {
	h.Helper()
	if err := h.ring.Node(i).Freeze(); err != nil {
		h.Fatal(err)
	}
	took := h.look()
	if v := h.view(i); v.Jolokia != cassandra.Hung || v.CQL != cassandra.Hung || took > 4*time.Second || h.instance(i).Process != cassandra.Stopped {
		h.Errorf("frozen: jolokia %s, cql %s (%s), process %s, the look took %s", v.Jolokia, v.CQL, v.CQLError, h.instance(i).Process, took)
	}
	if v := h.view(3); v.Jolokia != cassandra.Answered {
		h.Errorf("its peer: %s %s", v.Jolokia, v.JolokiaError)
	}
	h.Logf("a look with one frozen node takes %s", took)
	if err := h.ring.Node(i).Resume(); err != nil {
		h.Fatal(err)
	}
	h.until("it is well again", 30*time.Second, nil, func() bool { return len(h.state.Ailing(h.node(i))) == 0 })
}

// restart starts a killed node, once.
func (h *hands) restart(i int) {
	h.Helper()
	kill(h.T, h.ring.Node(i))
	h.look()
	if v := h.view(i); v.Jolokia != cassandra.Refused || v.CQL != cassandra.Refused || h.instance(i).Process != cassandra.Absent || h.instance(i).Data != cassandra.DataPresent {
		h.Errorf("killed: jolokia %s (%s), cql %s (%s), %+v", v.Jolokia, v.JolokiaError, v.CQL, v.CQLError, h.instance(i))
	}
	in := h.do("start-3", cassandra.Start(h.node(i)))
	if _, err := h.driver.Do(h.Context(), in); err == nil {
		h.Error("the same intent started twice")
	}
	h.done(in, time.Minute)
	if got := h.instance(i); got.Intent != "start-3" {
		h.Errorf("it carries intent %q", got.Intent)
	}
}

// stops drains and stops a node.
func (h *hands) stops(i int) {
	h.Helper()
	in := h.do("stop-1", cassandra.Stop(h.node(i)))
	if !strings.HasPrefix(in.Reply, "drained") {
		h.Logf("stop: %s", in.Reply)
	}
	h.done(in, 90*time.Second)
	h.done(h.do("start-5", cassandra.Start(h.node(i))), time.Minute)
}
