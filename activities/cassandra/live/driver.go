package live

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/cql"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
	"github.com/galenhq/galen/activities/cassandra/live/process"
)

// lookLimit is the deadline of each way into each node during a look. A hung node costs its own view only.
const lookLimit = 2500 * time.Millisecond

// execLimit is the deadline of an operation that a node is asked to do. Those that take longer go on without us.
const execLimit = 8 * time.Second

// askAll: a ring of up to so many instances is always looked at as a whole; that costs no more time than a part.
const askAll = 12

// agent is the JMX side of a node.
type agent interface {
	Bulk(ctx context.Context, requests ...jolokia.Request) ([]jolokia.Answer, error)
	Exec(ctx context.Context, mbean, operation string, arguments ...any) (json.RawMessage, error)
	Write(ctx context.Context, writes ...jolokia.Request) error
	Close()
}

// native is the CQL side of a node.
type native interface {
	Keyspaces(ctx context.Context) ([]cassandra.Keyspace, error)
	Serves(ctx context.Context, keyspaces []cassandra.Keyspace) error
	Repairs(ctx context.Context) ([]cql.Repair, error)
	Tasks(ctx context.Context) (map[string]int, error)
	Close()
}

// host is what runs a node's process.
type host interface {
	Look(at time.Time) cassandra.Instance
	Start(ctx context.Context, o process.Order, options ...string) (pid int, err error)
	Terminate(ctx context.Context, o process.Order) error
	Kill(ctx context.Context, o process.Order, pid int, started time.Time) error
	Fence(ctx context.Context, o process.Order) error
}

// slot is a folder that a node can be prepared in.
type slot interface {
	Admit(ctx context.Context, o process.Order) error
	Prepare(ctx context.Context, o process.Order, c process.Config) error
	Discard(ctx context.Context, o process.Order, prepared string) error
	ClearReplaceFlag(ctx context.Context, o process.Order) error
	RemoveJoiner(ctx context.Context, o process.Order, replace string) error
}

// node is one instance with its ways in.
type node struct {
	name    string
	address string
	spare   bool
	agent   agent
	native  native
	host    host
	slot    slot
	now     func() time.Time
	looking chan struct{} // holds one token while a look at the host runs
}

// ring is one configured ring and what was last seen of it, which tells whom a scope means.
type ring struct {
	nodes []*node

	mu   sync.Mutex
	last cassandra.Ring
}

// Driver drives all configured rings. Safe for concurrent use.
type Driver struct {
	now   func() time.Time
	limit time.Duration
	rings map[galen.Resource]*ring
}

var _ galen.Driver[cassandra.Ring] = (*Driver)(nil)

// Close gives all connections back.
func (d *Driver) Close() {
	for _, r := range d.rings {
		for _, n := range r.nodes {
			n.agent.Close()
			n.native.Close()
		}
	}
}

// Look asks nodes and hosts at once, each with its own deadline, and merges what they tell. It errs only if the
// resource is not configured or the caller gave up: a ring of which nobody answers is a State too.
func (d *Driver) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	known, ok := d.rings[r]
	if !ok {
		return cassandra.Ring{}, fmt.Errorf("look at %s: it is not configured here", r)
	}
	at := d.now().UTC()
	asked := known.widen(scope, open)
	views := make([]cassandra.View, len(asked))
	instances := make([]cassandra.Instance, len(asked))
	repairs := make([]*cassandra.Repair, len(open))
	bounded, cancel := context.WithTimeout(ctx, d.limit)
	defer cancel()
	var wg sync.WaitGroup
	for i, n := range asked {
		wg.Go(func() { views[i] = n.view(bounded, at) })
		wg.Go(func() { instances[i] = n.instance(bounded, at) })
	}
	for i, in := range open {
		wg.Go(func() {
			if whole("read a repair", func() { repairs[i] = known.repair(bounded, in) }) != nil {
				repairs[i] = nil // as one whose coordinator could not be asked
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return cassandra.Ring{}, fmt.Errorf("look at %s: %w", r, err)
	}
	seen := cassandra.Merge(r.Name, at, views, instances, present(repairs)).Under(open)
	known.remember(seen)
	return seen, nil
}

func present(repairs []*cassandra.Repair) []cassandra.Repair {
	var out []cassandra.Repair
	for _, r := range repairs {
		if r != nil {
			out = append(out, *r)
		}
	}
	return out
}

func (r *ring) remember(seen cassandra.Ring) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = cassandra.Fold(r.last, seen)
}

// seen is all that was seen so far.
func (r *ring) seen() cassandra.Ring {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// widen is who is asked for a scope: the targets, all that share data with them, one live node in each other rack, and
// the coordinators of open intents. No scope, a small ring, or a target that is not known: everybody.
func (r *ring) widen(scope []galen.Target, open []galen.Intent) []*node {
	last := r.seen()
	if len(scope) == 0 || len(r.nodes) <= askAll {
		return r.nodes
	}
	for _, in := range open {
		scope = append(slices.Clip(scope), in.Step.Target)
	}
	names := map[string]bool{}
	for _, t := range scope {
		n, i := last.Find(t.ID)
		if n == nil && i == nil {
			return r.nodes
		}
		if i != nil {
			names[i.Name] = true
		}
		if n != nil {
			addSharing(last, n.HostID, names)
		}
	}
	for _, n := range onePerRack(last, names) {
		names[n] = true
	}
	return slices.DeleteFunc(slices.Clone(r.nodes), func(n *node) bool { return !names[n.name] })
}

// addSharing names a node and all that share data with it.
func addSharing(last cassandra.Ring, hostID string, names map[string]bool) {
	quorum := cassandra.NewQuorum(last, galen.Policy{})
	for _, o := range last.Nodes {
		if o.Instance != "" && (o.HostID == hostID || sharing(quorum, last.Keyspaces, hostID, o.HostID)) {
			names[o.Instance] = true
		}
	}
}

// sharing tells whether two nodes hold replicas of one range of any keyspace.
func sharing(q *cassandra.Quorum, keyspaces []cassandra.Keyspace, a, b string) bool {
	return len(keyspaces) == 0 || slices.ContainsFunc(keyspaces, func(k cassandra.Keyspace) bool { return q.Sharing(k.Name, a, b) })
}

// onePerRack names a live node of each rack of which none is named yet.
func onePerRack(last cassandra.Ring, named map[string]bool) []string {
	heard := map[string]bool{}
	for _, v := range last.Live() {
		if n, found := last.NodeOf(v.Instance); found && named[v.Instance] {
			heard[n.Domain()] = true
		}
	}
	var out []string
	for _, v := range last.Live() {
		if n, found := last.NodeOf(v.Instance); found && !heard[n.Domain()] {
			heard[n.Domain()] = true
			out = append(out, v.Instance)
		}
	}
	return out
}

// instance looks at the host. Looks that overlap take turns; one that finds an earlier look still hanging at its own
// deadline says so, and adds no further one.
func (n *node) instance(ctx context.Context, at time.Time) cassandra.Instance {
	unread := cassandra.Instance{Name: n.name, Address: n.address, Spare: n.spare, At: at, Process: cassandra.Absent, Data: cassandra.DataUnknown}
	select {
	case n.looking <- struct{}{}:
	case <-ctx.Done():
		unread.Error = "an earlier look at the host still hangs"
		return unread
	}
	done := make(chan cassandra.Instance, 1)
	i := unread
	go func() {
		defer func() { <-n.looking }()
		if err := whole("look at the host", func() { i = n.host.Look(at) }); err != nil {
			i.Error = err.Error()
		}
		done <- i
	}()
	select {
	case i := <-done:
		i.Spare = n.spare
		return i
	case <-ctx.Done():
		unread.Error = "the host did not answer in time"
		return unread
	}
}

// view asks the node by both ways at once.
func (n *node) view(ctx context.Context, at time.Time) cassandra.View {
	v := cassandra.View{Instance: n.name, Address: n.address, At: at}
	var wg sync.WaitGroup
	var keyspaces []cassandra.Keyspace
	var tasks map[string]int
	var cqlErr error
	wg.Go(func() {
		asked := v
		if err := whole("ask Jolokia", func() { n.askJolokia(ctx, &asked) }); err != nil {
			asked = cassandra.View{Instance: v.Instance, Address: v.Address, At: v.At, Jolokia: cassandra.BadAnswer, JolokiaError: err.Error()}
		}
		v = asked
	})
	wg.Go(func() {
		err := whole("ask by CQL", func() {
			if keyspaces, cqlErr = n.native.Keyspaces(ctx); cqlErr == nil {
				cqlErr = n.native.Serves(ctx, keyspaces)
			}
			if answer := cql.AnswerOf(cqlErr); answer == cassandra.Answered || len(keyspaces) > 0 && answer == cassandra.BadAnswer {
				tasks = n.tasks(ctx)
			}
		})
		if err != nil {
			keyspaces, tasks, cqlErr = nil, nil, &cql.Error{Answer: cassandra.BadAnswer, Doing: "read", Err: err}
		}
	})
	wg.Wait()
	v.Keyspaces, v.Tasks, v.CQL = keyspaces, tasks, cql.AnswerOf(cqlErr)
	if cqlErr != nil {
		v.CQLError = cqlErr.Error()
	}
	return v
}

// tasks are worth having and not needed: a node that does not tell them (an older one, a login without the right) tells nil,
// and whoever rests on them says so.
func (n *node) tasks(ctx context.Context) map[string]int {
	tasks, err := n.native.Tasks(ctx)
	if err != nil {
		return nil
	}
	return tasks
}

// whole does a part of a look on a goroutine of its own, where nobody else could catch its panic: it becomes an error.
func whole(what string, do func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: it panicked (%v): a fault in this program, please report it", what, p)
		}
	}()
	do()
	return nil
}
