package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// Decide stores what a run decided on a State and sets where the run stands. A plan with the hash of the newest one keeps
// its number and counts. It is an event only when the plan, an answer of a guard, the status or what a person is paged for changed; only then
// is the body of the State stored (nil: not at hand), and its hash taken where d.State is empty; without an event the decision
// keeps the State that its plan was cited with. A run that a person has moved since d.Was, or that was looked at too long ago, is left
// as it is: galen.ErrMoved. Who becomes held loses the yes that was given before.
func (s *Store) Decide(ctx context.Context, d galen.Decision, state []byte) (galen.Decision, error) {
	if hash := d.Plan.Hash(); d.Hash == "" {
		d.Hash = hash
	} else if d.Hash != hash {
		return d, fmt.Errorf("decide for run %s: the hash %s is not that of the plan", d.Run, d.Hash)
	}
	if d.State != "" && len(state) > 0 && d.State != stateHash(state) {
		return d, fmt.Errorf("decide for run %s: the hash %s is not galen.HashJSON of the state", d.Run, d.State)
	}
	var out galen.Decision
	err := s.write(ctx, "decide for run "+d.Run, func(ctx context.Context, t *tx) (err error) {
		out, err = t.decide(ctx, d, state)
		return err
	})
	if err != nil {
		return galen.Decision{}, err // who gave up may not read what the writer may still write
	}
	return out, nil
}

func (t *tx) decide(ctx context.Context, d galen.Decision, state []byte) (galen.Decision, error) {
	was, err := openRunOf(ctx, t, d.Run)
	if err == nil {
		err = t.unmoved(ctx, was, d.Was)
	}
	if err != nil {
		return d, err
	}
	d.Was = nil // compared, of no use any more
	looked := d.At
	answers := answersOf(d.Verdicts...)
	news, err := t.number(ctx, was, &d, answers)
	if err != nil {
		return d, err
	}
	run := t.standAs(was, d)
	if err := errors.Join(t.inVain(ctx, was, d, looked), t.stand(ctx, run, d)); err != nil {
		return d, err
	}
	again := !news && stands(was, run) && len(t.cites) == 0
	if again, err = t.asCited(ctx, &d, state, again); err != nil {
		return d, err
	}
	if err := t.savePlan(ctx, d, answers); err != nil || again {
		return d, err
	}
	return d, t.decided(ctx, run, was, d, state)
}

// stands: the run stands as before, for the same reason if a person is needed.
func stands(was, run galen.Run) bool {
	return was.Status == run.Status && was.PlanStop == run.PlanStop && was.Suggested == run.Suggested && !summons(was, run)
}

// summons: a person is needed from now on, or for something else than before.
func summons(was, run galen.Run) bool {
	return was.Status != run.Status && letsGo(run.Status) || run.Status == galen.RunHeld && was.Why != run.Why
}

// asCited gives a decision its State's hash, and tells whether it is stored without an event: it is the same as the newest one, and that one
// was cited with its status, which is not so if somebody has moved the run since who has not decided. Then the State is that of the citation.
func (t *tx) asCited(ctx context.Context, d *galen.Decision, state []byte, same bool) (bool, error) {
	type cited struct {
		State  string          `json:"state"`
		Status galen.RunStatus `json:"status"`
	}
	var was cited
	if same {
		var err error
		if was, _, err = doc[cited](ctx, t, "SELECT doc FROM plans WHERE run = ? AND number = ?", d.Run, d.Number); err != nil {
			return false, err
		}
		same = was.Status == d.Status
	}
	switch {
	case d.State != "":
	case same:
		d.State = was.State
	default:
		d.State = stateHash(state)
	}
	return same, nil
}

// stand writes the run and what it keeps. Who is held must not go on by a yes that was given before, nor anybody by one that was outdated
// when somebody looked, should the world come back to what it was.
func (t *tx) stand(ctx context.Context, run galen.Run, d galen.Decision) error {
	var err error
	switch {
	case run.Status == galen.RunHeld:
		err = t.endNewest(ctx, run, voiding{galen.ApprovalHeld, "the run is held: " + d.Why, d})
	case d.Outdates != "":
		err = t.endNewest(ctx, run, voiding{galen.ApprovalVoided, d.Outdates, d})
	}
	if err != nil {
		return err
	}
	if err := t.saveRun(ctx, run); err != nil {
		return err
	}
	return t.keepClaims(ctx, run, keptBy(run, d.Plan))
}

// unmoved: the run still stands where it stood when it was looked at. Only what people change counts, and newer plans: effects that other
// runs settle in the meantime must not starve a decision, and the gate reads them afresh.
func (t *tx) unmoved(ctx context.Context, run galen.Run, was *galen.Standing) error {
	if was == nil {
		return nil
	}
	yes, err := liveApproval(ctx, t, run.ID, t.now)
	if err != nil {
		return err
	}
	if err := t.lately(run.ID, was.At); err != nil {
		return err
	}
	by, err := counts(ctx, t)
	if err != nil {
		return err
	}
	is := (galen.Ledger{Now: was.At, Run: run, Approval: yes, Configuration: by}).Standing()
	if is != *was {
		return fmt.Errorf("run %s was decided on as %+v and is %+v by now: %w", run.ID, *was, is, galen.ErrMoved)
	}
	return nil
}

// lately: what is written of a run rests on a look that began at most [galen.DecideWithin] ago.
func (t *tx) lately(run string, looked time.Time) error {
	if held := t.now.Sub(looked); held > galen.DecideWithin {
		return fmt.Errorf("run %s was looked at %s ago, at most %s is allowed: %w", run, held.Round(time.Second), galen.DecideWithin, galen.ErrMoved)
	}
	return nil
}

// standAs is the run as it stands after a decision.
func (t *tx) standAs(run galen.Run, d galen.Decision) galen.Run {
	run.PlanStop = run.Stop // as it was read, see unmoved
	run.Plan, run.Status, run.Why, run.Until, run.Only = d.Number, d.Status, d.Why, d.Until.UTC(), d.Only
	if d.Finding != nil {
		run.Finding, run.Urgency = d.Finding, max(run.Urgency, d.Finding.Urgency)
	}
	run.HeldFast = run.HeldFast && run.Status == galen.RunHeld
	switch was := run.Suggested; {
	case len(d.Suggests) > 0 && (was == nil || was.Plan != d.Number):
		run.Suggested = &galen.Suggestion{Plan: d.Number, At: t.now.UTC(), Steps: d.Suggests}
	case len(d.Suggests) == 0 && len(d.Plan.Steps) > 0: // the mode is another one by now
		run.Suggested = nil
	}
	if !run.Status.Open() {
		run.Ended = t.now
	}
	return run
}

// keptBy are the claims that a plan keeps for its run.
func keptBy(run galen.Run, p galen.Plan) []galen.Claim {
	if letsGo(run.Status) {
		return nil
	}
	return p.Keep
}

// decided is the event of a decision, and all that hangs on it.
func (t *tx) decided(ctx context.Context, run, was galen.Run, d galen.Decision, state []byte) error {
	if err := t.saveState(ctx, run.Resource, d, state); err != nil {
		return err
	}
	t.citeRun(run)
	t.cite(planRow(d), citedPlan(d))
	d.Grounds = nil // the State that is cited has them; who approves keeps them
	if err := t.event(ctx, galen.Event{Resource: run.Resource, Run: run.ID, Kind: galen.EventDecided}, map[string]any{"decision": d}); err != nil {
		return err
	}
	if summons(was, run) { // what a person waits for has its own line; the rest is in the decision
		if err := t.statusEvent(ctx, run, was.Status, ""); err != nil {
			return err
		}
	}
	return t.raise(ctx, run.Resource.String())
}

// number gives the decision its number and count, and tells whether plan or answers are new.
func (t *tx) number(ctx context.Context, run galen.Run, d *galen.Decision, answers string) (bool, error) {
	d.At = t.now
	var hash, were string
	var count int
	_, err := first(ctx, t, []any{&hash, &were, &count}, "SELECT hash, answers, count FROM plans WHERE run = ? AND number = ?", run.ID, run.Plan)
	if err != nil {
		return false, err
	}
	if hash != d.Hash || run.Plan == 0 {
		d.Number, d.Count = run.Plan+1, 1
		return true, nil
	}
	d.Number, d.Count = run.Plan, count+1
	return answers != were, nil
}

func (t *tx) savePlan(ctx context.Context, d galen.Decision, answers string) error {
	earlier, err := t.earlier(ctx, d)
	if err != nil {
		return err
	}
	text, err := asDoc(planDoc{d, earlier})
	if err != nil {
		return err
	}
	return t.exec(ctx, `INSERT INTO plans (run, number, hash, answers, count, doc) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (run, number) DO UPDATE SET answers = excluded.answers, count = excluded.count, doc = excluded.doc`,
		d.Run, d.Number, d.Hash, answers, d.Count, text)
}

// answersOf is the hash of who answered what, reasons left out: they name ages and counts that change with every look.
func answersOf(verdicts ...[]galen.Verdict) string {
	type said struct {
		Guard  string
		Answer galen.Answer
	}
	out := make([][]said, len(verdicts))
	for i, vs := range verdicts {
		for _, v := range vs {
			out[i] = append(out[i], said{v.Guard, v.Answer})
		}
	}
	return galen.HashJSON(out)
}

func planRow(d galen.Decision) string { return fmt.Sprintf("plan/%s/%d", d.Run, d.Number) }

// citedPlan is what of a stored decision changes only with an event.
func citedPlan(d galen.Decision) any {
	return map[string]any{"run": d.Run, "number": d.Number, "plan": d.Plan.Hash(), "answers": answersOf(d.Verdicts...), "status": d.Status}
}

// Plan is the newest decision with that plan number of a run; galen.ErrNotFound.
func (s *Store) Plan(ctx context.Context, runID string, number int) (galen.Decision, error) {
	var out galen.Decision
	err := s.read(ctx, "read a plan", func(ctx context.Context, q querier) error {
		d, found, err := doc[galen.Decision](ctx, q, "SELECT doc FROM plans WHERE run = ? AND number = ?", runID, number)
		if err == nil && !found {
			err = fmt.Errorf("plan %d of run %q: %w", number, runID, galen.ErrNotFound)
		}
		out = d
		return err
	})
	return out, err
}

// Plans are the different plans of a run with a smaller number than before (0: all), newest first, at most so many.
func (s *Store) Plans(ctx context.Context, runID string, before, limit int) ([]galen.Decision, error) {
	where, args := "run = ?", []any{runID}
	if before > 0 {
		where, args = where+" AND number < ?", append(args, before)
	}
	var out []galen.Decision
	err := s.read(ctx, "list the plans of run "+runID, func(ctx context.Context, q querier) (err error) {
		out, err = docs[galen.Decision](ctx, q, "SELECT doc FROM plans WHERE "+where+" ORDER BY number DESC LIMIT ?", append(args, limitOr(limit))...)
		return err
	})
	return out, err
}
