package gym

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestWhatWasSettledAfterTheLookCounts: a step is held against what another one did, though that was settled before the commit: the
// look that it rests on began earlier.
func TestWhatWasSettledAfterTheLookCounts(t *testing.T) {
	at := func(s int) time.Time { return epoch().Add(time.Duration(s) * time.Second) }
	spec := RingPlan{DCs: 1, Racks: 3, PerRack: 1, VNodes: 1}.spec(epoch)
	cluster, err := ring.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	well := cluster.Truth()
	stop := func(id string, member, looked, committed, settled int) *act {
		s := galen.Step{Verb: cassandra.VerbStop, Target: galen.Target{ID: well.Members[member].HostID}}
		a := &act{Intent: galen.Intent{ID: id, Run: id, Step: s}, Seen: well, Looked: at(looked), Committed: at(committed), Status: galen.EffectDone}
		a.Accepted = []accepted{{At: at(committed)}}
		if settled > 0 {
			a.Settled = at(settled)
		}
		return a
	}
	for name, c := range map[string]struct {
		looked, settled, want int
	}{
		"settled before the look":          {16, 16, 0},
		"settled right after it began":     {15, 16, 1},
		"settled just before the commit":   {12, 17, 1},
		"not settled when it is committed": {12, 0, 1},
	} {
		judge := &checker{trace: newTrace(Incident{}, func() time.Time { return at(60) }), keyspaces: spec.Keyspaces}
		judge.acts = []*act{stop("run2", 1, 9, 10, c.settled), stop("run1", 0, c.looked, 17, 20)}
		judge.quorum()
		if len(judge.found) != c.want {
			t.Errorf("%s: %v, want %d", name, judge.found, c.want)
		}
	}
}
