// Package process proves with real processes that an engine which is killed anywhere goes on where it was: the whole
// engine with its embedded Temporal server over the simulated ring, which outlives it and logs each call it accepted.
package process

import (
	"os"
	"testing"

	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
)

func TestMain(m *testing.M) {
	victim.MaybeServe()
	ringd.MaybeServe()
	os.Exit(m.Run())
}
