package gym

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestANeighbourIsHealedAndNobodyElse: a finding names all of a rack, n1 and n4 here; what a person, or the lack of a spare, decided for
// one of them says nothing of the other one.
func TestANeighbourIsHealedAndNobodyElse(t *testing.T) {
	at := func(seconds int, what string, who string) Happening {
		return Happening{At: quiet + time.Duration(seconds)*time.Second, What: what, Who: who}
	}
	kill, start, lose := string(ring.Kill), string(ring.Start), string(ring.LoseData)
	const n1, n4 = " 00000000-0000-4000-8000-000000000001@", " 00000000-0000-4000-8000-000000000004@"
	for name, c := range map[string]struct {
		spares int
		happen []Happening
		want   []string
		not    string
	}{
		"n1 waits for a person, for there is no spare, and n4 needs a start": {
			0, []Happening{at(0, kill, "n1"), at(0, lose, "n1"), at(300, kill, "n4")}, []string{"start" + n4, "run1 is held: n1"}, "run2",
		},
		"n1 is being seen to by hand, and n4 needs a start": {
			2, []Happening{at(0, kill, "n1"), at(45, Cancel, ""), at(60, kill, "n4")}, []string{"start" + n4, "run2 is verified"}, "start" + n1,
		},
		"n1 gets a new disk by hand, and n4 needs a start": {
			2, []Happening{at(0, kill, "n1"), at(45, Cancel, ""), at(50, lose, "n1"), at(60, kill, "n4")}, []string{"start" + n4, "run2 is verified"}, "fence" + n1,
		},
		"n1 stays down, and n4 comes back by hand and dies again": {
			2, []Happening{at(0, kill, "n1"), at(0, kill, "n4"), at(45, Cancel, ""), at(60, start, "n4"), at(900, kill, "n4")},
			[]string{"start" + n4, "run2 is verified"}, "start" + n1,
		},
	} {
		in := Incident{Seed: 1, Sort: Asked, Engines: 1, Policy: widePolicy(), Happen: c.happen,
			Ring: RingPlan{DCs: 1, Racks: 3, PerRack: 2, Spares: c.spares, VNodes: 1}}
		in.Limit = in.last() + time.Hour
		p, err := Play(t.Context(), in, Engine{})
		if err != nil || len(p.Violations) > 0 {
			t.Errorf("%s: %v, %v", name, err, p.Violations)
		}
		for _, want := range c.want {
			if !strings.Contains(p.Story, want) {
				t.Errorf("%s: never %q\n%s", name, want, p.Story)
			}
		}
		if c.not != "" && strings.Contains(p.Story, c.not) {
			t.Errorf("%s: want no %q\n%s", name, c.not, p.Story)
		}
	}
}
