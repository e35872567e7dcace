package detectors

import (
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// CassandraDataGone notes nodes whose process runs although their data are gone from their disk, on two looks or more: it goes on with the
// files that it has open, and would not start again. A note, for Galen replaces only the dead.
func CassandraDataGone() galen.Detector[cassandra.Ring] {
	return galen.Detector[cassandra.Ring]{
		Name:  "cassandra data gone",
		Codes: []galen.Code{cassandra.CodeDataGone},
		Detect: func(_ time.Time, r cassandra.Ring, _ galen.Policy) []galen.Finding {
			since := map[string]time.Time{}
			var nodes []cassandra.Node
			for _, n := range r.Nodes {
				if i, known := r.Instance(n.Instance); known && r.Emptied(n) && i.GoneLooks > 1 {
					since[n.HostID] = i.GoneSince
					nodes = append(nodes, n)
				}
			}
			return byDomain(r, nodes, func(_ string, nodes []cassandra.Node) galen.Finding {
				var words []string
				first := since[nodes[0].HostID]
				for _, n := range nodes {
					words = append(words, cassandra.Title(n))
					if since[n.HostID].Before(first) {
						first = since[n.HostID]
					}
				}
				return galen.Finding{
					Code: cassandra.CodeDataGone, Urgency: galen.High, Note: true, Since: first,
					Why: "no system/local sstable is on the disk of " + strings.Join(words, ", ") + ", whose process goes on with the files that it has open: " +
						"do not stop it while others of its ranges are down, for it would not start again; look who took the data away, or whether the folder is mounted",
				}
			})
		},
	}
}
