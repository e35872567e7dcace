package app

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
)

// TestSchedules: what could open no run is refused; a time opens a run as its author would, by the same door; a token that may not ask any
// more opens none.
func TestSchedules(t *testing.T) {
	e := engineWithoutTemporal(t)
	admin, ctx := served(t, e), t.Context()
	ann := tokenFor(t, admin, "ann", galen.ScopePropose, "fake/demo")
	ask := func(change func(*api.ScheduleRequest)) api.ScheduleRequest {
		out := api.ScheduleRequest{Name: "nightly", Runbook: "fake/tune", Resource: "fake/demo", Spec: "30 2 * * *"}
		change(&out)
		return out
	}
	early, err := ann.CreateScheduleWithResponse(ctx, ask(func(*api.ScheduleRequest) {}))
	want(t, "before the first look", err, early.HTTPResponse, early.Body, 422, "has not been seen yet")
	e.lookOnce(t)
	for name, c := range map[string]struct {
		change func(*api.ScheduleRequest)
		says   string
	}{
		"spec":    {func(r *api.ScheduleRequest) { r.Spec = "every night" }, "five fields"},
		"zone":    {func(r *api.ScheduleRequest) { z := "Utopia"; r.Zone = &z }, "IANA name"},
		"runbook": {func(r *api.ScheduleRequest) { r.Runbook = "fake/none" }, "no runbook"},
		"params":  {func(r *api.ScheduleRequest) { r.Params = &map[string]any{"x": 1} }, "x"},
		"target":  {func(r *api.ScheduleRequest) { r.Params = &map[string]any{"setting": "nowhere"} }, "has no target"},
		"name":    {func(r *api.ScheduleRequest) { r.Name = "No" }, "name"},
		"late":    {func(r *api.ScheduleRequest) { l := "9d"; r.Late = &l }, "late"},
		"at once": {func(r *api.ScheduleRequest) { l := "0s"; r.Late = &l }, "want 1s to 24h"},
	} {
		code := map[string]int{"target": 404, "late": 400}[name]
		if code == 0 {
			code = 422
		}
		bad, err := ann.CreateScheduleWithResponse(ctx, ask(c.change))
		want(t, name, err, bad.HTTPResponse, bad.Body, code, c.says)
	}
	made, err := ann.CreateScheduleWithResponse(ctx, ask(func(*api.ScheduleRequest) {}))
	want(t, "create", err, made.HTTPResponse, made.Body, 201, `"by":"ann"`)
	twice, err := ann.CreateScheduleWithResponse(ctx, ask(func(*api.ScheduleRequest) {}))
	want(t, "create twice", err, twice.HTTPResponse, twice.Body, 409, "of that name")
	paused, err := ann.PauseScheduleWithResponse(ctx, "nightly", api.Reason{Why: "a sale"})
	want(t, "pause", err, paused.HTTPResponse, paused.Body, 200, `"paused":true`)
	on, err := ann.ResumeScheduleWithResponse(ctx, "nightly")
	want(t, "resume", err, on.HTTPResponse, on.Body, 200, `"next"`)
	if !on.JSON200.Next.Equal(made.JSON201.Next) {
		t.Errorf("resumed for %s, created for %s", on.JSON200.Next, made.JSON201.Next)
	}
	none, err := ann.ResumeScheduleWithResponse(ctx, "none")
	want(t, "resume none", err, none.HTTPResponse, none.Body, 403, "schedule none: there is none, or it is not for this token")

	due := *made.JSON201
	due.Name, due.Next = "due", time.Now().Add(-time.Second)
	e.schedule(t, due)
	first := e.fireOnce(t, "due")
	if first.Is != galen.FiringOpened {
		t.Fatalf("%+v", first)
	}
	run, err := e.journal.Run(ctx, first.Run)
	if err != nil || run.AskedBy() != "ann" || run.Schedule() != "due" || len(run.Scope) != 1 || run.Deadline.IsZero() {
		t.Errorf("%+v, %v", run, err)
	}
	gone, err := ann.DeleteScheduleWithResponse(ctx, "due")
	want(t, "delete", err, gone.HTTPResponse, gone.Body, 204, "")
	revoked, err := admin.RevokeTokenWithResponse(ctx, "ann")
	want(t, "revoke", err, revoked.HTTPResponse, revoked.Body, 204, "")
	e.schedule(t, due)
	if got := e.fireOnce(t, "due"); got.Is != galen.FiringRefused || !strings.Contains(got.Why, "ann counts no more") {
		t.Errorf("%+v", got)
	}
	due.Name, due.By, due.Resource = "elsewhere", galen.Operator, galen.Resource{Kind: "fake", Name: "gone"}
	e.schedule(t, due)
	if got := e.fireOnce(t, "elsewhere"); got.Is != galen.FiringRefused || !strings.Contains(got.Why, "not looked after any more") {
		t.Errorf("%+v", got)
	}
}

// TestAnOlderEngineUsesNoTimeUp: what this engine does not know is left to the others that live, while there are some, and while it is not late.
func TestAnOlderEngineUsesNoTimeUp(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.lookOnce(t)
	e.o.Config.Journal.URLFile = "shared"
	e.self = newSelf("old")
	ctx := t.Context()
	for _, one := range []journal.Engine{e.self, newSelf("new")} {
		if err := e.journal.Join(ctx, one, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	base := galen.Schedule{
		Name: "newer", Runbook: "fake/newer", Resource: demoDB(), Spec: "@daily", Missed: galen.MissedOnce, Late: galen.Duration(time.Minute), By: galen.Operator,
		Next: time.Now().Add(-time.Second),
	}
	elsewhere := base
	elsewhere.Name, elsewhere.Runbook, elsewhere.Resource = "elsewhere", "fake/tune", galen.Resource{Kind: "fake", Name: "new"}
	late := base
	late.Name, late.Next = "late", time.Now().Add(-2*time.Minute)
	for _, s := range []galen.Schedule{base, elsewhere, late} {
		e.schedule(t, s)
	}
	last := e.fireOnce(t, "late")
	if last.Is != galen.FiringRefused || !strings.Contains(last.Why, "no runbook") {
		t.Errorf("late: %+v", last)
	}
	all, err := e.journal.Schedules(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name != "late" && s.Last != nil {
			t.Errorf("%s was used up: %+v", s.Name, *s.Last)
		}
	}
}

func (e *Engine) schedule(t *testing.T, s galen.Schedule) {
	t.Helper()
	if _, err := e.journal.CreateSchedule(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// fireOnce is what became of a schedule that is due.
func (e *Engine) fireOnce(t *testing.T, name string) galen.Firing {
	t.Helper()
	if err := e.scheduler().Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := e.journal.Schedules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.Name == name && s.Last != nil {
			return *s.Last
		}
	}
	t.Fatalf("%s did not fire: %+v", name, all)
	return galen.Firing{}
}
