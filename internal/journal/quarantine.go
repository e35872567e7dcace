package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// Rows of the account, kept as facts of no resource: what failed lately, and which runbooks are in quarantine for it.
const (
	failedKey     = "failed/"     // failed/<runbook> <verb> <resource> <target>
	quarantineKey = "quarantine/" // quarantine/<runbook>; its value is the [galen.Quarantine]
)

// failedAlike begins the keys of all failures of one verb of one runbook.
func failedAlike(runbook, verb string) string { return failedKey + runbook + " " + verb + " " }

// failed notes that a verb failed on a target, and puts the run's runbook in quarantine when it is one target too many (I-12).
// To undo is no failure of the runbook.
func (t *tx) failed(ctx context.Context, in galen.Intent) error {
	if in.Undoes != "" {
		return nil
	}
	run, err := runOf(ctx, t, in.Run)
	if err != nil {
		return err
	}
	policy, err := policyOf(ctx, t, in.Resource)
	if err != nil {
		return err
	}
	alike := failedAlike(run.Runbook, in.Step.Verb)
	if err := t.putAccount(ctx, galen.Fact{Key: alike + in.Resource.String() + " " + in.Step.Target.ID, Intent: in.ID, At: t.now}); err != nil {
		return err
	}
	rows, err := accountFacts(ctx, t, alike)
	if err != nil {
		return err
	}
	var targets []string
	for _, f := range rows {
		switch age := t.now.Sub(f.At); {
		case age < policy.QuarantineWindow.D():
			targets = append(targets, strings.TrimPrefix(f.Key, alike))
		case age >= galen.MaxLookBack: // before, another resource with a longer window may count it
			if err := t.dropAccount(ctx, f.Key); err != nil {
				return err
			}
		}
	}
	if len(targets) < policy.QuarantineAfter {
		return nil
	}
	return t.quarantine(ctx, in, galen.Quarantine{Runbook: run.Runbook, Verb: in.Step.Verb, Targets: targets, At: t.now,
		Why: fmt.Sprintf("%s failed on %d targets within %s: %s", in.Step.Verb, len(targets), policy.QuarantineWindow, strings.Join(targets, ", "))})
}

// policyOf is the policy of a resource as it was last set; the safe one before.
func policyOf(ctx context.Context, q querier, r galen.Resource) (galen.Policy, error) {
	p := galen.SafePolicy()
	var text []byte
	found, err := first(ctx, q, []any{&text}, "SELECT policy FROM resources WHERE resource = ?", r.String())
	if err != nil || !found {
		return p, err
	}
	// Tolerantly and over the safe one: an older engine wrote fewer fields.
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("read the stored policy of %s: %w", r, err)
	}
	return p, nil
}

// quarantine writes the row with its event, unless the runbook is in quarantine already.
func (t *tx) quarantine(ctx context.Context, in galen.Intent, q galen.Quarantine) error {
	key := quarantineKey + q.Runbook
	if rows, err := accountFacts(ctx, t, key); err != nil || slices.ContainsFunc(rows, func(f galen.Fact) bool { return f.Key == key }) {
		return err
	}
	text, err := asDoc(q)
	if err != nil {
		return err
	}
	if err := t.putAccount(ctx, galen.Fact{Key: key, Value: []byte(text), Intent: in.ID, At: t.now}); err != nil {
		return err
	}
	// The whole is of no resource, for who may view all; the run's own says nothing of the others that it failed on.
	if err := t.event(ctx, galen.Event{Kind: galen.EventQuarantine}, map[string]any{"quarantine": q}); err != nil {
		return err
	}
	q.Targets, q.Why = []string{in.Resource.String() + " " + in.Step.Target.ID}, fmt.Sprintf("%s failed on %d targets", q.Verb, len(q.Targets))
	err = t.event(ctx, galen.Event{Resource: in.Resource, Run: in.Run, Kind: galen.EventQuarantine}, map[string]any{"quarantine": q})
	if err != nil {
		return err
	}
	return t.raise(ctx, account)
}

func (t *tx) putAccount(ctx context.Context, f galen.Fact) error { return t.putFact(ctx, account, f) }

// putFact writes one of what is no resource.
func (t *tx) putFact(ctx context.Context, of string, f galen.Fact) error {
	text, err := asDoc(f)
	if err != nil {
		return err
	}
	t.cite(factRow(of, f.Key), f)
	return t.exec(ctx, "INSERT INTO facts (resource, key, doc) VALUES (?, ?, ?) ON CONFLICT (resource, key) DO UPDATE SET doc = excluded.doc",
		of, f.Key, text)
}

func (t *tx) dropAccount(ctx context.Context, key string) error {
	t.citeGone(factRow(account, key))
	return t.exec(ctx, "DELETE FROM facts WHERE resource = ? AND key = ?", account, key)
}

// accountFacts are the account's rows whose key begins so, by key.
func accountFacts(ctx context.Context, q querier, prefix string) ([]galen.Fact, error) {
	// Filtered here: databases differ in how they order text.
	all, err := docs[galen.Fact](ctx, q, "SELECT doc FROM facts WHERE resource = ? ORDER BY key", account)
	return slices.DeleteFunc(all, func(f galen.Fact) bool { return !strings.HasPrefix(f.Key, prefix) }), err
}

// quarantineOf is that of a runbook, nil if there is none.
func quarantineOf(ctx context.Context, q querier, runbook string) (*galen.Quarantine, error) {
	all, err := quarantines(ctx, q)
	if i := slices.IndexFunc(all, func(q galen.Quarantine) bool { return q.Runbook == runbook }); err == nil && i >= 0 {
		return &all[i], nil
	}
	return nil, err
}

func quarantines(ctx context.Context, q querier) ([]galen.Quarantine, error) {
	rows, err := accountFacts(ctx, q, quarantineKey)
	if err != nil {
		return nil, err
	}
	out := make([]galen.Quarantine, 0, len(rows))
	for _, f := range rows {
		one, err := undoc[galen.Quarantine](f.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// Quarantines are the runbooks in quarantine, by name.
func (s *Store) Quarantines(ctx context.Context) ([]galen.Quarantine, error) {
	var out []galen.Quarantine
	err := s.read(ctx, "list the quarantines", func(ctx context.Context, q querier) (err error) {
		out, err = quarantines(ctx, q)
		return err
	})
	return out, err
}

// ClearQuarantine lets a runbook act again; only a person does. What failed before counts no more. The open runs are woken.
func (s *Store) ClearQuarantine(ctx context.Context, runbook, by, why string) error {
	if by == "" || why == "" {
		return errors.New("clear a quarantine: who clears it and why are required")
	}
	return s.write(ctx, "clear the quarantine of "+runbook, func(ctx context.Context, t *tx) error {
		q, err := quarantineOf(ctx, t, runbook)
		if err != nil {
			return err
		}
		if q == nil {
			return fmt.Errorf("runbook %q is not in quarantine: %w", runbook, galen.ErrNotFound)
		}
		rows, err := accountFacts(ctx, t, failedKey+runbook+" ")
		if err != nil {
			return err
		}
		for _, f := range append(rows, galen.Fact{Key: quarantineKey + runbook}) {
			if err := t.dropAccount(ctx, f.Key); err != nil {
				return err
			}
		}
		err = t.event(ctx, galen.Event{Kind: galen.EventQuarantine, By: by}, map[string]any{"cleared": q, "why": why})
		if err != nil {
			return err
		}
		if err := t.raise(ctx, account); err != nil {
			return err
		}
		return t.wakeAll(ctx, galen.Resource{})
	})
}

// inVain notes as failed what a run was waiting for in vain, once a decision holds it. Only a decision: somebody has looked, and
// after the deadline. That the engine was away, a journal in doubt or a person's no is no failure of a runbook.
func (t *tx) inVain(ctx context.Context, was galen.Run, d galen.Decision, looked time.Time) error {
	if held, err := t.heldBefore(ctx, was, d); err != nil || held {
		return err
	}
	past, err := pastOf(ctx, t, was.ID)
	if err != nil {
		return err
	}
	for _, in := range past {
		if !in.Effect.Settled() && looked.After(in.Deadline()) {
			if err := t.failed(ctx, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// heldBefore: the decision does not hold the run, or the one before did so already. Whoever else held it in between has not looked.
func (t *tx) heldBefore(ctx context.Context, was galen.Run, d galen.Decision) (bool, error) {
	if d.Status != galen.RunHeld || was.Status != galen.RunHeld {
		return d.Status != galen.RunHeld, nil
	}
	before, found, err := doc[galen.Decision](ctx, t, "SELECT doc FROM plans WHERE run = ? AND number = ?", was.ID, was.Plan)
	return found && before.Status == galen.RunHeld, err
}

// releasedOf are the times of the intents of the whole account within the last second, newest first, as many as any policy allows.
func releasedOf(ctx context.Context, q querier, now time.Time) ([]time.Time, error) {
	var out []time.Time
	err := each(ctx, q, func(rows cursor) error {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return err
		}
		if when := moment(at); now.Sub(when) < time.Second {
			out = append(out, when)
		}
		return nil
	}, "SELECT at FROM intents ORDER BY n DESC LIMIT ?", galen.MaxReleasePerSecond)
	return out, err
}

// inRate refuses one intent too many in a second (I-23): two gates may have counted at the same moment.
func (t *tx) inRate(ctx context.Context, perSecond int) error {
	if perSecond == 0 {
		return nil
	}
	most := min(perSecond, galen.MaxReleasePerSecond)
	released, err := releasedOf(ctx, t, t.now)
	if err == nil && len(released) >= most {
		err = fmt.Errorf("%d calls in the last second, at most %d are allowed: %w", len(released), most, galen.ErrRate)
	}
	return err
}
