package cassandra

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/galenhq/galen"
)

// RateUnit is the unit in which a node holds a rate.
type RateUnit string

// The units. What Cassandra calls "Mb" in the names of its attributes are megabits, of 125,000 bytes; a mebibyte is
// 1,048,576 bytes. 4.0 knows megabits only, later versions both.
const (
	Megabits  RateUnit = "Mbit/s"
	Mebibytes RateUnit = "MiB/s"
)

// bytesPer second of one of the unit, 0 for an unknown one.
func (u RateUnit) bytesPer() float64 {
	switch u {
	case Megabits:
		return 125_000
	case Mebibytes:
		return 1 << 20
	default:
		return 0
	}
}

// Rate is a limit on what a node sends, in the unit in which the node can be told the same value again. Only whole
// numbers can be set.
type Rate struct {
	Value float64  `json:"value"` // 0: no limit
	Unit  RateUnit `json:"unit"`
}

// String is the rate for people.
func (r Rate) String() string {
	if r.unlimited() {
		return "no limit"
	}
	return strconv.FormatFloat(r.Value, 'g', 6, 64) + " " + string(r.Unit)
}

func (r Rate) unlimited() bool { return r.Value <= 0 }

// settable tells whether a node can be told this value.
func (r Rate) settable() bool {
	return r.Unit.bytesPer() > 0 && r.Value >= 0 && r.Value <= maxRate && r.Value == math.Trunc(r.Value)
}

// maxRate is more than any network card sends, and fits the 32-bit number that Cassandra takes.
const maxRate = 1_000_000

// Bytes per second.
func (r Rate) Bytes() float64 { return r.Value * r.Unit.bytesPer() }

// raised is the highest rate in the unit of r that is not above the wanted one; r itself where that is no less.
func (r Rate) raised(mebibytes int) Rate {
	per := r.Unit.bytesPer()
	if r.unlimited() || per == 0 {
		return r
	}
	return Rate{Value: max(r.Value, math.Floor(float64(mebibytes)*Mebibytes.bytesPer()/per)), Unit: r.Unit}
}

// Throttle is how fast a node may send streams, as it holds it now: set by its configuration when it starts, by a person
// or by Galen since. Whole SSTables are sent under a throttle of their own (4.1 and later), which is not in it.
type Throttle struct {
	Stream  Rate `json:"stream"`   // to nodes of its own data centre, and of all of them together
	InterDC Rate `json:"inter_dc"` // to those of other data centres
}

// String is the throttle for people.
func (t Throttle) String() string {
	if t.Stream == t.InterDC {
		return t.Stream.String()
	}
	return t.Stream.String() + ", between data centres " + t.InterDC.String()
}

// raised is the throttle with each rate at the wanted one, or where it is if that is higher.
func (t Throttle) raised(mebibytes int) Throttle {
	return Throttle{Stream: t.Stream.raised(mebibytes), InterDC: t.InterDC.raised(mebibytes)}
}

// Below tells whether a rate of it could be raised towards the wanted one.
func (t Throttle) Below(mebibytes int) bool { return t.raised(mebibytes) != t }

// Restorable tells whether a node could be told these values again.
func (t Throttle) Restorable() bool { return t.Stream.settable() && t.InterDC.settable() }

// RaiseArgs of raise-stream-throughput.
type RaiseArgs struct {
	Instance string `json:"instance"`
	// Generation is the start of the node that is meant: the next start has the throttle of its configuration again.
	Generation int64    `json:"generation"`
	From       Throttle `json:"from"` // as it was seen
	To         Throttle `json:"to"`
}

// RestoreArgs of restore-stream-throughput, the undo of a raise: each rate that still is as it was raised goes back to
// what it was. One that somebody has set since stays, and a node that was started since is let alone.
type RestoreArgs struct {
	Instance   string   `json:"instance"`
	Generation int64    `json:"generation"`
	Raised     Throttle `json:"raised"`
	To         Throttle `json:"to"`
}

// Left is the throttle that a node with this one has after the restore.
func (a RestoreArgs) Left(now Throttle) Throttle {
	if now.Stream == a.Raised.Stream {
		now.Stream = a.To.Stream
	}
	if now.InterDC == a.Raised.InterDC {
		now.InterDC = a.To.InterDC
	}
	return now
}

// RaiseStream lets the node send streams that fast, from now to its next start. Its undo is RestoreStream.
func RaiseStream(n Node, v View, mebibytes int) galen.Step {
	var now Throttle
	if v.Throttle != nil {
		now = *v.Throttle
	}
	args := RaiseArgs{Instance: n.Instance, Generation: v.Generation, From: now, To: now.raised(mebibytes)}
	s := step(VerbRaiseStream, n.Target(), args, withinThrottle, "let "+Title(n)+" send streams at "+args.To.String()+" instead of "+now.String())
	undo := RestoreStream(n, args)
	s.Undo = &undo
	return s
}

// RestoreStream takes a raise back.
func RestoreStream(n Node, raise RaiseArgs) galen.Step {
	args := RestoreArgs{Instance: raise.Instance, Generation: raise.Generation, Raised: raise.To, To: raise.From}
	return step(VerbRestoreStream, n.Target(), args, withinThrottle, "let "+Title(n)+" send streams at "+raise.From.String()+" again, as before")
}

// withinThrottle is the deadline of one number that is set on a node.
const withinThrottle = 2 * time.Minute

// checkRaise accepts only a throttle that can be put back exactly, and with it the step that does so.
func checkRaise(r Ring, s galen.Step, args RaiseArgs) error {
	n, _, err := nodeAndInstance(r, s.Target, args.Instance)
	if err != nil {
		return err
	}
	v, _ := r.ViewOf(n)
	switch {
	case n.Status != Normal || n.Down:
		return fmt.Errorf("the node is %s, down %t", n.Status, n.Down)
	case v.Jolokia != Answered || v.Throttle == nil:
		return errors.New("the node does not tell its throttle")
	case v.Generation != args.Generation || *v.Throttle != args.From:
		return fmt.Errorf("its throttle is %s, not %s", v.Throttle, args.From)
	}
	if err := args.raises(); err != nil {
		return err
	}
	if want := RestoreStream(n, args); s.Undo == nil || s.Undo.Hash() != want.Hash() {
		return errors.New("its undo is not the one that puts the throttle back")
	}
	return nil
}

// raises tells whether the step only raises what has a limit, by something, and all of it can be set and put back.
func (a RaiseArgs) raises() error {
	for _, c := range []struct {
		name     string
		from, to Rate
	}{{"stream throughput", a.From.Stream, a.To.Stream}, {"stream throughput between data centres", a.From.InterDC, a.To.InterDC}} {
		switch {
		case !c.from.settable():
			return fmt.Errorf("the %s of %s could not be put back: only whole Mbit/s or MiB/s can be set", c.name, c.from)
		case !c.to.settable() || c.to.Unit != c.from.Unit:
			return fmt.Errorf("the %s cannot be set to %s", c.name, c.to)
		case c.to != c.from && (c.from.unlimited() || c.to.Value < c.from.Value):
			return fmt.Errorf("a %s of %s instead of %s is no raise", c.name, c.to, c.from)
		}
	}
	if a.From == a.To {
		return fmt.Errorf("its throttle is %s already", a.To)
	}
	return nil
}

// above tells whether a rate is raised above a ceiling.
func (a RaiseArgs) above(ceiling Rate) bool {
	return a.To.Stream != a.From.Stream && a.To.Stream.Bytes() > ceiling.Bytes() ||
		a.To.InterDC != a.From.InterDC && a.To.InterDC.Bytes() > ceiling.Bytes()
}

func checkRestore(r Ring, s galen.Step, args RestoreArgs) error {
	if !args.To.Stream.settable() || !args.To.InterDC.settable() {
		return fmt.Errorf("a throttle of %s cannot be set", args.To)
	}
	if args.Over(r, s.Target.ID, time.Time{}) != "" {
		return nil // what is left is to put that on record
	}
	n, found := r.Node(s.Target.ID)
	if !found || n.Unlisted {
		return errors.New("no such node in the ring")
	}
	v, _ := r.ViewOf(n)
	switch {
	case n.Instance != args.Instance || args.Instance == "":
		return fmt.Errorf("the node is run by instance %q, not %q", n.Instance, args.Instance)
	case v.Jolokia != Answered || v.Throttle == nil:
		return errors.New("the node does not tell its throttle")
	}
	return nil
}

// throttleSince is what the node itself told of its throttle after the intent; ok is false, with an unknown effect, while
// it has not.
func throttleSince(r Ring, in galen.Intent, instance string) (v View, e galen.Effect, ok bool) {
	v, asked := r.View(instance)
	switch {
	case !asked || v.At.Before(in.At):
		return v, unknown("%s was not asked since", instance), false
	case v.Jolokia != Answered || v.Throttle == nil:
		return v, unknown("%s does not tell its throttle: %s", instance, words(string(v.Jolokia), v.JolokiaError)), false
	}
	return v, galen.Effect{}, true
}

// raiseEffect believes a raise only after the settle time: no host keeps a fence for it, so if it arrived once more after
// its restore, it would stay.
func raiseEffect(r Ring, in galen.Intent, args RaiseArgs, settle time.Duration) galen.Effect {
	v, e, ok := throttleSince(r, in, args.Instance)
	mayArrive := v.At.Before(in.At.Add(settle))
	switch {
	case !ok:
		return silentSince(in, e, mayArrive)
	case v.Generation != args.Generation:
		return absent("%s was started again, and has the throttle of its configuration", args.Instance)
	case *v.Throttle == args.From:
		return absent("the throttle is %s as before", v.Throttle)
	case mayArrive:
		return underWay("the throttle is %s; the call may still arrive once more", v.Throttle)
	case *v.Throttle == args.To:
		return done("the throttle is %s", v.Throttle)
	}
	return galen.Effect{Status: galen.EffectFailed, Why: fmt.Sprintf("the throttle is %s: half of the raise, or set by somebody else", v.Throttle)}
}

// silentSince is the effect of a raise on a node that does not tell its throttle. One that was seen raised before is not waited
// for once the settle time is over: until then nobody could heal it (I-20), and its restore is owed in any case.
func silentSince(in galen.Intent, e galen.Effect, mayArrive bool) galen.Effect {
	switch {
	case in.Effect.Status != galen.EffectUnderWay:
		return e
	case mayArrive:
		return underWay("it was seen to be raised; %s", e.Why)
	}
	return done("it was seen to be raised; %s", e.Why)
}

func restoreEffect(r Ring, in galen.Intent, args RestoreArgs, _ time.Duration) galen.Effect {
	if why := args.Over(r, in.Step.Target.ID, in.At); why != "" {
		return done("%s", why)
	}
	v, e, ok := throttleSince(r, in, args.Instance)
	switch {
	case !ok:
		return e
	case v.Generation != args.Generation:
		return done("%s was started again since, and has the throttle of its configuration", args.Instance)
	case *v.Throttle == args.To:
		return done("the throttle is %s as before", v.Throttle)
	case args.Left(*v.Throttle) == *v.Throttle:
		return done("the throttle is %s: somebody has set it since, so it stays", v.Throttle)
	}
	return absent("the throttle is still %s", v.Throttle)
}
