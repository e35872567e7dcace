package alerting

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/ringd"
)

func TestMain(m *testing.M) {
	victim.MaybeServe()
	ringd.MaybeServe()
	lab.MaybeGuardian()
	os.Exit(m.Run())
}

// repository is its root, seen from here.
const repository = "../.."

// program is one that build/setup prometheus has unpacked.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(repository, ".cache", "prometheus", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v: run build/setup prometheus", err)
	}
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freeAddress is one of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}

// server is a child process that answers on HTTP, and ends with the test.
type server struct{ address, log string }

// startServer starts a program and waits until it says that it is ready.
func startServer(ctx context.Context, t *testing.T, address, name string, args ...string) server {
	t.Helper()
	s := server{address: address, log: filepath.Join(t.TempDir(), name+".log")}
	out, err := os.Create(s.log)
	must(t, err)
	cmd := exec.Command(program(t, name), args...)
	cmd.Dir = program(t, "../templates") // where build/setup lets Alertmanager look for its own
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	must(t, out.Close())
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("%s ended by itself: %v:\n%s", name, err, engine.Tail(s.log, 20))
		}
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s said:\n%s", name, engine.Tail(s.log, 20))
		}
	})
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s.await(ctx, t, name+" is ready", "/-/ready", func(string) bool { return true })
	return s
}

// await asks every 100 ms until an answer with status 200 holds.
func (s server) await(ctx context.Context, t *testing.T, what, path string, holds func(body string) bool) {
	t.Helper()
	last := ""
	await(ctx, t, what, func() (bool, string) {
		last = s.get(ctx, path)
		body, ok := strings.CutPrefix(last, "200 ")
		return ok && holds(body), last
	})
}

// await asks every 100 ms.
func await(ctx context.Context, t *testing.T, what string, holds func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, last := holds()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited until %s: %v; it is %.2000s", what, ctx.Err(), last)
		case <-tick.C:
		}
	}
}

// get is the status and the body of an answer, or why there is none.
func (s server) get(ctx context.Context, path string) string {
	return call(ctx, http.MethodGet, "http://"+s.address+path, nil)
}

func call(ctx context.Context, method, url string, body []byte) string {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", res.StatusCode, b)
}
