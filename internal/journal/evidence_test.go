package journal_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// TestTamperedEvidence: what a decision was made on, and what a yes is held against, cannot be changed unseen.
func TestTamperedEvidence(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole.db")
	c := newClock()
	s, err := journal.Open(t.Context(), whole, journal.Options{Now: c.read, NoSync: true})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	run, _, err := s.OpenRun(t.Context(), galen.Run{Key: "k", Resource: ring(), Runbook: "cassandra/heal-node", Version: 1, Asked: "detector"})
	must(err)
	d, err := s.Decide(t.Context(), galen.Decision{Run: run.ID, Plan: plan(time.Second), Basis: "b", Status: galen.RunRunning, Why: "it is down"}, []byte(`{"true":"state"}`))
	must(err)
	must(s.Approve(t.Context(), galen.Approval{ID: "yes", Run: run.ID, By: "ann", Expires: c.read().Add(time.Hour), Basis: map[string]string{"a": "as shown"}}))
	must(s.Close())
	sound(t, whole)
	state := "state/" + d.State
	for name, c := range map[string]struct{ edit, row string }{
		"the body of a State":     {`UPDATE states SET body = CAST('{"forged":true}' AS BLOB)`, state},
		"a body that is no JSON":  {`UPDATE states SET body = CAST('{' AS BLOB)`, state},
		"the basis of a State":    {`UPDATE states SET basis = 'forged'`, state},
		"a State deleted":         {`DELETE FROM states`, state},
		"the basis of a yes":      {`UPDATE approvals SET basis = '{"a":"forged"}'`, "basis/yes"},
		"the basis shown":         {`UPDATE approvals SET doc = replace(doc, 'as shown', 'forged')`, "approval/yes"},
		"a basis that is no JSON": {`UPDATE approvals SET basis = '{'`, "basis/yes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy.db")
			copyFile(t, whole, path)
			r := openRaw(t, path)
			r.armed(func() { r.exec(c.edit) })
			must(r.db.Close())
			report, err := journal.Verify(t.Context(), path)
			if err != nil || !located(report, nil, c.row) {
				t.Errorf("%v: %+v, want a fault of %s", err, report.Faults, c.row)
			}
		})
	}
	t.Run("a body whose time is over", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "copy.db")
		copyFile(t, whole, path)
		r := openRaw(t, path)
		r.armed(func() { r.exec("UPDATE states SET body = NULL") })
		must(r.db.Close())
		sound(t, path)
	})
}

// TestARebasedYesIsCited: the effects of a run's own intents move the basis of its yes, with the event that settles them.
func TestARebasedYesIsCited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	rebased(t, path)
	sound(t, path)
	r := openRaw(t, path)
	var is string
	r.get(&is, "SELECT basis FROM approvals")
	if !strings.Contains(is, "after the stop") {
		t.Fatalf("the basis %s was not re-based", is)
	}
	r.armed(func() { r.exec(`UPDATE approvals SET basis = replace(basis, 'after the stop', 'as shown')`) })
	if err := r.db.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := journal.Verify(t.Context(), path)
	if err != nil || len(report.Faults) != 1 || report.Faults[0].Row != "basis/yes" {
		t.Errorf("%v: %+v", err, report.Faults)
	}
}

// rebased is the journal of a run that was approved and has stopped a node since.
func rebased(t *testing.T, path string) {
	t.Helper()
	c, ctx := newClock(), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := journal.Open(ctx, path, journal.Options{Now: c.read, NoSync: true})
	must(err)
	run, _, err := s.OpenRun(ctx, galen.Run{Key: "k", Resource: ring(), Runbook: "cassandra/heal-node", Version: 1, Asked: "detector"})
	must(err)
	_, err = s.Decide(ctx, galen.Decision{Run: run.ID, Plan: plan(time.Second), Status: galen.RunRunning, Why: "it is down"}, nil)
	must(err)
	must(s.Approve(ctx, galen.Approval{ID: "yes", Run: run.ID, By: "ann", Expires: c.read().Add(time.Hour), Basis: map[string]string{"node-1": "as shown"}}))
	l, err := s.Ledger(ctx, run.ID)
	must(err)
	in, err := s.Commit(ctx, galen.Commit{
		Intent: galen.Intent{Run: run.ID, Step: stop("node-1"), Class: galen.Disruptive}, Revision: l.Revision, Account: l.Account, Claims: claims("node-1"), Touched: []string{"node-1"},
	})
	must(err)
	must(s.Settle(ctx, run.ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectDone}, Basis: map[string]string{"node-1": "after the stop"}}}))
	must(s.Close())
}
