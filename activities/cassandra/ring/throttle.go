package ring

import (
	"fmt"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// DefaultThrottle is what a node of Cassandra 5.0 starts with. It lives in the process: the next start has it again.
func DefaultThrottle() cassandra.Throttle {
	rate := cassandra.Rate{Value: 24, Unit: cassandra.Mebibytes}
	return cassandra.Throttle{Stream: rate, InterDC: rate}
}

// SetThrottle is a person with nodetool.
func (c *Cluster) SetThrottle(instance string, t cassandra.Throttle) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	h := c.host(instance)
	if h == nil || h.proc == nil {
		return fmt.Errorf("set the throttle of %q: no process", instance)
	}
	h.proc.throttle = t
	return nil
}

// Throttle is the one that a node has now, false if it has no process.
func (c *Cluster) Throttle(instance string) (cassandra.Throttle, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	h := c.host(instance)
	if h == nil || h.proc == nil {
		return cassandra.Throttle{}, false
	}
	return h.proc.throttle, true
}

// agent is the process whose agent answers a call.
func (h *host) agent() (*process, error) {
	if h.proc == nil || h.proc.stopped || h.cut != "" || h.proc.phase < phaseStarting {
		return nil, fmt.Errorf("the agent of %s does not answer", h.Name)
	}
	return h.proc, nil
}

// raise sets the throttle of the very process that the step means, if it is as it was seen.
func (h *host) raise(a cassandra.RaiseArgs, in galen.Intent) (func() string, error) {
	p, err := h.agent()
	switch {
	case err != nil:
		return nil, err
	case p.generation != a.Generation:
		return nil, fmt.Errorf("%s was started again", h.Name)
	case p.throttle != a.From:
		return nil, fmt.Errorf("the throttle of %s is %s, not %s", h.Name, p.throttle, a.From)
	}
	if err := h.reached(in); err != nil {
		return nil, err
	}
	return func() string {
		p.throttle = a.To
		return "set"
	}, nil
}

func (h *host) restore(a cassandra.RestoreArgs, in galen.Intent) (func() string, error) {
	p, err := h.agent()
	if err != nil {
		return nil, err
	}
	if p.generation != a.Generation || a.Left(p.throttle) == p.throttle {
		return func() string { return "nothing to do" }, nil
	}
	if err := h.reached(in); err != nil {
		return nil, err
	}
	return func() string {
		p.throttle = a.Left(p.throttle)
		return "set back"
	}, nil
}

// throttles are the actions on throttles, by verb.
func (c *Cluster) throttles(in galen.Intent, call *Call) map[string]func() (func() string, error) {
	return map[string]func() (func() string, error){
		cassandra.VerbRaiseStream: func() (func() string, error) {
			return act(c, in, call, func(h *host, a cassandra.RaiseArgs) (func() string, error) { return h.raise(a, in) })
		},
		cassandra.VerbRestoreStream: func() (func() string, error) {
			return act(c, in, call, func(h *host, a cassandra.RestoreArgs) (func() string, error) { return h.restore(a, in) })
		},
	}
}
