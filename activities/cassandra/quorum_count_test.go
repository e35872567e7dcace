//go:build !race && !mutation && !exhaustive

package cassandra_test

// How many random rings the tests draw.
const (
	drawnRings   = 3000
	drawnAnswers = 1000
)
