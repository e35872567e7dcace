package crash

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // hundreds of short lives leave much garbage; a fifth of the time was spent on it
	os.Exit(m.Run())
}
