package ringd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// optionsEnv carries the options of a ring process; a process that finds it is one.
const optionsEnv = "GALEN_RINGD"

// MaybeServe turns this process into a ring process, and does not return, if it was started as one. Call it first in
// TestMain or main of every program that calls [Start].
func MaybeServe() {
	text, ok := os.LookupEnv(optionsEnv)
	if !ok {
		return
	}
	if err := serveHere(text); err != nil {
		fmt.Fprintln(os.Stderr, "ring process:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveHere says its URL on standard output, and serves until standard input breaks: then its starter is gone.
func serveHere(text string) error {
	o, err := galen.Decode[Options]([]byte(text))
	if err != nil {
		return fmt.Errorf("options: %w", err)
	}
	var listen net.ListenConfig
	stop, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := listen.Listen(stop, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that counts
	}()
	fmt.Printf("http://%s\n", l.Addr())
	return serve(stop, l, o)
}

// Process is a ring process of ours.
type Process struct {
	*Driver
	// URL for [Connect] in another process.
	URL string
	// Log of accepted calls, see [Options].
	Log string

	cmd  *exec.Cmd
	pipe io.WriteCloser
}

// Start starts a ring process from this program's own binary, which calls [MaybeServe]. It ends by Close, or when this
// program ends, however it does.
func Start(ctx context.Context, o Options) (*Process, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("start a ring process: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start a ring process: %w", err)
	}
	cmd := exec.Command(self) // no context: it lives until Close, not until the end of the start
	cmd.Env = append(os.Environ(), optionsEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a ring process: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a ring process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a ring process: %w", err)
	}
	p := &Process{Log: o.Log, cmd: cmd, pipe: in}
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n') // an error leaves the line without its end
		said <- line
	}()
	select {
	case line := <-said:
		url, whole := strings.CutSuffix(line, "\n")
		if whole {
			p.URL, p.Driver = url, Connect(url)
			return p, nil
		}
		return nil, errors.Join(fmt.Errorf("the ring process ended before it served: does this program call ringd.MaybeServe first?"), p.Close())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("start a ring process: %w", ctx.Err()), p.Close())
	}
}

// Close ends the process.
func (p *Process) Close() error {
	if p.Driver != nil {
		p.client.CloseIdleConnections()
	}
	if err := p.pipe.Close(); err != nil {
		return fmt.Errorf("end the ring process: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("end the ring process: %w", err)
		}
		return nil
	case <-time.After(10 * time.Second):
		return errors.Join(errors.New("the ring process did not end by itself"), p.cmd.Process.Kill(), <-ended)
	}
}

// Accepted reads the log of calls that had an effect, oldest first. A file that is not there yet holds none.
func Accepted(log string) ([]ring.Call, error) {
	b, err := os.ReadFile(log)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("log of calls: %w", err)
	}
	var out []ring.Call
	for line := range bytes.Lines(b) {
		c, err := galen.Decode[ring.Call](line)
		if err != nil {
			return out, fmt.Errorf("log of calls, line %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	return out, nil
}
