package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

var wards = galen.Resource{Kind: "ward", Name: "east"}

// ward is a small State: beds in rooms.
type ward struct {
	Of      galen.Resource `json:"of"`
	Beds    []galen.Member `json:"beds"`
	Looked  time.Time      `json:"looked"`
	Missing []string       `json:"missing"`
	Facts   string         `json:"facts"` // what a step rests on
	// Offsets of the observers' clocks.
	Offsets []galen.ClockOffset `json:"offsets"`
}

func (w ward) Clocks() []galen.ClockOffset { return w.Offsets }

func (w ward) Resource() galen.Resource                   { return w.Of }
func (w ward) Members() []galen.Member                    { return w.Beds }
func (w ward) Seen(...galen.Target) (time.Time, []string) { return w.Looked, w.Missing }
func (w ward) Basis(...galen.Target) string               { return galen.HashJSON(w.Facts) }
func (w *ward) bed(id string) *galen.Member {
	return &w.Beds[slices.IndexFunc(w.Beds, func(m galen.Member) bool { return m.Target.ID == id })]
}

func newWard() ward {
	w := ward{Of: wards, Looked: noon.Add(-time.Second), Facts: "as shown"}
	for i := range 6 {
		id := fmt.Sprintf("bed-%d", i+1)
		w.Beds = append(w.Beds, galen.Member{
			Target: galen.Target{ID: id, Generation: 7}, Instance: "instance/" + id, Name: id, Group: "east", Domain: fmt.Sprintf("east/room-%d", i/2+1),
		})
	}
	w.Beds = append(w.Beds, galen.Member{Target: galen.Target{ID: "instance/spare"}, Instance: "instance/spare", Name: "spare", Group: "east", Domain: "east/room-1", Spare: true})
	ill := w.bed("bed-1")
	ill.Bad = true
	for _, o := range []galen.Observation{
		{Observer: "bed-2", Kind: galen.Peer}, {Observer: "bed-3", Kind: galen.Peer}, {Observer: "engine", Kind: galen.Probe}, {Observer: "host-1", Kind: galen.Host},
	} {
		o.Says, o.At = galen.Bad, noon.Add(-time.Second)
		ill.Observations = append(ill.Observations, o)
	}
	return w
}

func claimBed(_ ward, s galen.Step) []galen.Claim {
	return []galen.Claim{{Name: "node/" + s.Target.ID}}
}

func wardKind() galen.Kind[ward] {
	verb := func(name string, class galen.Class) galen.Verb[ward] {
		return galen.Verb[ward]{
			Name: name, Class: class, Settle: 10 * time.Second, Call: 3 * time.Second, Claims: claimBed,
			Check: func(_ ward, s galen.Step) error {
				if string(s.Args) == `"foreign"` {
					return errors.New("the constructor makes no such step")
				}
				return nil
			},
			Effect: func(ward, galen.Intent) galen.Effect { return galen.Effect{Status: galen.EffectDone} },
		}
	}
	read, unclaimed, own, panics := verb("read", galen.Read), verb("unclaimed", galen.Reversible), verb("dismiss", galen.Destructive), verb("panics", galen.Reversible)
	read.Claims, unclaimed.Claims = func(ward, galen.Step) []galen.Claim { return nil }, func(ward, galen.Step) []galen.Claim { return nil }
	own.Own = true
	tune := verb("tune", galen.Reversible)
	tune.Undo = "tune"
	swap := verb("swap", galen.Destructive)
	swap.Claims = func(_ ward, s galen.Step) []galen.Claim {
		return []galen.Claim{{Name: "ring"}, {Name: "node/" + s.Target.ID}, {Name: "node/instance/spare"}}
	}
	empty := verb("empty", galen.Reversible) // whatever its class: what it deletes is gone for good
	empty.Deletes = true
	share := verb("share", galen.Reversible)
	share.Claims = func(ward, galen.Step) []galen.Claim { return []galen.Claim{{Name: "ring", Shared: true}} }
	panics.Check = func(ward, galen.Step) error { panic("no") }
	return galen.Kind[ward]{
		Name: "ward", Fold: func(_, seen ward) ward { return seen },
		Verbs: []galen.Verb[ward]{
			read, unclaimed, own, panics, share, empty, verb("wake", galen.Reversible), tune, swap, verb("move", galen.Disruptive), verb("discharge", galen.Destructive),
		},
	}
}

// nobody is a driver that is never asked: the gate reaches the world through its port.
type nobody struct{}

func (nobody) Look(context.Context, galen.Resource, []galen.Target, []galen.Intent) (ward, error) {
	return ward{}, errors.New("not here")
}
func (nobody) Do(context.Context, galen.Intent) (string, error) { return "", errors.New("not here") }

func kinds() map[string]galen.ListedKind {
	return map[string]galen.ListedKind{"ward": galen.ListKind(wardKind(), nobody{})}
}

func step(verb, id string) galen.Step {
	s := galen.Step{Verb: verb, Why: "a test", Target: galen.Target{ID: id, Generation: 7}, Within: galen.Duration(time.Minute)}
	if id == "instance/spare" {
		s.Target.Generation = 0
	}
	return s
}

// tuned is a step with an undo.
func tuned(id string, from, to int) galen.Step {
	s, back := step("tune", id), step("tune", id)
	s.Args, back.Args = json.RawMessage(fmt.Sprint(to)), json.RawMessage(fmt.Sprint(from))
	s.Undo = &back
	return s
}

func newLedger() galen.Ledger {
	return galen.Ledger{
		Now: noon, Asked: noon, Got: noon, Revision: 3, Account: 4,
		Run: galen.Run{
			ID: "run-a", Resource: wards, Runbook: "ward/heal", Version: 1, Status: galen.RunRunning, Plan: 1, Deadline: noon.Add(time.Hour),
			Scope: []galen.Target{{ID: "bed-1", Generation: 7}}, Finding: &galen.Finding{Resource: wards, Code: "ill"},
		},
		Facts: map[string]galen.Fact{},
	}
}

func actPolicy() galen.Policy {
	p := galen.SafePolicy()
	p.Mode = galen.ModeAct
	return p
}

// scene is a world in which a step stands before the guards.
type scene struct {
	ward   ward
	ledger galen.Ledger
	policy galen.Policy
	step   galen.Step
	// version of the runbook that the engine has, step of its clock.
	version   int
	clockStep time.Duration
}

func newScene(verb string) scene {
	return scene{ward: newWard(), ledger: newLedger(), policy: actPolicy(), step: step(verb, "bed-1"), version: 1}
}

func (s scene) ask(t testing.TB) galen.Ask[galen.State] {
	t.Helper()
	a, err := Question(kinds()["ward"], galen.World[galen.State]{Now: noon, State: s.ward}, s.ledger, s.policy, s.step)
	if err != nil {
		t.Fatal(err)
	}
	a.Version, a.ClockStep = s.version, s.clockStep
	return a
}

// judged is what the guards say to a question, with the time that they have in an engine.
func judged(a galen.Ask[galen.State], guards []galen.Guard[galen.State]) []galen.Verdict {
	return judge(a, guards, guardLimit)
}

// approved is the yes of two people to the scene's step as it is.
func (s scene) approved() *galen.Approval {
	steps := []galen.ApprovedStep{{Verb: s.step.Verb, Target: s.step.Target.ID, Count: 1}}
	return &galen.Approval{
		With: []galen.Assent{{By: "bob", At: noon.Add(-2 * time.Minute), Expires: noon.Add(time.Minute), Steps: steps}},
		ID:   "yes-1", Run: s.ledger.Run.ID, Runbook: s.ledger.Run.Runbook, Version: 1, Params: galen.HashJSON(s.ledger.Run.Params), By: "ada",
		Steps: steps, At: noon.Add(-time.Minute), Expires: noon.Add(time.Minute),
		Basis: map[string]string{s.step.Target.ID: s.ward.Basis(s.step.Target)},
	}
}

// clock is both clocks of a test; the monotonic one can run on alone, as when the wall clock is set.
type clock struct {
	wall time.Time
	mono time.Duration
}

func (c *clock) advance(d time.Duration) { c.wall, c.mono = c.wall.Add(d), c.mono+d }

// desk is a journal in memory, with faults.
type desk struct {
	ledger   galen.Ledger
	commits  []galen.Commit
	errs     []error // of the next commits
	slow     func()  // runs inside each commit
	reading  func()  // runs before each reading of the ledger
	outcomes []string
	refused  [][]galen.Verdict
	voided   []string
	inARow   int
	broken   error                        // of outcome
	held     func() ([]galen.Hold, error) // nil: those of the ledger
}

func (d *desk) Holds(context.Context) ([]galen.Hold, error) {
	if d.held != nil {
		return d.held()
	}
	return d.ledger.Holds, nil
}

func (d *desk) Ledger(context.Context, string) (galen.Ledger, error) {
	if d.reading != nil {
		d.reading()
	}
	return d.ledger, nil
}

func (d *desk) Commit(_ context.Context, c galen.Commit) (galen.Intent, error) {
	if d.slow != nil {
		d.slow()
	}
	if len(d.errs) > 0 {
		err := d.errs[0]
		d.errs = d.errs[1:]
		if err != nil {
			return galen.Intent{}, err
		}
	}
	d.commits = append(d.commits, c)
	c.Intent.Fence = int64(len(d.commits))
	return c.Intent, nil
}

func (d *desk) Outcome(_ context.Context, _, sent, reply string) error {
	d.outcomes = append(d.outcomes, cmp.Or(sent, "?")+" "+reply)
	return d.broken
}

func (d *desk) Refused(_ context.Context, _ string, _ galen.Step, v []galen.Verdict) error {
	d.refused = append(d.refused, v)
	return nil
}

func (d *desk) Void(_ context.Context, id, why string, _ galen.Grounds) (int, error) {
	d.voided = append(d.voided, id+": "+why)
	d.inARow++
	return d.inARow, nil
}

// street is the world: looks show the ward, calls are counted.
type street struct {
	ward    func() ward
	lookErr error
	looks   [][]galen.Target
	calls   []galen.Intent
	do      func(context.Context) (string, error)
}

func (w *street) Look(_ context.Context, _ galen.Resource, scope []galen.Target, _ []galen.Intent) (galen.State, error) {
	w.looks = append(w.looks, scope)
	return w.ward(), w.lookErr
}

func (w *street) Do(ctx context.Context, in galen.Intent) (string, error) {
	w.calls = append(w.calls, in)
	if w.do != nil {
		return w.do(ctx)
	}
	return "as you wish", nil
}

type rig struct {
	desk   *desk
	street *street
	clock  *clock
	policy galen.Policy
	guards []galen.Guard[galen.State]
	stop   time.Duration
	// version of the runbook that the engine has.
	version int
}

func newRig() *rig {
	r := &rig{desk: &desk{ledger: newLedger()}, clock: &clock{wall: noon}, policy: actPolicy(), guards: CommonGuards(), version: 1}
	r.street = &street{ward: func() ward {
		w := newWard()
		w.Looked = r.clock.wall
		return w
	}}
	return r
}

func (r *rig) options() Options {
	return Options{
		Journal: r.desk, Holds: r.desk.Holds, World: r.street, Kinds: kinds(), Guards: r.guards,
		Runbooks: map[string]galen.ListedRunbook{"ward/heal": {Name: "ward/heal", Version: r.version}}, Logger: slog.New(slog.DiscardHandler),
		Policy: func(galen.Resource) galen.Policy { return r.policy },
		Overruled: func(_ galen.Resource, counts string) string {
			if counts == "" || counts == theirs {
				return ""
			}
			return "another configuration counts"
		},
		Now: func() time.Time { return r.clock.wall }, Mono: r.mono,
	}
}

// mono is the monotonic clock; right before the first reading that follows a commit the process is stopped for a while.
func (r *rig) mono() time.Duration {
	if len(r.desk.commits) > 0 && r.stop > 0 {
		r.clock.advance(r.stop)
		r.stop = 0
	}
	return r.clock.mono
}

func (r *rig) gate(t testing.TB) *Gate {
	t.Helper()
	g, err := New(r.options())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (r *rig) act(t testing.TB, s galen.Step) (Result, error) {
	t.Helper()
	return r.gate(t).Act(t.Context(), Request{Run: "run-a", Plan: 1, Step: s})
}
