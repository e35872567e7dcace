package runbooks

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestWhatDestroysIsDoneLast: of the steps for several targets the mildest sort comes first, whatever their order.
func TestWhatDestroysIsDoneLast(t *testing.T) {
	step := func(verb string) galen.Plan { return do(galen.Step{Verb: verb}, "%s", verb) }
	for _, verb := range []string{cassandra.VerbFence, cassandra.VerbReplace, cassandra.VerbRemoveJoiner} {
		for _, plans := range [][]galen.Plan{
			{step(verb), step(cassandra.VerbStart), wait(1, "w")},
			{wait(1, "w"), step(cassandra.VerbStart), step(verb)},
		} {
			if got := gravest(plans); got.Steps[0].Verb != cassandra.VerbStart {
				t.Errorf("%s goes before a start", got.Steps[0].Verb)
			}
		}
		if got := gravest([]galen.Plan{wait(1, "w"), step(verb), person("p")}); len(got.Steps) != 1 {
			t.Errorf("%s is not done: %+v", verb, got)
		}
	}
}

// TestAJoinerThatWasNotRemovedIsNotStartedAgain: a removal that failed has taken nothing back.
func TestAJoinerThatWasNotRemovedIsNotStartedAgain(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dead := cassandra.Node{HostID: "h1", Address: "10.0.0.1", DC: "dc1", Rack: "r1", Instance: "n1", Status: cassandra.Normal, Down: true, Tokens: []cassandra.Token{1}}
	joiner := cassandra.Instance{Name: "n7", Address: "10.0.0.7", Spare: true, Process: cassandra.Running, PID: 9, Data: cassandra.DataPresent, Prepared: "r-2", At: now, Intent: "stranger"}
	ring := cassandra.Ring{At: now, Nodes: []cassandra.Node{dead}, Instances: []cassandra.Instance{{Name: "n1", Fenced: "r-1", Process: cassandra.Absent}, joiner}}
	args := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	in := func(id, verb, target string, a json.RawMessage, status galen.EffectStatus) galen.Intent {
		return galen.Intent{ID: id, Step: galen.Step{Verb: verb, Target: galen.Target{ID: target}, Args: a}, At: now, Effect: galen.Effect{Status: status, Why: "another process (9) runs"}}
	}
	for removal, again := range map[galen.EffectStatus]bool{galen.EffectFailed: false, galen.EffectDone: true} {
		if removal == galen.EffectDone {
			ring.Instances[1].Process, ring.Instances[1].Data = cassandra.Absent, cassandra.DataGone
		}
		s := scene{ring: ring, now: now, policy: galen.SafePolicy(), past: []galen.Intent{
			in("r-1", cassandra.VerbFence, "h1", nil, galen.EffectDone),
			in("r-2", cassandra.VerbPrepare, "instance/n7", args(cassandra.PrepareArgs{Replace: "10.0.0.1"}), galen.EffectDone),
			in("r-3", cassandra.VerbReplace, "h1", args(cassandra.ReplaceArgs{Instance: "n7", Address: "10.0.0.1", Prepared: "r-2"}), galen.EffectFailed),
			in("r-4", cassandra.VerbRemoveJoiner, "instance/n7", nil, removal),
		}}
		r, _ := s.replacement("h1")
		p := r.next()
		if started := len(p.Steps) > 0 && p.Steps[0].Verb == cassandra.VerbReplace; started != again {
			t.Errorf("the removal is %s: steps %v, end %q: %s", removal, p.Steps, p.End, p.Why)
		}
	}
}
