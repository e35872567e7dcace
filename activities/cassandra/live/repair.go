package live

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/cql"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
)

// repair is what the coordinator says of an open intent's repair; nil if the intent is none, or nothing was told: it may be under way.
func (r *ring) repair(ctx context.Context, in galen.Intent) *cassandra.Repair {
	if in.Step.Verb != cassandra.VerbRepair {
		return nil
	}
	args, n, err := arguments(r, in, func(a cassandra.RepairArgs) string { return a.Instance })
	if err != nil {
		return nil // the gate refused it, or another engine is configured otherwise: nothing can be said
	}
	out := &cassandra.Repair{Intent: in.ID, Instance: n.name}
	var c command
	if json.Unmarshal([]byte(in.Reply), &c) == nil && c.Generation != 0 {
		out.Command = c.Command
		out.Status, out.Message, err = n.status(ctx, c)
	} else {
		err = n.search(ctx, in, args, out)
	}
	if err != nil {
		return nil
	}
	return out
}

// status asks by the command's number, which holds only for the coordinator's start that gave it.
func (n *node) status(ctx context.Context, c command) (status, message string, err error) {
	if c.Command == 0 {
		return "COMPLETED", "nothing to repair", nil
	}
	answers, err := n.agent.Bulk(ctx, jolokia.ReadOf(jolokia.StorageService, "CurrentGenerationNumber"),
		jolokia.Query(jolokia.StorageService, "getParentRepairStatus(int)", c.Command))
	if err != nil {
		return "", "", err
	}
	var generation int64
	var told []string
	if err := answers[0].Attr("CurrentGenerationNumber", &generation); err != nil {
		return "", "", err
	}
	if err := answers[1].Into(&told); err != nil {
		return "", "", err
	}
	switch {
	case generation != c.Generation:
		return "", "the coordinator was started again since", nil
	case len(told) == 0:
		return "", "the coordinator does not know it", nil
	default:
		return told[0], strings.Join(told[1:], "; "), nil
	}
}

// clocks of node and engine may differ by so much.
const clocks = 2 * time.Second

// search finds a repair whose reply was lost, by its keyspace, its very ranges and its begin.
func (n *node) search(ctx context.Context, in galen.Intent, args cassandra.RepairArgs, out *cassandra.Repair) error {
	list, err := n.native.Repairs(ctx)
	if err != nil {
		return err
	}
	ranges := make([]string, len(args.Ranges))
	for i, r := range args.Ranges {
		ranges[i] = fmt.Sprintf("(%d,%d]", r.Start, r.End)
	}
	slices.Sort(ranges)
	i := slices.IndexFunc(list, func(r cql.Repair) bool {
		return r.Keyspace == args.Keyspace && slices.Equal(r.Ranges, ranges) && !r.Began.Before(in.At.Add(-clocks))
	})
	if i < 0 {
		out.Message = "the coordinator remembers no such repair"
		return nil
	}
	out.Command, out.Status, out.Message = list[i].Command, list[i].Status, list[i].Message
	return nil
}
