package app

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
)

// as is the client with another token.
func as(t *testing.T, c *api.ClientWithResponses, secret string) *api.ClientWithResponses {
	t.Helper()
	out, err := api.NewClientWithResponses(c.ClientInterface.(*api.Client).Server, api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+secret)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tokenFor(t *testing.T, c *api.ClientWithResponses, name string, scope galen.Scope, on galen.Pattern) *api.ClientWithResponses {
	t.Helper()
	made, err := c.CreateTokenWithResponse(t.Context(), api.TokenRequest{
		Name: name, Grants: []galen.Grant{{Scope: scope, Resource: on}}, Expires: time.Now().Add(time.Hour),
	})
	want(t, "make a token", err, made.HTTPResponse, made.Body, 201, name)
	return as(t, c, made.JSON201.Secret)
}

// TestTheJournalKnowsWho: every event that a call writes has the name of its token, and a revoked one counts for no call more.
func TestTheJournalKnowsWho(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.lookOnce(t)
	admin, ctx := served(t, e), t.Context()
	ann := tokenFor(t, admin, "ann", galen.ScopeOperate, "fake/*")
	before := e.eventCount(t)
	run := e.askingRun(t)
	done := e.eventCount(t)
	resource, target := "fake/demo", "db-1"
	asked, err := ann.CreateRunWithResponse(ctx, nil, api.RunRequest{Runbook: "fake/tune", Resource: resource})
	want(t, "ask", err, asked.HTTPResponse, asked.Body, 201, `person ann`)
	yes, err := ann.ApproveRunWithResponse(ctx, run.ID, api.Approve{Plan: 1})
	want(t, "approve", err, yes.HTTPResponse, yes.Body, 200, run.ID)
	no, err := ann.RejectRunWithResponse(ctx, run.ID, api.Reason{Why: "no"})
	want(t, "reject", err, no.HTTPResponse, no.Body, 200, "rejected by ann")
	stop, err := ann.CancelRunWithResponse(ctx, run.ID, api.Reason{Why: "no"})
	want(t, "cancel", err, stop.HTTPResponse, stop.Body, 200, run.ID)
	ack, err := ann.AcknowledgeWithResponse(ctx, "fake", "demo", api.Acknowledge{Target: target})
	want(t, "acknowledge", err, ack.HTTPResponse, ack.Body, 200, target)
	hold, err := ann.SetHoldWithResponse(ctx, api.HoldRequest{Why: "x", Resource: &resource, Until: time.Now().Add(time.Hour)})
	want(t, "hold", err, hold.HTTPResponse, hold.Body, 201, `"by":"ann"`)
	longer, err := ann.ExtendHoldWithResponse(ctx, hold.JSON201.ID, api.ExtendHold{Why: "x", Until: time.Now().Add(2 * time.Hour)})
	want(t, "extend", err, longer.HTTPResponse, longer.Body, 200, "ann")
	gone, err := ann.ReleaseHoldWithResponse(ctx, hold.JSON201.ID)
	want(t, "release", err, gone.HTTPResponse, gone.Body, 204, "")
	if err := e.journal.Disarm(ctx, "a test"); err != nil {
		t.Fatal(err)
	}
	disarmed := e.eventCount(t)
	refused, err := ann.RearmWithResponse(ctx, api.Rearm{Why: "x"})
	want(t, "re-arm without the scope", err, refused.HTTPResponse, refused.Body, 403, "needs the scope admin on everything")
	events, err := e.journal.Events(ctx, journal.EventFilter{After: int64(done), Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[galen.EventKind]int{}
	for _, event := range events[:disarmed-done] {
		switch {
		case event.Kind == galen.EventDisarmed, event.Kind == galen.EventHeld && event.By == "": // the engine's own
		case event.By != "ann" && event.By != "person ann":
			t.Errorf("event %d, %s, is by %q", event.Seq, event.Kind, event.By)
		}
		kinds[event.Kind]++
	}
	for _, kind := range []galen.EventKind{
		galen.EventOpened, galen.EventApproved, galen.EventRejected, galen.EventStop, galen.EventAck, galen.EventHold, galen.EventRelease,
	} {
		if kinds[kind] == 0 {
			t.Errorf("no event %s since %d: %v", kind, before, kinds)
		}
	}
	revoked, err := admin.RevokeTokenWithResponse(ctx, "ann")
	want(t, "revoke", err, revoked.HTTPResponse, revoked.Body, 204, "")
	after, err := ann.ListRunsWithResponse(ctx, nil)
	want(t, "after it", err, after.HTTPResponse, after.Body, 401, "was revoked at")
	again, err := admin.CreateTokenWithResponse(ctx, api.TokenRequest{Name: "ann", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, Expires: time.Now().Add(time.Hour)})
	want(t, "the name again", err, again.HTTPResponse, again.Body, 201, "ann")
	again, err = admin.CreateTokenWithResponse(ctx, api.TokenRequest{Name: "ann", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: galen.Everything}}, Expires: time.Now().Add(time.Hour)})
	want(t, "the name twice", err, again.HTTPResponse, again.Body, 409, "there is a token of that name")
}

// TestRefusalsAreInTheJournal: the first at once, the others when the engine stops at the latest.
func TestRefusalsAreInTheJournal(t *testing.T) {
	e := engineWithoutTemporal(t)
	c, ctx := served(t, e), t.Context()
	am := tokenFor(t, c, "alertmanager", galen.ScopeAlerts, galen.Everything)
	if status, _ := post(t, am, alertBody("a", "db-1", "firing")); status != http.StatusAccepted {
		t.Errorf("an alert: %d", status)
	}
	got, err := am.ListRunsWithResponse(ctx, nil)
	want(t, "more than alerts", err, got.HTTPResponse, got.Body, 403, "grants alerts on */*")
	deadline := time.Now().Add(30 * time.Second)
	for {
		events, err := e.journal.Events(ctx, journal.EventFilter{Kind: galen.EventKeptOut})
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 1 {
			for _, says := range []string{`"token":"alertmanager"`, `"status":403`, `"call":"GET /v1/runs"`, `"needs":"view on anything"`} {
				if !strings.Contains(string(events[0].Body), says) {
					t.Errorf("%s lacks %s", events[0].Body, says)
				}
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no event of the refusal")
		}
		time.Sleep(10 * time.Millisecond)
	}
	metrics, err := c.GetMetricsWithResponse(ctx)
	want(t, "metrics", err, metrics.HTTPResponse, metrics.Body, 200, `galen_calls_refused_total{status="403"} 1`)
	want(t, "metrics", err, metrics.HTTPResponse, metrics.Body, 200, `galen_token_expires_timestamp_seconds{token="alertmanager"}`)
}
