package galen

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// RunStatus is where a run stands.
type RunStatus string

// Open and ended statuses.
const (
	RunOpened  RunStatus = "opened"  // accepted, not started yet
	RunRunning RunStatus = "running" // looks, decides, acts
	RunWaiting RunStatus = "waiting" // waits for the world, says for what and until when
	RunAsking  RunStatus = "asking"  // waits for an approval
	RunHeld    RunStatus = "held"    // a person was paged; looks on, acts no more until a person approves; cancelled, it only takes back its own work

	RunVerified     RunStatus = "verified"      // the problem is proved gone
	RunNotConfirmed RunStatus = "not-confirmed" // nothing confirmed the alert; no call was made
	RunCancelled    RunStatus = "cancelled"     // a person stopped it, at a safe point
)

// RunStatuses are all of them, open ones first.
func RunStatuses() []RunStatus {
	return []RunStatus{RunOpened, RunRunning, RunWaiting, RunAsking, RunHeld, RunVerified, RunNotConfirmed, RunCancelled}
}

// Open tells whether the run goes on.
func (s RunStatus) Open() bool {
	switch s {
	case RunVerified, RunNotConfirmed, RunCancelled:
		return false
	default:
		return true
	}
}

// Run is one durable execution of one runbook on one resource.
type Run struct {
	ID string `json:"id"`
	// Key is the finding's key or the request's idempotency key. At most one open run has it.
	Key      string          `json:"key"`
	Resource Resource        `json:"resource"`
	Runbook  string          `json:"runbook"`
	Version  int             `json:"version"`
	Params   json.RawMessage `json:"params,omitempty"`
	// Finding as it was newest; nil: asked for by a person.
	Finding *Finding `json:"finding,omitempty"`
	// Scope are the targets of the finding or request. A step on anything else is refused.
	Scope []Target `json:"scope,omitempty"`
	// Except: what began on a target, by ID, at that time or before is none of this run's business: a person has cancelled its healing.
	Except map[string]time.Time `json:"except,omitempty"`
	// Asked says who or what asked: "detector node-down", "alert <ID>", "person <name>".
	Asked    string    `json:"asked"`
	Urgency  Urgency   `json:"urgency"`
	Created  time.Time `json:"created"`
	Deadline time.Time `json:"deadline"`
	Status   RunStatus `json:"status"`
	// Why says what it waits for, why it is held or how it ended.
	Why string `json:"why,omitempty"`
	// Until: it looks again at the latest then.
	Until time.Time `json:"until,omitzero"`
	// Stop is "", cancel or yield; StopBy who asked for it: a person, or the more urgent run.
	Stop   string `json:"stop,omitempty"`
	StopBy string `json:"stop_by,omitempty"`
	// Plan is the number of the newest plan, 0 before the first.
	Plan int `json:"plan,omitempty"`
	// PlanStop is the Stop that the newest plan was made with; the gate acts only while it is still the run's.
	PlanStop string `json:"plan_stop,omitempty"`
	// HeldFast: it was not held by a decision on a look, but by a person's no, a lost workflow or the like. Only a person's yes lets it go on.
	HeldFast bool `json:"held_fast,omitempty"`
	// Only is [ModeObserve] or [ModeSuggest] while the mode lets the run do nothing about what it sees, else "".
	Only Mode `json:"only,omitempty"`
	// Suggested is what the run would have done last, were it not for the mode.
	Suggested *Suggestion `json:"suggested,omitempty"`
	Ended     time.Time   `json:"ended,omitzero"`
	// AskedPerson is the person who asked by a name that they cannot change, "" for a token or where none asked.
	AskedPerson string `json:"asked_person,omitempty"`
	// Trace is the span of whatever asked for the run, as W3C's traceparent; "" unless traces are kept.
	Trace string `json:"trace,omitempty"`
}

// Idle tells whether it waits, for its mode lets it do nothing about what it sees.
func (r Run) Idle() bool { return r.Status == RunWaiting && r.Only != "" }

// Suggestion is what a run in [ModeSuggest] would have done.
type Suggestion struct {
	// Plan is its number, At when it was decided first.
	Plan int       `json:"plan"`
	At   time.Time `json:"at"`
	// Steps for people, each with its reason.
	Steps []string `json:"steps"`
}

// Stops.
const (
	StopCancel = "cancel"
	StopYield  = "yield"
)

// Event is one line of the journal.
type Event struct {
	Seq      int64           `json:"seq"`
	At       time.Time       `json:"at"`
	Resource Resource        `json:"resource,omitzero"`
	Run      string          `json:"run,omitempty"`
	Kind     EventKind       `json:"kind"`
	By       string          `json:"by,omitempty"` // the person or part that caused it
	Body     json.RawMessage `json:"body,omitempty"`
	// Prev is the hash of the event before, Hash that of this one (hex SHA-256).
	Prev string `json:"prev"`
	Hash string `json:"hash"`
}

// EventKind is what sort of line it is.
type EventKind string

// The kinds of events.
const (
	EventFound      EventKind = "found"       // a finding appeared or changed
	EventGone       EventKind = "gone"        // a finding disappeared
	EventAlert      EventKind = "alert"       // an alert was stored
	EventOpened     EventKind = "run-opened"  //
	EventDecided    EventKind = "decided"     // a new plan, with each guard's answers
	EventRefused    EventKind = "refused"     // the gate refused a step
	EventIntended   EventKind = "intended"    // an intent was committed, with the verdicts
	EventCalled     EventKind = "called"      // the call's outcome
	EventSettled    EventKind = "settled"     // an effect changed
	EventAsked      EventKind = "asked"       // an approval is wanted
	EventApproved   EventKind = "approved"    //
	EventRejected   EventKind = "rejected"    //
	EventVoided     EventKind = "voided"      // an approval was made void by the world
	EventHeld       EventKind = "held"        // a run waits for a person, with the reason: a page
	EventStatus     EventKind = "run-status"  // a run goes on or waits, with the reason
	EventStop       EventKind = "stop"        // cancel or yield was asked
	EventEnded      EventKind = "run-ended"   //
	EventHold       EventKind = "hold"        // the kill switch was set
	EventRelease    EventKind = "release"     // and released
	EventPolicy     EventKind = "policy"      // a policy changed, with the diff
	EventEngine     EventKind = "engine"      // the engine started or stopped
	EventDisarmed   EventKind = "disarmed"    // the journal is in doubt: observe only
	EventRearmed    EventKind = "rearmed"     // a person began a new epoch
	EventQuarantine EventKind = "quarantine"  // a runbook failed alike on several targets, and acts nowhere
	EventFault      EventKind = "fault"       // a runbook panicked, hung or contradicted itself: one process asks it no more
	EventFlood      EventKind = "flood"       // more findings at once than runs are opened for: a page
	EventAck        EventKind = "acknowledge" // a person has seen a recovery
	EventPruned     EventKind = "pruned"      // rows that nothing can need any more were dropped
	EventToken      EventKind = "token"       // a token was made or revoked
	EventSchedule   EventKind = "schedule"    // a schedule was created, changed or deleted, or a time of it came
	EventKeptOut    EventKind = "kept-out"    // calls of the API were refused for who made them, or a yes was none, counted by the minute
)

// EventKinds are all of them.
func EventKinds() []EventKind {
	return []EventKind{
		EventFound, EventGone, EventAlert, EventOpened, EventDecided, EventRefused, EventIntended, EventCalled, EventSettled, EventAsked, EventApproved,
		EventRejected, EventVoided, EventHeld, EventStatus, EventStop, EventEnded, EventHold, EventRelease, EventPolicy, EventEngine, EventDisarmed,
		EventRearmed, EventQuarantine, EventFault, EventFlood, EventAck, EventPruned, EventToken, EventSchedule, EventKeptOut,
	}
}

// AskedAlert begins [Run.Asked] of a run that an alert opened. An alert is a hint: until a State shows a finding, the
// run only looks.
const AskedAlert = "alert"

// FromAlert tells whether an alert opened the run.
func (r Run) FromAlert() bool { return strings.HasPrefix(r.Asked, AskedAlert) }

const askedPerson = "person "

// AskedBy is [Run.Asked] of a run that a person asks for.
func AskedBy(person string) string { return askedPerson + person }

// FromPerson tells whether a person asked for the run.
func (r Run) FromPerson() bool { return strings.HasPrefix(r.Asked, askedPerson) }

// AskedBy is the person who asked for the run, "" when no person did.
func (r Run) AskedBy() string {
	if person, asked := strings.CutPrefix(r.Asked, askedPerson); asked {
		return person
	}
	return ""
}

// Cause is the code of the trouble for which the run was opened; "" for what a person asked for.
func (r Run) Cause() Code {
	if r.Finding != nil {
		return r.Finding.Code
	}
	rest, ours := strings.CutPrefix(r.Key, r.Resource.String()+"/") // an alert's, see [Finding.Key]
	if !ours || r.FromPerson() {
		return ""
	}
	code, _, _ := strings.Cut(rest, "/")
	return Code(code)
}

// Left is what the run leaves to people: [Run.Except], and once a person has cancelled it, all the trouble that its targets had until
// then. Not so of an alert's that nothing confirmed: it was about no trouble yet.
func (r Run) Left() map[string]time.Time {
	out := maps.Clone(r.Except)
	if r.Status != RunCancelled || r.FromAlert() && r.Finding == nil {
		return out
	}
	until := r.Created
	if r.Ended.After(until) {
		until = r.Ended
	}
	for _, t := range r.InScope() {
		if out == nil {
			out = map[string]time.Time{}
		}
		if until.After(out[t.ID]) {
			out[t.ID] = until
		}
	}
	return out
}

// About tells whether the run has one of these IDs in scope.
func (r Run) About(ids ...string) bool {
	return slices.ContainsFunc(r.InScope(), func(t Target) bool { return slices.Contains(ids, t.ID) })
}

// InScope are the targets that the run may act on: those it was opened for and those of the newest finding, by ID.
func (r Run) InScope() []Target {
	out := slices.Clone(r.Scope)
	if r.Finding == nil {
		return out
	}
	for _, t := range r.Finding.Targets {
		if !slices.ContainsFunc(out, func(o Target) bool { return o.ID == t.ID }) {
			out = append(out, t)
		}
	}
	return out
}
