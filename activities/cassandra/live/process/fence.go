package process

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Fence makes sure that the node of this folder never starts again: a corpse that returns after it was replaced takes
// all its tokens back. First the marker, which every start of ours obeys; then the kill; then start command and
// configuration go into fenced-<intent>, so that nobody else starts it either; then whoever was started in between is
// killed too. Repeated after a crash, under any intent, it completes what is missing.
func (h *Host) Fence(ctx context.Context, o Order) error {
	return h.locked(ctx, o, func() error {
		by, err := h.fencedBy()
		if err != nil {
			return err
		}
		if by == "" {
			if err := h.fence(ctx, o.Intent); err != nil {
				return err
			}
		}
		return h.killAll(ctx)
	})
}

func (h *Host) fence(ctx context.Context, intent string) error {
	name, err := fileName(intent)
	if err != nil {
		return err
	}
	if err := h.disk.write(h.marker("fenced"), []byte(intent+"\n")); err != nil {
		return err
	}
	if err := h.disk.may("kill", h.setup.Folder); err != nil {
		return err
	}
	if err := h.killAll(ctx); err != nil {
		return err
	}
	away := h.path("fenced-" + name)
	if err := os.MkdirAll(away, 0o755); err != nil {
		return err
	}
	if err := h.disk.move(h.setup.Start, h.path("fenced-"+name, "start")); err != nil {
		return err
	}
	if err := h.disk.move(h.path("conf"), h.path("fenced-"+name, "conf")); err != nil {
		return err
	}
	by, err := h.fencedBy()
	if err == nil && by == "" {
		err = errors.New("start command or configuration came back")
	}
	if err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	return nil
}
