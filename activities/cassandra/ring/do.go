package ring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// Call is one call as it arrived, and whether it had an effect.
type Call struct {
	At       time.Time `json:"at"`
	Intent   string    `json:"intent"`
	Run      string    `json:"run,omitempty"`
	Verb     string    `json:"verb"`
	Target   string    `json:"target"`
	Instance string    `json:"instance,omitempty"`
	// Accepted: it took effect, whatever the caller was told.
	Accepted bool `json:"accepted"`
	// Why it was refused, or which fault it met.
	Why string `json:"why,omitempty"`
}

// Calls are all calls so far, oldest first.
func (c *Cluster) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Doubled are the intents that had their effect more than once.
func Doubled(calls []Call) []string {
	count := map[string]int{}
	var out []string
	for _, call := range calls {
		if !call.Accepted {
			continue
		}
		if count[call.Intent]++; count[call.Intent] == 2 {
			out = append(out, call.Intent)
		}
	}
	return out
}

// errLost is what a caller sees when the reply is lost: it looks like any other time-out.
var errLost = errors.New("i/o timeout: no reply")

// Do makes the call of an intent, or lets it meet the next fault that was set for its verb.
func (c *Cluster) Do(ctx context.Context, in galen.Intent) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("%s: %w", in.Step, err)
	}
	reply, hung, err := c.do(in)
	if hung != nil && c.spec.Hang != nil {
		if waited := c.spec.Hang(ctx, *hung); waited != nil {
			err = waited
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", in.Step, err)
	}
	return reply, nil
}

// do gives the call that hangs, if it does.
func (c *Cluster) do(in galen.Intent) (reply string, hung *Call, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.pass()
	f, met := c.nextFault(in.Step.Verb)
	if !met {
		reply, err = c.accept(in, now, "")
		return reply, nil, err
	}
	call := Call{At: now, Intent: in.ID, Run: in.Run, Verb: in.Step.Verb, Target: in.Step.Target.ID, Why: string(f.Kind)}
	switch f.Kind {
	case LostReply:
		_, err := c.accept(in, now, string(f.Kind))
		return "", nil, errors.Join(errLost, err)
	case Delayed:
		c.later(now.Add(f.By.D()), func(at time.Time) {
			if _, err := c.accept(in, at, string(f.Kind)); err != nil {
				return // the log of calls has it, nobody waits for it
			}
		})
		return "", nil, errLost
	case Twice:
		reply, err := c.accept(in, now, "")
		c.later(now.Add(f.By.D()), func(at time.Time) {
			if _, err := c.accept(in, at, string(f.Kind)); err != nil {
				return // the log of calls has it
			}
		})
		return reply, nil, err
	case LiedOK:
		c.calls = append(c.calls, call)
		return "ok", nil, nil
	case Throttled:
		c.calls = append(c.calls, call)
		return "", nil, errors.New("429: too many requests, try again later")
	case HungAfter:
		_, err := c.accept(in, now, string(f.Kind))
		return "", &call, errors.Join(context.DeadlineExceeded, err)
	case HungBefore:
		c.calls = append(c.calls, call)
		return "", &call, context.DeadlineExceeded
	default: // Dropped
		c.calls = append(c.calls, call)
		return "", nil, errors.New("connection reset by peer")
	}
}

// accept lets a call have its effect if the host or the node allows it, and logs it either way.
func (c *Cluster) accept(in galen.Intent, now time.Time, fault string) (string, error) {
	call := Call{At: now, Intent: in.ID, Run: in.Run, Verb: in.Step.Verb, Target: in.Step.Target.ID, Why: fault}
	act, err := c.action(in, &call, now)
	if err == nil && c.spec.Accept != nil {
		call.Accepted = true
		err = c.spec.Accept(call)
	}
	if err != nil {
		call.Accepted, call.Why = false, err.Error()
		c.calls = append(c.calls, call)
		return "", err
	}
	call.Accepted = true
	c.calls = append(c.calls, call)
	if c.spec.Witness != nil {
		c.spec.Witness(call, c.truth(now))
	}
	reply := act()
	c.publish(now)
	return reply, nil
}

// action checks a call and gives what it does.
func (c *Cluster) action(in galen.Intent, call *Call, now time.Time) (func() string, error) {
	actions := map[string]func() (func() string, error){
		cassandra.VerbStart: func() (func() string, error) {
			return act(c, in, call, func(h *host, _ cassandra.StartArgs) (func() string, error) { return c.start(h, in, now) })
		},
		cassandra.VerbStop: func() (func() string, error) {
			return act(c, in, call, func(h *host, _ cassandra.StopArgs) (func() string, error) { return c.stop(h, now) })
		},
		cassandra.VerbKill: func() (func() string, error) {
			return act(c, in, call, func(h *host, a cassandra.KillArgs) (func() string, error) { return c.killExactly(h, a, now) })
		},
		cassandra.VerbFence: func() (func() string, error) {
			return act(c, in, call, func(h *host, _ cassandra.FenceArgs) (func() string, error) { return c.fence(h, in, now), nil })
		},
		cassandra.VerbPrepare: func() (func() string, error) { return c.prepareAt(in, call) },
		cassandra.VerbDiscard: func() (func() string, error) {
			return act(c, in, call, func(h *host, _ cassandra.DiscardArgs) (func() string, error) { return h.discard() })
		},
		cassandra.VerbClearReplace: func() (func() string, error) {
			return act(c, in, call, func(h *host, _ cassandra.ClearReplaceArgs) (func() string, error) { return h.clearFlag(), nil })
		},
		cassandra.VerbReplace: func() (func() string, error) {
			return act(c, in, call, func(h *host, a cassandra.ReplaceArgs) (func() string, error) { return c.replace(h, a, in, now) })
		},
		cassandra.VerbRemoveJoiner: func() (func() string, error) {
			return act(c, in, call, func(h *host, a cassandra.RemoveJoinerArgs) (func() string, error) { return c.removeJoiner(h, a, now) })
		},
		cassandra.VerbRepair: func() (func() string, error) {
			return act(c, in, call, func(h *host, a cassandra.RepairArgs) (func() string, error) { return c.startRepair(h, a, in, now) })
		},
	}
	maps.Copy(actions, c.throttles(in, call))
	do, known := actions[in.Step.Verb]
	if !known {
		return nil, fmt.Errorf("verb %q is unknown here", in.Step.Verb)
	}
	return do()
}

// prepareAt finds the instance that prepare aims at: its target is no node yet.
func (c *Cluster) prepareAt(in galen.Intent, call *Call) (func() string, error) {
	args, err := galen.Decode[cassandra.PrepareArgs](in.Step.Args)
	if err != nil {
		return nil, err
	}
	name, _ := strings.CutPrefix(in.Step.Target.ID, "instance/")
	call.Instance = name
	h := c.host(name)
	if h == nil {
		return nil, fmt.Errorf("no host %q", name)
	}
	if err := h.reached(in); err != nil {
		return nil, err
	}
	return h.prepare(args, in)
}

// act reads the arguments of a call and finds its host.
func act[A any](c *Cluster, in galen.Intent, call *Call, do func(*host, A) (func() string, error)) (func() string, error) {
	args, err := galen.Decode[A](in.Step.Args)
	if err != nil {
		return nil, err
	}
	var on struct {
		Instance string `json:"instance"`
	}
	if err := json.Unmarshal(in.Step.Args, &on); err != nil {
		return nil, err
	}
	call.Instance = on.Instance
	h := c.host(call.Instance)
	if h == nil {
		return nil, fmt.Errorf("no host %q", call.Instance)
	}
	if !toNode(in.Step.Verb) {
		if err := h.reached(in); err != nil {
			return nil, err
		}
	}
	return do(h, args)
}

// reached: the host answers, and admits the order. One to the node, which cannot refuse, comes here right before it is sent.
func (h *host) reached(in galen.Intent) error {
	if h.unreadable {
		return fmt.Errorf("host %s does not answer", h.Name)
	}
	return h.admit(in)
}

// toNode tells whether a verb is done by the node, not by its host.
func toNode(verb string) bool {
	return verb == cassandra.VerbRepair || verb == cassandra.VerbRaiseStream || verb == cassandra.VerbRestoreStream
}
