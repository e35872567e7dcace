package advice

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestWhoIsContradictedCountsAsDown: a node that the consensus calls up, and that one voice tells otherwise, is not what another one's stop
// may rest on.
func TestWhoIsContradictedCountsAsDown(t *testing.T) {
	said := func(all ...galen.Observation) func(*cassandra.Ring) {
		return func(r *cassandra.Ring) { r.Nodes[0].Observations = append(r.Nodes[0].Observations, all...) }
	}
	peer := func(says galen.Says) galen.Observation {
		return galen.Observation{Observer: "n0002", Kind: galen.Peer, Says: says, At: noon()}
	}
	for _, c := range []struct {
		name   string
		change func(*cassandra.Ring)
		want   galen.Opinion
	}{
		{"a peer calls it up", said(peer(galen.Good)), galen.Yes},
		{"a peer does not know it", said(peer(galen.Good), peer(galen.Unknown)), galen.No},
		{"a peer calls it down", said(peer(galen.Good), peer(galen.Bad)), galen.No},
		{"nothing but bad is said", func(r *cassandra.Ring) {
			r.Nodes[0].Observations = []galen.Observation{{Observer: "probe", Kind: galen.Probe, Says: galen.Bad, At: noon()}}
		}, galen.No},
		{"it is another node itself", func(r *cassandra.Ring) { r.Views[0].HostID = "host-9999" }, galen.No},
		{"its word is its peers'", func(r *cassandra.Ring) { r.Views[0].HostID = r.Nodes[0].HostID }, galen.Yes},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := heard(1, 3)
			c.change(&r)
			if a := asked(t, viewOf(r), "stop", "host-0001"); a.Answer != c.want || c.want == galen.No && !strings.Contains(a.Why, "2 needed") {
				t.Errorf("%s: %s, want %s", a.Answer, a.Why, c.want)
			}
		})
	}
}

// TestATornTokenMap: while nodes have other token maps than most, nothing is taken away from the others, by the guard neither; such a one may
// go itself, which ends that, and so may who is down already.
func TestATornTokenMap(t *testing.T) {
	dissents := func(r *cassandra.Ring, of ...string) {
		for _, instance := range of {
			r.Dissents = append(r.Dissents, cassandra.Dissent{Observer: instance, About: cassandra.AboutTokens, Says: "its token map is another one", Others: "4 views have the map of n0000"})
		}
	}
	hashes := func(r *cassandra.Ring, of ...string) { // a file without dissents
		for i := range r.Views {
			r.Views[i].TokenHash = "a"
			if slices.Contains(of, r.Views[i].Instance) {
				r.Views[i].TokenHash = "b"
			}
		}
	}
	for name, tell := range map[string]func(*cassandra.Ring, ...string){"dissents": dissents, "hashes": hashes} {
		r := heard(1, 6)
		tell(&r, "n0003", "n0004")
		v := viewOf(r)
		for id, want := range map[string]galen.Opinion{"host-0001": galen.DontKnow, "host-0003": galen.Yes, "host-0004": galen.Yes} {
			a := asked(t, v, "stop", id)
			if a.Answer != want || want != galen.Yes && !strings.Contains(a.Why, "n0003, n0004 has not the token map of most") {
				t.Errorf("%s: stop %s: %s (%s), want %s", name, id, a.Answer, a.Why, want)
			}
			i := slices.IndexFunc(a.Verdicts, func(v galen.Verdict) bool { return v.Guard == "I-02 quorum" })
			if (a.Verdicts[i].Answer == galen.LookAgain) != (want != galen.Yes) {
				t.Errorf("%s: the guard on stop %s: %+v", name, id, a.Verdicts[i])
			}
			if a := WhatIf(v, []string{id}); a.Answer != want {
				t.Errorf("%s: what-if %s: %s (%s), want %s", name, id, a.Answer, a.Why, want)
			}
		}
		if margin := v.Kind.Margin(v.State, nil, v.Policy); !strings.HasPrefix(margin, "unknown: n0003, n0004") {
			t.Errorf("%s: margin %q", name, margin)
		}
		r.Nodes[1].Down, r.Nodes[1].Observations, r.Views[1].Jolokia, r.Instances[1].Process = true, nil, cassandra.Refused, cassandra.Absent
		v.State = r
		for _, verdict := range asked(t, v, "stop", "host-0001").Verdicts {
			if verdict.Guard == "I-02 quorum" && verdict.Answer != galen.Allow {
				t.Errorf("%s: who is down already: %+v", name, verdict)
			}
		}
	}
}

// TestWhoIsCalledGoodIsNotDownAlready: a file may say down of whom a probe calls good; to take that one away takes something.
func TestWhoIsCalledGoodIsNotDownAlready(t *testing.T) {
	r := heard(1, 3)
	r.Nodes[0].Down, r.Nodes[1].Down = true, true
	v := viewOf(r)
	if a := asked(t, v, "stop", "host-0001"); a.Answer != galen.No || !strings.Contains(a.Why, "I-02 quorum") {
		t.Errorf("stop: %s (%s)", a.Answer, a.Why)
	}
	if a := WhatIf(v, []string{"host-0001"}); a.Answer != galen.No {
		t.Errorf("what-if: %s (%s)", a.Answer, a.Why)
	}
}

// TestAStepOnNobody: what is in flight on who is no member takes away nobody knows what.
func TestAStepOnNobody(t *testing.T) {
	r := heard(1, 6)
	v := viewOf(r)
	in := stopping(r, 0)
	in.Step.Target.ID = "n0000"
	v.Ledger.Open = []galen.Intent{in}
	if a := WhatIf(v, []string{"host-0001"}); a.Answer != galen.DontKnow || !strings.Contains(a.Why, "its target is no node of the ring") {
		t.Errorf("%s (%s)", a.Answer, a.Why)
	}
}

// TestStepsThatCannotBeInFlight: a file whose steps are over, or are not what their verbs are, is refused.
func TestStepsThatCannotBeInFlight(t *testing.T) {
	r := heard(1, 3)
	for says, change := range map[string]func(*galen.Intent){
		"":                            func(*galen.Intent) {},
		"open[0]: its effect is done": func(in *galen.Intent) { in.Effect.Status = galen.EffectDone },
		"open[0]: stop is disruptive": func(in *galen.Intent) { in.Class = galen.Reversible },
		"has no verb \"reboot\"":      func(in *galen.Intent) { in.Step.Verb = "reboot" },
	} {
		v := viewOf(r)
		in := stopping(r, 0)
		change(&in)
		v.Ledger.Open = []galen.Intent{in}
		saved, err := Save(v)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(saved)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(b, kinds); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// TestWhatIsLostAlreadyCanBeLostMore: a range that is below its level is no leave to take its next replica; two questions have one answer.
func TestWhatIsLostAlreadyCanBeLostMore(t *testing.T) {
	r := heard(2, 12)
	r.Keyspaces = []cassandra.Keyspace{{Name: "orders", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 3}}}
	var dc1 []string
	for i := range r.Nodes {
		if r.Nodes[i].DC == "dc1" {
			dc1 = append(dc1, r.Nodes[i].HostID)
			r.Nodes[i].Down = len(dc1) > 1
		}
	}
	v := viewOf(r)
	a := WhatIf(v, dc1[:1])
	if a.Answer != galen.No || !strings.Contains(a.Why, "lost: orders") {
		t.Errorf("what-if the last replica goes: %s (%s)", a.Answer, a.Why)
	}
	if a := asked(t, v, "stop", dc1[0]); a.Answer != galen.No {
		t.Errorf("can-i stop the last replica: %s (%s)", a.Answer, a.Why)
	}
	for _, l := range a.Outlook.Levels {
		if l.Taken == 0 || l.Taken > l.Lost || l.LostNow != l.Lost {
			t.Errorf("%+v", l)
		}
	}
}

// TestWhatIfIsNoLaxer: over drawn outages, what the quorum guard forbids to stop is no yes of what-if.
func TestWhatIfIsNoLaxer(t *testing.T) {
	no := 0
	for i := range 300 {
		r := heard(1+i%3, 9)
		for k := range i % 5 {
			r.Nodes[(i*5+k*k)%9].Down = true
		}
		v := viewOf(r)
		id := r.Nodes[(i*7+1)%9].HostID
		for _, verdict := range asked(t, v, "stop", id).Verdicts {
			if verdict.Guard != "I-02 quorum" || verdict.Answer == galen.Allow {
				continue
			}
			no++
			if a := WhatIf(v, []string{id}); a.Answer == galen.Yes {
				t.Errorf("drawing %d: the quorum says of stop %s: %s; and what-if: yes, %s", i, id, verdict.Why, a.Why)
			}
		}
	}
	if no < 50 {
		t.Errorf("%d refusals of 300: the drawings test nothing", no)
	}
}

// TestDoubtIsNoYes: where the steps in flight are not known for certain, nobody knows.
func TestDoubtIsNoYes(t *testing.T) {
	r := heard(1, 5)
	for name, spoil := range map[string]func(*View){
		"restored from a backup": func(v *View) { v.Ledger.Observe = "restored from a backup" },
		"clock":                  func(v *View) { v.Ledger.Now = v.Ledger.Got.Add(time.Hour) },
		"ask again":              func(v *View) { v.Doubt = "a step was begun meanwhile: ask again" },
	} {
		v := viewOf(r)
		if got := asked(t, v, "stop", r.Nodes[0].HostID); got.Answer != galen.Yes {
			t.Fatalf("unspoilt: %s: %s", got.Answer, got.Why)
		}
		spoil(&v)
		for _, got := range []galen.Advice{asked(t, v, "stop", r.Nodes[0].HostID), WhatIf(v, []string{r.Nodes[0].HostID})} {
			if got.Answer != galen.DontKnow || !strings.Contains(got.Why, name) {
				t.Errorf("%s: %s: %s", name, got.Answer, got.Why)
			}
		}
	}
	v := viewOf(r)
	v.Now = v.Now.Add(-29 * time.Second)
	if got := WhatIf(v, []string{r.Nodes[0].HostID}); got.Answer != galen.DontKnow {
		t.Errorf("a view from the future: %s: %s", got.Answer, got.Why)
	}
}

// TestNonsenseIsNeverAllowed goes through each nonsense, for each verb and node.
func TestNonsenseIsNeverAllowed(t *testing.T) {
	for name, broken := range map[string]func(*cassandra.Ring){
		"duplicate tokens": func(r *cassandra.Ring) { r.Nodes[1].Tokens[0] = r.Nodes[0].Tokens[0] },
		"RF > nodes":       func(r *cassandra.Ring) { r.Keyspaces[0].RF = map[string]int{"dc1": 7} },
		"negative RF":      func(r *cassandra.Ring) { r.Keyspaces[0].RF = map[string]int{"dc1": -3} },
		"RF of overflow":   func(r *cassandra.Ring) { r.Keyspaces[0].RF = map[string]int{"dc1": 1 << 62, "dc2": 1 << 62} },
		"no racks": func(r *cassandra.Ring) {
			for i := range r.Nodes {
				r.Nodes[i].Rack = ""
			}
		},
		"0 nodes":          func(r *cassandra.Ring) { r.Nodes = []cassandra.Node{} },
		"nil nodes":        func(r *cassandra.Ring) { r.Nodes = nil },
		"unknown strategy": func(r *cassandra.Ring) { r.Keyspaces[0].Strategy = "BestEffortStrategy" },
		"a target that is down, and twice the token": func(r *cassandra.Ring) {
			r.Nodes[1].Tokens[0] = r.Nodes[0].Tokens[0]
			for i := range r.Nodes {
				r.Nodes[i].Down = i == 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := heard(1, 6)
			r.Keyspaces = slices.Clone(r.Keyspaces)
			r.Keyspaces[0].RF = maps.Clone(r.Keyspaces[0].RF)
			broken(&r)
			v := viewOf(r)
			if a := WhatIf(v, nil); a.Answer == galen.Yes || a.Why == "" {
				t.Errorf("what-if of nothing: %s, %s", a.Answer, a.Why)
			}
			for _, n := range append(slices.Clone(r.Nodes), cassandra.Node{HostID: "host-0001"}, cassandra.Node{}) {
				for _, verb := range []string{"stop", "drain", "restart", "kill", "start", "fence", "decommission", "removenode"} {
					if a, err := CanI(v, verb, n.HostID); err == nil && a.Answer == galen.Yes {
						t.Errorf("%s %s: yes, %s", verb, n.HostID, a.Why)
					}
				}
				if a := WhatIf(v, []string{n.HostID}); a.Answer == galen.Yes {
					t.Errorf("what-if %s: yes, %s", n.HostID, a.Why)
				}
			}
		})
	}
}
