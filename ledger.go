package galen

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Ledger is what the journal knows that a step depends on, read at one revision.
type Ledger struct {
	// Now is the clock of the journal's store; leases and expiries are compared with it.
	Now time.Time `json:"now"`
	// Asked and Got are when the reader asked for the ledger and had it, by the reader's own clock, see [Ledger.ReadBetween].
	Asked time.Time `json:"asked,omitzero"`
	Got   time.Time `json:"got,omitzero"`
	// Revision of the resource and of the account (everything that spans resources). Any change of a row below raises
	// one of them.
	Revision int64 `json:"revision"`
	Account  int64 `json:"account"`
	// Configuration is the hash of the resources, each with its policy, that the engine which started last looks after; empty: none has told.
	Configuration string `json:"configuration,omitempty"`
	// Observe says why the engine only observes until a person re-arms it; empty: it may act.
	Observe string `json:"observe,omitempty"`
	Run     Run    `json:"run"`
	// Past are all intents of this run, oldest first.
	Past []Intent `json:"past,omitempty"`
	// Open are the unsettled intents on the resource, of any run.
	Open   []Intent    `json:"open,omitempty"`
	Claims []HeldClaim `json:"claims,omitempty"`
	Holds  []Hold      `json:"holds,omitempty"`
	// Spent are the budget tokens of the whole account in the longest window of any policy (24 h).
	Spent []Spend `json:"spent,omitempty"`
	// Recoveries are the runs with a mutating call on this resource in the last 24 h, one for each class.
	Recoveries []Recovery `json:"recoveries,omitempty"`
	// Released are the times of the newest intents of the whole account, newest first.
	Released []time.Time `json:"released,omitempty"`
	// Quarantine of the run's runbook; nil: none.
	Quarantine *Quarantine `json:"quarantine,omitempty"`
	// Facts of the resource, by key.
	Facts map[string]Fact `json:"facts,omitempty"`
	// Approval is the newest approval of this run that was neither voided nor used up; nil: none.
	Approval *Approval `json:"approval,omitempty"`
	// LastYes is when a person approved this run last, whatever became of the approval.
	LastYes time.Time `json:"last_yes,omitzero"`
	// Fences are the highest fence given per ID of a target. Each intent raises those of its target's names above all on the resource.
	Fences map[string]int64 `json:"fences,omitempty"`
}

// ReadBetween is the ledger with the times, by the reader's own clock, between which it was read.
func (l Ledger) ReadBetween(asked, got time.Time) Ledger {
	l.Asked, l.Got = asked, got
	return l
}

// ClockOff is by how much the journal's clock was off the reader's for certain: as far as the length of the reading does not
// explain it. A ledger whose reader noted no time is off by as much as can be.
func (l Ledger) ClockOff() time.Duration { return ClockOff(l.Now, l.Asked, l.Got) }

// YesSince is the approval that a person gave then or later, nil if it has expired since: what lets a run go on past a deadline.
func (l Ledger) YesSince(then time.Time) *Approval {
	if yes := l.Approval; yes != nil && !yes.At.Before(then) && l.Now.Before(yes.Expires) {
		return yes
	}
	return nil
}

// HeldClaim is a claim and its holder.
type HeldClaim struct {
	Claim
	Run string `json:"run"`
	// Urgency of the run.
	Urgency Urgency `json:"urgency,omitempty"`
	// Intents are the unsettled intents that need it.
	Intents []string `json:"intents,omitempty"`
	// Kept: the newest plan of the run lists it.
	Kept  bool      `json:"kept,omitempty"`
	Since time.Time `json:"since"`
}

// Spend is one token of a budget. One token per budget, run and target: the fence, the replacement, the removal of
// its own joiner and the retry share it.
type Spend struct {
	Budget   string    `json:"budget"`
	Resource Resource  `json:"resource"`
	Run      string    `json:"run"`
	Target   string    `json:"target"`
	At       time.Time `json:"at"`
}

// BudgetDestructive is the budget of destructive steps.
const BudgetDestructive = "destructive"

// Recovery is a run that made at least one mutating call on a target. What turned out absent is none, nor what pays an undo.
type Recovery struct {
	Run     string `json:"run"`
	Runbook string `json:"runbook"`
	Target  string `json:"target"`
	// Cause of the run, see [Run.Cause], and Class of the call.
	Cause Code      `json:"cause,omitempty"`
	Class Class     `json:"class,omitzero"`
	At    time.Time `json:"at"` // of its last mutating call of that class
	// Acknowledged: a person has looked at it; the cool-down is over.
	Acknowledged bool `json:"acknowledged,omitempty"`
}

// Fact is a row of a resource, written when an intent is committed or settled.
type Fact struct {
	// Key names it: "repair-owed/<instance>/<keyspace>", "undo-owed/<intent>".
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"`
	// Intent that wrote it.
	Intent string    `json:"intent"`
	At     time.Time `json:"at"`
	// Gone removes the fact of this key.
	Gone bool `json:"gone,omitempty"`
	// Keep leaves the fact of this key that stands already as it is. It tells the journal, and is not stored.
	Keep bool `json:"keep,omitempty"`
}

// Quarantine keeps a runbook from acting, everywhere, until a person clears it: it failed alike on several targets (I-12).
type Quarantine struct {
	Runbook string `json:"runbook"`
	Verb    string `json:"verb"` // that failed
	// Targets on which it failed, "<resource> <target ID>", sorted.
	Targets []string  `json:"targets"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

// Hold is the kill switch: no mutating call in its scope. Only a person releases it; past its end it stays and pages.
type Hold struct {
	ID string `json:"id"`
	// Resource it covers; zero: everything. Target narrows it to one target ID.
	Resource Resource `json:"resource,omitzero"`
	Target   string   `json:"target,omitempty"`
	// Pattern means the resources that it covers, with Resource and Target empty.
	Pattern Pattern   `json:"pattern,omitempty"`
	Why     string    `json:"why"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	// Until: after it the hold is overdue (it still holds); zero: an older release set it without an end.
	Until time.Time `json:"until,omitzero"`
}

// Covers tells whether the hold forbids a step on the target of the resource.
func (h Hold) Covers(r Resource, target string) bool {
	if h.Pattern != "" { // one that cannot be read was meant to hold something
		return h.Pattern.Matches(r) || h.Pattern.Check() != nil
	}
	return (h.Resource == Resource{} || h.Resource == r) && (h.Target == "" || h.Target == target)
}

// HeldBy is the first of the holds that covers one of the targets of the resource, and which; false: none does.
func HeldBy(holds []Hold, r Resource, targets []string) (by Hold, target string, held bool) {
	for _, h := range holds {
		for _, id := range targets {
			if h.Covers(r, id) {
				return h, id, true
			}
		}
	}
	return Hold{}, "", false
}

// Approval is a yes of an authenticated person to a run's outline.
type Approval struct {
	ID      string `json:"id"`
	Run     string `json:"run"`
	Runbook string `json:"runbook"`
	Version int    `json:"version"`
	// Params is the hash of the run's parameters.
	Params string `json:"params"`
	// Plan is the number of the one that was said yes to; 0: there was none yet, or an older release took it down.
	Plan int `json:"plan,omitempty"`
	// Steps are what was said yes to.
	Steps []ApprovedStep `json:"steps"`
	// Basis per target ID as it was shown to the person, re-based by effects of the run's own intents.
	Basis map[string]string `json:"basis"`
	// Grounds are the facts that the person was shown of each target; the run's own effects leave them as they were.
	Grounds Grounds `json:"grounds,omitempty"`
	By      string  `json:"by"`
	// Why is the person's reason, if one was given.
	Why     string    `json:"why,omitempty"`
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires"`
	// Lineage of the token that the person came with.
	Lineage Lineage `json:"lineage,omitzero"`
	// Asked: the run was not held fast when whoever says yes read it, so that a no which somebody said since refuses the yes. It is
	// not kept.
	Asked bool `json:"asked,omitempty"`
	// With are the people who said yes before, as far as that still counts beside this one.
	With []Assent `json:"with,omitempty"`
}

// ApprovedStep is how often a verb may be done on a target.
type ApprovedStep struct {
	Verb   string `json:"verb"`
	Target string `json:"target"`
	Count  int    `json:"count"`
}

// ApprovedSteps counts the steps and outline of a plan as an approval binds them, sorted.
func ApprovedSteps(p Plan) []ApprovedStep {
	var out []ApprovedStep
	for _, s := range append(append([]Step{}, p.Steps...), p.Outline...) {
		i := slices.IndexFunc(out, func(a ApprovedStep) bool { return a.Verb == s.Verb && a.Target == s.Target.ID })
		if i < 0 {
			out = append(out, ApprovedStep{Verb: s.Verb, Target: s.Target.ID, Count: 1})
			continue
		}
		out[i].Count++
	}
	slices.SortFunc(out, func(a, b ApprovedStep) int {
		return compareText(a.Verb+"\x00"+a.Target, b.Verb+"\x00"+b.Target)
	})
	return out
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// Covers tells whether the approval is a yes to this step now: not expired, same runbook, version and parameters,
// and fewer intents of this run than approved have spent the yes (an absent effect gives it back). names are all IDs of
// the step's target: what was approved as an empty instance may be a node by now.
func (a Approval) Covers(run Run, s Step, names []string, past []Intent, now time.Time) error {
	if !now.Before(a.Expires) {
		return fmt.Errorf("approval %s expired at %s", a.ID, a.Expires.UTC().Format(time.RFC3339))
	}
	if a.Run != run.ID || a.Runbook != run.Runbook || a.Version != run.Version || a.Params != HashJSON(run.Params) {
		return fmt.Errorf("approval %s is for another run, runbook version or parameters", a.ID)
	}
	i := slices.IndexFunc(a.Steps, func(p ApprovedStep) bool { return p.Verb == s.Verb && slices.Contains(names, p.Target) })
	if i < 0 {
		return fmt.Errorf("approval %s does not name %s: the plan is another one by now", a.ID, s)
	}
	if a.Used(s.Verb, names, past) >= a.Steps[i].Count {
		return fmt.Errorf("approval %s named %s %d times, all used", a.ID, s, a.Steps[i].Count)
	}
	return nil
}

// Used is how often the yes to a verb on what goes by these names was spent; what turned out absent gives it back.
func (a Approval) Used(verb string, names []string, past []Intent) int {
	used := 0
	for _, in := range past {
		same := in.Step.Verb == verb && in.On(names...)
		if same && in.Effect.Status != EffectAbsent && !in.At.Before(a.At) {
			used++
		}
	}
	return used
}

// Commit is what the gate asks the journal to write in one transaction before the call. The journal refuses it with
// an error when a revision moved.
type Commit struct {
	Intent Intent `json:"intent"` // its Fence is chosen by the journal: higher than any given on the resource
	// Revision and Account as read in the ledger.
	Revision int64 `json:"revision"`
	Account  int64 `json:"account"`
	// PerSecond is how many intents the account may have in a second; 0: any number (I-23).
	PerSecond int     `json:"per_second,omitempty"`
	Claims    []Claim `json:"claims,omitempty"`
	// Touched are all IDs of the target and of each member that is claimed by name, see [NamesOf]: no hold may cover one. Its target
	// is among them.
	Touched  []string  `json:"touched,omitempty"`
	Spend    []Spend   `json:"spend,omitempty"`
	Facts    []Fact    `json:"facts,omitempty"`
	Verdicts []Verdict `json:"verdicts"`
	// State is the hash of the State that the guards saw.
	State string `json:"state"`
}

// Settlement is the changed effect of an intent and what it earns.
type Settlement struct {
	Intent string `json:"intent"`
	Effect Effect `json:"effect"`
	Facts  []Fact `json:"facts,omitempty"`
	// Margin is what the resource has to spare in the State that shows the effect, see [Kind.Margin].
	Margin string `json:"margin,omitempty"`
	// Basis is State.Basis of each target that the intent concerns, by ID, in the State that shows the effect: it re-bases
	// the newest approval of the intent's run, as far as that was given with a view of the target.
	Basis map[string]string `json:"basis,omitempty"`
}

// Standing is where a run stood when the ledger was read: what a person, or a newer decision of another engine, can change while
// this one looks and thinks.
type Standing struct {
	// Plan is the number of its newest plan: a decision that was held up does not overtake one that was made since.
	Plan   int       `json:"plan,omitempty"`
	Status RunStatus `json:"status"`
	Stop   string    `json:"stop,omitempty"`
	// Approval is the ID of [Ledger.Approval], "" for none.
	Approval string `json:"approval,omitempty"`
	// Configuration is that of the ledger: what was decided by one that does not count any more is decided anew.
	Configuration string `json:"configuration,omitempty"`
	// At is the journal's clock when that was read: no look that rests on it is older. What is decided [DecideWithin] later is too late.
	At time.Time `json:"at,omitzero"`
}

// Standing is where the ledger's run stands.
func (l Ledger) Standing() Standing {
	out := Standing{At: l.Now, Plan: l.Run.Plan, Status: l.Run.Status, Stop: l.Run.Stop, Configuration: l.Configuration}
	if l.Approval != nil {
		out.Approval = l.Approval.ID
	}
	return out
}

// Decision is one outcome of a run's look and decide, as the journal stores it.
type Decision struct {
	Run string `json:"run"`
	// Was is where the run stood in the ledger that was decided on, or looked with; the journal refuses the decision with [ErrMoved]
	// when it stands elsewhere by now, or too long ago. Nil: not compared, the decision rests on no ledger.
	Was *Standing `json:"was,omitempty"`
	// Number counts the different plans of the run from 1; the journal gives it: a plan with the hash of the newest
	// one keeps its number and only counts.
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Plan   Plan      `json:"plan"`
	// Hash is that of the plan; empty: the journal takes it.
	Hash string `json:"hash"`
	// Verdicts of each step, then of each step of the outline, by index.
	Verdicts [][]Verdict `json:"verdicts,omitempty"`
	// Classes of each step, then of each step of the outline, by index, as the registry of who decided has them.
	Classes []Class `json:"classes,omitempty"`
	// Margin is what the resource has to spare in the State decided on, see [Kind.Margin].
	Margin string `json:"margin,omitempty"`
	// State is the hash of the State that the plan was decided on, of the newest one that an event cites; Basis is the whole
	// basis of the State now.
	State string `json:"state"`
	Basis string `json:"basis"`
	// Shown is State.Basis of each target of steps and outline: what a person who approves has seen.
	Shown map[string]string `json:"shown,omitempty"`
	// Grounds are the facts under Shown; the event of a decision leaves them out.
	Grounds Grounds `json:"grounds,omitempty"`
	// Approvals is how many people must say yes to it; 0: one, or none.
	Approvals int `json:"approvals,omitempty"`
	// Status, Why and Until are the run's from now on.
	Status RunStatus `json:"status"`
	Why    string    `json:"why"`
	Until  time.Time `json:"until,omitzero"`
	// Finding as the newest State shows it, nil: gone.
	Finding *Finding `json:"finding,omitempty"`
	// Suggests is what the run would do now, were it not for the mode, see [Suggestion].
	Suggests []string `json:"suggests,omitempty"`
	// Only is [ModeObserve] or [ModeSuggest] where the mode lets nothing of the plan be done, else "".
	Only Mode `json:"only,omitempty"`
	// Outdates is why the yes that the run had counts no more; the journal ended it. "": it stands, or there was none.
	Outdates string `json:"outdates,omitempty"`
	// Count is how often this plan was decided in a row.
	Count int `json:"count"`
}
