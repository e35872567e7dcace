package detectors

import (
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// CassandraNodeFlapping finds members that went down and came back so often that a restart is no cure: memory, disk, network
// or a neighbour. The finding stays until the node has been quiet for the policy's window, up or down; then it is well,
// or down like any other.
func CassandraNodeFlapping() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra node flapping",
		Codes: []galen.Code{cassandra.CodeNodeFlapping},
		Detect: func(now time.Time, r cassandra.Ring, p galen.Policy) []galen.Finding {
			var nodes []cassandra.Node
			since := map[string]time.Time{}
			for _, n := range r.Nodes {
				began, is := n.Flapping(now, p.FlapFlips, p.FlapWindow.D())
				if is && !n.Unlisted && n.Status != cassandra.Joining && len(n.Tokens) > 0 {
					nodes = append(nodes, n)
					since[n.HostID] = began
				}
			}
			return byDomain(r, nodes, func(domain string, nodes []cassandra.Node) galen.Finding {
				f := galen.Finding{Code: cassandra.CodeNodeFlapping, Urgency: galen.Medium, Since: now, Began: map[string]time.Time{}}
				words := make([]string, 0, len(nodes))
				for _, n := range nodes {
					f.Began[n.HostID] = since[n.HostID]
					if since[n.HostID].Before(f.Since) {
						f.Since = since[n.HostID]
					}
					words = append(words, fmt.Sprintf("%s went down or came back %d times within %s, last at %s", cassandra.Title(n), n.FlipsWithin(p.FlapWindow.D()), p.FlapWindow, n.LastFlip().UTC().Format(time.TimeOnly)))
				}
				f.Why = fmt.Sprintf("in %s: %s; from %d times on it is flapping", domain, strings.Join(words, ", "), p.FlapFlips)
				return f
			})
		},
	}
}
