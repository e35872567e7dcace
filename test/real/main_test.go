// Package real tests Galen against real Cassandra rings, one ring at a time.
package real

import (
	"os"
	"testing"

	"github.com/galenhq/galen/test/lab"
)

func TestMain(m *testing.M) {
	lab.MaybeGuardian()
	os.Exit(m.Run())
}
