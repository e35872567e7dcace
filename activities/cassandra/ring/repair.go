package ring

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// repair is one repair session at its coordinator, which forgets it when it starts again.
type repair struct {
	intent      string
	coordinator *process
	host        *host
	command     int
	status      string
	partial     bool // a replica was left out
	message     string
	// replicas are read for it until then, whatever becomes of the coordinator; none while it waits for one that hangs.
	replicas []*process
	until    time.Time
}

// tasks are what a node in service does to its sstables, as it tells clients. A repair shows at each replica.
func (c *Cluster) tasks(h *host, now time.Time) map[string]int {
	if h.proc.phase != phaseNormal && h.proc.phase != phaseLeaving {
		return nil // no clients are served: nobody can ask
	}
	out := map[string]int{}
	if h.cleaning {
		out[cassandra.TaskCleanup]++
	}
	for _, r := range c.repairs {
		if now.Before(r.until) && slices.Contains(r.replicas, h.proc) {
			out[cassandra.TaskValidation]++
		}
	}
	if c.compacts(h, now) {
		out[TaskCompaction]++
	}
	return out
}

// TaskCompaction is a node's own housekeeping, which keeps nobody from anything.
const TaskCompaction = "compaction"

// Where clients write, a node compacts what they wrote for some seconds of each minute, one node after the other.
const (
	compactEvery = time.Minute
	compactFor   = 12 * time.Second
)

func (c *Cluster) compacts(h *host, now time.Time) bool {
	turn := time.Duration(slices.Index(c.hosts, h)) * compactFor / 2 // so that two may at once
	return c.spec.Writes && now.Sub(h.proc.started.Add(turn))%compactEvery >= compactEvery-compactFor
}

// startRepair begins a repair. Whatever comes of it, the call succeeds: only the status tells.
func (c *Cluster) startRepair(h *host, args cassandra.RepairArgs, in galen.Intent, now time.Time) (func() string, error) {
	if h.proc == nil || h.proc.stopped || h.proc.phase != phaseNormal || h.cut != "" {
		return nil, fmt.Errorf("repair at %s: no answer", h.Name)
	}
	if !slices.ContainsFunc(c.spec.Keyspaces, func(k cassandra.Keyspace) bool { return k.Name == args.Keyspace }) {
		return nil, fmt.Errorf("repair at %s: java.lang.NullPointerException: keyspace %s", h.Name, args.Keyspace)
	}
	if err := h.reached(in); err != nil {
		return nil, err
	}
	return func() string { return c.beginRepair(h, args, order{intent: in.ID}, now) }, nil
}

// order is on whose behalf a repair runs, with whom alone (nil: with every replica), and how long at least.
type order struct {
	intent string
	with   *host
	lasts  time.Duration // 0: as long as a small one
}

func (c *Cluster) beginRepair(h *host, args cassandra.RepairArgs, o order, now time.Time) string {
	r := &repair{partial: o.with != nil, intent: o.intent, coordinator: h.proc, host: h, command: 1, status: "IN_PROGRESS"}
	for _, other := range c.repairs {
		if other.coordinator == h.proc {
			r.command++
		}
	}
	c.repairs = append(c.repairs, r)
	stuck, why := c.unrepairable(h, args, o.with, now)
	switch {
	case why != "":
		r.end("FAILED", why)
	case stuck:
		c.life(h, h.proc, now.Add(c.spec.Timing.Stuck), func(time.Time) { r.end("FAILED", "Did not get replies from all endpoints") })
	default:
		lasts := cmp.Or(o.lasts, c.spec.Timing.Repair)
		r.replicas, r.until = c.readFor(h, args, o.with), now.Add(lasts)
		c.life(h, h.proc, r.until, func(time.Time) { r.end("COMPLETED", "Repair completed successfully") })
	}
	return fmt.Sprintf("command %d", r.command)
}

func (r *repair) end(status, message string) { r.status, r.message = status, message }

// readFor are the processes whose data a repair reads.
func (c *Cluster) readFor(h *host, args cassandra.RepairArgs, with *host) []*process {
	q := c.quorum()
	var out []*process
	for _, r := range args.Ranges {
		for _, id := range q.Replicas(args.Keyspace, r.End) {
			m := c.member(id)
			if (with == nil || m.host == h || m.host == with) && !slices.Contains(out, m.host.proc) {
				out = append(out, m.host.proc)
			}
		}
	}
	return out
}

// unrepairable says why a repair fails at once, or that a peer which the coordinator believes to be UP is frozen.
func (c *Cluster) unrepairable(h *host, args cassandra.RepairArgs, with *host, now time.Time) (stuck bool, why string) {
	q := c.quorum()
	self := c.owner(h.Address)
	if self == nil {
		return false, h.Name + " is no node of the ring"
	}
	local := q.Ranges(args.Keyspace, self.hostID)
	for _, r := range args.Ranges {
		if !slices.Contains(local, r) {
			return false, fmt.Sprintf("Requested range (%d,%d] intersects a local range but is not fully contained in one", r.Start, r.End)
		}
		for _, id := range q.Replicas(args.Keyspace, r.End) {
			m := c.member(id)
			if with != nil && m.host != h && m.host != with {
				continue
			}
			if !c.callsUp(h, m.host.Address, now) {
				return false, "Endpoint not alive: /" + m.host.Address + ":7000"
			}
			stuck = stuck || m.host.proc == nil || m.host.proc.stopped
		}
	}
	return stuck, ""
}

// repairStatus is what the coordinator knows of the repair of an intent; it knows nothing from before its last start.
func (c *Cluster) repairStatus(in galen.Intent) cassandra.Repair {
	out := cassandra.Repair{Intent: in.ID}
	if args, err := galen.Decode[cassandra.RepairArgs](in.Step.Args); err == nil {
		out.Instance = args.Instance
	}
	for _, r := range c.repairs {
		if r.intent != in.ID {
			continue
		}
		if in.Sent == galen.SentYes {
			out.Command = r.command // the reply told it
		}
		if r.host.proc == r.coordinator && !r.coordinator.stopped && r.host.cut == "" {
			out.Command, out.Status, out.Message = r.command, r.status, r.message
		}
	}
	return out
}

// Partial are the intents of the repairs that say COMPLETED and left a replica out; [ByPerson] for those of a person.
func (c *Cluster) Partial() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
	var out []string
	for _, r := range c.repairs {
		if r.partial && r.status == "COMPLETED" {
			out = append(out, r.intent)
		}
	}
	return out
}
