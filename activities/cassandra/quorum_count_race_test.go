//go:build race && !mutation && !exhaustive

package cassandra_test

// How many random rings the tests draw: few, the race detector is slow and these tests have no goroutines.
const (
	drawnRings   = 500
	drawnAnswers = 150
)
