// Package runbooks holds the runbooks, one per file, kind first: pure functions from a Situation to a Plan. [All] is
// the list; README.md is the contract for the next one.
package runbooks

import "github.com/galenhq/galen"

// All are the runbooks in the order in which they are shown.
func All() []galen.ListedRunbook {
	return []galen.ListedRunbook{
		galen.ListRunbook(CassandraHealNode()),      // whatever brings a dead or frozen node back, mildest first
		galen.ListRunbook(CassandraReplaceNode()),   // a dead node's place goes to an empty instance, on request
		galen.ListRunbook(CassandraRestartNode()),   // a healthy node is drained, stopped and started, on request
		galen.ListRunbook(CassandraTuneStreaming()), // streams run faster for a while, on request
		galen.ListRunbook(CassandraPayUndo()),       // what an ended run still owes is put back
	}
}
