package galen

// stormLeast members must be bad before the engine only observes: on a ring of three nodes of which two are dead, the one that
// can be started again is.
const stormLeast = 3

// Share is how many members of one group are bad.
type Share struct {
	Group    string
	Bad, All int
	// Domains is in how many failure domains the bad ones are.
	Domains int
	// Allowed may be bad at once: the policy's share, one failure domain at most, one member at least (I-03).
	Allowed int
}

// TooMany tells whether the cause is likely larger than any of the members: more than allowed are bad, and not just those
// of one failure domain.
func (s Share) TooMany() bool { return s.Bad > s.Allowed && s.Domains > 1 }

// Storm tells whether so many are bad that nothing is changed by itself, a start included.
func (s Share) Storm() bool { return s.TooMany() && s.Bad >= stormLeast }

// Shares counts the members in service by group, in the order in which the groups first appear.
func Shares(members []Member, p Policy) []Share {
	var out []Share
	at := map[string]int{}
	domains, bad := map[string]map[string]int{}, map[string]map[string]bool{}
	for _, m := range members {
		if m.Bare() {
			continue
		}
		i, known := at[m.Group]
		if !known {
			i = len(out)
			at[m.Group] = i
			domains[m.Group], bad[m.Group] = map[string]int{}, map[string]bool{}
			out = append(out, Share{Group: m.Group})
		}
		out[i].All++
		domains[m.Group][m.Domain]++
		if m.Bad {
			out[i].Bad++
			bad[m.Group][m.Domain] = true
		}
	}
	for i, s := range out {
		least := s.All // the smallest failure domain
		for _, n := range domains[s.Group] {
			least = min(least, n)
		}
		out[i].Domains = len(bad[s.Group])
		out[i].Allowed = max(1, min(ShareOf(p.UnhealthyShare, s.All), least))
	}
	return out
}

// WholeDomain tells whether a failure domain of several members has no good one left: its power or its network is more
// likely gone than each of them.
func WholeDomain(members []Member, domain string) (n int, whole bool) {
	whole = true
	for _, m := range members {
		if m.Bare() || m.Domain != domain {
			continue
		}
		n++
		whole = whole && m.Bad
	}
	return n, whole && n > 1
}

// ShareOf is a share of n members, rounded down; the little extra keeps 0.3 of 10 at 3.
func ShareOf(share float64, n int) int { return int(share*float64(n) + 1e-9) }
