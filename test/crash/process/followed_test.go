package process

import (
	"bufio"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/pgtest"
	"github.com/galenhq/galen/test/crash/victim"
)

// TestFollowedAtAnotherEngine: of two engines on one PostgreSQL, one works on a run and the other one is asked to tell of it: its stream has
// each event of the run, in order, and its end.
func TestFollowedAtAnotherEngine(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	there, _ := elsewhere(t)
	url := pgtest.Start(t, "-c", "fsync=on").URL("galen")
	works := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url, Policy: map[string]any{"mode": "approve"}})
	tells := stage(ctx, t, victim.StageOptions{Faster: 20, Journal: url, Ring: works.Ring, Policy: map[string]any{"mode": "approve"}})
	works.Temporal, tells.Temporal = there, there
	must(t, start(ctx, works, nil))
	must(t, works.AwaitHealth(ctx))
	must(t, works.Break(ctx, "n3", ring.Kill))
	run, err := works.AwaitRun(ctx, galen.RunAsking)
	must(t, err)
	must(t, start(ctx, tells, nil))

	c, err := tells.Engine.Client()
	must(t, err)
	stream, err := c.FollowRun(ctx, run.ID, nil)
	must(t, err)
	defer func() { must(t, stream.Body.Close()) }()
	approve(ctx, t, works, run)
	var ids []string
	ended := false
	for lines := bufio.NewScanner(stream.Body); !ended && lines.Scan(); {
		if id, is := strings.CutPrefix(lines.Text(), "id: "); is {
			ids = append(ids, id)
		}
		ended = lines.Text() == "event: end"
	}
	run, err = works.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	detail, err := works.Engine.Run(ctx, run.ID)
	must(t, err)
	var want []string
	for _, e := range detail.Events {
		want = append(want, strconv.FormatInt(e.Seq, 10))
	}
	if !ended || strings.Join(ids, " ") != strings.Join(want, " ") {
		t.Errorf("ended %v, told of %v, want %v", ended, ids, want)
	}
}
