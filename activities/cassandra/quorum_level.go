package cassandra

import (
	"errors"
	"fmt"
	"strings"

	"github.com/galenhq/galen"
)

// level is a consistency level.
type level struct {
	name string
	// local: counted in each data centre by itself.
	local bool
	// each: every data centre of the keyspace must have it, one without nodes too.
	each bool
	of   func(rf int) int
	kind levelKind
}

// levelKind is how a level counts replicas that are pending.
type levelKind int

const (
	waits  levelKind = iota // a write waits for its level, and for every pending replica besides
	serial                  // paxos counts all participants alike, and refuses more than one pending
	hinted                  // a hint on the coordinator is enough
)

// levelOf knows a level by its name.
func levelOf(name string) (level, bool) {
	lv, known := levels()[name]
	lv.name = name
	return lv, known
}

// CheckPolicy tells the consistency levels of a policy that Cassandra does not know: with such a one no step would pass.
func CheckPolicy(p galen.Policy) error {
	var errs []error
	check := func(field string, names []string) {
		for _, name := range names {
			if _, known := levelOf(name); !known {
				errs = append(errs, fmt.Errorf("%s: Cassandra has no consistency level %q; it is one of %s", field, name, strings.Join(sortedKeys(levels()), ", ")))
			}
		}
	}
	check("levels", p.Levels)
	for _, keyspace := range sortedKeys(p.KeyspaceLevels) {
		check("keyspace_levels."+keyspace, p.KeyspaceLevels[keyspace])
	}
	return errors.Join(errs...)
}

// levels are those of Cassandra (org.apache.cassandra.db.ConsistencyLevel) by name.
func levels() map[string]level {
	constant := func(n int) func(int) int { return func(int) int { return n } }
	quorum := func(rf int) int { return rf/2 + 1 }
	return map[string]level{
		"ANY":          {of: constant(0), kind: hinted},
		"ONE":          {of: constant(1)},
		"TWO":          {of: constant(2)},
		"THREE":        {of: constant(3)},
		"QUORUM":       {of: quorum},
		"ALL":          {of: func(rf int) int { return rf }},
		"SERIAL":       {of: quorum, kind: serial},
		"LOCAL_ONE":    {of: constant(1), local: true},
		"LOCAL_QUORUM": {of: quorum, local: true},
		"LOCAL_SERIAL": {of: quorum, local: true, kind: serial},
		"EACH_QUORUM":  {of: quorum, local: true, each: true},
	}
}

// needed replicas of a range: rf by the setting, natural as many as there are, pending ones besides.
func (lv level) needed(rf, natural, pending int) int {
	switch {
	case lv.kind == hinted:
		return 0
	case lv.kind == serial && pending > 1:
		return natural + pending + 1
	case lv.kind == serial:
		return lv.of(natural + pending)
	default:
		return lv.of(rf) + pending
	}
}
