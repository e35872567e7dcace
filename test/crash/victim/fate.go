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
	"github.com/galenhq/galen/test/ringd"
)

// Point is where an engine can die.
type Point string

// The points, in the order of a step's life.
const (
	// AfterDecide: the plan with the step is in the journal, its intent is not.
	AfterDecide Point = "after decide"
	// AfterIntent: the intent is committed, the call is not made.
	AfterIntent Point = "after intent"
	// AfterCall: the call had its effect, its outcome is not recorded.
	AfterCall Point = "after call"
	// Waiting: the outcome is recorded, the effect is not settled; where it takes time, it is known to be under way.
	Waiting Point = "waiting"
	// Joining and Streaming: a new node takes a place.
	Joining   Point = "joining"
	Streaming Point = "streaming"
)

// Die names one moment of one life.
type Die struct {
	Point Point  `json:"point"`
	Verb  string `json:"verb"`
}

// Line is one line of a victim's trace.
type Line struct {
	At time.Time `json:"at"`
	// What: look (At is its end, Began its start), decide (a runbook was asked), do (a call begins) or die.
	What  string    `json:"what"`
	Began time.Time `json:"began,omitzero"`
	// Down are the nodes that a look shows down.
	Down []string `json:"down,omitempty"`
	Verb string   `json:"verb,omitempty"`
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

// fate is where the process dies, and the trace of its life.
type fate struct {
	die   Die
	verbs map[string]galen.Verb[cassandra.Ring]

	mu      sync.Mutex
	trace   *os.File
	planned string // verb of the first step of the newest plan
}

func newFate(o Options) (*fate, error) {
	f := &fate{verbs: map[string]galen.Verb[cassandra.Ring]{}}
	if o.Die != nil {
		f.die = *o.Die
	}
	for _, v := range cassandra.Verbs() {
		f.verbs[v.Name] = v
	}
	var err error
	if f.trace, err = os.OpenFile(o.Trace, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return f, nil
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

// at is called at a point of a step.
func (f *fate) at(p Point, verb string) {
	if f.die.Point == p && f.die.Verb == verb {
		f.tell(Line{At: time.Now().UTC(), What: "die", Verb: verb})
		die()
	}
}

// runbook notes what is planned next.
func (f *fate) runbook(rb galen.ListedRunbook) galen.ListedRunbook {
	decide := rb.Decide
	rb.Decide = func(s galen.Situation[galen.State, json.RawMessage]) (galen.Plan, error) {
		p, err := decide(s)
		verb := ""
		if len(p.Steps) > 0 {
			verb = p.Steps[0].Verb
		}
		f.tell(Line{At: time.Now().UTC(), What: "decide", Verb: verb})
		f.mu.Lock()
		defer f.mu.Unlock()
		f.planned = verb
		return p, err
	}
	return rb
}

// driver is the ring process seen by an engine that may die at each look and call.
type driver struct {
	ring *ringd.Driver
	fate *fate
}

// Look as the ring process does. Only the gate looks with a scope, and it looks first of all: after the decision.
func (d driver) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	f := d.fate
	if len(scope) > 0 {
		f.mu.Lock()
		planned := f.planned
		f.mu.Unlock()
		f.at(AfterDecide, planned)
	}
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
	}
	f.tell(line)
	for _, in := range open {
		f.seen(seen, in)
	}
	return seen, nil
}

// seen dies of what a look shows of an intent whose outcome is recorded.
func (f *fate) seen(r cassandra.Ring, in galen.Intent) {
	if in.Sent == "" {
		return
	}
	verb := in.Step.Verb
	if in.Effect.Status == galen.EffectUnderWay || f.verbs[verb].Effect(r, in).Settled() {
		f.at(Waiting, verb)
	}
	args, err := galen.Decode[cassandra.ReplaceArgs](in.Step.Args)
	if err != nil {
		return // not a replacement
	}
	if v, asked := r.View(args.Instance); asked && v.Mode == "JOINING" {
		f.at(Joining, verb)
		if v.Streams > 0 {
			f.at(Streaming, verb)
		}
	}
}

// Do makes the call.
func (d driver) Do(ctx context.Context, in galen.Intent) (string, error) {
	d.fate.at(AfterIntent, in.Step.Verb)
	d.fate.tell(Line{At: time.Now().UTC(), What: "do", Verb: in.Step.Verb})
	reply, err := d.ring.Do(ctx, in)
	d.fate.at(AfterCall, in.Step.Verb)
	return reply, err
}
