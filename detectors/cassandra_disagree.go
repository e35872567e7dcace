package detectors

import (
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// disagreeFor is how long observers must contradict each other before it is told: peers notice a killed node one after
// the other, within 20 s at the default threshold of the failure detector.
const disagreeFor = 30 * time.Second

// CassandraDisagree notes members about whom observers contradict each other: an engine that is cut off from one node,
// a node that is cut off from some peers, another token map. It names who stands against whom. A note: nothing acts on
// it, for who is right is not known. Once one of them has stood long enough, all who contradict about that member are named: the note is
// told once, and a look may have seen only half of what began.
func CassandraDisagree() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra observers disagree",
		Codes: []galen.Code{cassandra.CodeDisagree},
		Detect: func(now time.Time, r cassandra.Ring, _ galen.Policy) []galen.Finding {
			about, lasts := map[string][]cassandra.Dissent{}, map[string]bool{}
			for _, d := range r.Dissents {
				id := subject(r, d)
				about[id] = append(about[id], d)
				lasts[id] = lasts[id] || now.Sub(d.Since) >= disagreeFor
			}
			var nodes []cassandra.Node
			for _, n := range r.Nodes {
				if lasts[n.HostID] && !n.Down {
					nodes = append(nodes, n)
				}
			}
			return byDomain(r, nodes, func(_ string, nodes []cassandra.Node) galen.Finding {
				f := galen.Finding{Code: cassandra.CodeDisagree, Urgency: galen.Low, Note: true, Since: now}
				var words []string
				for _, n := range nodes {
					for _, d := range about[n.HostID] {
						words = append(words, fmt.Sprintf("%s says of %s: %s; %s", d.Observer, cassandra.Title(n), d.Says, d.Others))
						if d.Since.Before(f.Since) {
							f.Since = d.Since
						}
					}
				}
				f.Why = strings.Join(words, ". ")
				return f
			})
		},
	}
}

// subject is the host ID of the member that a dissent is about; one about the whole token map is told of the observer.
func subject(r cassandra.Ring, d cassandra.Dissent) string {
	for _, n := range r.Nodes {
		if d.About == n.HostID || d.About == n.Address || d.About == cassandra.AboutTokens && d.Observer == n.Instance {
			return n.HostID
		}
	}
	return ""
}
