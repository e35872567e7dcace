package ring

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// What a host refuses, as the real one does.
var (
	errRunning   = errors.New("a process of this instance is alive")
	errFenced    = errors.New("the instance is fenced")
	errAttempted = errors.New("a start was attempted for this intent")
	errPrepared  = errors.New("the instance is prepared by another intent")
	errData      = errors.New("the instance holds data")
	errOther     = errors.New("another process, or another intent")
)

// accepted is the highest fence that a host has taken, under whatever name, and for which intent.
type accepted struct {
	fence  int64
	intent string
}

// admit refuses what a later intent has overtaken, as the host agent of a live ring does: the call of an engine that was paused in the middle of it. The same
// order again is admitted. What is admitted is remembered even if the change is then refused, as on the real host.
func (h *host) admit(in galen.Intent) error {
	target, was := in.Step.Target.ID, h.accepted
	if target == "" || in.Fence <= 0 {
		return fmt.Errorf("intent %s: target %q and fence %d: both are required", in.ID, target, in.Fence)
	}
	switch {
	case was.fence == in.Fence && was.intent == in.ID:
		return nil
	case was.fence >= in.Fence:
		return &galen.OvertakenError{By: was.intent, Why: fmt.Sprintf("intent %s has fence %d on %s, intent %s had %d already: look again",
			in.ID, in.Fence, target, was.intent, was.fence)}
	}
	h.accepted = accepted{in.Fence, in.ID}
	return nil
}

// mayStart holds for start, replace and prepare.
func (h *host) mayStart() error {
	switch {
	case h.fenced != "":
		return errFenced
	case h.proc != nil:
		return errRunning
	}
	return nil
}

func (c *Cluster) start(h *host, in galen.Intent, now time.Time) (func() string, error) {
	if err := h.mayStart(); err != nil {
		return nil, err
	}
	if slices.Contains(h.attempts, in.ID) {
		return nil, errAttempted
	}
	return func() string {
		h.attempts = append(h.attempts, in.ID)
		return "pid " + strconv.Itoa(c.exec(h, in.ID, now).pid)
	}, nil
}

func (c *Cluster) stop(h *host, now time.Time) (func() string, error) {
	if h.proc != nil && h.proc.phase == phaseNormal && !h.proc.stopped && h.cut != "" {
		return nil, fmt.Errorf("drain %s: no answer", h.Name)
	}
	return func() string {
		if h.proc != nil && !h.proc.stopped && h.proc.phase != phaseDraining {
			c.halt(h, now)
		}
		return "draining"
	}, nil
}

func (c *Cluster) killExactly(h *host, args cassandra.KillArgs, now time.Time) (func() string, error) {
	started, err := time.Parse(time.RFC3339Nano, args.Started)
	if err != nil {
		return nil, err
	}
	if h.proc != nil && (h.proc.pid != args.PID || !h.proc.started.Equal(started)) {
		return nil, errOther
	}
	return func() string {
		c.kill(h, now)
		return "killed"
	}, nil
}

func (c *Cluster) fence(h *host, in galen.Intent, now time.Time) func() string {
	return func() string {
		if h.fenced == "" {
			h.fenced = in.ID
			// The configuration is moved away with the start command.
			h.config.AutoBootstrap, h.flag = false, ""
		}
		c.kill(h, now)
		return "fenced"
	}
}

func (h *host) prepare(args cassandra.PrepareArgs, in galen.Intent) (func() string, error) {
	switch err := h.mayStart(); {
	case err != nil:
		return nil, err
	case h.data != nil:
		return nil, errData
	case h.prepared != "" && h.prepared != in.ID:
		return nil, errPrepared
	case slices.Contains(args.Seeds, h.Address) || len(args.Seeds) == 0:
		return nil, errors.New("the seeds are none, or hold the node's own address")
	}
	return func() string {
		if h.original == nil {
			kept := h.config
			h.original = &kept
		}
		h.prepared, h.flag = in.ID, args.Replace
		h.config = cassandra.Config{
			Cluster: args.Cluster, DC: args.DC, Rack: args.Rack, Seeds: slices.Clone(args.Seeds), Listen: h.Address, AutoBootstrap: true,
		}
		return "prepared"
	}, nil
}

func (h *host) discard() (func() string, error) {
	switch {
	case h.prepared == "":
	case h.proc != nil:
		return nil, errRunning
	case h.data != nil:
		return nil, errData
	}
	return func() string {
		if h.original != nil {
			h.config = *h.original
		}
		h.prepared, h.flag, h.original = "", "", nil
		return "discarded"
	}, nil
}

// clearFlag ends the preparation, too. The running process keeps the flag on its command line.
func (h *host) clearFlag() func() string {
	return func() string {
		h.prepared, h.flag, h.original = "", "", nil
		return "cleared"
	}
}

func (c *Cluster) replace(h *host, args cassandra.ReplaceArgs, in galen.Intent, now time.Time) (func() string, error) {
	if h.prepared == "" || h.prepared != args.Prepared {
		return nil, fmt.Errorf("%s is prepared by %q, not by %q", h.Name, h.prepared, args.Prepared)
	}
	if h.flag != args.Address {
		return nil, fmt.Errorf("%s would replace %q, not %q", h.Name, h.flag, args.Address)
	}
	return c.start(h, in, now)
}

func (c *Cluster) removeJoiner(h *host, args cassandra.RemoveJoinerArgs, now time.Time) (func() string, error) {
	switch {
	case !slices.Contains(h.attempts, args.Replace):
		return nil, errOther
	case h.prepared == "" || h.flag == "":
		return nil, errors.New("it may hold a node in service: it is not prepared any more")
	case h.proc != nil && h.proc.intent != args.Replace:
		return nil, errOther
	}
	return func() string {
		if h.data != nil && !h.data.half {
			c.harm(now, h, "the data of "+h.Name+", a node in service, were deleted")
		}
		c.kill(h, now)
		h.wipe()
		return "removed"
	}, nil
}
