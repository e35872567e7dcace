package process

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/test/crash/victim"
)

// holdsBack tells whether a guard that does not allow has that in its name or its words; "": none has to.
func holdsBack(a galen.Advice, why string) bool {
	return why == "" || slices.ContainsFunc(a.Verdicts, func(v galen.Verdict) bool {
		return v.Answer != galen.Allow && strings.Contains(v.Guard+": "+v.Why, why)
	})
}

// TestWhoAsksBeforeAStartOrARemoval: over the API, about a ring that is looked at meanwhile. Who may only be away is not removed, and a start
// finds data and no process.
func TestWhoAsksBeforeAStartOrARemoval(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := stage(ctx, t, victim.StageOptions{Faster: 20, Policy: map[string]any{"mode": "observe"}})
	must(t, start(ctx, s, nil))
	must(t, s.AwaitHealth(ctx))
	c, err := s.Engine.Client()
	must(t, err)
	says := func(verb, member string, want galen.Opinion, why string) {
		t.Helper()
		for {
			res, err := c.CanIWithResponse(ctx, victim.Resource().Kind, victim.Resource().Name, &api.CanIParams{Verb: verb, Member: member})
			if err == nil && res.JSON200 != nil && res.JSON200.Answer == want && holdsBack(*res.JSON200, why) {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("can-i %s %s: %v %s; want %s, %q", verb, member, err, res.Body, want, why)
			case <-time.After(50 * time.Millisecond): // until a look has seen it
			}
		}
	}
	says("start", "n2", galen.No, "clean start")
	must(t, s.Ring.Make(ctx, ring.Freeze, "n3"))
	says("start", "n3", galen.No, "is alive")
	must(t, s.Ring.Make(ctx, ring.Thaw, "n3"))
	says("stop", "n2", galen.Yes, "")
	must(t, s.Ring.Make(ctx, ring.Kill, "n2"))
	says("removenode", "n2", galen.No, "I-15 patience")
	says("start", "n2", galen.Yes, "")
	must(t, s.Ring.Make(ctx, ring.HideHost, "n2"))
	says("start", "n2", galen.DontKnow, "could not be read")
	must(t, s.Ring.Make(ctx, ring.Mend, "n2"))
	must(t, s.Ring.Make(ctx, ring.LoseData, "n2"))
	says("start", "n2", galen.No, "it would start empty")
}
