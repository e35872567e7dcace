package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// hangsUpEnv makes a process of this program one that says it is ready, hangs up on the first question, and then dies or lives on.
const hangsUpEnv = "GALEN_HANGS_UP"

const (
	diesLater = "dies later" // as a process does that kills itself: its connections go first
	livesOn   = "lives on"
)

// maybeHangUp does so, and does not return, if this process was started for it.
func maybeHangUp() {
	how := os.Getenv(hangsUpEnv)
	if how == "" {
		return
	}
	if err := hangUp(how); err != nil {
		fmt.Fprintln(os.Stderr, "hang up:", err)
		os.Exit(1)
	}
}

func hangUp(how string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("ready in 0 ms  api http://%s\n", l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		if err := errors.Join(err, conn.Close()); err != nil {
			return err
		}
		if how == diesLater {
			time.AfterFunc(200*time.Millisecond, func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }) // nobody would hear the error
		}
	}
}

// TestAnAnswerThatIsLost: an engine that dies as it was told may owe the answer to what it died of, however long its death takes
// after its connections. Who dies without an order, or lives on and gives no answer, is at fault.
func TestAnAnswerThatIsLost(t *testing.T) {
	kill := &failpoint.Order{At: failpoint.Opened, Signal: failpoint.Kill}
	for _, c := range []struct {
		how   string
		order *failpoint.Order
		fault bool
	}{
		{diesLater, kill, false},
		{diesLater, nil, true},
		{livesOn, kill, true},
	} {
		t.Run(fmt.Sprintf("%s/ordered %v", c.how, c.order != nil), func(t *testing.T) {
			t.Setenv(hangsUpEnv, c.how)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			s := hungUp(ctx, t, c.order)
			err := request(ctx, s, "cassandra/restart-node", nil)
			if (err != nil) != c.fault {
				t.Fatalf("a fault: %v, want %v: %v", err != nil, c.fault, err)
			}
			if c.fault && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the fault is not told: %v", err)
			}
			if dead, err := s.Engine.Dead(); err != nil || !c.fault && !dead {
				t.Errorf("dead %v: %v", dead, err)
			}
		})
	}
}

// hungUp is a stage without a ring whose engine hangs up on its first question.
func hungUp(ctx context.Context, t *testing.T, o *failpoint.Order) *victim.Stage {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "token"), []byte("secret"), 0o600))
	s := &victim.Stage{TraceFile: filepath.Join(dir, "trace.jsonl"), Engine: &engine.Engine{
		Binary: self, Config: filepath.Join(dir, "galen.yaml"), Data: dir, Log: filepath.Join(dir, "log"),
	}}
	must(t, start(ctx, s, o))
	t.Cleanup(func() { must(t, s.End()) })
	return s
}

// TestResumesLate: the limit follows how busy the machine is, as the engine's own start shows it; who hangs is late all the same.
func TestResumesLate(t *testing.T) {
	for _, c := range []struct {
		after, ready time.Duration
		late         bool
	}{
		{9 * time.Second, 500 * time.Millisecond, false},
		{11 * time.Second, 500 * time.Millisecond, true},
		{24 * time.Second, 9 * time.Second, false},
		{40 * time.Second, 9 * time.Second, true},
	} {
		if r := (resume{c.after, c.ready}); r.late() != c.late {
			t.Errorf("%s: late %v, want %v", r, r.late(), c.late)
		}
	}
}
