package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/galenhq/galen"
)

// Order is on whose behalf a change is made: the intent, and its fence among all intents on the same ring.
type Order struct {
	Intent string
	// Target is the ID under which the fence is kept. One folder has several in its life: the instance, the node whose place it
	// takes, and the node in it.
	Target string
	// Fence is higher for each later intent, whatever its target; never 0.
	Fence int64
}

// fence is the highest one that this host has accepted under a name, and for which intent.
type fence struct {
	Fence  int64  `json:"fence"`
	Intent string `json:"intent"`
}

// Admit refuses an order that a later one has overtaken, for a change that is not made here alone: one of the node itself.
func (h *Host) Admit(ctx context.Context, o Order) error {
	return h.locked(ctx, o, func() error { return nil })
}

// admit refuses an order that a later one has overtaken: the call of an engine that was paused in the middle of it must
// not stop, days later, the node that others have healed since. The highest fence under all names counts, for they mean this one
// folder. What is admitted is on disk before the change begins. The same order again is admitted: what a crash left half done is
// completed.
func (h *Host) admit(o Order) error {
	if _, err := fileName(o.Intent); err != nil {
		return err
	}
	if o.Target == "" || o.Fence <= 0 {
		return fmt.Errorf("intent %s: target %q and fence %d: both are required", o.Intent, o.Target, o.Fence)
	}
	accepted, err := h.fences()
	if err != nil {
		return err
	}
	was := highest(accepted)
	switch {
	case was.Fence == o.Fence && was.Intent == o.Intent:
		return nil
	case was.Fence >= o.Fence:
		return &galen.OvertakenError{By: was.Intent, Why: fmt.Sprintf("intent %s has fence %d on %s, intent %s had %d already (%s): look again",
			o.Intent, o.Fence, o.Target, was.Intent, was.Fence, h.marker("fences"))}
	}
	accepted[o.Target] = fence{Fence: o.Fence, Intent: o.Intent}
	b, err := json.Marshal(accepted)
	if err != nil {
		return err
	}
	return h.disk.write(h.marker("fences"), b)
}

// highest is the highest fence under all names; of two that are alike, the one of the first name.
func highest(accepted map[string]fence) fence {
	var out fence
	for _, name := range slices.Sorted(maps.Keys(accepted)) {
		if f := accepted[name]; f.Fence > out.Fence {
			out = f
		}
	}
	return out
}

// fences are the highest accepted so far, by target: that of its newest order, and what a release left there that counted by target. A
// file that cannot be read refuses every order.
func (h *Host) fences() (map[string]fence, error) {
	out := map[string]fence{}
	b, err := os.ReadFile(h.marker("fences"))
	if errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("read the fences of earlier intents in %s: %w; nothing is changed here before a person has looked", h.marker("fences"), err)
	}
	return out, nil
}
