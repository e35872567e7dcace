package watch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
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
	doubt  error // told of a write that was done
}

func (s *shelf) Folded(context.Context, galen.Resource) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body, s.broken
}

func (s *shelf) SaveFolded(_ context.Context, _ galen.Resource, body []byte, basis string, onto []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	if !bytes.Equal(onto, s.body) {
		return galen.ErrStale
	}
	s.body, s.basis = bytes.Clone(body), basis
	s.writes++
	return s.doubt
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
			away.Share(sameClock())
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

// held is a store in which something happens right before a save.
type held struct {
	*shelf
	before func()
}

func (h *held) SaveFolded(ctx context.Context, r galen.Resource, body []byte, basis string, onto []byte) error {
	if before := h.before; before != nil {
		h.before = nil
		before()
	}
	return h.shelf.SaveFolded(ctx, r, body, basis, onto)
}

// TestAnEngineThatWasAwayOverwritesNothing: frozen right before it stores, its lease lost; the other one has seen the database
// come back and die again since. What is stored then is folded onto that.
func TestAnEngineThatWasAwayOverwritesNothing(t *testing.T) {
	bad, other, store := crashed(), crashed(), &shelf{}
	frozen := &held{shelf: store}
	away, holder := watch.NewWorld(kinds(bad), frozen, quiet()), watch.NewWorld(kinds(other), store, quiet())
	away.Share(sameClock())
	holder.Share(sameClock())
	was := badSince(t, seen(t, away), "db-1")
	var since time.Time
	frozen.before = func() {
		well := fake.NewCloud("billing", 3, noon)
		well.Advance(time.Hour)
		third := watch.NewWorld(kinds(well), store, quiet())
		third.Share(sameClock())
		seen(t, third)
		other.Advance(2 * time.Hour)
		since = badSince(t, seen(t, holder), "db-1")
	}
	bad.Advance(time.Minute)
	bad.Hide("db-3", true)
	if got := badSince(t, seen(t, away), "db-1"); !got.Equal(since) || since.Equal(was) {
		t.Errorf("bad since %s, want %s: the engine that was away has overwritten it", got, since)
	}
	if got := badSince(t, seen(t, holder), "db-1"); !got.Equal(since) {
		t.Errorf("bad since %s, want %s", got, since)
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

// TestAStoreInDoubt may have stored what it says it could not: nothing passes for stored before a write succeeds, or a restart
// would take up what was seen before the newest look.
func TestAStoreInDoubt(t *testing.T) {
	for _, shared := range []bool{false, true} {
		cloud, store := fake.NewCloud("billing", 3, noon), &shelf{}
		w := watch.NewWorld(kinds(cloud), store, quiet())
		if shared {
			w.Share(sameClock())
		}
		well := seen(t, w).Basis()
		cloud.Hide("db-3", true)
		store.doubt = errors.New("wait for the commit, which may still happen")
		if _, err := w.Look(t.Context(), billing(), nil, nil); !errors.Is(err, store.doubt) || store.basis == well {
			t.Fatalf("shared %t: got %v, and stored basis %s of %s", shared, err, store.basis, well)
		}
		cloud.Hide("db-3", false)
		store.doubt = nil
		if got := seen(t, w).Basis(); got != well || store.basis != well {
			t.Errorf("shared %t: saw %s, and stored is %s, want %s", shared, got, store.basis, well)
		}
	}
}

// slow is a store whose writes wait to be let go, one by one.
type slow struct {
	shelf
	asked, let chan struct{}
}

func (s *slow) SaveFolded(ctx context.Context, r galen.Resource, body []byte, basis string, onto []byte) error {
	s.asked <- struct{}{}
	<-s.let
	return s.shelf.SaveFolded(ctx, r, body, basis, onto)
}

// TestASlowStoreHoldsUpNoFold: while a State is being stored the next looks are folded and can be read, and wait with their
// answers, no longer than they are asked to; then the newest is stored, once for all who wait.
func TestASlowStoreHoldsUpNoFold(t *testing.T) {
	cloud := fake.NewCloud("billing", 4, noon)
	store := &slow{asked: make(chan struct{}), let: make(chan struct{})}
	w := watch.NewWorld(kinds(cloud), store, quiet())
	answers := make(chan error, 4)
	look := func() {
		_, err := w.Look(t.Context(), billing(), nil, nil)
		answers <- err
	}
	go look()
	<-store.asked
	store.let <- struct{}{}
	if err := <-answers; err != nil {
		t.Fatal(err)
	}
	hidden := func(id string) bool {
		done := make(chan bool)
		go func() {
			state, _ := w.Last(billing())
			i, _ := state.(fake.Cluster).Instance(id)
			done <- i.Unlisted
		}()
		select {
		case is := <-done:
			return is
		case <-time.After(10 * time.Second):
			t.Fatal("nobody can read what is known while the store works")
			return false
		}
	}
	cloud.Hide("db-2", true)
	go look()
	<-store.asked // and it works on
	if !hidden("db-2") {
		t.Error("what is being stored is not known yet")
	}
	for _, id := range []string{"db-3", "db-4"} {
		cloud.Hide(id, true)
		go look()
		for end := time.Now().Add(10 * time.Second); !hidden(id); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not folded while the store works", id)
			}
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := w.Look(short, billing(), nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the patience", err)
	}
	if len(answers) > 0 {
		t.Error("a look answered before what it saw was stored")
	}
	newest, _ := w.Last(billing())
	store.let <- struct{}{}
	<-store.asked
	store.let <- struct{}{}
	for range 3 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if store.writes != 3 || store.basis != newest.Basis() {
		t.Errorf("%d writes, the last of %s, want 3 and %s", store.writes, store.basis, newest.Basis())
	}
}

// ordered is a store that counts States which are not newer than the one before.
type ordered struct {
	shelf
	folds float64 // in the newest
	old   int
}

func (o *ordered) SaveFolded(ctx context.Context, r galen.Resource, body []byte, basis string, onto []byte) error {
	var c fake.Cluster
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	runtime.Gosched()
	o.mu.Lock()
	if c.Connections <= o.folds {
		o.old++
	}
	o.folds = c.Connections
	o.mu.Unlock()
	return o.shelf.SaveFolded(ctx, r, body, basis, onto)
}

// TestNoOlderStateIsStored over a newer one, however many look.
func TestNoOlderStateIsStored(t *testing.T) {
	counting := fake.Kind()
	counting.Fold = func(known, seen fake.Cluster) fake.Cluster {
		out := fake.Fold(known, seen)
		out.Connections = known.Connections + 1
		return out
	}
	for _, shared := range []bool{false, true} {
		cloud, store := fake.NewCloud("billing", 3, noon), &ordered{}
		w := watch.NewWorld(map[string]galen.ListedKind{fake.KindName: galen.ListKind(counting, cloud)}, store, quiet())
		if shared {
			w.Share(sameClock())
		}
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				for i := range 50 {
					cloud.Hide("db-3", (n+i)%2 == 0)
					if _, err := w.Look(t.Context(), billing(), nil, nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if last, _ := w.Last(billing()); store.old > 0 || store.basis != last.Basis() || store.writes < 2 {
			t.Errorf("shared %t: stored %d times, %d of them an older State, the last %s, want %s", shared, store.writes, store.old, store.basis, last.Basis())
		}
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

// TestAWrongClockSeesNothing: what is seen by a clock that is not the store's is not folded, for it would date a node's end wrongly.
func TestAWrongClockSeesNothing(t *testing.T) {
	for off, want := range map[time.Duration]error{
		0: nil, 400 * time.Millisecond: nil, -400 * time.Millisecond: nil, 15 * time.Minute: galen.ErrClock, -15 * time.Minute: galen.ErrClock,
	} {
		store, o := &shelf{}, sameClock()
		o.Now = func() time.Time { return time.Now().Add(off) }
		w := watch.NewWorld(kinds(crashed()), store, quiet())
		w.Share(o)
		_, err := w.Look(t.Context(), billing(), nil, nil)
		if _, known := w.Last(billing()); !errors.Is(err, want) || known != (want == nil) || (store.writes > 0) != (want == nil) {
			t.Errorf("off by %s: %v, want %v; it knows a State: %t, stored %d times", off, err, want, known, store.writes)
		}
		if err != nil && !strings.Contains(err.Error(), "when both were read, at most 500ms is allowed") { // no ledger is read here
			t.Error(err)
		}
	}
	o := sameClock()
	o.Clock = func(context.Context) (time.Time, error) { return time.Time{}, errors.New("no answer") }
	w := watch.NewWorld(kinds(crashed()), &shelf{}, quiet())
	w.Share(o)
	if _, err := w.Look(t.Context(), billing(), nil, nil); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("the store's clock is not known: %v", err)
	}
}

// sameClock is an engine that has company, and the clock of its store.
func sameClock() watch.Others {
	return watch.Others{
		Clock: func(context.Context) (time.Time, error) { return time.Now(), nil }, Now: time.Now,
		Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() },
	}
}
