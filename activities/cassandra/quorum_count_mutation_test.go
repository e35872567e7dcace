//go:build mutation && !exhaustive

package cassandra_test

// How many random rings the tests draw for each mutant: those that die, die early.
const (
	drawnRings   = 800
	drawnAnswers = 400
)
