package gym

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestVerifiedIsHealed: a run is verified by as many looks as the policy wants, over its holding time, on each of which its target
// served; of one that vanished, who has its place, or all who are left. The end is written right after the last of them.
func TestVerifiedIsHealed(t *testing.T) {
	dead := func(tr *ring.Truth) { tr.Hosts[2].Running, tr.Hosts[2].Mode = false, "" }
	other := func(tr *ring.Truth) { tr.Hosts[0].Running, tr.Hosts[0].Mode = false, "" }
	removed := func(tr *ring.Truth) { tr.Members = tr.Members[:2] }
	replaced := func(tr *ring.Truth) { // n4 has the place of n3
		tr.Hosts[3].Running, tr.Hosts[3].Mode, tr.Hosts[3].Up = true, "NORMAL", []string{"n1", "n2"}
		tr.Members[2].HostID, tr.Members[2].Host = "id4", "n4"
	}
	heirIll := func(tr *ring.Truth) { replaced(tr); tr.Hosts[3].Frozen = true }
	joins := func(tr *ring.Truth) { replaced(tr); tr.Members[2].Status = cassandra.Joining }
	type look struct {
		at     time.Duration
		change func(*ring.Truth)
	}
	looks := func(last func(*ring.Truth)) []look {
		return []look{{0, last}, {15 * time.Second, last}, {30 * time.Second, last}}
	}
	for name, c := range map[string]struct {
		looks []look
		after time.Duration // until it is closed
		want  int
	}{
		"it serves on each look":                     {looks(nil), 0, 0},
		"ill again after the last look":              {append(looks(nil), look{31 * time.Second, dead}), -time.Second, 0},
		"closed within 30 s of the last look":        {looks(nil), galen.DecideWithin, 0},
		"closed long after the last look":            {looks(nil), galen.DecideWithin + time.Second, 1},
		"ill on the first look":                      {[]look{{0, dead}, {15 * time.Second, nil}, {30 * time.Second, nil}}, 0, 1},
		"ill before the holding time":                {append([]look{{-time.Second, dead}}, looks(nil)...), 0, 0},
		"ill on the last look":                       {[]look{{0, nil}, {15 * time.Second, nil}, {30 * time.Second, dead}}, 0, 1},
		"another one is ill":                         {looks(other), 0, 0},
		"two in its first half, one long after":      {[]look{{0, nil}, {5 * time.Second, nil}, {40 * time.Second, nil}}, 0, 0},
		"ill between them, long before the last":     {[]look{{0, nil}, {5 * time.Second, dead}, {40 * time.Second, nil}}, 0, 1},
		"two looks":                                  {[]look{{0, nil}, {30 * time.Second, nil}}, 0, 1},
		"three looks in less than the time":          {[]look{{0, nil}, {15 * time.Second, nil}, {29 * time.Second, nil}}, 0, 1},
		"no look":                                    {nil, 0, 1},
		"removed, and all others serve":              {looks(removed), 0, 0},
		"removed, and another one is ill":            {looks(func(tr *ring.Truth) { removed(tr); other(tr) }), 0, 3},
		"replaced, and its heir serves":              {looks(func(tr *ring.Truth) { replaced(tr); other(tr) }), 0, 0},
		"replaced, and its heir does not":            {looks(heirIll), 0, 3},
		"replaced by a node that has not joined yet": {looks(joins), 0, 3},
	} {
		judge := checkerOf()
		run := galen.Run{ID: "r", Status: galen.RunVerified, Scope: []galen.Target{{ID: "id3"}}}
		judge.runs["r"] = run
		end := epoch()
		for _, l := range append([]look{{-time.Hour, dead}}, c.looks...) {
			truth := threeAndSpares(nil)
			for i := range truth.Members {
				truth.Members[i].Tokens = []cassandra.Token{cassandra.Token(i)}
			}
			if l.change != nil {
				l.change(&truth)
			}
			truth.At = epoch().Add(2*time.Hour + l.at)
			judge.decides("r", truth)
			end = truth.At
		}
		if c.looks == nil {
			judge.sights["r"] = nil
		}
		judge.ends["r"] = end.Add(c.after)
		if judge.verified(); len(judge.found) != c.want {
			t.Errorf("%s: %v, want %d", name, judge.found, c.want)
		}
		judge.found, run.Status = nil, galen.RunCancelled
		judge.runs["r"] = run
		if judge.verified(); len(judge.found) > 0 {
			t.Errorf("%s, and cancelled: %v", name, judge.found)
		}
	}
}
