package arch

// row says what one package may import. A pattern is a folder of this repository ("." is the root), an import path of
// another module, or either with "/..." for everything below it too; "..." alone is everything.
type row struct {
	may   []string // what its files may import from this repository and from other modules
	tests []string // what its tests may import besides; the package itself and testLibraries always
	std   standard // which part of the standard library; its tests may use all of it
}

// standard is a part of the standard library.
type standard int

const (
	pure   standard = iota // no I/O, no chance, no logging: see impure
	anyStd                 // all of it
)

// impure lists what a pure package may not import from the standard library, and pureAnyway the exceptions.
func impure() []string {
	return []string{
		"C", "crypto/rand", "database/...", "debug/...", "expvar", "io/ioutil", "log/...", "math/rand/...", "net/...",
		"os/...", "path/filepath", "plugin", "syscall/...", "testing/...", "unsafe",
	}
}

func pureAnyway() []string { return []string{"net/netip", "net/url"} }

// testLibraries may be imported by every test.
func testLibraries() []string {
	return []string{"github.com/google/go-cmp/...", "pgregory.net/rapid", "go.uber.org/goleak"}
}

// temporal is what the engine's own packages may see of Temporal.
const (
	temporalWorkflow = "go.temporal.io/sdk/workflow"
	temporalActivity = "go.temporal.io/sdk/activity"
	temporalErrors   = "go.temporal.io/sdk/temporal"
	temporalSDK      = "go.temporal.io/sdk/..."
	temporalAPI      = "go.temporal.io/api/..."
)

// table is design section 6. A package that is not here, and a row without a package, both fail the build.
func table() map[string]row {
	kinds := []string{".", "activities/cassandra", "activities/fake"}
	return map[string]row{
		// The words, and what is pure over them.
		".":                    {},
		"activities/cassandra": {may: []string{"."}, tests: []string{"activities/kindtest", "activities/cassandra/ring"}},
		"detectors":            {may: kinds, tests: []string{"activities/kindtest", "activities/cassandra/ring"}},
		"runbooks":             {may: kinds, tests: []string{"activities/kindtest", "activities/cassandra/ring", "gym"}}, // from package runbooks_test: gym imports runbooks

		// Doubles and contracts for tests, usable outside of them too.
		"activities/kindtest": {may: append(testLibraries(), "."), tests: []string{"activities/fake"}, std: anyStd},
		"activities/fake":     {may: []string{"."}, tests: []string{"activities/kindtest"}},

		// The drivers.
		"activities/cassandra/ring": {
			may:   []string{".", "activities/cassandra"},
			tests: []string{"activities/kindtest"},
		},
		"activities/cassandra/live": {
			may: []string{
				".", "activities/cassandra", "activities/cassandra/live/jolokia", "activities/cassandra/live/cql",
				"activities/cassandra/live/process",
			},
			tests: []string{"activities/kindtest"},
			std:   anyStd,
		},
		"activities/cassandra/live/jolokia": {may: []string{".", "activities/cassandra"}, std: anyStd},
		"activities/cassandra/live/cql": {
			may: []string{".", "activities/cassandra", "github.com/gocql/gocql"}, std: anyStd,
		},
		"activities/cassandra/live/process": {
			may: []string{".", "activities/cassandra", "go.yaml.in/yaml/v3"}, std: anyStd,
		},

		// The engine.
		"activities": {
			may:   []string{".", "internal/gate", "internal/failpoint", temporalActivity, temporalErrors},
			tests: []string{"activities/fake", "activities/cassandra/...", "internal/journal", temporalSDK},
			std:   anyStd,
		},
		"workflows": {
			may:   []string{".", "activities", temporalWorkflow, temporalErrors},
			tests: []string{"activities/fake", temporalSDK, temporalAPI},
		},
		// Empty but in builds for tests, see there.
		"internal/failpoint": {may: []string{"."}, std: anyStd},
		"internal/gate":      {may: []string{".", "internal/failpoint"}, tests: []string{"activities/fake", "internal/journal"}, std: anyStd},
		"internal/advice":    {may: []string{".", "internal/gate"}, tests: []string{"activities/fake", "activities/cassandra", "activities/cassandra/ring"}},
		"internal/journal": {
			may: []string{".", "github.com/pressly/goose/v3/...", "modernc.org/sqlite/...", "modernc.org/libc", "github.com/jackc/pgx/v5/..."}, tests: []string{"internal/pgtest"}, std: anyStd,
		},
		"internal/oidc":     {may: []string{".", "github.com/coreos/go-oidc/v3/oidc"}, std: anyStd},
		"internal/schedule": {may: []string{".", "github.com/robfig/cron/v3"}, tests: []string{"internal/journal"}, std: anyStd},
		"internal/certtest": {std: anyStd},
		"internal/pgtest":   {may: []string{"github.com/jackc/pgx/v5/stdlib"}, std: anyStd},
		"internal/watch":    {may: []string{"."}, tests: []string{"activities/fake", "detectors"}, std: anyStd},
		"internal/temporal": {
			may: []string{".", "workflows", temporalSDK, temporalAPI, "google.golang.org/protobuf/..."},
			// Its tests stand in for the server.
			tests: []string{"google.golang.org/grpc/...", "internal/certtest"},
			std:   anyStd,
		},

		"internal/trace": {
			may: []string{"go.opentelemetry.io/otel/...", "go.temporal.io/sdk/contrib/opentelemetry", "go.temporal.io/sdk/interceptor"},
			// Its tests stand in for a collector.
			tests: []string{"google.golang.org/grpc/...", "go.opentelemetry.io/proto/..."},
			std:   anyStd,
		},

		// Incidents in virtual time; public, for an SRE's own tests. It puts a whole engine together, see decision 0008.
		"gym": {
			may: []string{
				".", "workflows", "activities", "activities/cassandra", "activities/cassandra/ring", "detectors", "runbooks",
				"internal/gate", "internal/watch", "internal/journal",
			},
			std: anyStd,
		},

		// The ways in.
		"docs":            {std: anyStd},
		"api":             {may: []string{".", "github.com/oapi-codegen/runtime/...", "go.yaml.in/yaml/v3"}, std: anyStd},
		"internal/config": {may: []string{".", "go.yaml.in/yaml/v3", "github.com/prometheus/alertmanager/pkg/labels"}, tests: []string{"internal/certtest"}, std: anyStd},
		"internal/alertmanager": {may: []string{
			"github.com/prometheus/alertmanager/api/v2/client/silence", "github.com/prometheus/alertmanager/api/v2/models", "github.com/go-openapi/runtime/client", "github.com/go-openapi/strfmt",
		}, std: anyStd},
		"internal/intake": {may: []string{".", "github.com/go-json-experiment/json/..."}, std: anyStd},
		"internal/http": {
			may: []string{".", "api", "github.com/prometheus/client_golang/...", "golang.org/x/time/rate"}, std: anyStd,
		},

		// What puts it together. "All below cmd": app sees everything but cmd and test, held by belowCmd.
		"app":                {may: []string{"..."}, std: anyStd},
		"cmd/galen":          {may: []string{"..."}, std: anyStd},
		"cmd/galen/embedded": {may: []string{"..."}, std: anyStd},

		// What crosses packages.
		"test/lab":              {may: []string{"..."}, std: anyStd},
		"test/lab/client":       {may: []string{"..."}, std: anyStd},
		"test/ringd":            {may: []string{"..."}, std: anyStd},
		"test/schema":           {tests: []string{"..."}, std: anyStd},
		"test/contract":         {tests: []string{"..."}, std: anyStd},
		"test/alerting":         {tests: []string{"..."}, std: anyStd},
		"test/race":             {tests: []string{"..."}, std: anyStd},
		"test/temporal":         {tests: []string{"..."}, std: anyStd},
		"test/crash":            {may: []string{"..."}, std: anyStd},
		"test/storm":            {may: []string{"..."}, std: anyStd},
		"test/figures":          {may: []string{"..."}, std: anyStd},
		"test/crash/victim":     {may: []string{"..."}, std: anyStd},
		"test/crash/process":    {may: []string{"..."}, std: anyStd},
		"test/engine":           {may: []string{"..."}, std: anyStd},
		"test/demo":             {may: []string{"..."}, std: anyStd},
		"test/record":           {may: []string{"..."}, std: anyStd},
		"test/record/placement": {may: []string{"test/lab"}, std: anyStd},
		"test/mutation":         {std: anyStd},
		"test/login":            {tests: []string{"..."}, std: anyStd},
		"test/real":             {may: []string{"..."}, std: anyStd},

		"internal/arch": {std: anyStd},
	}
}
