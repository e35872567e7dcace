// Package process proves with real processes that an engine which is killed anywhere goes on where it was: the whole
// engine with its embedded Temporal server over the simulated ring, which outlives it and logs each call it accepted.
package process

import (
	"flag"
	"os"
	"testing"

	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
)

func TestMain(m *testing.M) {
	maybeHangUp()
	victim.MaybeServe()
	ringd.MaybeServe()
	flag.String("points", "sample", "where TestDiesAtEachPoint kills the engine: sample, all or a slice such as 2/5")
	flag.Bool("record", false, "write the histories that package workflows replays")
	os.Exit(m.Run())
}
