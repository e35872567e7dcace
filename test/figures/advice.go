package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/advice"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// mayGoal is that of the 99th of 100 answers to can-i.
const mayGoal = 20 * time.Millisecond

// may measures how long can-i takes: from a saved ring, and over the API on a live one.
func may(ctx context.Context, slack float64) error {
	return errors.Join(maySaved(ctx, slack), mayLive(ctx, slack))
}

// largeRing has 1,000 nodes with 16 tokens each, all of them well and half full, and 10 keyspaces: of one replication or of ten. Three nodes
// tell how much each has.
func largeRing(varied bool) cassandra.Ring {
	const nodes, keyspaces, telling, held = 1000, 10, 3, 900 << 30
	r := ring.Large(3, nodes)
	r.At = time.Now()
	for i := range r.Nodes {
		n := &r.Nodes[i]
		n.Instance, n.Observations = fmt.Sprintf("n%04d", i), []galen.Observation{{Observer: "probe", Kind: galen.Probe, Says: galen.Good, At: r.At}}
		r.Instances = append(r.Instances, cassandra.Instance{Name: n.Instance, Address: n.Address, At: r.At, Process: cassandra.Running, Data: cassandra.DataPresent,
			DiskFree: new(int64(2 * held))})
		r.Views = append(r.Views, cassandra.View{Instance: n.Instance, Address: n.Address, At: r.At, Jolokia: cassandra.Answered, CQL: cassandra.Answered, HostID: n.HostID, Mode: "NORMAL"})
	}
	for i := range telling {
		for _, n := range r.Nodes {
			r.Views[i].Peers = append(r.Views[i].Peers, cassandra.Endpoint{Address: n.Address, HostID: n.HostID, Up: true, Load: held})
		}
	}
	if varied {
		return ring.Varied(r, keyspaces)
	}
	one := r.Keyspaces[0]
	r.Keyspaces = nil
	for i := range keyspaces {
		one.Name = fmt.Sprintf("ks%d", i)
		r.Keyspaces = append(r.Keyspaces, one)
	}
	return r
}

// maySaved asks a saved ring, apart from parsing the file. The first question of each ring reckons where the replicas lie, as each call of
// the command line does; the next ones of one look rest on that.
func maySaved(ctx context.Context, slack float64) error {
	var errs []error
	for _, varied := range []bool{false, true} {
		r := largeRing(varied)
		saved, err := advice.Save(advice.View{State: r, Policy: galen.SafePolicy(), Now: r.At, Ledger: galen.Ledger{Run: galen.Run{Resource: r.Resource()}}})
		if err != nil {
			return err
		}
		file, err := json.Marshal(saved)
		if err != nil {
			return fmt.Errorf("write the saved ring: %w", err)
		}
		v, err := advice.Load(file, func(string) (galen.ListedKind, bool) { return galen.ListSaved(cassandra.Kind()), true })
		if err != nil {
			return err
		}
		replicated := "alike"
		if varied {
			replicated = "varied"
		}
		for _, verb := range []string{"stop", "decommission"} {
			what := fmt.Sprintf("can-i %s, saved, 1000x16x10 %s", verb, replicated)
			first, err := asked(ctx, r, verb, v)
			errs = append(errs, err, p99(what+", first", first, slack))
			once := v.Kind.ByHand.Reckon(v.State, v.Policy)
			known := v
			known.Reckoned = func() galen.Reckoning[galen.State] { return once }
			next, err := asked(ctx, r, verb, known)
			errs = append(errs, err, p99(what+", next", next, slack))
		}
	}
	return errors.Join(errs...)
}

// asked is how long each of 200 questions about a verb took.
func asked(ctx context.Context, r cassandra.Ring, verb string, v advice.View) ([]time.Duration, error) {
	var all []time.Duration
	for i := range 200 {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("can-i: %w", ctx.Err())
		}
		member := r.Nodes[i*5].HostID
		began := time.Now()
		a, err := advice.CanI(v, verb, member)
		all = append(all, time.Since(began))
		if err != nil {
			return nil, err
		}
		if a.Answer != galen.Yes {
			return nil, fmt.Errorf("can-i %s on a sound ring: %s", verb, a.Why)
		}
	}
	return all, nil
}

// mayLive asks over the API about the nodes of a live ring of three, while the engine watches it.
func mayLive(ctx context.Context, slack float64) error {
	return onStage(ctx, victim.StageOptions{}, func(ctx context.Context, s *victim.Stage) error {
		if _, err := s.Start(ctx, nil); err != nil {
			return err
		}
		if err := s.AwaitHealth(ctx); err != nil {
			return err
		}
		all, err := s.Engine.AskMay(ctx, engine.May{Resource: victim.Resource(), Verb: "stop", Members: []string{"n1", "n2", "n3"}, Times: 1000, Every: 5 * time.Millisecond})
		return errors.Join(err, p99("can-i over the API, a live ring of 3", all, slack))
	})
}

// p99 prints a row of times and returns an error if the 99th of 100 is beyond the goal, as far as the slack allows.
func p99(what string, all []time.Duration, slack float64) error {
	if len(all) == 0 {
		return fmt.Errorf("%s: nothing was measured", what)
	}
	slices.Sort(all)
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	fmt.Printf("%-52s n %4d  min %6.1f  p50 %6.1f  p99 %6.1f  max %6.1f ms   goal p99 %d ms\n", what, len(all),
		ms(all[0]), ms(p50), ms(p99), ms(all[len(all)-1]), mayGoal.Milliseconds())
	if float64(p99) > float64(mayGoal)*slack {
		return fmt.Errorf("%s: p99 is %s, its goal %s (-slack %g)", what, p99, mayGoal, slack)
	}
	return nil
}
