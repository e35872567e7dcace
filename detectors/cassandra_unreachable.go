package detectors

import (
	"fmt"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// unheardFor is how long nobody may say that a node is good before it is told: a look that an outage of the engine's own
// network spoils is no news.
const unheardFor = 30 * time.Second

// CassandraUnreachable notes nodes of which nobody says that they are good and too few can say that they are down: the engine
// is cut off, or all is gone, hosts included. A ring of which no node was ever heard is told at once: its configuration is
// likely wrong. A note, for who sees nothing must touch nothing.
func CassandraUnreachable() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra unreachable",
		Codes: []galen.Code{cassandra.CodeUnreachable},
		Detect: func(now time.Time, r cassandra.Ring, _ galen.Policy) []galen.Finding {
			if len(r.Nodes) == 0 {
				return neverHeard(r)
			}
			var nodes []cassandra.Node
			for _, n := range r.Nodes {
				if !n.UnheardSince.IsZero() && now.Sub(n.UnheardSince) >= unheardFor && n.Status != cassandra.Joining {
					nodes = append(nodes, n)
				}
			}
			return byDomain(r, nodes, func(_ string, nodes []cassandra.Node) galen.Finding {
				f := galen.Finding{Code: cassandra.CodeUnreachable, Urgency: galen.High, Note: true, Since: now}
				var words []string
				for _, n := range nodes {
					if n.UnheardSince.Before(f.Since) {
						f.Since = n.UnheardSince
					}
					words = append(words, cassandra.Title(n)+": "+unheard(n.Observations))
				}
				f.Why = "nobody says that it is good, nor can say that it is down: " + strings.Join(words, "; ") + ". Galen cannot see it and does nothing: look at the network, the hosts, and the addresses in the configuration"
				return f
			})
		},
	}
}

// neverHeard is a ring whose nodes nobody has ever told of.
func neverHeard(r cassandra.Ring) []galen.Finding {
	f := galen.Finding{Resource: r.Resource(), Domain: "unknown", Code: cassandra.CodeUnreachable, Urgency: galen.High, Note: true, Since: r.At, Evidence: []galen.Observation{}}
	var words []string
	for _, i := range r.Instances {
		if i.Vacant() {
			continue
		}
		f.Targets = append(f.Targets, i.Target())
		if v, asked := r.View(i.Name); asked {
			words = append(words, fmt.Sprintf("%s: jolokia %s, cql %s", i.Name, v.Jolokia, v.CQL))
		}
	}
	if len(f.Targets) == 0 {
		return nil // spares alone
	}
	f.Why = "no node has ever told of the ring (" + strings.Join(words, "; ") + "): look at the nodes, and at their addresses in the configuration"
	return []galen.Finding{f}
}

// unheard is what was said instead of good.
func unheard(said []galen.Observation) string {
	if len(said) == 0 {
		return "nobody was asked"
	}
	var words []string
	for _, o := range said {
		words = append(words, o.Observer+" "+string(o.Says))
	}
	return strings.Join(words, ", ")
}
