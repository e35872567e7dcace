package journal

// table is a table as every store of the journal has it. The migrations of SQLite and PostgreSQL say the same in their
// own words, held by a test; the store in memory has nothing but this.
type table struct {
	name    string
	columns []string
	key     []string // identifies a row
	counts  string   // the column that the store numbers by itself, in the order of insertion
	unique  []index
	lookup  [][]string // columns by which rows are often asked for, beside key and unique
}

// index is a set of columns; with only, of the rows alone in which that column has the value is.
type index struct {
	columns []string
	only    string
	is      int64
}

// tables lists all tables, parents first where one needs the other to make sense.
func tables() []table {
	id := []index{{columns: []string{"id"}}}
	run, resource := []string{"run"}, []string{"resource"}
	return []table{
		{name: "chain", columns: []string{"one", "events", "head"}, key: []string{"one"}},
		{name: "epoch", columns: []string{"one", "number", "armed", "why", "runs", "by", "at"}, key: []string{"one"}},
		{name: "owner", columns: []string{"one", "engine"}, key: []string{"one"}},
		{name: "identity", columns: []string{"one", "name"}, key: []string{"one"}},
		{name: "engines", columns: []string{"name", "until", "boot", "temporal"}, key: []string{"name"}},
		{name: "leases", columns: []string{"name", "holder", "until"}, key: []string{"name"}},
		{
			name: "events", columns: []string{"seq", "at", "resource", "run", "kind", "by", "body", "prev", "hash"},
			key: []string{"seq"}, lookup: [][]string{run, resource},
		},
		{name: "revisions", columns: []string{"name", "revision"}, key: []string{"name"}},
		{name: "resources", columns: []string{"resource", "policy", "by", "at"}, key: resource},
		{
			name: "runs", columns: []string{"n", "id", "key", "resource", "status", "open", "duplicates", "doc"}, key: []string{"n"}, counts: "n",
			unique: append(id, index{columns: []string{"key"}, only: "open", is: 1}), lookup: [][]string{resource, {"key"}},
		},
		{
			name: "plans", columns: []string{"run", "number", "hash", "answers", "count", "doc"},
			key: []string{"run", "number"}, lookup: [][]string{run},
		},
		{
			name: "intents", columns: []string{"n", "id", "run", "resource", "target", "at", "sent", "settled", "doc"}, key: []string{"n"}, counts: "n",
			unique: append(id, index{columns: []string{"resource", "target"}, only: "settled"}), lookup: [][]string{run, resource},
		},
		{
			name: "claims", columns: []string{"resource", "name", "run", "shared", "kept", "since"}, key: []string{"resource", "name", "run"},
			unique: []index{{columns: []string{"resource", "name"}, only: "shared"}}, lookup: [][]string{run, resource},
		},
		{
			name: "needs", columns: []string{"intent", "name", "resource", "run"},
			key: []string{"intent", "name"}, lookup: [][]string{{"intent"}, run, resource},
		},
		{name: "fences", columns: []string{"resource", "target", "fence"}, key: []string{"resource", "target"}, lookup: [][]string{resource}},
		{name: "spends", columns: []string{"budget", "run", "target", "resource", "at"}, key: []string{"budget", "run", "target"}},
		{name: "facts", columns: []string{"resource", "key", "doc"}, key: []string{"resource", "key"}, lookup: [][]string{resource}},
		{
			name: "approvals", columns: []string{"n", "id", "run", "state", "ended", "doc", "basis"}, key: []string{"n"}, counts: "n",
			unique: id, lookup: [][]string{run},
		},
		{name: "holds", columns: []string{"n", "id", "released", "doc"}, key: []string{"n"}, counts: "n", unique: id},
		{name: "tokens", columns: []string{"name", "hash", "doc"}, key: []string{"name"}, unique: []index{{columns: []string{"hash"}}}},
		{name: "schedules", columns: []string{"name", "doc"}, key: []string{"name"}},
		{name: "acks", columns: []string{"resource", "target", "by", "at"}, key: []string{"resource", "target"}, lookup: [][]string{resource}},
		{name: "refusals", columns: []string{"run", "step", "answers", "count", "last"}, key: []string{"run", "step"}},
		{name: "states", columns: []string{"hash", "resource", "basis", "at", "body"}, key: []string{"hash"}},
		{name: "folded", columns: []string{"resource", "basis", "at", "body"}, key: resource},
		{name: "findings", columns: []string{"key", "resource", "doc"}, key: []string{"key"}, lookup: [][]string{resource}},
		{name: "vitals", columns: []string{"resource", "slot", "minute", "body"}, key: []string{"resource", "slot"}, lookup: [][]string{resource}},
		{
			name: "alerts", columns: []string{"n", "id", "received", "done", "outcome", "duplicates", "doc", "state", "run", "resource"}, key: []string{"n"}, counts: "n",
			unique: id, lookup: [][]string{{"state"}},
		},
		{name: "outbox", columns: []string{"id", "kind", "run", "key", "urgency"}, key: []string{"id"}, counts: "id"},
	}
}
