package process

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/crash/victim"
)

// TestAScheduleAndFourEyesOutliveKills: a schedule asks for a replacement at the full minute, at which its engine is dead; it is asked for once all
// the same. Of the two people that it needs, one says yes before a kill and one after it; the yes of the first still counts, and hers alone
// moves nothing, however often she says it. A kill after the second yes loses neither.
func TestAScheduleAndFourEyesOutliveKills(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := stage(ctx, t, victim.StageOptions{Faster: 20, Policy: map[string]any{"mode": "approve", "down_for": "1h"}}) // the detector must not come first
	must(t, start(ctx, s, nil))
	must(t, s.AwaitHealth(ctx))
	people := map[string]string{"ada": person(ctx, t, s, "ada"), "bob": person(ctx, t, s, "bob")}
	must(t, dead(ctx, s))
	due := nextMinute(ctx, t, s)
	must(t, s.Engine.Kill())
	if !time.Now().Before(due) {
		t.Fatal("the schedule was due before the engine was dead: this machine is too slow to show anything")
	}
	sleepUntil(ctx, t, due.Add(time.Second))
	must(t, start(ctx, s, nil))
	run, err := s.AwaitRun(ctx, galen.RunAsking)
	must(t, err)
	opened(ctx, t, s, run.ID)
	if said := yes(ctx, t, s, run.ID, people["ada"]); said.Enough || !slices.Equal(said.Said, []string{"ada"}) {
		t.Errorf("after the first yes: %+v", said)
	}
	must(t, s.Engine.Kill())
	must(t, start(ctx, s, nil))
	if said := yes(ctx, t, s, run.ID, people["ada"]); said.Enough || !slices.Equal(said.Said, []string{"ada"}) {
		t.Errorf("after her second yes: %+v", said)
	}
	if said := yes(ctx, t, s, run.ID, people["bob"]); !said.Enough || len(said.Said) != 2 {
		t.Errorf("after the yes of both: %+v", said)
	}
	must(t, s.Engine.Kill())
	must(t, start(ctx, s, nil))
	_, err = s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	must(t, s.Engine.Kill())
	onceEach(ctx, t, s, 1) // of one run: the time of the schedule came once
	whole(ctx, t, s)
	nothingBefore(ctx, t, s, run.ID, "bob")
}

// nothingBefore checks in the journal that no step of a run was meant before that person's yes.
func nothingBefore(ctx context.Context, t *testing.T, s *victim.Stage, run, who string) {
	t.Helper()
	events, err := copied(t, s).Events(ctx, journal.EventFilter{Run: run, Limit: 10_000})
	must(t, err)
	said := slices.IndexFunc(events, func(e galen.Event) bool { return e.Kind == galen.EventApproved && e.By == who })
	meant := slices.IndexFunc(events, func(e galen.Event) bool { return e.Kind == galen.EventIntended })
	if said < 0 || meant < said {
		t.Errorf("the yes of %s is event %d of the run, the first intent event %d", who, said, meant)
	}
}

// person makes a token that may approve, and gives its secret.
func person(ctx context.Context, t *testing.T, s *victim.Stage, name string) string {
	t.Helper()
	c, err := s.Engine.Client()
	must(t, err)
	res, err := c.CreateTokenWithResponse(ctx, api.TokenRequest{
		Name: name, Expires: time.Now().Add(time.Hour), Grants: []galen.Grant{{Scope: galen.ScopeApprove, Resource: galen.Pattern(victim.Resource().String())}},
	})
	must(t, err)
	if res.JSON201 == nil {
		t.Fatalf("make a token: %s: %s", res.Status(), res.Body)
	}
	return res.JSON201.Secret
}

const soon = "soon"

// nextMinute schedules the replacement of n3 for one minute of the day, the next one that is far enough away to kill the engine before.
func nextMinute(ctx context.Context, t *testing.T, s *victim.Stage) time.Time {
	t.Helper()
	if now := time.Now(); now.Second() > 45 {
		sleepUntil(ctx, t, now.Truncate(time.Minute).Add(time.Minute))
	}
	due := time.Now().UTC().Truncate(time.Minute).Add(time.Minute)
	c, err := s.Engine.Client()
	must(t, err)
	res, err := c.CreateScheduleWithResponse(ctx, api.ScheduleRequest{
		Name: soon, Resource: victim.Resource().String(), Runbook: cassandra.KindName + "/replace-node", Params: &map[string]any{"node": "n3"}, Spec: due.Format("4 15 * * *"),
	})
	must(t, err)
	if res.JSON201 == nil || !res.JSON201.Next.Equal(due) {
		t.Fatalf("make a schedule for %s: %s: %s", due, res.Status(), res.Body)
	}
	return due
}

// opened checks that the schedule tells of the run that it has asked for.
func opened(ctx context.Context, t *testing.T, s *victim.Stage, run string) {
	t.Helper()
	c, err := s.Engine.Client()
	must(t, err)
	res, err := c.GetScheduleWithResponse(ctx, soon)
	must(t, err)
	if res.JSON200 == nil || res.JSON200.Last == nil || res.JSON200.Last.Is != galen.FiringOpened || res.JSON200.Last.Run != run {
		t.Fatalf("read the schedule: %s: %s, want run %s", res.Status(), res.Body, run)
	}
}

// yes says yes to the newest plan with a token, again while another plan comes in between, and tells who has said it.
func yes(ctx context.Context, t *testing.T, s *victim.Stage, run, token string) api.People {
	t.Helper()
	c, err := api.NewClientWithResponses(s.Engine.Server(), api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	must(t, err)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; ctx.Err() == nil; <-tick.C {
		detail, err := s.Engine.Run(ctx, run)
		must(t, err)
		res, err := c.ApproveRunWithResponse(ctx, run, api.Approve{Plan: detail.Run.Plan})
		must(t, err)
		switch {
		case res.JSON200 != nil && res.JSON200.People != nil:
			return *res.JSON200.People
		case res.JSON200 == nil && res.StatusCode() != http.StatusConflict:
			t.Fatalf("approve: %s: %s", res.Status(), res.Body)
		}
	}
	t.Fatal("no plan stayed the newest until it was approved")
	return api.People{}
}

// sleepUntil waits for a time by the clock on the wall, which schedules go by.
func sleepUntil(ctx context.Context, t *testing.T, at time.Time) {
	t.Helper()
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	}
}
