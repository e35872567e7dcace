package app

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// upgrade is an engine whose journal holds runs that other releases opened.
type upgrade struct {
	*testing.T
	*Engine
	server *server
	d      *dispatcher
	now    time.Time
}

func newUpgrade(t *testing.T) *upgrade {
	u := &upgrade{T: t, Engine: engineWithoutTemporal(t), server: newServer(), now: time.Now()}
	u.d = &dispatcher{journal: u.journal, runs: u.journal, temporal: u.server, release: u.acts, now: func() time.Time { return u.now }, logger: slog.New(slog.DiscardHandler)}
	return u
}

func (u *upgrade) must(err error) {
	u.Helper()
	if err != nil {
		u.T.Fatal(err)
	}
}

func (u *upgrade) open(key string, version int) galen.Run {
	u.Helper()
	run, _, err := u.journal.OpenRun(u.Context(), galen.Run{
		Key: key, Resource: demoDB(), Runbook: "fake/heal", Version: version, Asked: "detector x", Deadline: u.now.Add(time.Hour),
	})
	u.must(err)
	u.carry()
	return run
}

func (u *upgrade) carry() {
	u.Helper()
	_, err := u.d.once(u.Context())
	u.must(err)
}

func (u *upgrade) stands(run galen.Run, want galen.RunStatus, why string) {
	u.Helper()
	got, err := u.journal.Run(u.Context(), run.ID)
	u.must(err)
	if got.Status != want || !strings.Contains(got.Why, why) {
		u.Errorf("%s is %s (%s), want %s with %q", run.Key, got.Status, got.Why, want, why)
	}
}

// TestRunsOfAnotherRelease: a run is carried by an engine that has its version of the runbook. Without one it is held, and a
// cancel ends it and frees its key.
func TestRunsOfAnotherRelease(t *testing.T) {
	u := newUpgrade(t)
	u.server.served["fake/heal@9"] = true // the release before still works
	ours, theirs := u.open("ours", 1), u.open("theirs", 9)
	if u.server.needs["ours"] != "fake/heal@1" || u.server.needs["theirs"] != "fake/heal@9" {
		t.Errorf("queues %v", u.server.needs)
	}
	u.must(u.journal.SetRun(t.Context(), theirs.ID, galen.RunRunning, "", time.Time{}))
	u.now = u.now.Add(time.Minute)

	u.must(u.d.reconcile(t.Context()))
	u.stands(theirs, galen.RunRunning, "")
	delete(u.server.served, "fake/heal@9") // it was stopped
	u.must(u.d.reconcile(t.Context()))
	u.stands(ours, galen.RunOpened, "")
	u.stands(theirs, galen.RunHeld, "version 9, this engine has version 1")

	u.must(u.journal.Approve(t.Context(), galen.Approval{Run: theirs.ID, Runbook: "fake/heal", Version: 9, By: "ada", Expires: u.now.Add(time.Hour)}))
	u.carry()
	u.stands(theirs, galen.RunHeld, "version 9") // a yes gives this release no runbook

	u.must(u.journal.Stop(t.Context(), theirs.ID, galen.StopCancel, "ada", "because"))
	u.carry()
	u.stands(theirs, galen.RunCancelled, "version 9")
	if u.server.open["theirs"] != "" {
		t.Error("its workflow keeps the key")
	}
	again := u.open("theirs", 1)
	if u.server.open["theirs"] != again.ID || u.server.needs["theirs"] != "fake/heal@1" {
		t.Errorf("the next run: %v, %v", u.server.open, u.server.needs)
	}
}

// TestAStartOfAnotherReleaseIsCarriedOnce: the engine that opened the run died after Temporal had started its workflow.
func TestAStartOfAnotherReleaseIsCarriedOnce(t *testing.T) {
	u := newUpgrade(t)
	u.server.open["theirs"] = "it was started"
	run := u.open("theirs", 9)
	u.stands(run, galen.RunHeld, "version 9, this engine has version 1")
	if left, err := u.journal.Outbox(t.Context(), 10); err != nil || len(left) > 0 {
		t.Errorf("the outbox keeps %+v, %v", left, err)
	}
}

// TestACancelIsLeftToWhoHasTheRun: the other engine's runbook can plan a way to a safe point.
func TestACancelIsLeftToWhoHasTheRun(t *testing.T) {
	u := newUpgrade(t)
	u.server.served["fake/heal@9"] = true
	run := u.open("theirs", 9)
	u.must(u.journal.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"))
	u.carry()
	u.stands(run, galen.RunOpened, "")
	if u.server.open["theirs"] != run.ID {
		t.Error("its workflow was ended")
	}
}

// successor is a release beside which the next run of a key is opened and started, as soon as the one before has ended.
type successor struct {
	release
	next func()
}

func (s successor) EndForeign(ctx context.Context, run galen.Run) (bool, error) {
	ended, err := s.release.EndForeign(ctx, run)
	if ended {
		s.next()
	}
	return ended, err
}

// TestTheNextRunOfACancelledKeyKeepsItsWorkflow: the workflow of the run that was cancelled is ended, and no other.
func TestTheNextRunOfACancelledKeyKeepsItsWorkflow(t *testing.T) {
	u := newUpgrade(t)
	run := u.open("theirs", 9)
	u.d.release = successor{u.acts, func() { u.server.open["theirs"] = "the next run" }}
	u.must(u.journal.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"))
	u.carry()
	u.stands(run, galen.RunCancelled, "version 9")
	if u.server.open["theirs"] != "the next run" {
		t.Error("its workflow was ended with the run before")
	}
}

// TestAWorkflowInAnotherQueueIsMoved: releases before the queues by version had one for all.
func TestAWorkflowInAnotherQueueIsMoved(t *testing.T) {
	u := newUpgrade(t)
	run := u.open("old", 1)
	u.must(u.journal.SetRun(t.Context(), run.ID, galen.RunRunning, "", time.Time{}))
	u.server.needs["old"] = ""
	u.must(u.d.reconcile(t.Context()))
	if u.server.open["old"] != run.ID || u.server.needs["old"] != "fake/heal@1" {
		t.Errorf("%v, %v", u.server.open, u.server.needs)
	}
	u.stands(run, galen.RunRunning, "")
}

// TestAnEngineServesWhatItHas: nothing else is polled for.
func TestAnEngineServesWhatItHas(t *testing.T) {
	u := newUpgrade(t)
	if got := strings.Join(u.serves(), " "); got != "fake/heal@1 fake/tune@1" {
		t.Errorf("serves %s", got)
	}
}
