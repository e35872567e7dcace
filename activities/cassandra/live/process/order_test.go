package process

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// An engine that was paused after it was allowed to stop a node, and goes on when the node was healed by others, changes
// nothing: by no verb.
func TestAnOvertakenOrderChangesNothing(t *testing.T) {
	h := folder(t, "node")
	late := Order{Intent: "r1-1", Target: "n1", Fence: 1}
	if _, err := h.Start(t.Context(), Order{Intent: "r2-1", Target: "n1", Fence: 2}); err != nil {
		t.Fatal(err)
	}
	until(t, "the node runs", func() bool { return len(execs(h)) == 1 })
	was := look(t, h)
	before := tree(t, h)
	again := host(t, h.setup.Folder) // what was accepted outlives the engine
	changes := map[string]func() error{
		"start":         func() error { _, err := again.Start(t.Context(), late); return err },
		"terminate":     func() error { return again.Terminate(t.Context(), late) },
		"kill":          func() error { return again.Kill(t.Context(), late, was.PID, was.Started) },
		"fence":         func() error { return again.Fence(t.Context(), late) },
		"prepare":       func() error { return again.Prepare(t.Context(), late, prepared()) },
		"discard":       func() error { return again.Discard(t.Context(), late, "") },
		"clear-replace": func() error { return again.ClearReplaceFlag(t.Context(), late) },
		"remove-joiner": func() error { return again.RemoveJoiner(t.Context(), late, "r2-1") },
		"same fence, other intent": func() error {
			return again.Terminate(t.Context(), Order{Intent: "r3-1", Target: "n1", Fence: 2})
		},
	}
	for name, change := range changes {
		want(t, name, change(), galen.ErrOvertaken)
	}
	if got := look(t, h); got.Process != cassandra.Running || got.PID != was.PID {
		t.Errorf("the node: %+v", got)
	}
	if after := tree(t, h); len(after) != len(before) {
		t.Errorf("files changed: %v, before %v", after, before)
	}
	if err := again.Terminate(t.Context(), Order{Intent: "r2-2", Target: "n1", Fence: 3}); err != nil {
		t.Errorf("the next order: %v", err)
	}
	until(t, "its end", func() bool { return look(t, h).Process == cassandra.Absent })
}

// TestTooLateChangesNothing: an engine that was stopped in the middle of a call, and goes on when the call's time is over,
// changes nothing any more.
func TestTooLateChangesNothing(t *testing.T) {
	h := folder(t, "node")
	if _, err := h.Start(t.Context(), by("run-1/1")); err != nil {
		t.Fatal(err)
	}
	until(t, "the node runs", func() bool { return len(execs(h)) == 1 })
	was, before := look(t, h), tree(t, h)
	over, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer stop()
	given, up := context.WithCancel(t.Context())
	up()
	for name, ctx := range map[string]context.Context{"its time is over": over, "given up": given} {
		for what, change := range map[string]func() error{
			"start":     func() error { _, err := h.Start(ctx, by("run-1/2")); return err },
			"terminate": func() error { return h.Terminate(ctx, by("run-1/2")) },
			"kill":      func() error { return h.Kill(ctx, by("run-1/2"), was.PID, was.Started) },
			"fence":     func() error { return h.Fence(ctx, by("run-1/2")) },
			"prepare":   func() error { return h.Prepare(ctx, by("run-1/2"), prepared()) },
			"admit":     func() error { return h.Admit(ctx, by("run-1/2")) },
		} {
			if err := change(); !errors.Is(err, ctx.Err()) {
				t.Errorf("%s, %s: %v, want %v", what, name, err, ctx.Err())
			}
		}
	}
	if got := look(t, h); got.Process != cassandra.Running || got.PID != was.PID || len(tree(t, h)) != len(before) {
		t.Errorf("the node is %+v, it was %+v; files %v, before %v", got, was, tree(t, h), before)
	}
}

// Fences count for each target by itself: a folder is a node, and an instance, and each has its own.
func TestFencesCountByTarget(t *testing.T) {
	h := folder(t, "node")
	for _, o := range []Order{{"a", "instance/n4", 7}, {"b", "6a1f2f0e", 1}, {"c", "instance/n4", 8}, {"b", "6a1f2f0e", 1}} {
		if err := h.Terminate(t.Context(), o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	want(t, "an older one", h.Terminate(t.Context(), Order{"a", "instance/n4", 7}), galen.ErrOvertaken)
}

func TestAnOrderMustBeWhole(t *testing.T) {
	h := folder(t, "node")
	for _, o := range []Order{{}, {Intent: "a", Target: "n1"}, {Intent: "a", Fence: 1}, {Target: "n1", Fence: 1}, {"a b", "n1", 1}, {"a", "n1", -1}} {
		if err := h.Terminate(t.Context(), o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
	if err := h.Terminate(t.Context(), by("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.marker("fences"), []byte(`{"n1":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Kill(t.Context(), by("y"), os.Getpid(), time.Now()); err == nil {
		t.Error("accepted an order although the earlier fences cannot be read")
	}
}
