//go:build !failpoint

package failpoint

import (
	"os"
	"path/filepath"
	"testing"
)

// An engine that is not built for tests obeys no order, whatever its environment says.
func TestNoOrderIsObeyedInAnOrdinaryBuild(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	t.Setenv(Variable, `{"at":"committed","of":"start","signal":"kill","trace":"`+trace+`"}`)
	At(Committed, "start")
	if _, err := os.Stat(trace); !os.IsNotExist(err) {
		t.Errorf("a trace was written: %v", err)
	}
	if _, err := Env(Order{At: Committed, Trace: trace}); err == nil {
		t.Error("an order was made that nobody would obey")
	}
}
