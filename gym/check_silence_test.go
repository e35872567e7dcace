package gym

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// silentFrom is a world in which n3 is dead and was silent so long.
func silentFrom(d time.Duration) ring.Truth {
	t := threeAndSpares(func(h []ring.TrueHost) {
		h[2].Running, h[2].Mode, h[2].Up, h[2].Silent = false, "", nil, epoch().Add(time.Minute-d)
	})
	for i := range t.Members {
		t.Members[i].Tokens = []cassandra.Token{cassandra.Token(100 * i)}
	}
	return t
}

// A start after gc_grace is blamed, and one that comes just in time is not.
func TestSilenceRule(t *testing.T) {
	const most = 240 * time.Hour
	for silent, broke := range map[time.Duration]string{time.Minute: "", most: "", most + time.Second: "N12 silence"} {
		world := silentFrom(silent)
		c := checkerOf(&act{
			Intent: galen.Intent{Step: cassandra.Start(cassandra.Node{HostID: "id3", Instance: "n3"})}, Seen: world, Accepted: []accepted{{Instance: "n3", Truth: world}},
		})
		if got := invariants(c); got != broke {
			t.Errorf("started after %s: broke %q, want %q", silent, got, broke)
		}
	}
}

// A silence counts from its beginning until it is repaired, also when a start ended it: not a short one, not another node's, and not
// once the repair is done.
func TestRelapseRule(t *testing.T) {
	const most, hints = 240 * time.Hour, 3 * time.Hour
	now := silentFrom(5 * 24 * time.Hour)
	start := func(instance, id string, ago, silent time.Duration) *act {
		then := silentFrom(silent)
		then.At = now.At.Add(-ago)
		for i := range then.Hosts {
			then.Hosts[i].Silent = then.At.Add(-silent)
		}
		return &act{
			Intent:   galen.Intent{Step: cassandra.Start(cassandra.Node{HostID: id, Instance: instance})},
			Accepted: []accepted{{Instance: instance, At: then.At, Truth: then}}, Settled: then.At, Status: galen.EffectFailed,
		}
	}
	repair := func(ago time.Duration) *act {
		n := cassandra.Node{HostID: "id3", Instance: "n3"}
		return &act{
			Intent: galen.Intent{Step: galen.Step{Verb: cassandra.VerbRepair, Target: n.Target(), Args: []byte(`{"instance":"n3","keyspace":"orders","ranges":[{"start":7,"end":7}]}`)}},
			Status: galen.EffectDone, Settled: now.At.Add(-ago),
		}
	}
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		before []*act
		blamed bool
	}{
		"nothing was before":                      {nil, false},
		"silent for 9 days, started 5 days ago":   {[]*act{start("n3", "id3", 5*day, 9*day)}, true},
		"as long as tombstones are kept":          {[]*act{start("n3", "id3", 5*day, most-5*day)}, false},
		"longer":                                  {[]*act{start("n3", "id3", 5*day, most-5*day+time.Second)}, true},
		"so short that hints brought all":         {[]*act{start("n3", "id3", most, hints+noticed)}, false},
		"hardly longer, and long ago":             {[]*act{start("n3", "id3", most, hints+noticed+time.Second)}, true},
		"another node":                            {[]*act{start("n2", "id2", 5*day, 9*day)}, false},
		"repaired meanwhile":                      {[]*act{start("n3", "id3", 5*day+time.Hour, 9*day), repair(5 * day)}, false},
		"repaired before":                         {[]*act{start("n3", "id3", 5*day, 9*day), repair(6 * day)}, true},
		"the older of two silences is not repaid": {[]*act{start("n3", "id3", 5*day, 9*day), start("n3", "id3", 4*day, day)}, true},
	} {
		a := &act{Intent: galen.Intent{Step: cassandra.Start(cassandra.Node{HostID: "id3", Instance: "n3"})}, Seen: now, Accepted: []accepted{{Instance: "n3", At: now.At, Truth: now}}}
		of := checkerOf(append(c.before, a)...)
		of.keyspaces = RingPlan{DCs: 1, Racks: 3, PerRack: 1}.spec(nil).Keyspaces
		h, _ := now.Host("n3")
		if got := outdated(of, now, h); (got != "") != c.blamed {
			t.Errorf("%s: %q", name, got)
		}
		of.verbs()
		got := slices.ContainsFunc(of.found, func(v Violation) bool { return v.Invariant == "N12 silence" && v.At == a.Committed.Sub(epoch()) })
		if got != c.blamed {
			t.Errorf("%s: %v", name, of.found)
		}
	}
}

// A run that started a node which lacks writes is not verified before the repair, nor is a neighbour given up.
func TestRepairAfterSilenceRule(t *testing.T) {
	at := func(s int) time.Time { return epoch().Add(time.Minute + time.Duration(s)*time.Second) }
	const hints = 3 * time.Hour
	for name, c := range map[string]struct {
		silent   time.Duration
		repaired int // s; 0: not
		broke    string
	}{
		"silent for a minute":               {time.Minute, 0, ""},
		"as long as hints are surely kept":  {hints + noticed, 0, ""},
		"longer":                            {hints + noticed + time.Second, 0, "N12 hints"},
		"longer, and repaired":              {hints + noticed + time.Second, 40, ""},
		"longer, and repaired too late":     {hints + noticed + time.Second, 70, "N12 hints"},
		"longer, and repaired, but earlier": {hints + noticed + time.Second, 5, "N12 hints"},
	} {
		n := cassandra.Node{HostID: "id3", Instance: "n3"}
		started := &act{
			Intent:   galen.Intent{Run: "run1", Step: cassandra.Start(n)},
			Accepted: []accepted{{Instance: "n3", Truth: silentFrom(c.silent)}}, Settled: at(20), Status: galen.EffectDone,
		}
		repair := &act{
			Intent: galen.Intent{Run: "run1", Step: galen.Step{Verb: cassandra.VerbRepair, Target: n.Target(), Args: []byte(`{"instance":"n3","keyspace":"orders","ranges":[{"start":7,"end":7}]}`)}},
			Status: galen.EffectDone, Settled: at(c.repaired),
		}
		of := checkerOf(started, repair)
		if c.repaired == 0 {
			of = checkerOf(started)
		}
		of.keyspaces = RingPlan{DCs: 1, Racks: 3, PerRack: 1}.spec(nil).Keyspaces
		of.runs["run1"], of.ends["run1"] = galen.Run{ID: "run1", Status: galen.RunVerified}, at(60)
		of.silences()
		got := ""
		for _, v := range of.found {
			got += v.Invariant
		}
		if got != c.broke {
			t.Errorf("%s: broke %q, want %q", name, got, c.broke)
		}
	}
}
