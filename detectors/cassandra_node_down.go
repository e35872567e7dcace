package detectors

import (
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// CassandraNodeDown finds nodes of the token map that every observer calls down and whose process does not hang: it is
// gone, or on its way up. It speaks of host IDs, never of failure-detector endpoints: a replaced address stays DOWN
// there for days.
func CassandraNodeDown() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra node down",
		Codes: []galen.Code{cassandra.CodeNodeDown},
		Detect: func(now time.Time, r cassandra.Ring, p galen.Policy) []galen.Finding {
			var nodes []cassandra.Node
			for _, n := range down(now, r, p) {
				if !n.Frozen {
					nodes = append(nodes, n)
				}
			}
			return byDomain(r, nodes, func(domain string, nodes []cassandra.Node) galen.Finding {
				return galen.Finding{
					Code: cassandra.CodeNodeDown, Urgency: urgency(r), Since: sinceDown(nodes),
					Why: fmt.Sprintf("%s in %s: down for all of %s", titles(nodes), domain, accusers(nodes)),
				}
			})
		},
	}
}

func titles(nodes []cassandra.Node) string {
	words := make([]string, 0, len(nodes))
	for _, n := range nodes {
		words = append(words, cassandra.Title(n))
	}
	return strings.Join(words, ", ")
}

// accusers names who calls the nodes bad.
func accusers(nodes []cassandra.Node) string {
	var words []string
	for _, n := range nodes {
		words = append(words, strings.Join(cassandra.SaysBad(n), ", "))
	}
	return strings.Join(words, "; ")
}
