package journal

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/galenhq/galen"
)

// replyLimit is how much of a target's answer is kept.
const replyLimit = 64 << 10

// Commit is the permission to act. In one transaction, on disk when it returns, it checks that the run goes on
// (galen.ErrEnded, ErrHeld), that nothing moved since the ledger was read (ErrMoved), that no hold covers the target
// (ErrHeld), that no intent on it is unsettled (ErrUnsettled) and no other run holds a claim (*galen.ClaimedError); then it
// takes the claims, spends the budgets, writes facts and intent. The fence is higher than any given on the
// resource, the time the journal's.
func (s *Store) Commit(ctx context.Context, c galen.Commit) (galen.Intent, error) {
	if in := c.Intent; in.Run == "" || in.Step.Verb == "" || in.Step.Target.ID == "" {
		return galen.Intent{}, fmt.Errorf("commit an intent: run %q, verb %q and target %q are all required", in.Run, in.Step.Verb, in.Step.Target.ID)
	} else if !slices.Contains(c.Touched, in.Step.Target.ID) {
		return galen.Intent{}, fmt.Errorf("commit an intent: its target %s is not among all that it touches, %q: the holds on it would be missed", in.Step.Target.ID, c.Touched)
	}
	var out galen.Intent
	err := s.write(ctx, fmt.Sprintf("commit %s of run %s", c.Intent.Step, c.Intent.Run), func(ctx context.Context, t *tx) (err error) {
		out, err = t.commit(ctx, c)
		return err
	})
	if err != nil {
		return galen.Intent{}, err
	}
	return out, nil
}

func (t *tx) commit(ctx context.Context, c galen.Commit) (galen.Intent, error) {
	run, err := openRunOf(ctx, t, c.Intent.Run)
	if err != nil {
		return galen.Intent{}, err
	}
	in := c.Intent
	if in.Resource == (galen.Resource{}) {
		in.Resource = run.Resource
	}
	if in.Resource != run.Resource {
		return in, fmt.Errorf("the intent is on %s, its run on %s", in.Resource, run.Resource)
	}
	if in.ID == "" {
		in.ID = t.newID(t.now)
	}
	in.At, in.Sent, in.Reply, in.Effect = t.now, "", "", galen.Effect{Status: galen.EffectUnknown}
	for _, step := range []func() error{
		func() error { return t.mayAct(ctx, run, in, c) },
		func() (err error) { in.Fence, err = t.nextFence(ctx, in); return err },
		func() error { return t.insertIntent(ctx, in) },
		func() error { return t.takeClaims(ctx, run, in, c.Claims) },
		func() (err error) { c.Spend, err = t.spend(ctx, in, c.Spend); return err },
		func() (err error) { c.Facts, err = t.putFacts(ctx, in, c.Facts); return err },
		func() error { return t.intended(ctx, in, c) },
		func() error { return t.raise(ctx, in.Resource.String()) },
	} {
		if err := step(); err != nil {
			return galen.Intent{}, err
		}
	}
	if len(c.Spend) > 0 {
		return in, t.raise(ctx, account)
	}
	return in, nil
}

// mayAct checks all that can have changed since the guards answered.
func (t *tx) mayAct(ctx context.Context, run galen.Run, in galen.Intent, c galen.Commit) error {
	if err := t.armed(ctx); err != nil {
		return err
	}
	if run.Status == galen.RunHeld {
		return fmt.Errorf("run %s waits for a person (%s): %w", run.ID, run.Why, galen.ErrHeld)
	}
	if run.Stop != run.PlanStop {
		return fmt.Errorf("run %s was asked to %s since its plan %d was made: %w", run.ID, run.Stop, run.Plan, galen.ErrMoved)
	}
	for _, check := range []func() error{
		func() error { return t.atRevision(ctx, in.Resource.String(), c.Revision) },
		func() error { return t.atRevision(ctx, account, c.Account) },
		func() error { return t.notOnHold(ctx, in, c) },
		func() error { return t.inRate(ctx, c.PerSecond) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return t.mayTake(ctx, in, c.Claims)
}

// atRevision compares a revision with the one at which the ledger was read.
func (t *tx) atRevision(ctx context.Context, name string, read int64) error {
	is, err := revisionOf(ctx, t, name)
	if err != nil {
		return err
	}
	if is != read {
		return fmt.Errorf("revision of %q is %d, the ledger was read at %d: %w", name, is, read, galen.ErrMoved)
	}
	return nil
}

func (t *tx) notOnHold(ctx context.Context, in galen.Intent, c galen.Commit) error {
	holds, err := holdsOf(ctx, t)
	if err != nil {
		return err
	}
	if h, id, held := galen.HeldBy(holds, in.Resource, c.Touched); held {
		return fmt.Errorf("hold %s of %s covers %s (%s): %w", h.ID, h.By, id, h.Why, galen.ErrHeld)
	}
	return nil
}

// mayTake: nobody is at work on the target, by whatever name, and no other run holds what the step needs.
func (t *tx) mayTake(ctx context.Context, in galen.Intent, claims []galen.Claim) error {
	resource := in.Resource.String()
	open, err := openIntentsOf(ctx, t, resource)
	if err != nil {
		return err
	}
	names := append([]string{in.Step.Target.ID}, in.Also...)
	for _, o := range open {
		if o.On(names...) {
			return fmt.Errorf("intent %s on %s: %w", o.ID, in.Step.Target.ID, galen.ErrUnsettled)
		}
	}
	held, err := claimsOf(ctx, t, resource)
	if err != nil {
		return err
	}
	for _, want := range claims {
		for _, h := range held {
			if h.Run != in.Run && h.Excludes(want) {
				return &galen.ClaimedError{Claim: h.Claim, Holder: h.Run}
			}
		}
	}
	return nil
}

// nextFence is higher than any that was given on the resource, for whatever target: one host gets the orders for a node, for the
// instance under it and for the node whose place it takes, and keeps one highest fence for all of them. It is kept under each name of
// the target.
func (t *tx) nextFence(ctx context.Context, in galen.Intent) (int64, error) {
	resource := in.Resource.String()
	given, err := fencesOf(ctx, t, resource)
	if err != nil {
		return 0, err
	}
	names := append([]string{in.Step.Target.ID}, in.Also...)
	next, err := t.leastFence(ctx, given, names)
	if err != nil {
		return 0, err
	}
	for _, fence := range given {
		next = max(next, fence+1)
	}
	for _, name := range names {
		t.cite(fenceRow(resource, name), next)
		err := t.exec(ctx, `INSERT INTO fences (resource, target, fence) VALUES (?, ?, ?)
			ON CONFLICT (resource, target) DO UPDATE SET fence = excluded.fence`, resource, name, next)
		if err != nil {
			return 0, err
		}
	}
	return next, nil
}

// leastFence is above all that an earlier journal gave, for what a host has accepted outlives a journal that is lost or restored: the
// first fence of a name, and of an epoch that a person began, is the time in milliseconds. The next ones only count on, which is slower
// than time.
func (t *tx) leastFence(ctx context.Context, given map[string]int64, names []string) (int64, error) {
	for _, name := range names {
		if _, known := given[name]; !known {
			return t.now.UnixMilli(), nil
		}
	}
	e, err := epochOf(ctx, t)
	if err != nil || e.Number == 1 { // nobody has re-armed this journal
		return 1, err
	}
	return e.At.UnixMilli(), nil
}

func fenceRow(resource, target string) string { return "fence/" + resource + "/" + target }

func (t *tx) insertIntent(ctx context.Context, in galen.Intent) error {
	text, err := asDoc(in)
	if err != nil {
		return err
	}
	if _, exists, err := doc[galen.Intent](ctx, t, "SELECT doc FROM intents WHERE id = ?", in.ID); err != nil {
		return err
	} else if exists {
		return fmt.Errorf("an intent with the ID %s is in the journal already: an intent is committed once", in.ID)
	}
	t.citeIntent(in)
	return t.exec(ctx, "INSERT INTO intents (id, run, resource, target, at, sent, settled, doc) VALUES (?, ?, ?, ?, ?, '', 0, ?)",
		in.ID, in.Run, in.Resource.String(), in.Step.Target.ID, stamp(in.At), text)
}

func (t *tx) citeIntent(in galen.Intent) { t.cite("intent/"+in.ID, citedIntent(in)) }

// citedIntent leaves out the wording of the effect, which changes while it is under way.
func citedIntent(in galen.Intent) any {
	in.Effect.Why = ""
	return in
}

// takeClaims writes the claims, kept where the newest plan keeps them, and what the intent needs.
func (t *tx) takeClaims(ctx context.Context, run galen.Run, in galen.Intent, claims []galen.Claim) error {
	if len(claims) == 0 {
		return nil
	}
	plan, _, err := doc[galen.Decision](ctx, t, "SELECT doc FROM plans WHERE run = ? AND number = ?", run.ID, run.Plan)
	if err != nil {
		return err
	}
	resource := in.Resource.String()
	for _, c := range claims {
		kept := slices.ContainsFunc(keptBy(run, plan.Plan), func(k galen.Claim) bool { return k.Name == c.Name })
		if err := t.takeClaim(ctx, resource, run.ID, c, kept); err != nil {
			return err
		}
		err := t.exec(ctx, "INSERT INTO needs (intent, name, resource, run) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", in.ID, c.Name, resource, run.ID)
		if err != nil {
			return err
		}
		t.cite(needRow(in.ID, c.Name), citedNeed(resource, run.ID))
	}
	return nil
}

// takeClaim: a run that held it shared and now needs it alone has it alone from now on.
func (t *tx) takeClaim(ctx context.Context, resource, run string, c galen.Claim, kept bool) error {
	shared, since := c.Shared, stamp(t.now)
	var was bool
	had, err := first(ctx, t, []any{&was, &since}, "SELECT shared, since FROM claims WHERE resource = ? AND name = ? AND run = ?", resource, c.Name, run)
	if err != nil {
		return err
	}
	if had {
		shared = shared && was
	}
	t.cite(claimRow(resource, run, c.Name), citedClaim(shared, since))
	return t.exec(ctx, `INSERT INTO claims (resource, name, run, shared, kept, since) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (resource, name, run) DO UPDATE SET shared = excluded.shared, kept = excluded.kept`,
		resource, c.Name, run, flag(shared), flag(kept), since)
}

func needRow(intent, name string) string { return "need/" + intent + "/" + name }

func citedNeed(resource, run string) any { return []any{resource, run} }

func citedClaim(shared bool, since int64) any { return []any{shared, since} }

// spend takes the tokens that the run has not yet spent on the target, as far as a ledger looks back, and returns those.
func (t *tx) spend(ctx context.Context, in galen.Intent, spends []galen.Spend) ([]galen.Spend, error) {
	var fresh []galen.Spend
	for _, s := range spends {
		s.Resource, s.Run, s.At = in.Resource, in.Run, t.now
		if s.Target == "" {
			s.Target = in.Step.Target.ID
		}
		err := t.exec(ctx, "DELETE FROM spends WHERE budget = ? AND run = ? AND target = ? AND at <= ?", s.Budget, s.Run, s.Target, stamp(t.now.Add(-galen.MaxLookBack)))
		if err != nil {
			return nil, err
		}
		n, err := t.execCount(ctx, "INSERT INTO spends (budget, run, target, resource, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			s.Budget, s.Run, s.Target, s.Resource.String(), stamp(s.At))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			t.cite(spendRow(s), s)
			fresh = append(fresh, s)
		}
	}
	return fresh, nil
}

func spendRow(s galen.Spend) string { return "spend/" + s.Budget + "/" + s.Run + "/" + s.Target }

// putFacts writes or removes facts of the intent's resource, and returns those that changed, as written.
func (t *tx) putFacts(ctx context.Context, in galen.Intent, facts []galen.Fact) ([]galen.Fact, error) {
	resource := in.Resource.String()
	out := make([]galen.Fact, 0, len(facts))
	for _, f := range facts {
		if f.Intent == "" {
			f.Intent = in.ID
		}
		if f.At.IsZero() {
			f.At = t.now
		}
		if f.Keep {
			_, stands, err := doc[galen.Fact](ctx, t, "SELECT doc FROM facts WHERE resource = ? AND key = ?", resource, f.Key)
			if err != nil {
				return nil, err
			}
			if stands {
				continue
			}
			f.Keep = false
		}
		out = append(out, f)
		if f.Gone {
			t.citeGone(factRow(resource, f.Key))
			if err := t.exec(ctx, "DELETE FROM facts WHERE resource = ? AND key = ?", resource, f.Key); err != nil {
				return nil, err
			}
			continue
		}
		text, err := asDoc(f)
		if err != nil {
			return nil, err
		}
		t.cite(factRow(resource, f.Key), f)
		err = t.exec(ctx, "INSERT INTO facts (resource, key, doc) VALUES (?, ?, ?) ON CONFLICT (resource, key) DO UPDATE SET doc = excluded.doc",
			resource, f.Key, text)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func factRow(resource, key string) string { return "fact/" + resource + "/" + key }

func (t *tx) intended(ctx context.Context, in galen.Intent, c galen.Commit) error {
	c.Intent = in
	return t.event(ctx, galen.Event{Resource: in.Resource, Run: in.Run, Kind: galen.EventIntended}, c)
}

// Outcome records what is known of the call of an intent: galen.SentYes, SentNot or SentError, and the answer, of which
// 64 KiB are kept. The same outcome again is no error; another one is.
func (s *Store) Outcome(ctx context.Context, intentID, sent, reply string) error {
	if sent != galen.SentYes && sent != galen.SentNot && sent != galen.SentError {
		return fmt.Errorf("outcome of intent %s: sent %q: want %s, %s or %s", intentID, sent, galen.SentYes, galen.SentNot, galen.SentError)
	}
	return s.write(ctx, "record the outcome of intent "+intentID, func(ctx context.Context, t *tx) error {
		in, err := intentOf(ctx, t, intentID)
		if err != nil {
			return err
		}
		if in.Sent != "" {
			if in.Sent == sent {
				return nil
			}
			return fmt.Errorf("its outcome is recorded as %q already, not %q", in.Sent, sent)
		}
		in.Sent, in.Reply = sent, cut(reply)
		if err := t.saveIntent(ctx, in); err != nil {
			return err
		}
		t.citeIntent(in)
		body := map[string]any{"intent": in.ID, "verb": in.Step.Verb, "target": in.Step.Target, "sent": in.Sent, "reply": in.Reply}
		if err := t.event(ctx, galen.Event{Resource: in.Resource, Run: in.Run, Kind: galen.EventCalled}, body); err != nil {
			return err
		}
		return t.raise(ctx, in.Resource.String())
	})
}

// cut keeps the first 64 KiB, in whole characters.
func cut(reply string) string {
	reply = valid(reply)
	if len(reply) <= replyLimit {
		return reply
	}
	n := replyLimit
	for !utf8.RuneStart(reply[n]) {
		n--
	}
	return reply[:n]
}

func intentOf(ctx context.Context, q querier, id string) (galen.Intent, error) {
	in, found, err := doc[galen.Intent](ctx, q, "SELECT doc FROM intents WHERE id = ?", id)
	if err == nil && !found {
		return in, fmt.Errorf("intent %q: %w", id, galen.ErrNotFound)
	}
	return in, err
}

// HasIntent tells whether an intent was ever committed here.
func (s *Store) HasIntent(ctx context.Context, id string) (bool, error) {
	var n int64
	var found bool
	err := s.read(ctx, "look for intent "+id, func(ctx context.Context, q querier) (err error) {
		found, err = first(ctx, q, []any{&n}, "SELECT settled FROM intents WHERE id = ?", id)
		return err
	})
	return found, err
}

func (t *tx) saveIntent(ctx context.Context, in galen.Intent) error {
	text, err := asDoc(in)
	if err != nil {
		return err
	}
	return t.exec(ctx, "UPDATE intents SET sent = ?, settled = ?, doc = ? WHERE id = ?", in.Sent, flag(in.Effect.Settled()), text, in.ID)
}

// Refused records that the gate refused a step. The same answers again only count.
func (s *Store) Refused(ctx context.Context, runID string, step galen.Step, verdicts []galen.Verdict) error {
	return s.write(ctx, "record a refusal of run "+runID, func(ctx context.Context, t *tx) error {
		run, err := runOf(ctx, t, runID)
		if err != nil {
			return err
		}
		var was string
		var count int64
		hash, answers := step.Hash(), answersOf(verdicts)
		found, err := first(ctx, t, []any{&was, &count}, "SELECT answers, count FROM refusals WHERE run = ? AND step = ?", runID, hash)
		if err != nil {
			return err
		}
		again := found && was == answers
		if !again {
			count = 0
		}
		err = t.exec(ctx, `INSERT INTO refusals (run, step, answers, count, last) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (run, step) DO UPDATE SET answers = excluded.answers, count = excluded.count, last = excluded.last`,
			runID, hash, answers, count+1, stamp(t.now))
		if err != nil || again {
			return err
		}
		return t.event(ctx, galen.Event{Resource: run.Resource, Run: runID, Kind: galen.EventRefused}, map[string]any{"step": step, "verdicts": verdicts})
	})
}
