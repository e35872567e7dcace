package fake

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// byHand: an instance can be rebooted by hand.
func byHand() *galen.ByHand[Cluster] {
	return &galen.ByHand[Cluster]{
		Deed: func(c Cluster, verb string, t galen.Target) (galen.Deed, error) {
			i := slices.IndexFunc(c.Instances, func(i Instance) bool { return i.ID == t.ID })
			switch {
			case verb != VerbReboot:
				return galen.Deed{}, fmt.Errorf("verb %q: want %s", verb, VerbReboot)
			case i < 0:
				return galen.Deed{}, fmt.Errorf("%s %s: it is no instance", verb, t.ID)
			}
			s := Reboot(c.Instances[i], "by hand")
			return galen.Deed{Step: s, Class: galen.Disruptive, Claims: claims(c, s)}, nil
		},
		Reckon: func(c Cluster, _ galen.Policy) galen.Reckoning[Cluster] {
			return galen.Reckoning[Cluster]{
				Judge: func(a galen.Ask[Cluster]) ([]galen.Verdict, galen.Outlook) {
					return []galen.Verdict{}, c.outlook([]string{a.Step.Target.ID})
				},
				WhatIf: func(_ []galen.Intent, down []string) galen.Outlook { return c.outlook(down) },
				Margin: func([]galen.Intent) string { return c.outlook(nil).Margin },
			}
		},
		Leaves: func(key string) bool { return strings.HasPrefix(key, factReplaced) },
	}
}

// outlook: one instance of all is needed.
func (c Cluster) outlook(asked []string) galen.Outlook {
	out := galen.Outlook{Asked: slices.Concat([]string{}, asked), Down: []string{}}
	for _, m := range c.Members() {
		if m.Bad {
			out.Down = append(out.Down, m.Target.ID)
		}
	}
	all := len(c.Members())
	gone := slices.Compact(slices.Sorted(slices.Values(slices.Concat(out.Down, out.Asked))))
	one := galen.Level{Of: "service", Name: "one", Ranges: 1, Alive: all - len(gone), Replicas: all, Needed: 1}
	if len(out.Down) >= all {
		one.LostNow = 1
	}
	if one.Alive < 1 {
		one.Lost = 1
		if len(gone) > len(out.Down) {
			one.Taken = 1
		}
	}
	out.Levels = []galen.Level{one}
	out.Margin = fmt.Sprintf("%d to spare: %d of %d instances are well, 1 needed", one.Alive-1, one.Alive, all)
	if all == 0 {
		out.Doubts = []galen.Doubt{{Why: "there is no instance", Lasting: true}}
	}
	return out
}
