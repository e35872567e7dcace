package detectors

import (
	"fmt"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// CassandraNodeFrozen finds nodes that every observer calls down while their process exists: stopped by a signal, or
// alive with open ports and without an answer. A start alone cannot help them. The finding stays until the node is back,
// also when the process was killed meanwhile: it is one trouble, for one run.
func CassandraNodeFrozen() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra node frozen",
		Codes: []galen.Code{cassandra.CodeNodeFrozen},
		Detect: func(now time.Time, r cassandra.Ring, p galen.Policy) []galen.Finding {
			var nodes []cassandra.Node
			for _, n := range down(now, r, p) {
				if n.Frozen {
					nodes = append(nodes, n)
				}
			}
			return byDomain(r, nodes, func(domain string, nodes []cassandra.Node) galen.Finding {
				return galen.Finding{
					Code: cassandra.CodeNodeFrozen, Urgency: urgency(r), Since: sinceDown(nodes),
					Why: fmt.Sprintf("%s in %s: its process hung; down for %s", titles(nodes), domain, accusers(nodes)),
				}
			})
		},
	}
}
