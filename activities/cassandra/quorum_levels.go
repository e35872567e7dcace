package cassandra

import (
	"slices"
	"strconv"

	"github.com/galenhq/galen"
)

// levelKey is what people tell levels apart by.
type levelKey struct{ keyspace, dc, level string }

func (b Break) key() levelKey { return levelKey{b.Keyspace, b.DC, b.Level} }

// Levels are all guarded levels with these host IDs down, lost or not: how many ranges lack each, and the worst range. It counts
// what [Quorum.Verdict] counts, in the order of the checks; ranges with pending replicas count once more, as a write counts them.
func (q *Quorum) Levels(down map[string]bool) []galen.Level {
	return levelsOf(q.checks, q.mark(down, nil))
}

// Told are the same of the keyspaces that are only reported, without what pending replicas add.
func (q *Quorum) Told(down map[string]bool) []galen.Level {
	return levelsOf(q.told, q.mark(down, nil))
}

func levelsOf(checks []check, d downs) []galen.Level {
	tolls := tolls(checks, d)
	var out []galen.Level
	at := map[levelKey]int{}
	for _, c := range checks {
		worst, lost := c.weigh(tolls[c.scope], d)
		one := galen.Level{Group: c.dc, Name: c.level, Ranges: 1, Lost: lost.Ranges, Alive: worst.Alive, Replicas: worst.Replicas, Needed: worst.Needed}
		if c.scope != nil {
			one.Ranges = c.scope.count
		}
		for _, one.Of = range c.keyspaces {
			key := levelKey{one.Of, one.Group, one.Name}
			i, known := at[key]
			if !known {
				at[key] = len(out)
				out = append(out, one)
				continue
			}
			out[i] = joined(out[i], one)
		}
	}
	return out
}

// joined puts together what is counted apart of one level.
func joined(a, b galen.Level) galen.Level {
	ranges, lost := a.Ranges+b.Ranges, a.Lost+b.Lost
	if b.Alive-b.Needed < a.Alive-a.Needed {
		a = b
	}
	a.Ranges, a.Lost = ranges, lost
	return a
}

// outlook is what these host IDs, down at once beside those of before, would take.
func (q *Quorum) outlook(before map[string]bool, asked []string) galen.Outlook {
	after := before
	for _, id := range asked {
		after = with(after, id)
	}
	change := func(checks []check) []galen.Level {
		now, then, taken := levelsOf(checks, q.mark(before, nil)), levelsOf(checks, q.mark(after, nil)), levelsOf(checks, q.mark(after, before))
		for i := range then {
			then[i].LostNow, then[i].Taken = now[i].Lost, taken[i].Lost
		}
		return then
	}
	out := galen.Outlook{Asked: asked, Down: sortedKeys(before), Levels: change(q.checks), Told: change(q.told), Margin: q.Verdict(after).MarginText()}
	if len(asked) == 0 {
		out.Asked = []string{}
	}
	for _, k := range q.Reported() {
		out.Unguarded = append(out.Unguarded, k.Keyspace+" (RF "+strconv.Itoa(k.Replicas)+")")
	}
	out.Strays = slices.Clone(q.strays)
	for _, d := range q.doubts {
		out.Doubts = append(out.Doubts, galen.Doubt(d))
	}
	return out
}

// further adds who may rest at once beside those of the outlook, and whose loss would break what.
func (q *Quorum) further(out *galen.Outlook) {
	down := map[string]bool{}
	for _, id := range slices.Concat(out.Down, out.Asked) {
		down[id] = true
	}
	racks := q.Rolling(down)
	for _, b := range racks {
		out.Rolling = append(out.Rolling, rolling(b.DC+"/"+b.Rack, b))
	}
	whole := rolling("", q.Together(down, racks))
	out.Together = &whole
	all := map[levelKey]int{}
	for _, l := range out.Levels {
		all[levelKey{l.Of, l.Group, l.Name}] = l.Ranges
	}
	for _, t := range q.Unsafe(down) {
		threat := galen.Threat{ID: t.HostID}
		for _, b := range t.Breaks {
			threat.Levels = append(threat.Levels, galen.Level{
				Of: b.Keyspace, Group: b.DC, Name: b.Level, Ranges: all[b.key()], Lost: b.Ranges, Alive: b.Alive, Replicas: b.Replicas, Needed: b.Needed,
			})
		}
		out.Threats = append(out.Threats, threat)
	}
}

func rolling(domain string, b Batch) galen.Rolling {
	return galen.Rolling{Domain: domain, Members: slices.Concat([]string{}, b.Nodes), Others: slices.Concat([]string{}, b.Others), Largest: b.Largest}
}
