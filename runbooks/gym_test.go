package runbooks_test

import (
	"os"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/gym"
	"github.com/galenhq/galen/runbooks"
)

// TestHealNodeInTheGym: incidents whose end nobody wrote down. The gym's own tests play many more of them.
func TestHealNodeInTheGym(t *testing.T) {
	if os.Getenv(gym.IncidentsVariable) == "" {
		t.Setenv(gym.IncidentsVariable, "8")
	}
	gym.Run(t, galen.ListRunbook(runbooks.CassandraHealNode()))
}
