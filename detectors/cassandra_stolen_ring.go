package detectors

import (
	"fmt"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// CassandraStolenRing finds NORMAL nodes that own nothing: a node that had been replaced was started again and took its
// tokens back. No view shows an error and all peers agree, so this is the only sign. No runbook heals it: which of the
// two copies of the data is the right one is for a person to say.
func CassandraStolenRing() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra stolen ring",
		Codes: []galen.Code{cassandra.CodeStolenRing},
		Detect: func(_ time.Time, r cassandra.Ring, _ galen.Policy) []galen.Finding {
			var robbed []cassandra.Node
			for _, n := range r.Stolen() {
				if !n.Down {
					robbed = append(robbed, n)
				}
			}
			return byDomain(r, robbed, func(domain string, nodes []cassandra.Node) galen.Finding {
				return galen.Finding{
					Code: cassandra.CodeStolenRing, Urgency: galen.Critical, Since: r.At,
					Why: fmt.Sprintf("%s in %s: UP and NORMAL, and owns no token; a node that it replaced has come back", titles(nodes), domain),
				}
			})
		},
	}
}
