// Package race lets two whole gates, each of an engine of its own, contend over one journal in PostgreSQL: for two racks, for
// one target, for the last token of one budget, where what the engines see never changes by what they do, so that nothing but
// the journal keeps them apart; and lets one finish a step while the other is held up, where it does.
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

// hands is the driver of both engines: it looks at the rings and counts the calls under way instead of making them.
type hands struct {
	mu    sync.Mutex
	rings map[string]*ring.Cluster // by name
	busy  map[string]bool          // targets that a call is made on, until the round ends
}

func (h *hands) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rings[r.Name].Look(ctx, r, scope, open)
}

func (h *hands) Do(_ context.Context, in galen.Intent) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	target := in.Resource.String() + " " + in.Step.Target.ID
	if h.busy[target] {
		return "", fmt.Errorf("%s has two holders", target)
	}
	h.busy[target] = true
	return "done", nil
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
	world *watch.World
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

func resource(name string) galen.Resource {
	return galen.Resource{Kind: cassandra.KindName, Name: name}
}

// want is a start that an engine asks its gate for.
type want struct {
	on   galen.Resource
	node cassandra.Node
	step galen.Step
}

func stop(n cassandra.Node) want { return want{resource("one"), n, cassandra.Stop(n)} }

func newArena(t *testing.T, url string) *arena {
	t.Helper()
	a := &arena{clock: clock{now: time.Date(2026, 1, 5, 3, 0, 0, 0, time.UTC)}, policy: galen.SafePolicy()}
	a.policy.Mode = galen.ModeAct
	a.policy.Cooldown, a.policy.Cooldowns = 0, nil // the same nodes again and again
	a.policy.ReleasePerSecond = 100
	a.hands.rings = map[string]*ring.Cluster{}
	for _, name := range []string{"one", "two"} {
		spec := ring.Three(a.clock.read)
		spec.Name = name
		cluster, err := ring.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		a.hands.rings[name] = cluster
	}
	for range 2 {
		a.engines = append(a.engines, a.engine(t, url, &a.hands, direct))
	}
	return a
}

// direct is a journal as its gate reads and writes it.
func direct(s *journal.Store) gate.Journal { return s }

// engine is one more engine of the arena, which sees and acts through the driver.
func (a *arena) engine(t *testing.T, url string, driver galen.Driver[cassandra.Ring], books func(*journal.Store) gate.Journal) engine {
	t.Helper()
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
	kinds := map[string]galen.ListedKind{cassandra.KindName: galen.ListKind(cassandra.Kind(), driver)}
	listed := map[string]galen.ListedRunbook{}
	for _, rb := range runbooks.All() {
		listed[rb.Name] = rb
	}
	world := watch.NewWorld(kinds, store, log)
	policy := func(galen.Resource) galen.Policy { return a.policy }
	world.Share(watch.Others{Clock: store.Clock, Now: a.clock.read, Policy: policy})
	door, err := gate.New(gate.Options{
		Journal: books(store), Holds: store.Holds, World: world, Kinds: kinds, Runbooks: listed, Guards: gate.CommonGuards(), GuardLimit: time.Minute,
		Policy: policy, Now: a.clock.read,
		Mono: func() time.Duration { return a.clock.read().Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) }, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine{store, world, door}
}

// nodes are one node of each rack of a ring.
func (a *arena) nodes(t *testing.T, on galen.Resource) []cassandra.Node {
	t.Helper()
	state, err := a.hands.Look(t.Context(), on, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return state.Nodes
}

// start asks an engine's gate for the step, for a run of its own.
func (a *arena) start(ctx context.Context, e engine, key string, w want) (gate.Result, galen.Run, error) {
	run, _, err := e.store.OpenRun(ctx, galen.Run{
		Key: key, Resource: w.on, Runbook: "cassandra/restart-node", Version: 1, Asked: galen.AskedBy("ann"), Urgency: galen.Medium,
		Scope: []galen.Target{w.node.Target()}, Deadline: a.clock.read().Add(time.Hour), Params: []byte(`{}`),
	})
	if err != nil {
		return gate.Result{}, run, err
	}
	d, err := e.store.Decide(ctx, galen.Decision{Run: run.ID, Plan: galen.Plan{Steps: []galen.Step{w.step}, Why: "to race"}, Status: galen.RunRunning}, nil)
	if err != nil {
		return gate.Result{}, run, err
	}
	result, err := e.gate.Act(ctx, gate.Request{Run: run.ID, Plan: d.Number, Step: w.step})
	return result, run, err
}

// round lets both engines start at once, and then puts everything back. It tells how many calls were made.
func (a *arena) round(t *testing.T, wants []want) (sent int, whys []string) {
	t.Helper()
	a.rounds++
	a.clock.skip(2 * time.Second)
	a.hands.busy = map[string]bool{}
	results, runs := make([]gate.Result, len(a.engines)), make([]galen.Run, len(a.engines))
	var wg sync.WaitGroup
	for i, e := range a.engines {
		wg.Go(func() {
			var err error
			results[i], runs[i], err = a.start(context.Background(), e, fmt.Sprintf("round %d of %d", a.rounds, i), wants[i])
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
	flag.Int("starts", 300, "how many starts the gates make, over all that they contend for")
	m.Run()
}

// contest is what two gates contend for: of two starts at the same moment exactly one may be made.
type contest struct {
	name string
	// set makes the world so; what returns what each wants in a round.
	set  func(t *testing.T, a *arena)
	what func(t *testing.T, a *arena, round int) []want
}

func contests() []contest {
	healthy := func(*testing.T, *arena) {}
	return []contest{
		{"two racks", healthy, func(t *testing.T, a *arena, i int) []want {
			nodes := a.nodes(t, resource("one"))
			return []want{stop(nodes[i%3]), stop(nodes[(i+1)%3])}
		}},
		{"one target", healthy, func(t *testing.T, a *arena, i int) []want {
			nodes := a.nodes(t, resource("one"))
			return []want{stop(nodes[i%3]), stop(nodes[i%3])}
		}},
		{"one budget", oneDead, func(t *testing.T, a *arena, i int) []want {
			// One token of the account is left in each round, for a dead node of one of two rings.
			a.policy.DestructivePerAccount, a.policy.DestructivePerResource = i%perDay+1, perDay
			if i%perDay == 0 {
				a.clock.skip(25 * time.Hour)
			}
			return []want{a.fence(t, "one"), a.fence(t, "two")}
		}},
	}
}

// perDay is how many rounds share a day of the account's budget.
const perDay = 50

// oneDead: a node of each ring, which both engines have seen well, is dead with its data, and has been for a while.
func oneDead(t *testing.T, a *arena) {
	t.Helper()
	look := func() {
		a.clock.skip(time.Minute)
		for _, e := range a.engines {
			for name := range a.hands.rings {
				if _, err := e.world.Look(t.Context(), resource(name), nil, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	look()
	for _, c := range a.hands.rings {
		for _, trouble := range []ring.Trouble{ring.Kill, ring.LoseData} {
			if err := c.Make(trouble, "n3"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 10 {
		look()
	}
}

func (a *arena) fence(t *testing.T, name string) want {
	t.Helper()
	for _, n := range a.nodes(t, resource(name)) {
		if n.Down {
			return want{resource(name), n, cassandra.Fence(n)}
		}
	}
	t.Fatal("no node is dead")
	return want{}
}

// TestTwoGates: of two starts at the same moment exactly one is made, whatever they contend for.
func TestTwoGates(t *testing.T) {
	all := contests()
	round := 2 * len(all) // starts
	rounds := max(1, (flag.Lookup("starts").Value.(flag.Getter).Get().(int)+round-1)/round)
	c := pgtest.Start(t)
	for i, contest := range all {
		t.Run(contest.name, func(t *testing.T) {
			url := c.URL(fmt.Sprint("race_", i))
			a := newArena(t, url)
			contest.set(t, a)
			began := time.Now()
			for i := range rounds {
				if sent, whys := a.round(t, contest.what(t, a, i)); sent != 1 {
					t.Fatalf("round %d: %d were made: %q", i, sent, whys)
				}
			}
			t.Logf("%d starts asked for at the same moment by two gates, of each two one made; %s", 2*rounds, time.Since(began).Round(time.Second))
			report, err := journal.VerifyPostgres(t.Context(), url)
			if err != nil || !report.OK() {
				t.Errorf("verify: %v, %+v", err, report.Faults)
			}
		})
	}
}
