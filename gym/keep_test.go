package gym

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/runbooks"
)

// TestKept plays what once broke an invariant: nothing does any more, the story is still about that, and where the mend can be
// left out, it breaks again.
func TestKept(t *testing.T) {
	names, err := filepath.Glob("testdata/kept/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d kept incidents, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			t.Parallel()
			k, err := ReadKept(name)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Play(t.Context(), k.Incident, Engine{})
			if err != nil || len(p.Violations) > 0 {
				t.Fatalf("%s: %v, %v\n%s", k.Was, err, p.Violations, p.Story)
			}
			for _, shows := range k.Shows {
				if !regexp.MustCompile(shows).MatchString(p.Story) {
					t.Errorf("it is no longer about that, want %q in it:\n%s", shows, p.Story)
				}
			}
			if k.Without != "" {
				breaksWithout(t, k)
			}
		})
	}
}

// breaksWithout plays it without what mended it.
func breaksWithout(t *testing.T, k Kept) {
	t.Helper()
	of, known := unmended()[k.Without]
	if !known {
		if !slices.Contains(guardNames(), k.Without) {
			t.Fatalf("%q is neither a guard nor anything else that can be left out", k.Without)
		}
		of = Engine{Without: k.Without}
	}
	p, err := Play(t.Context(), k.Incident, of)
	if err != nil || !p.broke(k.Breaks) {
		t.Errorf("without %q: %v, %v; want %s to be broken\n%s", k.Without, err, p.Violations, k.Breaks, p.Story)
	}
}

// unmended are engines, and gyms, as they were before what they did was found.
func unmended() map[string]Engine {
	return map[string]Engine{
		"who is shunned counts":                   {kind: unseen(func(n *cassandra.Node) { n.Shunned = false })},
		"whom nobody calls good counts":           {kind: unseen(func(n *cassandra.Node) { n.WasDown, n.UnheardSince = false, time.Time{} })},
		"the call leaves at once":                 {kind: callWaits},
		"verified is seen lately":                 {rows: func(s store) store { return remembering{s} }},
		"a spare stands in the data centre":       {Runbooks: []galen.ListedRunbook{strays()}, Without: "I-16 one data centre", unchecked: cassandra.VerbPrepare, kind: withoutHeadroom},
		"a fence of somebody else is a beginning": {Runbooks: []galen.ListedRunbook{fenceOnly()}, kind: debtless},
	}
}

// unseen: something is not noticed about a node.
func unseen(forget func(*cassandra.Node)) func(*world, *galen.ListedKind) {
	return folded(func(r cassandra.Ring) {
		for i := range r.Nodes {
			forget(&r.Nodes[i])
		}
	})
}

// folded is a kind that changes what it knows after each look.
func folded(change func(cassandra.Ring)) func(*world, *galen.ListedKind) {
	return func(_ *world, k *galen.ListedKind) {
		fold := k.Fold
		k.Fold = func(prev, seen galen.State) (galen.State, error) {
			st, err := fold(prev, seen)
			r, is := st.(cassandra.Ring)
			if !is || err != nil {
				return st, err
			}
			change(r)
			return r, nil
		}
	}
}

// callWaits: the way to the ring takes time after the gate has looked at its clock.
func callWaits(w *world, k *galen.ListedKind) {
	do := k.Do
	k.Do = func(ctx context.Context, in galen.Intent) (string, error) {
		if d := w.jitter(); d > 0 {
			w.acting.park(d)
		}
		return do(ctx, in)
	}
}

// remembering is a journal that calls verified what was seen at any time.
type remembering struct{ store }

func (r remembering) VerifyRun(ctx context.Context, id, why string, _ time.Time) error {
	return r.SetRun(ctx, id, galen.RunVerified, why, time.Time{})
}

// strays takes any spare for one of the dead node's data centre.
func strays() galen.ListedRunbook {
	rb := runbooks.CassandraHealNode()
	decide := rb.Decide
	rb.Decide = func(s galen.Situation[cassandra.Ring, runbooks.HealNodeParams]) galen.Plan {
		s.State.Instances = slices.Clone(s.State.Instances)
		for i := range s.State.Instances {
			if s.State.Instances[i].Vacant() {
				s.State.Instances[i].Config.DC = "dc1"
			}
		}
		return decide(s)
	}
	return galen.ListRunbook(rb)
}

// withoutHeadroom: where no place may go to another data centre, the spare there is no reason to give a node up.
func withoutHeadroom(_ *world, k *galen.ListedKind) {
	k.Guards = slices.DeleteFunc(k.Guards, func(g galen.Guard[galen.State]) bool { return g.Name == "I-24 headroom" })
}

// TestKeep: what is kept is what was played, and only what is not usual is written.
func TestKeep(t *testing.T) {
	for seed := range uint64(20) {
		p := Played{Incident: Draw(seed + 1), Violations: []Violation{{Invariant: "I-02", At: quiet, What: "it broke"}}}
		name, err := p.Keep(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		k, err := ReadKept(name)
		if err != nil || !reflect.DeepEqual(k.Incident, p.Incident) || k.Was != "I-02 at 20s: it broke" {
			t.Errorf("seed %d: %v\nkept  %+v\nwas   %+v", seed+1, err, k, p.Incident)
		}
		body, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(body), "unhealthy_share") {
			t.Errorf("seed %d: %v, the usual share is written:\n%s", seed+1, err, body)
		}
	}
}
