package crash

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
)

// TestOneYesIsEnough: in mode approve a person reads the plan and its outline once; the whole replacement follows from
// that yes, also when the empty instance has become a node.
func TestOneYesIsEnough(t *testing.T) {
	ctx := context.Background()
	s, err := New(ctx, t.TempDir(), CrashPlan{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Store.Close()
	s.policy.Mode = galen.ModeApprove
	for range 3 {
		if err := s.turn(ctx); err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(time.Second)
	}
	for _, trouble := range []ring.Trouble{ring.Kill, ring.LoseData} {
		if err := s.Ring.Make(trouble, "n3"); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	err = s.Run(ctx, 20*time.Minute, func() (bool, error) {
		runs, err := s.Store.Runs(ctx, journal.RunFilter{Status: galen.RunAsking})
		if err != nil || len(runs) == 0 {
			over, overErr := s.over(ctx)
			return over && err == nil, overErr
		}
		asked++
		return false, s.approve(ctx, runs[0], asked)
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.story(ctx))
	}
	s.check(ctx, t)
	if asked != 1 {
		t.Errorf("a person was asked %d times, want once\n%s", asked, s.story(ctx))
	}
}

// approve is what the API does with a person's yes to the newest plan.
func (s *Sim) approve(ctx context.Context, run galen.Run, n int) error {
	d, err := s.Store.Plan(ctx, run.ID, run.Plan)
	if err != nil {
		return err
	}
	err = s.Store.Approve(ctx, galen.Approval{
		ID: fmt.Sprintf("yes-%d", n), Run: run.ID, Runbook: run.Runbook, Version: run.Version, Params: galen.HashJSON(run.Params),
		Steps: galen.ApprovedSteps(d.Plan), Basis: d.Shown, By: "a person", At: s.now, Expires: s.now.Add(s.policy.ApprovalFor.D()),
	})
	for _, f := range s.flows {
		f.due = s.now
	}
	return err
}
