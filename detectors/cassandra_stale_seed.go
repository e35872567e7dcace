package detectors

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// CassandraStaleSeed notes nodes whose seed list, in use or in their start configuration, names an address that is no
// node of the ring, as after the replacement of a seed. They run; at their next start they may find nobody, or a
// stranger. A note, for no verb changes the seeds of a node.
func CassandraStaleSeed() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra stale seed",
		Codes: []galen.Code{cassandra.CodeStaleSeed},
		Detect: func(_ time.Time, r cassandra.Ring, _ galen.Policy) []galen.Finding {
			if len(r.Live()) == 0 {
				return nil // nobody lists the ring: no address can be called a stranger
			}
			members := map[string]bool{}
			for _, n := range r.Nodes {
				members[n.Address] = true
			}
			stale := map[string][]string{}
			var nodes []cassandra.Node
			for _, n := range r.Nodes {
				if s := strangers(r, n, members); len(s) > 0 {
					stale[n.HostID] = s
					nodes = append(nodes, n)
				}
			}
			return byDomain(r, nodes, func(_ string, nodes []cassandra.Node) galen.Finding {
				var words []string
				for _, n := range nodes {
					words = append(words, fmt.Sprintf("the seeds of %s name %s", cassandra.Title(n), strings.Join(stale[n.HostID], ", ")))
				}
				return galen.Finding{
					Code: cassandra.CodeStaleSeed, Urgency: galen.Low, Note: true, Since: r.At,
					Why: strings.Join(words, "; ") + ": no node of the ring; correct the seed list by hand",
				}
			})
		},
	}
}

func strangers(r cassandra.Ring, n cassandra.Node, members map[string]bool) []string {
	var out []string
	add := func(seeds []string) {
		for _, s := range seeds {
			_, err := netip.ParseAddr(s) // a name is not compared
			if err == nil && !members[s] && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if v, asked := r.ViewOf(n); asked && v.Live() {
		add(v.Seeds)
	}
	if i, found := r.Instance(n.Instance); found {
		add(i.Config.Seeds)
	}
	slices.Sort(out)
	return out
}
