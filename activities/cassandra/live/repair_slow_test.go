package live

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/cql"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
)

// slowStatus answers the poll, and is too late with the status of a repair.
type slowStatus struct{ agent }

func (s slowStatus) Bulk(ctx context.Context, requests ...jolokia.Request) ([]jolokia.Answer, error) {
	if slices.ContainsFunc(requests, func(r jolokia.Request) bool { return strings.HasPrefix(r.Operation, "getParentRepairStatus") }) {
		return nil, &jolokia.Error{Kind: jolokia.Timeout, Doing: "read", Err: context.DeadlineExceeded}
	}
	return s.agent.Bulk(ctx, requests...)
}

// slowRepairs serves, and is too late with system_views.repairs.
type slowRepairs struct{ native }

func (slowRepairs) Repairs(context.Context) ([]cql.Repair, error) {
	return nil, &cql.Error{Answer: cassandra.Hung, Doing: "read the repairs", Err: errors.New("too late")}
}

// A repair whose coordinator answered the poll but not, this time, how the repair is, is not known to be absent.
func TestOneSlowStatusIsNoAbsentRepair(t *testing.T) {
	for name, c := range map[string]struct {
		reply  string
		status galen.EffectStatus
	}{
		"by its number, under way for an hour": {`{"command":3,"generation":100}`, galen.EffectUnderWay},
		"its reply was lost":                   {"", galen.EffectUnknown},
	} {
		d, _ := given(t, "steady-n1.json", "steady-n2.json", "steady-n3.json")
		n := d.rings[orders()].nodes[0]
		n.agent, n.native = slowStatus{n.agent}, slowRepairs{n.native}
		in := intent(cassandra.VerbRepair, "h", repairArgs)
		in.At, in.Sent, in.Reply = now().Add(-time.Hour), galen.SentYes, c.reply
		in.Effect = galen.Effect{Status: c.status, At: in.At}
		got := look(t, d, in)
		if v := view(t, got, "n1"); v.Jolokia != cassandra.Answered {
			t.Fatalf("n1: %s %s", v.Jolokia, v.JolokiaError)
		}
		id := view(t, got, "n1").HostID
		in.Step.Target.ID = id
		for _, v := range cassandra.Verbs() {
			if v.Name == cassandra.VerbRepair {
				if e := galen.SettleEffect(v, got, in, now()); e.Settled() {
					t.Errorf("%s: settled as %s: %s", name, e.Status, e.Why)
				}
			}
		}
	}
}
