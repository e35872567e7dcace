package watch_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/watch"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func billing() galen.Resource { return galen.Resource{Kind: fake.KindName, Name: "billing"} }

// shelf is a store in memory.
type shelf struct {
	mu     sync.Mutex
	body   []byte
	basis  string
	writes int
	broken error
}

func (s *shelf) Folded(context.Context, galen.Resource) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body, s.broken
}

func (s *shelf) SaveFolded(_ context.Context, _ galen.Resource, body []byte, basis string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.body, s.basis = bytes.Clone(body), basis
	s.writes++
	return nil
}

func kinds(c *fake.Cloud) map[string]galen.ListedKind {
	return map[string]galen.ListedKind{fake.KindName: galen.ListKind(fake.Kind(), c)}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func seen(t *testing.T, w *watch.World) fake.Cluster {
	t.Helper()
	state, err := w.Look(t.Context(), billing(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return state.(fake.Cluster)
}

func badSince(t *testing.T, c fake.Cluster, id string) time.Time {
	t.Helper()
	i, known := c.Instance(id)
	if !known {
		t.Fatalf("no instance %s in %+v", id, c)
	}
	return i.BadSince
}

// crashed is a cloud whose writer is down, as the late API shows too.
func crashed() *fake.Cloud {
	c := fake.NewCloud("billing", 3, noon)
	c.Advance(time.Minute)
	c.Crash("db-1", true)
	c.Advance(fake.APILag)
	return c
}

func TestWhatWasFoldedOutlivesTheProcess(t *testing.T) {
	cloud, store := crashed(), &shelf{}
	w := watch.NewWorld(kinds(cloud), store, quiet())
	if _, is := w.Last(billing()); is {
		t.Error("a state before the first look")
	}
	since := badSince(t, seen(t, w), "db-1")
	if since.IsZero() {
		t.Fatal("the crash is not seen")
	}
	seen(t, w)
	if store.writes != 1 {
		t.Errorf("stored %d times, want once: nothing has changed but a gauge", store.writes)
	}
	cloud.Advance(time.Hour)
	w = watch.NewWorld(kinds(cloud), store, quiet())
	if _, is := w.Last(billing()); is {
		t.Error("the stored state passes for a look of this process")
	}
	if got := badSince(t, seen(t, w), "db-1"); !got.Equal(since) {
		t.Errorf("after the restart it is bad since %s, want %s", got, since)
	}
}

// TestWhatAnotherEngineSaw: an engine that was away folds onto what the others have seen meanwhile, not onto what it remembers:
// the database came back in between, and has not been bad for all that time.
func TestWhatAnotherEngineSaw(t *testing.T) {
	for _, shared := range []bool{true, false} {
		bad, well, store := crashed(), fake.NewCloud("billing", 3, noon), &shelf{}
		away := watch.NewWorld(kinds(bad), store, quiet())
		if shared {
			away.Share()
		}
		since := badSince(t, seen(t, away), "db-1")
		well.Advance(time.Hour)
		seen(t, watch.NewWorld(kinds(well), store, quiet()))
		bad.Advance(2 * time.Hour)
		if got := badSince(t, seen(t, away), "db-1"); got.Equal(since) == shared {
			t.Errorf("shared %v: bad since %s, it was first seen bad at %s", shared, got, since)
		}
		if again := badSince(t, seen(t, away), "db-1"); shared && !again.Equal(bad.Now()) {
			t.Errorf("its own State is another one's: bad since %s", again)
		}
	}
}

// TestWhatCannotBeReadIsLeft: another version wrote it; the world starts anew and says so.
func TestWhatCannotBeReadIsLeft(t *testing.T) {
	var log bytes.Buffer
	cloud, store := crashed(), &shelf{body: []byte(`{"of":"another version"}`)}
	w := watch.NewWorld(kinds(cloud), store, slog.New(slog.NewTextHandler(&log, nil)))
	if got := badSince(t, seen(t, w), "db-1"); !got.Equal(cloud.Now()) {
		t.Errorf("bad since %s, want from now on", got)
	}
	if !strings.Contains(log.String(), "starting anew") || store.writes != 1 {
		t.Errorf("stored %d times, logged %s", store.writes, log.String())
	}
}

// TestAStoreInTroubleLosesNothing: the history of the resource is not begun anew because the store did not answer once.
func TestAStoreInTroubleLosesNothing(t *testing.T) {
	cloud, store := crashed(), &shelf{}
	since := badSince(t, seen(t, watch.NewWorld(kinds(cloud), store, quiet())), "db-1")
	store.broken = errors.New("disk I/O error")
	cloud.Advance(time.Minute)
	w := watch.NewWorld(kinds(cloud), store, quiet())
	if _, err := w.Look(t.Context(), billing(), nil, nil); !errors.Is(err, store.broken) {
		t.Errorf("got %v, want the store's trouble", err)
	}
	store.broken = nil
	cloud.Advance(time.Minute)
	if got := badSince(t, seen(t, w), "db-1"); !got.Equal(since) {
		t.Errorf("bad since %s, want %s", got, since)
	}
}

func TestLooksMayOverlap(t *testing.T) {
	cloud, store := fake.NewCloud("billing", 3, noon), &shelf{}
	w := watch.NewWorld(kinds(cloud), store, quiet())
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 20 {
				var scope []galen.Target
				if n%2 == 0 {
					scope = []galen.Target{{ID: "db-2"}}
				}
				if _, err := w.Look(t.Context(), billing(), scope, nil); err != nil {
					t.Error(err)
				}
				cloud.Advance(time.Second)
				w.Last(billing())
			}
		})
	}
	wg.Wait()
	last := seen(t, w)
	for _, i := range last.Instances {
		if !i.Looked.Equal(cloud.Now()) || i.Flips != 0 {
			t.Errorf("%s was looked at %s, want %s: %+v", i.ID, i.Looked, cloud.Now(), i)
		}
	}
}

func TestAWorldKnowsItsKinds(t *testing.T) {
	w := watch.NewWorld(kinds(fake.NewCloud("billing", 3, noon)), &shelf{}, quiet())
	for name, err := range map[string]error{
		"another kind": func() error {
			_, err := w.Look(t.Context(), galen.Resource{Kind: "other", Name: "a"}, nil, nil)
			return err
		}(),
		"another resource": func() error {
			_, err := w.Look(t.Context(), galen.Resource{Kind: fake.KindName, Name: "a"}, nil, nil)
			return err
		}(),
		"a call on another kind": func() error {
			_, err := w.Do(t.Context(), galen.Intent{Resource: galen.Resource{Kind: "other", Name: "a"}})
			return err
		}(),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	i, _ := seen(t, w).Instance("db-2")
	in := galen.Intent{ID: "i1", Resource: billing(), Fence: 1, Step: fake.Reboot(i, "a test")}
	if reply, err := w.Do(t.Context(), in); err != nil || reply != "accepted" {
		t.Errorf("%q, %v", reply, err)
	}
}
