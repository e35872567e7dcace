package gym

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// Incident is all that one seed decides: a ring, a policy, the engines that look after it, and what happens to all of
// them. A value: two plays of equal incidents are equal.
type Incident struct {
	Seed uint64
	// Sort names what it is about, for the score: "single", "double", "hostile" and so on.
	Sort string
	Ring RingPlan
	// Policy of the resource.
	Policy galen.Policy
	// Engines that share the journal: 1 or 2.
	Engines int
	// Jitter lets every await of an engine take up to that long, so that two engines meet between any two of them.
	Jitter time.Duration
	// Asleep: nobody says yes to what is asked.
	Asleep bool
	// Happen in the order of time.
	Happen []Happening
	// Limit is when it is over at the latest.
	Limit time.Duration
}

// RingPlan is a ring that was healthy for an hour.
type RingPlan struct {
	DCs, Racks, PerRack int
	Spares              int
	// StraySpare: the spares stand in the last data centre only, else one rack after the other.
	StraySpare bool
	VNodes     int
	Honest     bool // all of Cassandra's default delays
	// Lag and Slow are [ring.Timing]'s Lag and Jitter; Load and Writes as in [ring.Spec].
	Lag    time.Duration
	Slow   float64
	Load   int64
	Writes bool
	// Full are how many of the first spares have FullFree bytes free only. Untold is whose load gossip does not have, "*": anybody's.
	Full     int
	FullFree int64
	Untold   string
}

// nodes is how many members the ring has.
func (p RingPlan) nodes() int { return p.DCs * p.Racks * p.PerRack }

// What happens. The troubles of [ring.Trouble] are besides.
const (
	Strike   = "strike"    // the next calls of Verb meet the fault Fault
	Crash    = "crash"     // the engine dies at its N-th await from now on, at Point, and is down For
	Freeze   = "suspend"   // the engine is stopped for For (SIGSTOP, a frozen VM), with N at its N-th await from now on, and goes on
	Upgrade  = "upgrade"   // the engine is down for For, and starts as another release of all runbooks; the second time as it was
	Clock    = "clock"     // the engine's wall clock is set by Step
	StoreOut = "store-out" // the journal errs For
	StoreLag = "store-lag" // each commit takes Step, for For; with Point After it is done at once, and its answer is late
	Blind    = "blind"     // the engine reaches nothing, for For
	Hold     = "hold"      // a person pulls the kill switch
	Release  = "release"   // and lets it go
	Cancel   = "cancel"    // a person cancels every open run; with a Verb once the ring has accepted a step of that
	Ack      = "ack"       // a person has looked at every recovery
	AskFor   = "ask-for"   // a person asks for runbook Verb on Who
	Alert    = "alert"     // an alert names the failure domain of Who, N times
	Lie      = "lie"       // for For, what the engine sees lacks the N last nodes
)

// Point is where a crash meets an await.
type Point string

// The points of an await. Within is between its effect and its answer: a call arrives when its engine is dead.
const (
	Before Point = "before"
	Within Point = "within"
	After  Point = "after"
)

// Points are all of them.
func Points() []Point { return []Point{Before, Within, After} }

// Happening is one thing that happens.
type Happening struct {
	At   time.Duration // since the start
	What string
	Who  string // an instance; of engines "0" or "1"
	Of   string // the other instance that it is about, as [ring.Happening] says
	Verb string
	// Params of the runbook that is asked for; "": {"node": Who}.
	Params string
	Fault  ring.FaultKind
	Point  Point
	N      int
	For    time.Duration
	Step   time.Duration
	Every  time.Duration // N times, one after the other
}

// end is when it is over.
func (h Happening) end() time.Duration {
	if h.Every > 0 {
		return h.At + time.Duration(h.N-1)*h.Every + h.For
	}
	return h.At + h.For
}

// adrift tells whether the clocks of all engines are wrong in the end: they conclude nothing then.
func (in Incident) adrift() bool {
	off := map[string]time.Duration{}
	for _, h := range in.Happen {
		if h.What == Clock {
			off[h.Who] += h.Step
		}
	}
	for engine := range in.Engines {
		if off[strconv.Itoa(engine)].Abs() <= in.Policy.ClockSkew.D() {
			return false
		}
	}
	return true
}

// last is when all that happens is over.
func (in Incident) last() time.Duration {
	last := time.Duration(0)
	for _, h := range in.Happen {
		last = max(last, h.end())
	}
	return last
}

// String is for people.
func (h Happening) String() string { return h.At.String() + " " + h.what() }

// what happens, without its time.
func (h Happening) what() string {
	words := []string{h.What}
	for _, w := range []string{h.Who, h.Of, h.Verb, h.Params, string(h.Fault), string(h.Point)} {
		if w != "" {
			words = append(words, w)
		}
	}
	if h.N != 0 {
		words = append(words, fmt.Sprintf("n=%d", h.N))
	}
	if h.For != 0 {
		words = append(words, "for "+h.For.String())
	}
	if h.Step != 0 {
		words = append(words, "step "+h.Step.String())
	}
	if h.Every != 0 {
		words = append(words, "every "+h.Every.String())
	}
	return strings.Join(words, " ")
}

// String is the incident in a few lines.
func (in Incident) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %s: %d DCs x %d racks x %d nodes, %d spares, %d tokens, honest %t, engines %d, jitter %s, mode %s\n",
		in.Seed, in.Sort, in.Ring.DCs, in.Ring.Racks, in.Ring.PerRack, in.Ring.Spares, in.Ring.VNodes, in.Ring.Honest, in.Engines, in.Jitter, in.Policy.Mode)
	if p := in.Ring; p.Lag > 0 || p.Slow > 0 || p.Load > 0 || p.Writes {
		fmt.Fprintf(&b, "  gossip lags %s, slower by %g, %d GiB on each node, writes %t\n", p.Lag, p.Slow, p.Load>>30, p.Writes)
	}
	if p := in.Ring; p.Full > 0 || p.Untold != "" {
		fmt.Fprintf(&b, "  %d spares with %d bytes free, loads not told: %q\n", p.Full, p.FullFree, p.Untold)
	}
	for _, h := range in.Happen {
		fmt.Fprintf(&b, "  %s\n", h)
	}
	return b.String()
}

func (in *Incident) sort() {
	slices.SortStableFunc(in.Happen, func(a, b Happening) int { return cmp.Compare(a.At, b.At) })
}

// spec is the ring of the plan. Nodes are n1, n2 and so on, rack by rack; spares follow them.
func (p RingPlan) spec(now func() time.Time) ring.Spec {
	s := ring.Spec{Name: resourceName, Cluster: "gym", VNodes: p.VNodes, Timing: ring.Fast(), Now: now}
	if p.Honest {
		s.Timing = ring.Honest()
	}
	s.Timing.Lag, s.Timing.Jitter, s.Load, s.Writes = p.Lag, p.Slow, p.Load, p.Writes
	n := 0
	add := func(dc, rack int, spare bool) {
		n++
		s.Hosts = append(s.Hosts, ring.HostSpec{
			Name: fmt.Sprintf("n%d", n), Address: fmt.Sprintf("127.0.%d.%d", (n-1)/200, (n-1)%200+1),
			DC: fmt.Sprintf("dc%d", dc+1), Rack: fmt.Sprintf("r%d", rack+1), Spare: spare, Seed: !spare && n%3 == 1,
		})
	}
	var dcs []string
	for dc := range p.DCs {
		dcs = append(dcs, fmt.Sprintf("dc%d", dc+1))
		for k := range p.PerRack * p.Racks {
			add(dc, k%p.Racks, false)
		}
	}
	for k := range p.Spares {
		if p.StraySpare {
			add(p.DCs-1, k%p.Racks, true)
			continue
		}
		add(k%p.DCs, k/p.DCs%p.Racks, true)
	}
	s.Keyspaces = ring.Keyspaces(dcs...)
	p.furnish(&s)
	return s
}

// furnish says what is free, and whose load is not told.
func (p RingPlan) furnish(s *ring.Spec) {
	full := p.Full
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.Spare && full > 0 {
			h.Free = p.FullFree
			full--
		}
		if p.Untold == "*" || p.Untold == h.Name {
			s.Untold = append(s.Untold, h.Name)
		}
	}
}

const resourceName = "gym"

// Resource of every incident.
func Resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: resourceName} }
