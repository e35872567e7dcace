package gate

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/galenhq/galen"
)

// Journal is what the gate reads and writes. Every error means: no call.
type Journal interface {
	// Ledger is one consistent read.
	Ledger(ctx context.Context, run string) (galen.Ledger, error)
	// Commit writes the intent in one transaction, or fails: [galen.ErrMoved], [galen.ErrClaimed] and their like.
	Commit(ctx context.Context, c galen.Commit) (galen.Intent, error)
	// Outcome records what is known of the call.
	Outcome(ctx context.Context, intent, sent, reply string) error
	// Refused records a refusal.
	Refused(ctx context.Context, run string, step galen.Step, verdicts []galen.Verdict) error
	// Void takes an approval back and tells how many were voided in a row. now are the facts of its targets as they are seen, nil: as
	// they were decided on last.
	Void(ctx context.Context, approval, why string, now galen.Grounds) (inARow int, err error)
}

// World sees and touches resources.
type World interface {
	// Look observes afresh and folds what was seen onto the last State.
	Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error)
	// Do makes the one call of an intent.
	Do(ctx context.Context, in galen.Intent) (string, error)
}

// Options are what a gate stands on; all are required.
type Options struct {
	Journal Journal
	// Holds are those that stand now, of any resource: they are read once more right before each call.
	Holds func(ctx context.Context) ([]galen.Hold, error)
	World World
	// Kinds by name: the registry of verbs and of the guards that follow the common ones.
	Kinds  map[string]galen.ListedKind
	Policy func(galen.Resource) galen.Policy
	// Overruled tells why this engine does not act on a resource while the configuration with that hash counts ("": none was told), "" if it may; nil: it
	// always may.
	Overruled func(r galen.Resource, counts string) string
	// Runbooks by name: their versions are those that this engine may act for.
	Runbooks map[string]galen.ListedRunbook
	// Guards are asked of every kind, [CommonGuards] in production.
	Guards []galen.Guard[galen.State]
	// Now is the wall clock that the looks are dated by.
	Now func() time.Time
	// Mono is a monotonic clock: the time since some fixed moment, that no clock step changes.
	Mono func() time.Duration
	// GuardLimit is how long one guard may think, by the real clock; 0: 5 s. A simulation on a busy machine gives more.
	GuardLimit time.Duration
	Logger     *slog.Logger
}

// Gate is safe for concurrent use.
type Gate struct {
	o     Options
	clock *clockWatch
}

// New refuses a gate that could not refuse: one without guards or without a part it stands on.
func New(o Options) (*Gate, error) {
	switch {
	case o.Journal == nil || o.Holds == nil || o.World == nil || o.Logger == nil:
		return nil, errors.New("gate: journal, holds, world and logger are required")
	case o.Now == nil || o.Mono == nil || o.Policy == nil:
		return nil, errors.New("gate: wall clock, monotonic clock and policy are required")
	case o.Runbooks == nil:
		return nil, errors.New("gate: the runbooks are required")
	case len(o.Guards) == 0:
		return nil, errors.New("gate: no guards; give gate.CommonGuards()")
	}
	if o.GuardLimit == 0 {
		o.GuardLimit = guardLimit
	}
	g := &Gate{o: o, clock: &clockWatch{}}
	safe := galen.SafePolicy()
	g.ClockStep(safe) // from now on a step is noticed
	return g, nil
}

// Request names one step of a run's newest plan.
type Request struct {
	Run  string
	Plan int // its number
	Step galen.Step
}

// Answer is how a request ended.
type Answer string

// The answers. Only after Sent the next step of the plan may follow.
const (
	Sent    Answer = "sent"     // the call was made, once
	Failed  Answer = "error"    // the call was made and broke off or was answered with an error: look
	NotSent Answer = "not-sent" // the intent was committed and the call dropped
	Refused Answer = "refused"  // look again: nothing was committed
	Ask     Answer = "ask"      // a person's yes is needed: nothing was committed
	Denied  Answer = "denied"   // final: nothing was committed
)

// Answers are all of them.
func Answers() []Answer { return []Answer{Sent, Failed, NotSent, Refused, Ask, Denied} }

// Result is how a request ended, and why.
type Result struct {
	Answer   Answer          `json:"answer"`
	Verdicts []galen.Verdict `json:"verdicts"`
	// Intent was committed; nil if none was.
	Intent *galen.Intent `json:"intent,omitempty"`
	// Why is for people: the strictest verdict, or what is known of the call.
	Why string `json:"why,omitempty"`
	// Was is where the run stood in the ledger that was judged, of a refusal: without the approval that it made void.
	Was galen.Standing `json:"was,omitzero"`
}
