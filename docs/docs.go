// Package docs holds what people read. What the command line tells of it is embedded, so that there is one text.
package docs

import _ "embed"

// Safety is the page of the invariants: a row of its table begins "| I-02 |", with promise, place, number and tests.
//
//go:embed safety.md
var Safety string

// Cassandra is the page of the kind: a row of its table of what Galen finds begins "| `node-down` |", with what it is and what follows.
//
//go:embed cassandra.md
var Cassandra string

// Glossary is the page of the words: a row of its table of how a run stands begins "| `held` |", with what it means.
//
//go:embed glossary.md
var Glossary string
