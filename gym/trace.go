package gym

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// trace is all that was done, with the truth at each moment that counts. It is written by the edges of the engines, never
// by their parts.
type trace struct {
	in     Incident
	now    func() time.Time
	acts   []*act
	byID   map[string]*act
	lines  []string
	holds  []span
	acks   map[string][]time.Time // by target
	status map[string]standing    // of each run
	stray  []ring.Call            // accepted without an intent
	ends   map[string]time.Time   // of each run
	harms  []ring.Harm
	deaths int
	yes    map[string][]time.Time       // of persons, by run
	keeps  map[string][]string          // what the newest plan of a run keeps
	found  map[string][]galen.Target    // whom the finding of a run's newest decision names
	points map[string]time.Time         // when a restore point was last verified, by target
	alone  map[string]bool              // guards that refused a step which all others allowed
	rounds []time.Time                  // when a watch had done one
	sights map[string][]sight           // the newest looks on which each run decided
	places map[string][]cassandra.Token // that each node had when it was last a member
}

type span struct{ from, to time.Time }

type standing struct {
	status galen.RunStatus
	since  time.Time
}

// act is one intent: from the look that its step rests on to its settled effect.
type act struct {
	galen.Intent
	Engine    int
	Looked    time.Time
	Seen      ring.Truth    // at that look
	Lied      int           // members that the look was made to lack
	Skew      time.Duration // of the engine's clock when the call began
	Read      time.Duration // how long the reading of its ledger took
	Claims    []galen.Claim
	Kept      []string       // of them and others, by the run's newest plan
	Found     []galen.Target // whom its run's finding named by then
	Committed time.Time
	Begun     []time.Time
	Accepted  []accepted
	Settled   time.Time
	Status    galen.EffectStatus
}

type accepted struct {
	At       time.Time
	Instance string
	Truth    ring.Truth // right before the effect
	Again    bool       // the order arrived twice, and not by the engine's doing
}

func newTrace(in Incident, now func() time.Time) *trace {
	return &trace{
		in: in, now: now, byID: map[string]*act{}, acks: map[string][]time.Time{}, status: map[string]standing{}, ends: map[string]time.Time{},
		yes: map[string][]time.Time{}, keeps: map[string][]string{}, found: map[string][]galen.Target{}, points: map[string]time.Time{}, alone: map[string]bool{},
		sights: map[string][]sight{}, places: map[string][]cassandra.Token{},
	}
}

func (t *trace) note(format string, args ...any) {
	t.lines = append(t.lines, fmt.Sprintf("%9s  %s", t.now().Sub(epoch()).Truncate(time.Millisecond), fmt.Sprintf(format, args...)))
}

func (t *trace) committed(c galen.Commit, in galen.Intent, task *task, s *slot) {
	a := &act{Intent: in, Engine: s.name, Committed: t.now(), Claims: c.Claims, Kept: t.keeps[in.Run], Found: t.found[in.Run]}
	if task != nil {
		a.Looked, a.Seen, a.Lied, a.Read = task.looked, task.seen, task.lied, task.read
	}
	t.acts = append(t.acts, a)
	t.byID[in.ID] = a
	t.note("engine %d, run %s: intent %s, %s %s (fence %d)", s.name, in.Run, in.ID, in.Step, in.Step.Args, in.Fence)
}

func (t *trace) begun(intent string, skew time.Duration) {
	if a := t.byID[intent]; a != nil {
		a.Skew = skew
		a.Begun = append(a.Begun, t.now())
	}
}

// accepted is told by the ring itself.
func (t *trace) accepted(c ring.Call, truth ring.Truth) {
	t.note("the ring accepts %s of %s on %s", c.Verb, c.Intent, c.Instance)
	a := t.byID[c.Intent]
	if a == nil {
		t.stray = append(t.stray, c)
		return
	}
	a.Accepted = append(a.Accepted, accepted{At: c.At, Instance: c.Instance, Truth: truth, Again: c.Why == string(ring.Twice)})
}

// took tells whether the ring has accepted a step of a verb.
func (t *trace) took(verb string) bool {
	return slices.ContainsFunc(t.acts, func(a *act) bool { return a.Step.Verb == verb && len(a.Accepted) > 0 })
}

func (t *trace) settled(changes []galen.Settlement) {
	for _, c := range changes {
		t.restored(c.Facts)
		if a := t.byID[c.Intent]; a != nil && a.Settled.IsZero() && c.Effect.Status != a.Status { // what is settled stays, in the journal too
			a.Status = c.Effect.Status
			t.note("effect of %s: %s, %s", c.Intent, c.Effect.Status, c.Effect.Why)
			if c.Effect.Settled() {
				a.Settled = t.now()
			}
		}
	}
}

// decided notes what a plan keeps, and who refuses its steps.
func (t *trace) decided(d galen.Decision) {
	t.keeps[d.Run] = nil
	if d.Finding != nil {
		t.found[d.Run] = d.Finding.Targets
	}
	for _, claim := range d.Plan.Keep {
		t.keeps[d.Run] = append(t.keeps[d.Run], claim.Name)
	}
	for i := range min(len(d.Plan.Steps), len(d.Verdicts)) {
		t.judged(d.Verdicts[i])
	}
}

func (t *trace) judged(verdicts []galen.Verdict) {
	against := ""
	for _, v := range verdicts {
		switch {
		case v.Answer == galen.Allow:
		case against != "":
			return
		default:
			against = v.Guard
		}
	}
	t.alone[against] = true
}

func (t *trace) refused(run string, step galen.Step, verdicts []galen.Verdict) {
	t.judged(verdicts)
	for _, v := range verdicts {
		if v.Answer != galen.Allow {
			t.note("run %s: %s refused, %s: %s, %s", run, step, v.Guard, v.Answer, v.Why)
		}
	}
}

// rounded notes that a watch has done a round, if it was whole.
func (t *trace) rounded(err error) {
	if err == nil {
		t.rounds = append(t.rounds, t.now())
	}
}

func (t *trace) crashed(s *slot) {
	t.deaths++
	t.note("engine %d dies", s.name)
}

func (t *trace) held(on bool) {
	if on {
		t.holds = append(t.holds, span{from: t.now()})
		return
	}
	for i := range t.holds {
		if t.holds[i].to.IsZero() {
			t.holds[i].to = t.now()
		}
	}
}

func (t *trace) acknowledged(target string) { t.acks[target] = append(t.acks[target], t.now()) }

// stands notes where a run stands.
func (t *trace) stands(run string, status galen.RunStatus, why string) {
	if t.status[run].status != status {
		t.status[run] = standing{status, t.now()}
		t.note("run %s is %s: %s", run, status, why)
	}
	if _, had := t.ends[run]; !had && !status.Open() {
		t.ends[run] = t.now()
	}
}

// since is when a run took that status, as far as anybody asked before.
func (t *trace) since(run string, status galen.RunStatus, now time.Time) time.Time {
	if t.status[run].status != status {
		t.status[run] = standing{status, now}
	}
	return t.status[run].since
}

func (t *trace) anybody(status galen.RunStatus) bool {
	for _, s := range t.status {
		if s.status == status {
			return true
		}
	}
	return false
}

func (t *trace) heldFor(id string, run galen.Run) time.Duration {
	return t.now().Sub(t.since(id, run.Status, t.now()))
}

// story is what happened, for people.
func (t *trace) story() string { return strings.Join(t.lines, "\n") + "\n" }

// effective are the acts that the ring accepted, by the time of the first acceptance.
func (t *trace) effective() []*act {
	out := slices.DeleteFunc(slices.Clone(t.acts), func(a *act) bool { return len(a.Accepted) == 0 })
	slices.SortStableFunc(out, func(a, b *act) int { return a.Accepted[0].At.Compare(b.Accepted[0].At) })
	return out
}
