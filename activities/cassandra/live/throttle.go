package live

import (
	"context"
	"fmt"
	"math"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
	"github.com/galenhq/galen/activities/cassandra/live/process"
)

// limit is one throttle of a node: the beginning of the names of its attributes.
type limit struct{ attribute string }

func streamLimit() limit  { return limit{"StreamThroughput"} }
func interDCLimit() limit { return limit{"InterDCStreamThroughput"} }

// The attributes of a limit. "MbPerSec" are megabits, in spite of the name and of Cassandra's own comment, and rounded from
// 4.1 on, where the two that end in AsDouble tell the exact value. All but those two can be written, as whole numbers.
func (l limit) megabits() string       { return l.attribute + "MbPerSec" }
func (l limit) mebibytes() string      { return l.attribute + "MebibytesPerSec" }
func (l limit) exactMegabits() string  { return l.attribute + "MbitPerSecAsDouble" }
func (l limit) exactMebibytes() string { return l.attribute + "MebibytesPerSecAsDouble" }

// readThrottle asks for both limits.
func readThrottle() jolokia.Request {
	var names []string
	for _, l := range []limit{streamLimit(), interDCLimit()} {
		names = append(names, l.megabits(), l.exactMegabits(), l.exactMebibytes())
	}
	return jolokia.ReadOf(jolokia.StorageService, names...)
}

// throttle is what the answer tells; nil if it does not tell both.
func throttle(a jolokia.Answer) *cassandra.Throttle {
	stream, told := streamLimit().read(a)
	interDC, both := interDCLimit().read(a)
	if !told || !both {
		return nil
	}
	return &cassandra.Throttle{Stream: stream, InterDC: interDC}
}

// read gives the rate in the unit in which it is a whole number, so that the node can be told the same value again: the
// default of 24 MiB/s is 201.326592 megabits. One that is whole in neither stays as it is, and is never changed.
func (l limit) read(a jolokia.Answer) (cassandra.Rate, bool) {
	var mib, mbit float64
	if a.Attr(l.exactMebibytes(), &mib) == nil && a.Attr(l.exactMegabits(), &mbit) == nil {
		whole, isWhole := near(mib)
		switch megabits, also := near(mbit); {
		case isWhole:
			return cassandra.Rate{Value: whole, Unit: cassandra.Mebibytes}, true
		case also:
			return cassandra.Rate{Value: megabits, Unit: cassandra.Megabits}, true
		}
		return cassandra.Rate{Value: mib, Unit: cassandra.Mebibytes}, true
	}
	if a.Attr(l.megabits(), &mbit) != nil { // 4.0
		return cassandra.Rate{}, false
	}
	whole, _ := near(mbit)
	return cassandra.Rate{Value: whole, Unit: cassandra.Megabits}, true
}

// near is the whole number that a double means, no limit where it is not positive: the node counts in bytes, so that a
// value which was set comes back off by a rounding.
func near(v float64) (whole float64, is bool) {
	whole = max(math.Round(v), 0)
	return whole, v <= 0 || math.Abs(v-whole) < 1e-6
}

// write is the request that sets a limit.
func (l limit) write(r cassandra.Rate) jolokia.Request {
	name := l.mebibytes()
	if r.Unit == cassandra.Megabits {
		name = l.megabits()
	}
	return jolokia.WriteOf(jolokia.StorageService, name, int(r.Value))
}

// throttled asks the node for its start and its throttle.
func (n *node) throttled(ctx context.Context) (generation int64, now cassandra.Throttle, err error) {
	answers, err := n.agent.Bulk(ctx, jolokia.ReadOf(jolokia.StorageService, "CurrentGenerationNumber"), readThrottle())
	if err != nil {
		return 0, now, err
	}
	if err := answers[0].Attr("CurrentGenerationNumber", &generation); err != nil {
		return 0, now, err
	}
	t := throttle(answers[1])
	if t == nil {
		return 0, now, fmt.Errorf("instance %s does not tell its throttle", n.name)
	}
	return generation, *t, nil
}

// set writes what differs, in one request, if the order still stands: it was read over the network since the gate allowed it.
func (n *node) set(ctx context.Context, o process.Order, from, to cassandra.Throttle) error {
	var writes []jolokia.Request
	if to.Stream != from.Stream {
		writes = append(writes, streamLimit().write(to.Stream))
	}
	if to.InterDC != from.InterDC {
		writes = append(writes, interDCLimit().write(to.InterDC))
	}
	if len(writes) == 0 {
		return nil
	}
	if err := n.slot.Admit(ctx, o); err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	return n.agent.Write(ctx, writes...)
}

// raiseStream sets the throttle of the very process that the step means, if it still is as it was seen.
func (r *ring) raiseStream(ctx context.Context, in galen.Intent) (string, error) {
	args, n, err := arguments(r, in, func(a cassandra.RaiseArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	generation, now, err := n.throttled(ctx)
	switch {
	case err != nil:
		return "", fmt.Errorf("not sent: %w", err)
	case generation != args.Generation:
		return "", fmt.Errorf("not sent: instance %s was started again: generation %d, the step is for %d", n.name, generation, args.Generation)
	case now != args.From:
		return "", fmt.Errorf("not sent: the throttle of instance %s is %s, the step is for %s", n.name, now, args.From)
	}
	if err := n.set(ctx, order(in), now, args.To); err != nil {
		return "", err
	}
	return "set to " + args.To.String(), nil
}

// restoreStream puts back what still is as it was raised.
func (r *ring) restoreStream(ctx context.Context, in galen.Intent) (string, error) {
	args, n, err := arguments(r, in, func(a cassandra.RestoreArgs) string { return a.Instance })
	if err != nil {
		return "", err
	}
	generation, now, err := n.throttled(ctx)
	if err != nil {
		return "", fmt.Errorf("not sent: %w", err)
	}
	if generation != args.Generation {
		return "nothing to put back: started again since", nil
	}
	left := args.Left(now)
	if err := n.set(ctx, order(in), now, left); err != nil {
		return "", err
	}
	return "set to " + left.String(), nil
}
