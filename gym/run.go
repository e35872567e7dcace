package gym

import (
	"runtime"
	"slices"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/runbooks"
)

// runIncidents is how many incidents [Run] plays: what a test can wait for.
const runIncidents = 60

// Run lets a runbook face incidents beside those that the product lists; one of the same name takes the listed one's place,
// and it is asked first of all. The test fails with the seed, the shortest story and the command that plays it again.
func Run(t *testing.T, rb galen.ListedRunbook) Report {
	t.Helper()
	listed := slices.DeleteFunc(runbooks.All(), func(o galen.ListedRunbook) bool { return o.Name == rb.Name })
	return train(t, Options{Engine: Engine{Runbooks: append([]galen.ListedRunbook{rb}, listed...)}, Seed: 1, N: runIncidents})
}

func train(t *testing.T, o Options) Report {
	t.Helper()
	o.Workers = runtime.NumCPU()
	report, err := Train(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Failures) > 0 {
		t.Errorf("%d of %d incidents broke an invariant:\n%s", len(report.Failures), report.N, report.Told())
	}
	t.Log("\n" + report.String())
	return report
}
