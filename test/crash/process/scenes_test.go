package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/runbooks"
	"github.com/galenhq/galen/test/crash/victim"
)

// scene is one way through one runbook, from a cause to its proof.
type scene struct {
	name, runbook string
	// faster is the ring's; 0: 20.
	faster float64
	policy map[string]any
	// before are the engine's lives before the one that counts; nil: that one starts on a healthy ring.
	before func(context.Context, *testing.T, *victim.Stage)
	// cause is what happens then; a request is repeated in the next life, in case its answer was lost.
	cause, again func(context.Context, *victim.Stage) error
	// runs that the journal holds in the end; 0: 1.
	runs int
	// mayRest: what the run is for may be over before it acts again, and then it ends without a call.
	mayRest bool
	// only are the points that no other scene has; nil: all.
	only func(failpoint.Passage) bool
}

// slowly is how fast a ring may be whose joining no engine's looks miss.
const slowly = 4

func scenes() []scene {
	restart := func(ctx context.Context, s *victim.Stage) error {
		return request(ctx, s, "cassandra/restart-node", map[string]any{"node": "n2"})
	}
	replace := func(ctx context.Context, s *victim.Stage) error {
		return request(ctx, s, "cassandra/replace-node", map[string]any{"node": "n3"})
	}
	tune := func(ctx context.Context, s *victim.Stage) error {
		return request(ctx, s, "cassandra/tune-streaming", map[string]any{"nodes": []string{"n1"}, "to": 100, "for": "10m"})
	}
	return []scene{
		{name: "killed", runbook: "cassandra/heal-node", cause: trouble(ring.Kill)},
		{name: "frozen", runbook: "cassandra/heal-node", cause: trouble(ring.Freeze)},
		{name: "emptied", runbook: "cassandra/heal-node", cause: trouble(ring.Kill, ring.LoseData)},
		// A slower ring, so that looks fall into these moments.
		{name: "emptied, slowly", runbook: "cassandra/heal-node", faster: slowly, cause: trouble(ring.Kill, ring.LoseData),
			only: func(p failpoint.Passage) bool { return p.At == victim.Joining || p.At == victim.Streaming }},
		{name: "joiner dies", runbook: "cassandra/heal-node", faster: 6, cause: joinerDies,
			only: func(p failpoint.Passage) bool {
				return p.Of == cassandra.VerbReplace || p.Of == cassandra.VerbRemoveJoiner
			}},
		{name: "restarted on request", runbook: "cassandra/restart-node", cause: restart, again: restart},
		{name: "replaced on request", runbook: "cassandra/replace-node",
			// The detector must not come first.
			policy: map[string]any{"down_for": "1h"},
			cause:  func(ctx context.Context, s *victim.Stage) error { return errors.Join(dead(ctx, s), replace(ctx, s)) }, again: replace},
		// Ranges move for a while: somebody lets the spare join.
		{name: "streams tuned on request", runbook: "cassandra/tune-streaming", faster: 1.5, mayRest: true, again: tune,
			cause: func(ctx context.Context, s *victim.Stage) error {
				return errors.Join(s.Break(ctx, "n4", ring.ForeignAdd), s.AwaitMoving(ctx), tune(ctx, s))
			}},
		{name: "undo paid", runbook: "cassandra/pay-undo", before: leavesADebt, runs: 2,
			cause: func(context.Context, *victim.Stage) error { return nil }},
	}
}

// TestEveryRunbookHasAScene: a new runbook is killed at each of its awaits, too.
func TestEveryRunbookHasAScene(t *testing.T) {
	for _, rb := range runbooks.All() {
		if !slices.ContainsFunc(scenes(), func(s scene) bool { return s.runbook == rb.Name }) {
			t.Errorf("no scene plays %s", rb.Name)
		}
	}
}

func trouble(all ...ring.Trouble) func(context.Context, *victim.Stage) error {
	return func(ctx context.Context, s *victim.Stage) error { return s.Break(ctx, "n3", all...) }
}

// request asks for a run, always with the same key. An engine that dies of it may owe the answer; its next life is asked again.
func request(ctx context.Context, s *victim.Stage, runbook string, params map[string]any) error {
	c, err := s.Engine.Client()
	if err != nil {
		return err
	}
	key := "crash/" + runbook
	for {
		res, err := c.CreateRunWithResponse(ctx, &api.CreateRunParams{IdempotencyKey: &key},
			api.RunRequest{Runbook: runbook, Resource: victim.Resource().String(), Params: &params})
		switch {
		case err != nil:
			return s.Unanswered(ctx, err)
		case res.JSON200 != nil || res.JSON201 != nil:
			return nil
		case !strings.Contains(string(res.Body), "has not been seen yet"): // the engine's first look is being stored
			return fmt.Errorf("request %s: %s: %s", runbook, res.Status(), res.Body)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("request %s: %w", runbook, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// dead is n3 killed and emptied, and seen so by the engine.
func dead(ctx context.Context, s *victim.Stage) error {
	if err := s.Break(ctx, "n3", ring.Kill, ring.LoseData); err != nil {
		return err
	}
	return s.AwaitLook(ctx, func(down []string) bool { return len(down) == 1 })
}

// joinerDies kills the first new node that joins in the place of n3, once, whatever the engine does meanwhile.
func joinerDies(ctx context.Context, s *victim.Stage) error {
	if err := s.Break(ctx, "n3", ring.Kill, ring.LoseData); err != nil {
		return err
	}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			seen, err := s.Ring.Look(ctx, victim.Resource(), nil, nil)
			if err != nil {
				continue
			}
			if v, asked := seen.View("n4"); asked && v.Mode == "JOINING" {
				_ = s.Ring.Make(ctx, ring.Kill, "n4") // it may have joined in this moment: then the scene's ledger tells
				return
			}
		}
	}()
	return nil
}

// leavesADebt: a release that is gone prepared an instance; its run was cancelled, so the preparation is owed back. The
// engine is dead at the moment when the run that pays is opened.
func leavesADebt(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	s.Versions = map[string]int{"cassandra/heal-node": 99}
	must(t, start(ctx, s, &failpoint.Order{At: failpoint.Recorded, Of: cassandra.VerbPrepare, Signal: failpoint.Kill}))
	must(t, s.AwaitHealth(ctx))
	must(t, s.Break(ctx, "n3", ring.Kill, ring.LoseData))
	must(t, s.AwaitDeath(ctx))
	s.Versions = nil
	must(t, start(ctx, s, &failpoint.Order{At: failpoint.Opened, Of: "", Signal: failpoint.Kill}))
	run, err := s.AwaitRun(ctx, galen.RunHeld)
	must(t, err)
	must(t, cancelRun(ctx, s, run))
	must(t, s.AwaitDeath(ctx))
}

func cancelRun(ctx context.Context, s *victim.Stage, run galen.Run) error {
	c, err := s.Engine.Client()
	if err != nil {
		return err
	}
	res, err := c.CancelRunWithResponse(ctx, run.ID, api.Reason{Why: "a test"})
	if err != nil {
		return s.Unanswered(ctx, err)
	}
	if res.StatusCode() >= 300 {
		return fmt.Errorf("cancel %s: %s: %s", run.ID, res.Status(), res.Body)
	}
	return nil
}

// TestAVerbThatNoScenePlaysIsTold: a death before the commit does not count as played.
func TestAVerbThatNoScenePlaysIsTold(t *testing.T) {
	var all []crashCase
	for _, verb := range cassandra.Verbs() {
		at := failpoint.Committed
		if verb.Name == cassandra.VerbKill {
			at = failpoint.Judged
		}
		all = append(all, crashCase{order: failpoint.Order{At: at, Of: verb.Name}})
	}
	if got := unplayed(all); !slices.Equal(got, []string{cassandra.VerbKill}) {
		t.Errorf("unplayed: %q", got)
	}
}
