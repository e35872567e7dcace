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

// by is an order of that intent, later than all that the host has accepted, or the newest one again.
func by(h *Host, intent string) Order {
	accepted, err := h.fences()
	if err != nil {
		panic(err)
	}
	was := highest(accepted)
	if was.Intent != intent {
		was.Fence++
	}
	return Order{Intent: intent, Target: "target of " + intent, Fence: was.Fence}
}

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
	if _, err := h.Start(t.Context(), by(h, "run-1/1")); err != nil {
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
			"start":     func() error { _, err := h.Start(ctx, by(h, "run-1/2")); return err },
			"terminate": func() error { return h.Terminate(ctx, by(h, "run-1/2")) },
			"kill":      func() error { return h.Kill(ctx, by(h, "run-1/2"), was.PID, was.Started) },
			"fence":     func() error { return h.Fence(ctx, by(h, "run-1/2")) },
			"prepare":   func() error { return h.Prepare(ctx, by(h, "run-1/2"), prepared()) },
			"admit":     func() error { return h.Admit(ctx, by(h, "run-1/2")) },
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

// A folder has one highest fence, whatever its orders call it: it is an instance, takes another node's place, and is a node of its own.
// A late call for the instance must not come after the later one for the node.
func TestAFolderHasOneFence(t *testing.T) {
	h := folder(t, "node")
	for _, o := range []Order{{"a", "instance/n4", 5}, {"b", "6a1f2f0e", 7}, {"b", "6a1f2f0e", 7}, {"c", "instance/n4", 8}} {
		if err := h.Terminate(t.Context(), o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	again := host(t, h.setup.Folder)
	for _, o := range []Order{{"a", "instance/n4", 5}, {"b", "6a1f2f0e", 7}, {"d", "6a1f2f0e", 8}, {"e", "a third name", 6}, {"c", "instance/n4", 7}} {
		err := again.Terminate(t.Context(), o)
		want(t, o.Intent, err, galen.ErrOvertaken)
		var overtaken *galen.OvertakenError
		if errors.As(err, &overtaken) && overtaken.By != "c" {
			t.Errorf("%+v: overtaken by %q, want c", o, overtaken.By)
		}
	}
}

// Releases before this one counted for each name by itself: the highest of what they left counts, and nothing of it is lost.
func TestFencesOfEarlierReleases(t *testing.T) {
	const left = `{"6a1f2f0e":{"fence":9,"intent":"a"},"instance/n4":{"fence":5,"intent":"b"}}`
	h := folder(t, "node")
	if err := os.MkdirAll(h.path("galen"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.marker("fences"), []byte(left), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Order{{"b", "instance/n4", 5}, {"c", "instance/n4", 8}, {"c", "instance/n4", 9}, {"c", "77aa", 9}} {
		want(t, o.Intent, h.Terminate(t.Context(), o), galen.ErrOvertaken)
	}
	for _, o := range []Order{{"a", "6a1f2f0e", 9}, {"d", "instance/n4", 10}} {
		if err := h.Terminate(t.Context(), o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	alike := map[string]fence{"6a1f2f0e": {9, "a"}, "instance/n4": {9, "b"}}
	if got := highest(alike); got != alike["6a1f2f0e"] {
		t.Errorf("of two that are alike %+v counts, want that of the first name", got)
	}
	kept, err := h.fences()
	if err != nil || kept["6a1f2f0e"] != (fence{9, "a"}) || kept["instance/n4"] != (fence{10, "d"}) || len(kept) != 2 {
		t.Errorf("kept %+v, %v", kept, err)
	}
}

func TestAnOrderMustBeWhole(t *testing.T) {
	h := folder(t, "node")
	for _, o := range []Order{{}, {Intent: "a", Target: "n1"}, {Intent: "a", Fence: 1}, {Target: "n1", Fence: 1}, {"a b", "n1", 1}, {"a", "n1", -1}} {
		if err := h.Terminate(t.Context(), o); err == nil || errors.Is(err, galen.ErrOvertaken) {
			t.Errorf("%+v: %v, want it refused for what it lacks", o, err)
		}
	}
	if err := h.Terminate(t.Context(), by(h, "x")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.marker("fences"), []byte(`{"n1":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Terminate(t.Context(), Order{"y", "n1", 2}); err == nil {
		t.Error("accepted an order although the earlier fences cannot be read")
	}
}
