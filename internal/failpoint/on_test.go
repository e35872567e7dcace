//go:build failpoint

package failpoint

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
)

const child = "GALEN_FAILPOINT_CHILD"

func TestMain(m *testing.M) {
	if _, is := os.LookupEnv(child); is {
		At(Committed, "stop")
		At(Committed, "start")
		At(Committed, "start")
		time.Sleep(time.Second)
		os.Exit(3)
	}
	os.Exit(m.Run())
}

// obeyed runs a child with an order and returns how it ended.
func obeyed(t *testing.T, o Order) (*exec.Cmd, []Passage) {
	t.Helper()
	o.Trace = filepath.Join(t.TempDir(), "trace")
	env, err := Env(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"=1", env)
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) {
		t.Fatal(err)
	}
	passed, err := Trace(o.Trace)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, passed
}

func TestAProcessDiesWhereItIsTold(t *testing.T) {
	all := []Passage{{At: Committed, Of: "stop"}, {At: Committed, Of: "start"}, {At: Committed, Of: "start"}}
	dies := func(n int) []Passage {
		out := append([]Passage(nil), all[:n]...)
		out[n-1].Signal = Kill
		return out
	}
	for name, c := range map[string]struct {
		order  Order
		killed bool
		want   []Passage
	}{
		"nowhere":              {Order{}, false, all},
		"at another point":     {Order{At: Called, Of: "start", Signal: Kill}, false, all},
		"of another verb":      {Order{At: Committed, Of: "kill", Signal: Kill}, false, all},
		"the first time":       {Order{At: Committed, Of: "start", Signal: Kill}, true, dies(2)},
		"the second time":      {Order{At: Committed, Of: "start", Nth: 2, Signal: Kill}, true, dies(3)},
		"a moment later":       {Order{At: Committed, Of: "start", Nth: 2, After: galen.Duration(50 * time.Millisecond), Signal: Kill}, true, dies(3)},
		"the third of two":     {Order{At: Committed, Of: "start", Nth: 3, Signal: Kill}, false, all},
		"only a trace is kept": {Order{At: Committed, Of: "start"}, false, all},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, passed := obeyed(t, c.order)
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if killed := status.Signaled() && status.Signal() == syscall.SIGKILL; killed != c.killed {
				t.Errorf("ended with %s", cmd.ProcessState)
			}
			if d := cmp.Diff(c.want, passed); d != "" {
				t.Error(d)
			}
		})
	}
}
