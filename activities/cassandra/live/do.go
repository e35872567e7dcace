package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
	"github.com/galenhq/galen/activities/cassandra/live/process"
)

// Do makes the one call of an intent, once. The reply proves nothing.
func (d *Driver) Do(ctx context.Context, in galen.Intent) (string, error) {
	known, ok := d.rings[in.Resource]
	if !ok {
		return "", fmt.Errorf("%s on %s: it is not configured here", in.Step.Verb, in.Resource)
	}
	do, ok := map[string]func(context.Context, galen.Intent) (string, error){
		cassandra.VerbStart:         known.start,
		cassandra.VerbRepair:        known.startRepair,
		cassandra.VerbPrepare:       known.prepare,
		cassandra.VerbDiscard:       known.discard,
		cassandra.VerbClearReplace:  known.clearReplace,
		cassandra.VerbRaiseStream:   known.raiseStream,
		cassandra.VerbRestoreStream: known.restoreStream,
		cassandra.VerbStop:          known.stop,
		cassandra.VerbKill:          known.kill,
		cassandra.VerbFence:         known.fence,
		cassandra.VerbReplace:       known.replace,
		cassandra.VerbRemoveJoiner:  d.removeJoiner,
	}[in.Step.Verb]
	if !ok {
		return "", fmt.Errorf("%s on %s: unknown verb", in.Step.Verb, in.Resource)
	}
	reply, err := do(ctx, in)
	if err != nil {
		return reply, fmt.Errorf("%s: %w", in.Step, err)
	}
	return reply, nil
}

// node of an instance's name.
func (r *ring) node(name string) (*node, error) {
	i := slices.IndexFunc(r.nodes, func(n *node) bool { return n.name == name })
	if i < 0 {
		return nil, fmt.Errorf("instance %q is not configured", name)
	}
	return r.nodes[i], nil
}

// arguments reads the arguments of a step and finds the instance that they name.
func arguments[A any](r *ring, in galen.Intent, instance func(A) string) (A, *node, error) {
	args, err := galen.Decode[A](in.Step.Args)
	if err != nil {
		return args, nil, fmt.Errorf("arguments: %w", err)
	}
	n, err := r.node(instance(args))
	return args, n, err
}

func (r *ring) start(ctx context.Context, in galen.Intent) (string, error) {
	_, n, err := arguments(r, in, func(a cassandra.StartArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	return started(n.host.Start(ctx, order(in)))
}

// order is the intent as the host is told of it.
func order(in galen.Intent) process.Order {
	return process.Order{Intent: in.ID, Target: in.Step.Target.ID, Fence: in.Fence}
}

func started(pid int, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("process %d", pid), nil
}

// stop drains the node as far as the call's deadline allows, and sends SIGTERM, which drains too. The commit log is
// replayed if neither came to an end.
func (r *ring) stop(ctx context.Context, in galen.Intent) (string, error) {
	_, n, err := arguments(r, in, func(a cassandra.StopArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	if err := n.slot.Admit(ctx, order(in)); err != nil { // before the drain, which the host cannot refuse
		return "", err
	}
	reply := "drained, SIGTERM sent"
	if err := n.drain(ctx); err != nil {
		reply = "SIGTERM sent; drain: " + err.Error()
	}
	if err := n.host.Terminate(ctx, order(in)); err != nil {
		return "", err
	}
	return reply, nil
}

// forSignal is what a drain leaves of the call's time.
const forSignal = 5 * time.Second

func (n *node) drain(ctx context.Context) error {
	if end, has := ctx.Deadline(); has {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, end.Add(-forSignal))
		defer stop()
	}
	_, err := n.agent.Exec(ctx, jolokia.StorageService, "drain()")
	return err
}

func (r *ring) kill(ctx context.Context, in galen.Intent) (string, error) {
	args, n, err := arguments(r, in, func(a cassandra.KillArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	began, err := time.Parse(time.RFC3339Nano, args.Started)
	if err != nil {
		return "", fmt.Errorf("arguments: started: %w", err)
	}
	return "killed", n.host.Kill(ctx, order(in), args.PID, began)
}

func (r *ring) fence(ctx context.Context, in galen.Intent) (string, error) {
	_, n, err := arguments(r, in, func(a cassandra.FenceArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	return "fenced", n.host.Fence(ctx, order(in))
}

func (r *ring) prepare(ctx context.Context, in galen.Intent) (string, error) {
	args, n, err := arguments(r, in, func(cassandra.PrepareArgs) string { return strings.TrimPrefix(in.Step.Target.ID, "instance/") })
	if err != nil {
		return "", err
	}
	if !n.spare {
		return "", fmt.Errorf("instance %s is not configured as a spare", n.name)
	}
	return "prepared", n.slot.Prepare(ctx, order(in), process.Config{Cluster: args.Cluster, DC: args.DC, Rack: args.Rack,
		Seeds: args.Seeds, NumTokens: args.NumTokens, Replace: args.Replace})
}

// discard undoes the prepare that the intent pays for.
func (r *ring) discard(ctx context.Context, in galen.Intent) (string, error) {
	_, n, err := arguments(r, in, func(a cassandra.DiscardArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	return "discarded", n.slot.Discard(ctx, order(in), in.Undoes)
}

// replace starts a prepared instance. What its host says right now must still be what was prepared.
func (r *ring) replace(ctx context.Context, in galen.Intent) (string, error) {
	args, n, err := arguments(r, in, func(a cassandra.ReplaceArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	i := n.instance(ctx, in.At)
	if i.Error != "" || i.Prepared == "" || i.Prepared != args.Prepared || i.ReplaceFlag != args.Address || !i.Config.AutoBootstrap || i.Data != cassandra.DataGone {
		return "", fmt.Errorf("instance %s is not prepared by %s to replace %s: prepared by %q, replace flag %q, auto_bootstrap %v, data %s, error %q",
			n.name, args.Prepared, args.Address, i.Prepared, i.ReplaceFlag, i.Config.AutoBootstrap, i.Data, i.Error)
	}
	return started(n.host.Start(ctx, order(in)))
}

// clearReplace ends the preparation of a node that is in service.
func (r *ring) clearReplace(ctx context.Context, in galen.Intent) (string, error) {
	_, n, err := arguments(r, in, func(a cassandra.ClearReplaceArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	mode, err := n.mode(ctx)
	if err != nil {
		return "", err
	}
	if mode != string(cassandra.Normal) {
		return "", fmt.Errorf("instance %s is %s: the flag goes only when it is NORMAL", n.name, mode)
	}
	return "cleared", n.slot.ClearReplaceFlag(ctx, order(in))
}

// removeJoiner takes back a joiner. Its data are deleted, so the live nodes are asked once more whether it is a member;
// if they call it one, or nobody is there to ask, it stays. One that says itself that it is NORMAL is none any more.
func (d *Driver) removeJoiner(ctx context.Context, in galen.Intent) (string, error) {
	r := d.rings[in.Resource]
	args, n, err := arguments(r, in, func(a cassandra.RemoveJoinerArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	since := d.now().UTC()
	if _, err := d.Look(ctx, in.Resource, []galen.Target{in.Step.Target}, nil); err != nil {
		return "", fmt.Errorf("not sent: %w", err)
	}
	if why := r.seen().Outside(n.name, since); why != "" {
		return "", fmt.Errorf("not sent: instance %s may hold the data of a node in service: %s", n.name, why)
	}
	mode, err := n.mode(ctx)
	if err == nil && mode != "JOINING" && mode != "STARTING" && mode != "JOINING_FAILED" {
		return "", fmt.Errorf("instance %s is %s, no joiner", n.name, mode)
	}
	if err != nil && ctx.Err() != nil {
		return "", errors.Join(err, ctx.Err())
	}
	return "removed", n.slot.RemoveJoiner(ctx, order(in), args.Replace)
}

func (n *node) mode(ctx context.Context) (mode string, err error) {
	answers, err := n.agent.Bulk(ctx, jolokia.ReadOf(jolokia.StorageService, "OperationMode"))
	if err != nil {
		return "", err
	}
	return mode, answers[0].Attr("OperationMode", &mode)
}

// command is the reply of a repair: the number that its coordinator gave it, and the start of that coordinator, because
// numbers begin anew with it.
type command struct {
	Command    int   `json:"command"`
	Generation int64 `json:"generation"`
}

func (r *ring) startRepair(ctx context.Context, in galen.Intent) (string, error) {
	args, n, err := arguments(r, in, func(a cassandra.RepairArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	generation, err := n.generation(ctx)
	if err != nil {
		return "", fmt.Errorf("not sent: %w", err)
	}
	ranges := make([]string, len(args.Ranges))
	for i, r := range args.Ranges {
		ranges[i] = fmt.Sprintf("%d:%d", r.Start, r.End)
	}
	// Every option is text: another type is a ClassCastException.
	options := map[string]string{"incremental": "false", "parallelism": "parallel", "primaryRange": "false", "jobThreads": "1",
		"ranges": strings.Join(ranges, ",")}
	if err := n.slot.Admit(ctx, order(in)); err != nil { // the node, which cannot refuse, was asked for its generation since the gate allowed it
		return "", fmt.Errorf("not sent: %w", err)
	}
	got, err := n.agent.Exec(ctx, jolokia.StorageService, "repairAsync(java.lang.String,java.util.Map)", args.Keyspace, options)
	if err != nil {
		return "", err
	}
	c := command{Generation: generation}
	if err := json.Unmarshal(got, &c.Command); err != nil {
		return "", fmt.Errorf("the answer %s is no number of a command: %w", got, err)
	}
	reply, err := json.Marshal(c)
	return string(reply), err
}

func (n *node) generation(ctx context.Context) (g int64, err error) {
	answers, err := n.agent.Bulk(ctx, jolokia.ReadOf(jolokia.StorageService, "CurrentGenerationNumber"))
	if err != nil {
		return 0, err
	}
	return g, answers[0].Attr("CurrentGenerationNumber", &g)
}
