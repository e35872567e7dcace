package watch

import (
	"reflect"
	"sync"

	"github.com/galenhq/galen"
)

// reckoned is what answers about one State rest on. It is made when it is asked for, once, and goes with the State: so there is one of
// each resource at most, and none of those that nobody asks about.
type reckoned struct {
	mu   sync.Mutex
	by   galen.Policy
	made *galen.Reckoning[galen.State]
}

// of is the reckoning by a policy, which is the same each time save where a test changes it.
func (c *reckoned) of(k galen.ListedKind, state galen.State, p galen.Policy) galen.Reckoning[galen.State] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made == nil || !reflect.DeepEqual(c.by, p) {
		r := k.ByHand.Reckon(state, p) // a kind that panics leaves nothing behind
		c.by, c.made = p, &r
	}
	return *c.made
}

// Snapshot is the newest State of a resource and what was reckoned of it.
type Snapshot struct {
	State galen.State
	// Reckoned by a policy; nil where the kind reckons nothing.
	Reckoned func(galen.Policy) galen.Reckoning[galen.State]
}

// Newest is [World.Last], with what many questions about it have in common.
func (w *World) Newest(r galen.Resource) (Snapshot, bool) {
	now := w.entry(r).newest()
	if now.state == nil {
		return Snapshot{}, false
	}
	out := Snapshot{State: now.state}
	if kind := w.kinds[r.Kind]; kind.ByHand != nil {
		out.Reckoned = func(p galen.Policy) galen.Reckoning[galen.State] { return now.once.of(kind, now.state, p) }
	}
	return out, true
}
