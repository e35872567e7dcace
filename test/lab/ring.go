package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Ring is a running ring and its spares. Close ends it; if its process ends without that, the guardian does.
type Ring struct {
	Home string // folder of the ring
	Net  string // its network, as "127.64.0"
	Name string // cluster name

	started  int // nodes 1 to started are in the ring from the beginning
	nodes    []*Node
	guardian *guardian
	lock     *os.File

	mu     sync.Mutex // over what follows
	relays map[int]*Relay
	closed bool
}

// Start starts a ring: all nodes at once, on empty disks with fixed tokens, in racks r1 r2 r3 r1 …. It returns when every node is
// NORMAL, accepts CQL and sees all others, or fails with the last lines of the logs. Without a deadline in ctx it waits 3 minutes
// (fast) or 5 (honest). A failed start leaves nothing behind.
func Start(ctx context.Context, o Options) (*Ring, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	if o.Lib == "" {
		if o.Lib, err = Fetch(ctx, "", o.Progress); err != nil {
			return nil, err
		}
	}
	r, err := prepare(ctx, o, java)
	if err != nil {
		return nil, err
	}
	if err := r.run(ctx, o); err != nil {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, r.Close(cleaning))
	}
	return r, nil
}

// prepare takes the network, writes all folders and starts the guardian.
func prepare(ctx context.Context, o Options, java string) (r *Ring, err error) {
	network, lock, err := takeNet(o.Net, o.Nodes+o.Spares)
	if err != nil {
		return nil, err
	}
	r = &Ring{Net: network, Name: o.Name, started: o.Nodes, lock: lock, relays: map[int]*Relay{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if r.Home, err = emptyFolder(o.Home); err != nil {
		return nil, err
	}
	if r.guardian, err = newGuardian(charge{Home: r.Home, Keep: o.Keep, Limit: o.Limit}, lock); err != nil {
		return nil, errors.Join(err, os.RemoveAll(r.Home)) // it was empty
	}
	for n := 1; n <= o.Nodes+o.Spares; n++ {
		node := newNode(r.Home, network, n)
		h := host{Options: o, network: network, n: n, folder: node.Folder, java: java, lib: o.Lib}
		if err := h.write(); err != nil {
			return nil, errors.Join(err, r.guardian.reap(context.WithoutCancel(ctx)))
		}
		r.nodes = append(r.nodes, node)
	}
	return r, nil
}

// emptyFolder makes the ring's folder. One that holds something is refused: the lab removes its folder at the end.
func emptyFolder(home string) (string, error) {
	if home == "" {
		tmp, err := os.MkdirTemp("", "galen-ring-")
		if err != nil {
			return "", fmt.Errorf("make the ring's folder: %w", err)
		}
		return tmp, nil
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return "", fmt.Errorf("make the ring's folder: %w", err)
	}
	if err := os.MkdirAll(home, 0o750); err != nil {
		return "", fmt.Errorf("make the ring's folder: %w", err)
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		return "", fmt.Errorf("read the ring's folder: %w", err)
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("the ring's folder %s is not empty: remove it or choose another one", home)
	}
	return home, nil
}

// run starts all nodes and waits for them.
func (r *Ring) run(ctx context.Context, o Options) error {
	if _, has := ctx.Deadline(); !has {
		limit := 3 * time.Minute
		if o.Profile == Honest {
			limit = 5 * time.Minute
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	o.Progress(fmt.Sprintf("starting %d Cassandra %s nodes on %s.1-%d (profile %s)", r.started, Version, r.Net, r.started, o.Profile))
	for _, n := range r.Nodes() {
		if err := n.Start(); err != nil {
			return err
		}
	}
	for _, n := range r.Nodes() {
		if err := n.WaitNormal(ctx); err != nil {
			return fmt.Errorf("start the ring: %w", err)
		}
		o.Progress(n.Instance + " (" + n.Address + ", rack " + n.Rack + ") is NORMAL")
	}
	return r.Settled(ctx)
}

// Settled waits until every node that has a process, started spares included, sees all such nodes alive and none joining: NORMAL alone
// is a node's word on itself, and after a restart the peers follow a moment later.
func (r *Ring) Settled(ctx context.Context) error {
	var alive []*Node
	for _, n := range r.nodes {
		if n.Alive() {
			alive = append(alive, n)
		}
	}
	for _, n := range alive {
		for {
			v, err := look(ctx, n.JolokiaURL)
			if err == nil && len(v.Live) == len(alive) && len(v.Joining) == 0 {
				break
			}
			if ended := sleep(ctx, 100*time.Millisecond); ended != nil {
				return fmt.Errorf("%s sees %v alive and %v joining, want %d alive: %w", n.Instance, v.Live, v.Joining, len(alive), errors.Join(ended, err))
			}
		}
	}
	return nil
}

// Node returns host i, counted from 1: Node(1) is n1, the first spare of a ring of three is Node(4). It panics on another number.
func (r *Ring) Node(i int) *Node { return r.nodes[i-1] }

// Nodes returns the nodes that Start started, in order.
func (r *Ring) Nodes() []*Node { return r.nodes[:r.started] }

// Spares returns the hosts that were prepared but not started.
func (r *Ring) Spares() []*Node { return r.nodes[r.started:] }

// Guard has another process, such as the engine under test, killed before the nodes when the ring ends for whatever reason.
func (r *Ring) Guard(pid int) error { return r.guardian.guard(pid) }

// Close kills all processes of the ring, whoever started them, what was registered with Guard included, and removes its folder
// unless Options.Keep. It returns when they are gone. A second call does nothing.
func (r *Ring) Close(ctx context.Context) error {
	return r.end(func() error { return r.guardian.reap(ctx) })
}

// Leave gives the ring up: its nodes and guarded processes run on, without a guardian. Reap(ctx, r.Home, true) ends them later.
func (r *Ring) Leave(ctx context.Context) error {
	return r.end(func() error { return r.guardian.leave(ctx) })
}

func (r *Ring) end(how func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	var faults []error
	for _, relay := range r.relays {
		faults = append(faults, relay.Close())
	}
	faults = append(faults, how(), r.lock.Close())
	return errors.Join(faults...)
}
