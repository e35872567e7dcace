package process

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen/activities/cassandra"
)

var errCrash = errors.New("crash")

// crashAt makes the host fail in front of its n-th durable change; it tells whether it came that far.
func crashAt(h *Host, n int) (reached func() bool) {
	seen := 0
	h.disk.before = func(string) error {
		seen++
		if seen > n {
			return errCrash
		}
		return nil
	}
	return func() bool { return seen > n }
}

// A change that crashed anywhere and is repeated by a new engine ends like one that never crashed.
func TestCrashAtEveryPointAndRepeat(t *testing.T) {
	for name, c := range map[string]struct {
		given  func(t *testing.T, h *Host)
		change func(ctx context.Context, h *Host, o Order) error
	}{
		"prepare": {
			given:  func(*testing.T, *Host) {},
			change: func(ctx context.Context, h *Host, o Order) error { return h.Prepare(ctx, o, prepared()) },
		},
		"discard": {
			given:  func(t *testing.T, h *Host) { mustPrepare(t, h) },
			change: func(ctx context.Context, h *Host, o Order) error { return h.Discard(ctx, o, "p1") },
		},
		"clear": {
			given:  func(t *testing.T, h *Host) { mustPrepare(t, h); h.data(t) },
			change: func(ctx context.Context, h *Host, o Order) error { return h.ClearReplaceFlag(ctx, o) },
		},
		"fence": {
			given:  func(t *testing.T, h *Host) { h.data(t) },
			change: func(ctx context.Context, h *Host, o Order) error { return h.Fence(ctx, o) },
		},
		"remove-joiner": {
			given: func(t *testing.T, h *Host) {
				mustPrepare(t, h)
				put(t, h.setup.Folder, "galen/r1.started", "")
				put(t, h.setup.Folder, "commitlog/a.log", "x")
				h.data(t)
			},
			change: func(ctx context.Context, h *Host, o Order) error { return h.RemoveJoiner(ctx, o, "r1") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole := folder(t, "node")
			c.given(t, whole)
			o := by(whole, "x1")
			if err := c.change(t.Context(), whole, o); err != nil {
				t.Fatal(err)
			}
			for n := 0; ; n++ {
				h := folder(t, "node")
				c.given(t, h)
				reached := crashAt(h, n)
				err := c.change(t.Context(), h, o)
				if !reached() {
					if n == 0 {
						t.Fatal("the change has no durable step")
					}
					break
				}
				want(t, "crash", err, errCrash)
				if err := c.change(t.Context(), host(t, h.setup.Folder), o); err != nil {
					t.Fatalf("repeated after a crash at %d: %v", n, err)
				}
				if diff := cmp.Diff(tree(t, whole), tree(t, h)); diff != "" {
					t.Errorf("crash at %d (-whole +repeated):\n%s", n, diff)
				}
			}
		})
	}
}

func mustPrepare(t *testing.T, h *Host) {
	t.Helper()
	if err := h.Prepare(t.Context(), by(h, "p1"), prepared()); err != nil {
		t.Fatal(err)
	}
}

// A prepare that crashed anywhere is told by a look from its first change on, and can also be discarded, or be taken over by
// another intent and then be discarded.
func TestCrashedPrepareIsTakenBack(t *testing.T) {
	for n := 0; ; n++ {
		h := folder(t, "node")
		before := tree(t, h)
		reached := crashAt(h, n)
		err := h.Prepare(t.Context(), by(h, "p1"), prepared())
		if !reached() {
			break
		}
		want(t, "crash", err, errCrash)
		again := host(t, h.setup.Folder)
		got := look(t, again)
		got.Spare = true
		if begun := !cmp.Equal(before, tree(t, h)); begun != (got.Preparing == "p1") || begun == got.Vacant() || got.Prepared != "" {
			t.Errorf("crash at %d, something changed: %t; prepared by %q, preparing for %q, replace flag %q, vacant %t", n, begun, got.Prepared, got.Preparing, got.ReplaceFlag, got.Vacant())
		}
		if n%2 == 0 {
			if err := again.Prepare(t.Context(), by(again, "p2"), prepared()); err != nil {
				t.Fatalf("crash at %d, other intent: %v", n, err)
			}
		}
		if err := again.Discard(t.Context(), by(again, "any"), ""); err != nil {
			t.Fatalf("crash at %d, discard: %v", n, err)
		}
		if diff := cmp.Diff(before, tree(t, h)); diff != "" {
			t.Errorf("crash at %d (-before +after):\n%s", n, diff)
		}
	}
}

// Whatever a start crashed at, its intent starts at most one process, and the fence that crashed refuses every start.
func TestCrashedStartAndFence(t *testing.T) {
	for n := 0; ; n++ {
		h := folder(t, "node")
		reached := crashAt(h, n)
		_, err := h.Start(t.Context(), by(h, "s1"))
		if !reached() {
			break
		}
		want(t, "crash", err, errCrash)
		again := host(t, h.setup.Folder)
		_, err = again.Start(t.Context(), by(again, "s1"))
		runs := func() bool { return look(t, again).Process == cassandra.Running }
		if runs() || err == nil || errors.Is(err, ErrRunning) { // a process may be there a moment before its first line is
			until(t, "the node runs", func() bool { return len(execs(h)) > 0 })
		}
		if got := len(execs(h)); got > 1 || (got == 1) != runs() {
			t.Errorf("crash at %d: %d executions, then %v", n, got, err)
		}
	}
	for n := 2; ; n++ { // before that the order is on disk, not yet the marker
		h := folder(t, "node")
		reached := crashAt(h, n)
		err := h.Fence(t.Context(), by(h, "f1"))
		if !reached() {
			break
		}
		want(t, "crash", err, errCrash)
		again := host(t, h.setup.Folder)
		_, err = again.Start(t.Context(), by(again, "s1"))
		want(t, "start after a crashed fence", err, ErrFenced)
		if err := again.Fence(t.Context(), by(again, "f2")); err != nil {
			t.Fatal(err)
		}
		if got := look(t, again); got.Fenced == "" {
			t.Errorf("crash at %d: the second fence did not complete: %+v", n, got)
		}
		if _, err := os.Stat(h.path("conf")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("crash at %d: the configuration is still there", n)
		}
	}
}
