package contract

import (
	"flag"
	"os"
	"testing"

	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
)

func TestMain(m *testing.M) {
	victim.MaybeServe()
	ringd.MaybeServe()
	flag.Int("examples", 8, "how many calls Schemathesis makes of each operation, in each phase")
	flag.Int("seed", 1, "from which it makes them")
	os.Exit(m.Run())
}
