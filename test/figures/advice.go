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
)

// may measures how long can-i takes from a saved ring of 1,000 nodes with 16 tokens each and 10 keyspaces, apart from parsing the file.
func may(ctx context.Context, slack float64) error {
	const nodes, goal = 1000, 20 * time.Millisecond
	r := ring.Large(3, nodes)
	r.At = time.Now()
	for i := range r.Nodes {
		n := &r.Nodes[i]
		n.Instance, n.Observations = fmt.Sprintf("n%04d", i), []galen.Observation{{Observer: "probe", Kind: galen.Probe, Says: galen.Good, At: r.At}}
		r.Instances = append(r.Instances, cassandra.Instance{Name: n.Instance, Address: n.Address, At: r.At, Process: cassandra.Running, Data: cassandra.DataPresent})
		r.Views = append(r.Views, cassandra.View{Instance: n.Instance, Address: n.Address, At: r.At, Jolokia: cassandra.Answered, CQL: cassandra.Answered, HostID: n.HostID, Mode: "NORMAL"})
	}
	one := r.Keyspaces[0]
	r.Keyspaces = nil
	for i := range 10 {
		one.Name = fmt.Sprintf("ks%d", i)
		r.Keyspaces = append(r.Keyspaces, one)
	}
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
	var all []time.Duration
	for i := range 200 {
		if ctx.Err() != nil {
			return fmt.Errorf("can-i: %w", ctx.Err())
		}
		began := time.Now()
		a, err := advice.CanI(v, "stop", r.Nodes[i*5].HostID)
		all = append(all, time.Since(began))
		if err != nil {
			return err
		}
		if a.Answer != galen.Yes {
			return errors.New("can-i on a sound ring: " + a.Why)
		}
	}
	slices.Sort(all)
	p50, p99 := all[len(all)/2], all[len(all)*99/100]
	fmt.Printf("%-44s n %3d  min %s  p50 %s  p99 %s  max %s   goal p99 %s\n", "can-i from a saved ring of 1000 x 16 x 10", len(all), all[0], p50, p99, all[len(all)-1], goal)
	if float64(p99) > float64(goal)*slack {
		return fmt.Errorf("can-i: p99 is %s, its goal %s (-slack %g)", p99, goal, slack)
	}
	return nil
}
