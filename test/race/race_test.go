// Package race lets two whole gates, each of an engine of its own, contend over one journal in PostgreSQL: for two racks, for
// one target, for one budget. The simulated ring is always shown healthy, so that nothing but the journal keeps them apart.
package race

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/gate"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
	"github.com/galenhq/galen/internal/watch"
	"github.com/galenhq/galen/runbooks"
)

// hands is the driver of both engines: it looks at the ring and counts the calls under way instead of making them.
type hands struct {
	mu   sync.Mutex
	ring *ring.Cluster
	busy map[string]bool // targets that a call is made on, until the round ends
}

func (h *hands) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ring.Look(ctx, r, scope, open)
}

func (h *hands) Do(_ context.Context, in galen.Intent) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy[in.Step.Target.ID] {
		return "", fmt.Errorf("%s has two holders", in.Step.Target.ID)
	}
	h.busy[in.Step.Target.ID] = true
	return "stopped", nil
}

// clock goes on only between the rounds.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type engine struct {
	store *journal.Store
	gate  *gate.Gate
}

// arena is two engines over one ring and one database.
type arena struct {
	clock   clock
	hands   hands
	policy  galen.Policy
	engines []engine
	rounds  int
}

func resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

func newArena(t *testing.T, url string) *arena {
	t.Helper()
	a := &arena{clock: clock{now: time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)}, policy: galen.SafePolicy()}
	a.policy.Mode = galen.ModeAct
	a.policy.Cooldown, a.policy.Cooldowns = 0, nil // the same nodes again and again
	a.policy.ReleasePerSecond = 100
	spec := ring.Three(a.clock.read)
	spec.Name = resource().Name
	var err error
	if a.hands.ring, err = ring.New(spec); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		store, err := journal.OpenPostgres(t.Context(), url, journal.Options{Now: a.clock.read, NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
		log := slog.New(slog.DiscardHandler)
		kinds := map[string]galen.ListedKind{cassandra.KindName: galen.ListKind(cassandra.Kind(), galen.Driver[cassandra.Ring](&a.hands))}
		books := map[string]galen.ListedRunbook{}
		for _, rb := range runbooks.All() {
			books[rb.Name] = rb
		}
		door, err := gate.New(gate.Options{
			Journal: store, World: watch.NewWorld(kinds, store, log), Kinds: kinds, Runbooks: books, Guards: gate.CommonGuards(), GuardLimit: time.Minute,
			Policy: func(galen.Resource) galen.Policy { return a.policy }, Now: a.clock.read,
			Mono: func() time.Duration { return a.clock.read().Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) }, Logger: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		a.engines = append(a.engines, engine{store, door})
	}
	return a
}

// nodes are one node of each rack.
func (a *arena) nodes(t *testing.T) []cassandra.Node {
	t.Helper()
	state, err := a.hands.Look(t.Context(), resource(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return state.Nodes
}

// start asks an engine's gate to stop the node, for a run of its own.
func (a *arena) start(ctx context.Context, e engine, key string, n cassandra.Node) (gate.Result, galen.Run, error) {
	run, _, err := e.store.OpenRun(ctx, galen.Run{
		Key: key, Resource: resource(), Runbook: "cassandra/restart-node", Version: 1, Asked: galen.AskedPerson + "ann", Urgency: galen.Medium,
		Scope: []galen.Target{n.Target()}, Deadline: a.clock.read().Add(time.Hour), Params: []byte(`{}`),
	})
	if err != nil {
		return gate.Result{}, run, err
	}
	step := cassandra.Stop(n)
	d, err := e.store.Decide(ctx, galen.Decision{Run: run.ID, Plan: galen.Plan{Steps: []galen.Step{step}, Why: "to race"}, Status: galen.RunRunning}, nil)
	if err != nil {
		return gate.Result{}, run, err
	}
	result, err := e.gate.Act(ctx, gate.Request{Run: run.ID, Plan: d.Number, Index: 0, Step: step})
	return result, run, err
}

// round lets both engines start at once, and then puts everything back. It tells how many calls were made.
func (a *arena) round(t *testing.T, targets []cassandra.Node) (sent int, whys []string) {
	t.Helper()
	a.rounds++
	a.clock.skip(2 * time.Second)
	a.hands.busy = map[string]bool{}
	results, runs := make([]gate.Result, len(a.engines)), make([]galen.Run, len(a.engines))
	var wg sync.WaitGroup
	for i, e := range a.engines {
		wg.Go(func() {
			var err error
			results[i], runs[i], err = a.start(context.Background(), e, fmt.Sprintf("round %d of %d", a.rounds, i), targets[i])
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, r := range results {
		whys = append(whys, r.Why)
		store := a.engines[i].store
		if r.Answer == gate.Failed {
			t.Error(r.Why)
		}
		if r.Answer == gate.Sent {
			sent++
			err := store.Settle(t.Context(), runs[i].ID, []galen.Settlement{{Intent: r.Intent.ID, Effect: galen.Effect{Status: galen.EffectDone}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := store.SetRun(t.Context(), runs[i].ID, galen.RunVerified, "the round is over", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	return sent, whys
}

// TestMain only reads the flag.
func TestMain(m *testing.M) {
	flag.Int("starts", 200, "how many starts each pair of gates makes")
	m.Run()
}

// TestTwoGates: of two starts at the same moment exactly one is made, whatever they contend for.
func TestTwoGates(t *testing.T) {
	n := flag.Lookup("starts").Value.(flag.Getter).Get().(int)
	c := pgtest.Start(t)
	for name, pick := range map[string]func(nodes []cassandra.Node, round int) []cassandra.Node{
		"two racks": func(nodes []cassandra.Node, i int) []cassandra.Node {
			return []cassandra.Node{nodes[i%3], nodes[(i+1)%3]}
		},
		"one target": func(nodes []cassandra.Node, i int) []cassandra.Node { return []cassandra.Node{nodes[i%3], nodes[i%3]} },
	} {
		t.Run(name, func(t *testing.T) {
			url := c.URL("race_" + name[:3])
			a := newArena(t, url)
			nodes := a.nodes(t)
			none := 0
			for i := range n / 2 {
				sent, whys := a.round(t, pick(nodes, i))
				if sent > 1 {
					t.Fatalf("round %d: %d nodes were stopped at once: no QUORUM", i, sent)
				}
				if sent == 0 {
					if none++; none > n/20 {
						t.Fatalf("round %d: nobody may start: %q", i, whys)
					}
				}
			}
			t.Logf("%d starts, %d rounds without one", n, none)
			report, err := journal.VerifyPostgres(t.Context(), url)
			if err != nil || !report.OK() {
				t.Errorf("verify: %v, %+v", err, report.Faults)
			}
		})
	}
}
