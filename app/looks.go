package app

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/galenhq/galen"
	galenhttp "github.com/galenhq/galen/internal/http"
)

// looks counts every look at a resource, of watch, runs and gate alike, since the engine started. The zero value counts;
// it is safe for concurrent use.
type looks struct {
	mu   sync.Mutex
	of   map[galen.Resource]galenhttp.LookCounts
	seen map[galen.Resource]time.Time
}

// lookBounds are the upper bounds of the histogram: a driver gives a look 10 s.
func lookBounds() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms, time.Second, 2500 * ms, 5 * time.Second, 10 * time.Second}
}

// counted are the kinds, with their looks counted.
func (l *looks) counted(kinds map[string]galen.ListedKind) map[string]galen.ListedKind {
	out := make(map[string]galen.ListedKind, len(kinds))
	for name, kind := range kinds {
		look := kind.Look
		kind.Look = func(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
			started := time.Now()
			state, err := look(ctx, r, scope, open)
			l.add(r, time.Since(started), err)
			return state, err
		}
		out[name] = kind
	}
	return out
}

func (l *looks) add(r galen.Resource, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.of[r]
	c.Total++
	c.Took += took
	if err != nil {
		c.Errors++
	} else {
		if l.seen == nil {
			l.seen = map[galen.Resource]time.Time{}
		}
		l.seen[r] = time.Now()
	}
	if c.Within == nil {
		c.Within = map[time.Duration]uint64{}
	}
	for _, bound := range lookBounds() {
		n := c.Within[bound]
		if took <= bound {
			n++
		}
		c.Within[bound] = n
	}
	if l.of == nil {
		l.of = map[galen.Resource]galenhttp.LookCounts{}
	}
	l.of[r] = c
}

// now is a copy of the counts.
func (l *looks) now() map[galen.Resource]galenhttp.LookCounts {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[galen.Resource]galenhttp.LookCounts, len(l.of))
	for r, c := range l.of {
		c.Within = maps.Clone(c.Within)
		out[r] = c
	}
	return out
}

// ages is how long ago each resource was seen last; since is when the engine started, for those that nobody has seen yet.
func (l *looks) ages(resources []galen.Resource, since time.Time) map[galen.Resource]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[galen.Resource]time.Duration, len(resources))
	for _, r := range resources {
		at, seen := l.seen[r]
		if !seen {
			at = since
		}
		out[r] = time.Since(at) // by the monotonic clock
	}
	return out
}
