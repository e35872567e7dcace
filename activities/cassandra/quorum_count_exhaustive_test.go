//go:build exhaustive

package cassandra_test

// How many random rings the tests draw: make quorum.
const (
	drawnRings   = 100_000
	drawnAnswers = 100_000
)
