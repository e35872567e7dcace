package advice

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

func noon() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

// heard is a large ring of which each node and host was heard a second before noon.
func heard(dcs, nodes int) cassandra.Ring {
	r := ring.Large(dcs, nodes)
	r.At, r.Instances, r.Views = noon().Add(-time.Second), []cassandra.Instance{}, []cassandra.View{}
	for i := range r.Nodes {
		n := &r.Nodes[i]
		n.Instance, n.Observations = fmt.Sprintf("n%04d", i), []galen.Observation{{Observer: "probe", Kind: galen.Probe, Says: galen.Good, At: r.At}}
		r.Instances = append(r.Instances, cassandra.Instance{Name: n.Instance, Address: n.Address, At: r.At, Process: cassandra.Running, Data: cassandra.DataPresent})
		r.Views = append(r.Views, cassandra.View{
			Instance: n.Instance, Address: n.Address, At: r.At, Jolokia: cassandra.Answered, CQL: cassandra.Answered, HostID: n.HostID, Mode: "NORMAL",
		})
	}
	return r
}

func kinds(name string) (galen.ListedKind, bool) {
	return galen.ListSaved(cassandra.Kind()), name == cassandra.KindName
}

func viewOf(r cassandra.Ring) View {
	kind, _ := kinds(cassandra.KindName)
	return View{Kind: kind, State: r, Policy: galen.SafePolicy(), Now: noon(), Ledger: galen.Ledger{Now: noon(), Asked: noon(), Got: noon(), Run: galen.Run{Resource: r.Resource()}}}
}

func asked(t *testing.T, v View, verb, member string) galen.Advice {
	t.Helper()
	a, err := CanI(v, verb, member)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func stopping(r cassandra.Ring, i int) galen.Intent {
	return galen.Intent{ID: "r9-1", Run: "r9", Resource: r.Resource(), Step: cassandra.Stop(r.Nodes[i]), Class: galen.Disruptive, At: noon(), Effect: galen.Effect{Status: galen.EffectUnknown}}
}

func TestCanI(t *testing.T) {
	cases := []struct {
		name         string
		change       func(r *cassandra.Ring, v *View)
		verb, member string
		want         galen.Opinion
		says         string
	}{
		{"a sound ring", nil, "stop", "host-0001", galen.Yes, "to spare"},
		{"drain is a stop", nil, "drain", "host-0001", galen.Yes, "to spare"},
		{"another is down", func(r *cassandra.Ring, _ *View) { r.Nodes[0].Down = true }, "stop", "host-0001", galen.No, "I-02 quorum"},
		{"another one's stop is in flight", func(r *cassandra.Ring, v *View) { v.Ledger.Open = []galen.Intent{stopping(*r, 0)} }, "stop", "host-0001", galen.No, "I-02 quorum"},
		{"its own stop is in flight", func(r *cassandra.Ring, v *View) { v.Ledger.Open = []galen.Intent{stopping(*r, 1)} }, "stop", "host-0001", galen.No, "I-20 unsettled"},
		{"a run works on the ring", func(_ *cassandra.Ring, v *View) {
			v.Ledger.Claims = []galen.HeldClaim{{Claim: galen.Claim{Name: "ring"}, Run: "r9"}}
		}, "stop", "host-0001", galen.No, "I-19 claims"},
		{"a range moves", func(r *cassandra.Ring, _ *View) { r.Nodes[2].Status = cassandra.Leaving }, "stop", "host-0001", galen.No, "I-01 range movement"},
		{"a repair is owed", func(_ *cassandra.Ring, v *View) {
			v.Ledger.Facts = map[string]galen.Fact{cassandra.FactRepairOwed + "n0000/ks": {Key: cassandra.FactRepairOwed + "n0000/ks"}}
		}, "decommission", "host-0001", galen.No, "departure"},
		{"the floor", func(_ *cassandra.Ring, v *View) { v.Policy.Floors = map[string]int{"dc1": 3} }, "stop", "host-0001", galen.No, "I-11 floor"},
		{"an old view", func(_ *cassandra.Ring, v *View) { v.Now = v.Now.Add(time.Hour) }, "stop", "host-0001", galen.DontKnow, "I-05 fresh view"},
		{"nobody was heard", func(r *cassandra.Ring, _ *View) { r.Views, r.Instances = nil, nil }, "drain", "host-0001", galen.No, "orderly"},
		{"no keyspace was told", func(r *cassandra.Ring, _ *View) { r.Keyspaces = nil }, "stop", "host-0001", galen.DontKnow, "keyspaces"},
		{"who is down stops for nothing", func(r *cassandra.Ring, _ *View) { r.Nodes[1].Down = true; r.Instances[1].Process = cassandra.Absent }, "kill", "host-0001", galen.No, "stuck only"},
		{"who runs is not started", nil, "start", "host-0001", galen.No, "clean start"},
		{"nobody knows how long it was away", func(r *cassandra.Ring, _ *View) { r.Nodes[1].Down = true; r.Instances[1].Process = cassandra.Absent }, "start", "host-0001", galen.DontKnow, "N12 silence"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := heard(1, 3)
			v := viewOf(r)
			if c.change != nil {
				c.change(&r, &v)
			}
			v.State = r
			a := asked(t, v, c.verb, c.member)
			if a.Answer != c.want || !strings.Contains(a.Why, c.says) {
				t.Errorf("%s (%s), want %s with %q\n%+v", a.Answer, a.Why, c.want, c.says, a.Verdicts)
			}
		})
	}
}

// TestAVerbThatNobodyKnows is told, whether the ring was heard or not.
func TestAVerbThatNobodyKnows(t *testing.T) {
	v := viewOf(heard(1, 3))
	for range 2 {
		if _, err := CanI(v, "reboot", "host-0001"); err == nil || !strings.Contains(err.Error(), "want one of stop, drain") {
			t.Errorf("%v", err)
		}
		v.State = nil
	}
}

// TestLevelsBesides: the answer is about the policy's levels and the named ones, and never weaker by them.
func TestLevelsBesides(t *testing.T) {
	r := heard(1, 3)
	v := viewOf(r)
	v.Policy.KeyspaceLevels = map[string][]string{r.Keyspaces[0].Name: {"ONE"}}
	for _, c := range []struct {
		levels []string
		want   galen.Opinion
		says   string
	}{
		{nil, galen.Yes, "ONE"},
		{[]string{"LOCAL_QUORUM"}, galen.Yes, "LOCAL_QUORUM"},
		{[]string{"ALL", "ONE"}, galen.No, "ALL"},
		{[]string{"quorum"}, "", "want one of ALL, ANY"},
	} {
		with, err := v.Besides(c.levels)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: %v", c.levels, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		a := asked(t, with, "stop", "host-0001")
		if a.Answer != c.want || !slices.ContainsFunc(a.Outlook.Levels, func(l galen.Level) bool { return l.Name == c.says }) {
			t.Errorf("%v: %s (%s), %+v", c.levels, a.Answer, a.Why, a.Outlook.Levels)
		}
		if len(v.Policy.KeyspaceLevels[r.Keyspaces[0].Name]) != 1 {
			t.Fatal("the view that was asked is changed")
		}
	}
}

// TestWhatNoGuardKeepsIsTold, with its levels and ranges, and refuses nothing.
func TestWhatNoGuardKeepsIsTold(t *testing.T) {
	r := heard(1, 3)
	r.Keyspaces = append(slices.Clone(r.Keyspaces), cassandra.Keyspace{Name: "logs", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 1}})
	a := asked(t, viewOf(r), "stop", "host-0001")
	if a.Answer != galen.Yes || !slices.Equal(a.Outlook.Unguarded, []string{"logs (RF 1)"}) || len(a.Outlook.Told) == 0 {
		t.Fatalf("%s: %+v", a.Why, a.Outlook)
	}
	for _, l := range a.Outlook.Told {
		if l.Of != "logs" || l.Ranges != 48 || l.LostNow != 0 || l.Lost != 16 || l.Alive != 0 || l.Replicas != 1 {
			t.Errorf("%+v", l)
		}
	}
}

// TestWhatIsAskedForByName is refused where it is lost, guarded or not; so is it that nobody is left.
func TestWhatIsAskedForByName(t *testing.T) {
	r := heard(1, 3)
	r.Keyspaces = []cassandra.Keyspace{{Name: "logs", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 2}}}
	v := viewOf(r)
	v.Policy.GuardKeyspaces, v.Policy.KeyspaceLevels, v.Policy.Floors = []string{"log"}, map[string][]string{"Logs": {"ALL"}}, map[string]int{"DC1": 1}
	all := []string{"host-0000", "host-0001", "host-0002"}
	if a := WhatIf(v, all[:1]); a.Answer != galen.Yes || !slices.Equal(a.Outlook.Strays, []string{"keyspace_levels Logs", "guard_keyspaces log", "floors DC1"}) {
		t.Errorf("not asked for: %s: %s, strays %v", a.Answer, a.Why, a.Outlook.Strays)
	}
	if a := WhatIf(v, all); a.Answer != galen.No || a.Why != "no member would be left" {
		t.Errorf("nobody is left: %s: %s", a.Answer, a.Why)
	}
	for level, want := range map[string]galen.Opinion{"ONE": galen.Yes, "QUORUM": galen.No} { // one of two is left of each range
		with, err := v.Besides([]string{level})
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string]galen.Advice{"can-i": asked(t, with, "stop", all[1]), "what-if": WhatIf(with, all[1:2])} {
			if got.Answer != want || want == galen.No && !strings.Contains(got.Why, "lost: logs QUORUM in 32 of 48 ranges") {
				t.Errorf("%s at %s: %s: %s", what, level, got.Answer, got.Why)
			}
		}
	}
}

// TestAStartTakesNothing, whatever is lost already of what has no guard.
func TestAStartTakesNothing(t *testing.T) {
	r := heard(1, 6)
	r.Keyspaces = append(slices.Clone(r.Keyspaces), cassandra.Keyspace{Name: "logs", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc1": 1}})
	r.Nodes[1].Down, r.Instances[1].Process = true, cassandra.Absent
	with, err := viewOf(r).Besides([]string{"ONE"})
	if err != nil {
		t.Fatal(err)
	}
	if a := asked(t, with, "start", "host-0001"); strings.Contains(a.Why, "lost:") {
		t.Errorf("%s: %s", a.Answer, a.Why)
	}
	if a := WhatIf(with, nil); a.Answer != galen.No || !strings.Contains(a.Why, "logs ONE") {
		t.Errorf("as it is: %s: %s", a.Answer, a.Why)
	}
}

// TestLeaveOfAFileIsBelievedForAWhile, and whatever else it says for ever.
func TestLeaveOfAFileIsBelievedForAWhile(t *testing.T) {
	yes := galen.Advice{Answer: galen.Yes, At: noon()}
	until := noon().Add(15 * time.Minute)
	for at, want := range map[time.Duration]galen.Opinion{0: galen.Yes, 15 * time.Minute: galen.Yes, 15*time.Minute + time.Second: galen.DontKnow, -time.Minute: galen.DontKnow} {
		if got := Believed(yes, noon().Add(at), until); got.Answer != want || (want == galen.DontKnow) != (got.Why != "") {
			t.Errorf("%s later: %s, %s", at, got.Answer, got.Why)
		}
	}
	if got := Believed(galen.Advice{Answer: galen.No, Why: "no", At: noon()}, noon().Add(time.Hour), until); got.Answer != galen.No || got.Why != "no" {
		t.Errorf("%+v", got)
	}
}

func TestNeverSeen(t *testing.T) {
	v := viewOf(heard(1, 3))
	v.State = nil
	if a := asked(t, v, "stop", "host-0001"); a.Answer != galen.DontKnow || !strings.Contains(a.Why, "not been looked at") {
		t.Errorf("%+v", a)
	}
	if a := WhatIf(v, nil); a.Answer != galen.DontKnow {
		t.Errorf("%+v", a)
	}
	v = viewOf(heard(1, 3))
	v.Kind.ByHand = nil
	if a := asked(t, v, "stop", "host-0001"); a.Answer != galen.DontKnow || !strings.Contains(a.Why, "does not tell") {
		t.Errorf("%+v", a)
	}
	v = viewOf(heard(1, 3))
	v.Kind.ByHand = &galen.ByHand[galen.State]{} // whatever it is asked, it panics
	if a := asked(t, v, "stop", "host-0001"); a.Answer != galen.DontKnow || !strings.Contains(a.Why, "panicked") {
		t.Errorf("%+v", a)
	}
}

// TestNobodyWasHeard: of a ring whose hosts are configured and of which no node was ever heard nobody knows anything, whoever is asked about.
func TestNobodyWasHeard(t *testing.T) {
	r := heard(1, 3)
	r.Nodes, r.Views = []cassandra.Node{}, []cassandra.View{}
	v := viewOf(r)
	for name, got := range map[string]galen.Advice{"can-i": asked(t, v, "stop", "instance/n0001"), "what-if": WhatIf(v, []string{"instance/n0001"}), "what-if nothing": WhatIf(v, nil)} {
		if got.Answer != galen.DontKnow || !strings.Contains(got.Why, "none of them was heard") {
			t.Errorf("%s: %s: %s", name, got.Answer, got.Why)
		}
	}
}

func TestWhatIf(t *testing.T) {
	r := heard(1, 3)
	v := viewOf(r)
	if a := WhatIf(v, []string{"host-0001"}); a.Answer != galen.Yes || len(a.Outlook.Threats) != 2 || len(a.Outlook.Rolling) != 2 || a.Names["host-0001"] != "n0001" {
		t.Errorf("one of three: %+v", a)
	}
	a := WhatIf(v, []string{"host-0001", "host-0002"})
	if a.Answer != galen.No || !strings.Contains(a.Why, "ks QUORUM in 48 of 48 ranges") {
		t.Errorf("two of three: %+v", a)
	}
	r.Nodes[0].Down = true
	v.State = r
	if a := WhatIf(v, nil); a.Answer != galen.Yes || !slices.Equal(a.Outlook.Down, []string{"host-0000"}) {
		t.Errorf("as it is: %+v", a)
	}
	v.Ledger.Open = []galen.Intent{stopping(r, 1)}
	if a := WhatIf(v, nil); a.Answer != galen.No || !slices.Equal(a.Outlook.Down, []string{"host-0000", "host-0001"}) {
		t.Errorf("with a stop in flight: %+v", a)
	}
	v.Now = v.Now.Add(time.Hour)
	if a := WhatIf(v, nil); a.Answer != galen.DontKnow || !strings.Contains(a.Why, "old") {
		t.Errorf("old: %+v", a)
	}
}

func saved(t testing.TB, v View) []byte {
	t.Helper()
	s, err := Save(v)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSavedAnswersAlike: what was saved is answered as it would have been then.
func TestSavedAnswersAlike(t *testing.T) {
	r := heard(3, 30)
	r.Nodes[0].Down = true
	v := viewOf(r)
	v.Policy.Levels = []string{"LOCAL_QUORUM", "ALL"}
	v.Ledger.Open = []galen.Intent{stopping(r, 4)}
	back, err := Load(saved(t, v), kinds)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range r.Nodes {
		for _, verb := range []string{"stop", "decommission"} {
			live, later := asked(t, v, verb, n.HostID), asked(t, back, verb, n.HostID)
			if galen.HashJSON(live) != galen.HashJSON(later) {
				t.Fatalf("%s %s: %s (%s), from the file %s (%s)", verb, n.HostID, live.Answer, live.Why, later.Answer, later.Why)
			}
		}
		if galen.HashJSON(WhatIf(v, []string{n.HostID})) != galen.HashJSON(WhatIf(back, []string{n.HostID})) {
			t.Fatalf("what-if %s is another one from the file", n.HostID)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	good := string(saved(t, viewOf(heard(1, 3))))
	for says, b := range map[string]string{
		"not JSON":                 "",
		`field "form" is missing`:  "{}",
		"form 2":                   strings.Replace(good, `"form":1`, `"form":2`, 1),
		"unknown field":            strings.Replace(good, `"form":1`, `"form":1,"colour":1`, 1),
		"stands twice":             strings.Replace(good, `"form":1`, `"form":1,"form":1`, 1),
		"does not know the kind":   strings.Replace(good, `"resource":"cassandra/large"`, `"resource":"mysql/large"`, 1),
		"is one of cassandra/larg": strings.Replace(good, `"resource":"cassandra/large"`, `"resource":"cassandra/other"`, 1),
		"data after the end":       good + "{}",
		"has no time":              strings.Replace(good, `"at":"2026-11-29T12:00:00Z"`, `"at":"0001-01-01T00:00:00Z"`, 1),
		"floor_share":              strings.Replace(good, `"floor_share":0.5`, `"floor_share":-1`, 1),
		"not UTF-8":                "not",
		"want a whole number":      strings.Replace(good, `"tokens":[`, `"tokens":[NaN,`, 1) + "",
		"want text":                strings.Replace(good, `"host_id":"host-0001"`, `"host_id":1`, 1),
		"cannot unmarshal number":  strings.Replace(good, `"tokens":[`, `"tokens":[99999999999999999999,`, 1),
	} {
		if says == "not UTF-8" {
			b = "\xff"
			says = "not valid UTF-8"
		}
		if says == "want a whole number" {
			b = strings.Replace(good, `"tokens":[`, `"tokens":[1e3,`, 1)
		}
		if _, err := Load([]byte(b), kinds); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// absurd tells by its own count what no leave may be given on.
func absurd(r cassandra.Ring) string {
	tokens, inDC := map[cassandra.Token]bool{}, map[string]int{}
	for _, n := range r.Nodes {
		if n.Rack == "" || n.DC == "" || n.HostID == "" {
			return "a node without a place"
		}
		if n.Status == cassandra.Joining {
			continue
		}
		inDC[n.DC]++
		inDC[""]++
		for _, token := range n.Tokens {
			if tokens[token] {
				return "a token twice"
			}
			tokens[token] = true
		}
	}
	for _, k := range r.Keyspaces {
		if k.Strategy != "NetworkTopologyStrategy" && k.Strategy != "SimpleStrategy" && k.Strategy != "LocalStrategy" {
			return "an unknown strategy"
		}
		all := 0
		for _, rf := range k.RF {
			all += rf
		}
		for dc, rf := range k.RF {
			if rf < 0 || all > 2 && rf > inDC[dc] && k.Strategy != "LocalStrategy" {
				return "replicas that cannot be"
			}
		}
	}
	if len(r.Nodes) == 0 || len(tokens) == 0 || len(r.Keyspaces) == 0 {
		return "nothing there"
	}
	return ""
}

// FuzzSaved: whatever a file holds, it is an error or an answer, and never leave on a ring that cannot be.
func FuzzSaved(f *testing.F) {
	small := func(dcs, nodes int) cassandra.Ring { // the fuzzer changes little of a long text
		r := heard(dcs, nodes)
		for i := range r.Nodes {
			r.Nodes[i].Tokens = r.Nodes[i].Tokens[:2]
		}
		return r
	}
	f.Add(saved(f, viewOf(small(1, 3))))
	f.Add(saved(f, viewOf(small(2, 4))))
	for _, broken := range []func(*cassandra.Ring){
		func(r *cassandra.Ring) { r.Nodes[1].Tokens[0] = r.Nodes[0].Tokens[0] },
		func(r *cassandra.Ring) { r.Nodes = []cassandra.Node{} },
		func(r *cassandra.Ring) { r.Keyspaces[0].RF = map[string]int{"dc1": -1} },
		func(r *cassandra.Ring) { r.Keyspaces[0].RF = map[string]int{"dc1": 9} },
		func(r *cassandra.Ring) { r.Keyspaces[0].Strategy = "Everywhere" },
		func(r *cassandra.Ring) { r.Nodes[0].Rack = "" },
	} {
		r := small(1, 3)
		broken(&r)
		f.Add(saved(f, viewOf(r)))
	}
	f.Add([]byte(`{"form":1,"resource":"cassandra/a","at":"2026-11-29T12:00:00Z","state":{"name":"a","cluster":"","at":"2026-11-29T12:00:00Z","nodes":[],"instances":[],"views":[],"keyspaces":[]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Load(b, kinds)
		if err != nil {
			return
		}
		r := v.State.(cassandra.Ring)
		why := absurd(r)
		for i, n := range r.Nodes {
			if i > 5 {
				break
			}
			for _, verb := range []string{"stop", "decommission"} {
				if a, err := CanI(v, verb, n.HostID); err == nil && a.Answer == galen.Yes && why != "" {
					t.Errorf("%s %s is allowed on a ring with %s", verb, n.HostID, why)
				}
			}
			if a := WhatIf(v, []string{n.HostID}); a.Answer == galen.Yes && why != "" {
				t.Errorf("%s may be down in a ring with %s", n.HostID, why)
			}
		}
		if a := WhatIf(v, nil); a.Answer == galen.Yes && why != "" {
			t.Errorf("all is well in a ring with %s", why)
		}
	})
}

// TestYesLosesNothing: over drawn outages, a yes never comes with a level that is lost, and a stop that the quorum forbids gets none.
func TestYesLosesNothing(t *testing.T) {
	yes := 0
	for i := range 200 {
		r := heard(1+i%3, 9)
		r.Nodes[i%9].Down = i%2 == 0
		v := viewOf(r)
		if i%5 == 0 {
			v.Ledger.Open = []galen.Intent{stopping(r, (i+3)%9)}
		}
		id := r.Nodes[(i*7+1)%9].HostID
		a := asked(t, v, "stop", id)
		if a.Answer != galen.Yes {
			continue
		}
		yes++
		for _, l := range a.Outlook.Levels {
			if l.Loses() > 0 {
				t.Errorf("drawing %d: yes to stop %s, and %+v", i, id, l)
			}
		}
		if WhatIf(v, []string{id}).Answer != galen.Yes {
			t.Errorf("drawing %d: stop %s may be, its loss not", i, id)
		}
	}
	if yes < 20 {
		t.Errorf("%d yes of 200: the drawings test nothing", yes)
	}
}

// TestLeavingWaits: who leaves for good moves ranges, and takes others' work along.
func TestLeavingWaits(t *testing.T) {
	for name, spoil := range map[string]func(*cassandra.Ring){
		"schema":  func(r *cassandra.Ring) { r.Schemas = []string{"a", "b"} },
		"streams": func(r *cassandra.Ring) { r.Views[1].Streams = 3 },
		"does":    func(r *cassandra.Ring) { r.Views[1].Tasks = map[string]int{cassandra.TaskValidation: 2} },
	} {
		for _, verb := range []string{"decommission", "removenode"} {
			r := heard(1, 5)
			spoil(&r)
			if got := asked(t, viewOf(r), verb, r.Nodes[0].HostID); got.Answer == galen.Yes || !said(got, name) {
				t.Errorf("%s, %s: %s: %+v", verb, name, got.Answer, got.Verdicts)
			}
		}
	}
	r := heard(1, 5)
	r.Nodes[0].Unlisted, r.Nodes[0].Down = true, true
	if got := asked(t, viewOf(r), "removenode", r.Nodes[0].HostID); got.Answer == galen.Yes || !said(got, "answers itself") {
		t.Errorf("who answers: %s: %+v", got.Answer, got.Verdicts)
	}
}

func said(a galen.Advice, text string) bool {
	return slices.ContainsFunc(a.Verdicts, func(v galen.Verdict) bool { return v.Answer != galen.Allow && strings.Contains(v.Why, text) })
}
