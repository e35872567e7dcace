package victim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/test/ringd"
)

// Points of a driver, beside those of the engine itself, see [failpoint.Point]: what a look shows of a new node.
const (
	Joining   failpoint.Point = "joining"
	Streaming failpoint.Point = "streaming"
)

// Line is one line of a victim's trace.
type Line struct {
	At time.Time `json:"at"`
	// What: look (At is its end, Began its start), decide (a runbook was asked) or do (a call begins).
	What  string    `json:"what"`
	Began time.Time `json:"began,omitzero"`
	// Down are the nodes that a look shows down.
	Down []string `json:"down,omitempty"`
	// Moving: it shows a node that is not NORMAL, so ranges move.
	Moving bool   `json:"moving,omitempty"`
	Verb   string `json:"verb,omitempty"`
}

// Trace reads the lines of all victims that wrote to a file; one that is not there yet holds none.
func Trace(file string) ([]Line, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	var out []Line
	for line := range bytes.Lines(b) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // still being written
		}
		l, err := galen.Decode[Line](line)
		if err != nil {
			return out, fmt.Errorf("trace, line %d: %w", len(out)+1, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// fate traces the life of the process, and tells its driver's failpoints.
type fate struct {
	mu    sync.Mutex
	trace *os.File
}

func newFate(o Options) (*fate, error) {
	trace, err := os.OpenFile(o.Trace, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return &fate{trace: trace}, nil
}

func (f *fate) tell(l Line) {
	text, err := json.Marshal(l)
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		_, err = f.trace.Write(append(text, '\n'))
	}
	if err != nil {
		panic(err) // a test without a trace proves nothing
	}
}

// runbook traces each decision.
func (f *fate) runbook(rb galen.ListedRunbook) galen.ListedRunbook {
	decide := rb.Decide
	rb.Decide = func(s galen.Situation[galen.State, json.RawMessage]) (galen.Plan, error) {
		p, err := decide(s)
		verb := ""
		if len(p.Steps) > 0 {
			verb = p.Steps[0].Verb
		}
		f.tell(Line{At: time.Now().UTC(), What: "decide", Verb: verb})
		return p, err
	}
	return rb
}

// driver is the ring process seen by an engine that may die at each look and call.
type driver struct {
	ring *ringd.Driver
	fate *fate
}

// Look as the ring process does.
func (d driver) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	f := d.fate
	began := time.Now().UTC()
	seen, err := d.ring.Look(ctx, r, scope, open)
	if err != nil {
		return seen, err
	}
	line := Line{At: time.Now().UTC(), Began: began, What: "look"}
	for _, n := range seen.Nodes {
		if n.Down {
			line.Down = append(line.Down, n.HostID)
		}
		line.Moving = line.Moving || n.Status != cassandra.Normal
	}
	f.tell(line)
	for _, in := range open {
		f.seen(seen, in)
	}
	return seen, nil
}

// seen tells what a look shows of a replacement whose outcome is recorded.
func (*fate) seen(r cassandra.Ring, in galen.Intent) {
	if in.Sent == "" || in.Step.Verb != cassandra.VerbReplace {
		return
	}
	args, err := galen.Decode[cassandra.ReplaceArgs](in.Step.Args)
	if err != nil {
		return // its check has refused it
	}
	if v, asked := r.View(args.Instance); asked && v.Mode == "JOINING" {
		failpoint.At(Joining, in.Step.Verb)
		if v.Streams > 0 {
			failpoint.At(Streaming, in.Step.Verb)
		}
	}
}

// Do makes the call.
func (d driver) Do(ctx context.Context, in galen.Intent) (string, error) {
	d.fate.tell(Line{At: time.Now().UTC(), What: "do", Verb: in.Step.Verb})
	return d.ring.Do(ctx, in)
}
