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

// largeRing has 1,000 nodes with 16 tokens each, all of them well, and 10 keyspaces: of one replication or of ten.
func largeRing(varied bool) cassandra.Ring {
	const nodes, keyspaces = 1000, 10
	r := ring.Large(3, nodes)
	r.At = time.Now()
	for i := range r.Nodes {
		n := &r.Nodes[i]
		n.Instance, n.Observations = fmt.Sprintf("n%04d", i), []galen.Observation{{Observer: "probe", Kind: galen.Probe, Says: galen.Good, At: r.At}}
		r.Instances = append(r.Instances, cassandra.Instance{Name: n.Instance, Address: n.Address, At: r.At, Process: cassandra.Running, Data: cassandra.DataPresent})
		r.Views = append(r.Views, cassandra.View{Instance: n.Instance, Address: n.Address, At: r.At, Jolokia: cassandra.Answered, CQL: cassandra.Answered, HostID: n.HostID, Mode: "NORMAL"})
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
		what := "can-i, saved, 1000 x 16 x 10 alike"
		if varied {
			what = "can-i, saved, 1000 x 16 x 10 varied"
		}
		first, err := asked(ctx, r, func(string) advice.View { return v })
		if err != nil {
			return err
		}
		once := v.Kind.ByHand.Reckon(v.State, v.Policy)
		v.Reckoned = func() galen.Reckoning[galen.State] { return once }
		next, err := asked(ctx, r, func(string) advice.View { return v })
		if err != nil {
			return err
		}
		errs = append(errs, p99(what+", first", first, slack), p99(what+", next", next, slack))
	}
	return errors.Join(errs...)
}

func asked(ctx context.Context, r cassandra.Ring, view func(member string) advice.View) ([]time.Duration, error) {
	var all []time.Duration
	for i := range 200 {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("can-i: %w", ctx.Err())
		}
		member := r.Nodes[i*5].HostID
		began := time.Now()
		a, err := advice.CanI(view(member), "stop", member)
		all = append(all, time.Since(began))
		if err != nil {
			return nil, err
		}
		if a.Answer != galen.Yes {
			return nil, errors.New("can-i on a sound ring: " + a.Why)
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
	fmt.Printf("%-44s n %4d  min %6.1f  p50 %6.1f  p99 %6.1f  max %6.1f ms   goal p99 %d ms\n", what, len(all),
		ms(all[0]), ms(p50), ms(p99), ms(all[len(all)-1]), mayGoal.Milliseconds())
	if float64(p99) > float64(mayGoal)*slack {
		return fmt.Errorf("%s: p99 is %s, its goal %s (-slack %g)", what, p99, mayGoal, slack)
	}
	return nil
}
