package journal_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// yesBy is a yes of somebody to a step on a target that looked so.
func (w world) yesBy(run galen.Run, by, basis string) galen.Approval {
	return galen.Approval{
		Run: run.ID, Runbook: run.Runbook, Version: run.Version, By: by, Steps: []galen.ApprovedStep{{Verb: "stop", Target: "a", Count: 1}},
		Basis: map[string]string{"a": basis}, Expires: w.clock.read().Add(30 * time.Minute),
	}
}

// said is whose yes counts.
func (w world) said(t *testing.T, run galen.Run) string {
	t.Helper()
	l := w.ledger(t, run)
	if l.Approval == nil {
		return ""
	}
	said, _ := l.Approval.People(l.Run, l.Now)
	return strings.Join(said, " ")
}

func testPeople(t *testing.T, w world) {
	ctx := t.Context()
	_, err := w.CreateToken(ctx, w.token("early"), "hash-0")
	must(t, err)
	w.clock.skip(time.Second)
	run := w.open(t, "k")
	w.clock.skip(time.Second)
	_, err = w.CreateToken(ctx, w.token("late"), "hash-1")
	must(t, err)
	for _, c := range []struct {
		yes  galen.Approval
		want string
	}{
		{w.yesBy(run, "cy", "b1"), "cy"},
		{w.yesBy(run, "cy", "b1"), "cy"},
		{w.yesBy(run, "bob", "b1"), "bob cy"},
		{w.yesBy(run, "early", "b1"), "bob cy early"},
		{w.yesBy(run, "ann", "b1"), "bob cy early"}, // who made the token "early"
		{w.yesBy(run, "late", "b1"), "bob cy early"},
		{w.yesBy(run, "dan", "b2"), "dan"}, // who saw another world
	} {
		must(t, w.Approve(ctx, c.yes))
		equal(t, "after "+c.yes.By, w.said(t, run), c.want)
	}
	w.void(t, w.yes(t, run).ID)
	equal(t, "void", w.said(t, run), "")
	must(t, w.Approve(ctx, w.yesBy(run, "bob", "b2")))
	equal(t, "what was void joins nobody", w.said(t, run), "bob")
	forged := w.yesBy(run, "eve", "b2")
	forged.With = []galen.Assent{{By: "ghost", Expires: forged.Expires, Steps: forged.Steps}}
	must(t, w.Approve(ctx, forged))
	equal(t, "who says yes does not say who else did", w.said(t, run), "bob eve")
	must(t, w.Reject(ctx, run.ID, "ann", "not now"))
	must(t, w.Approve(ctx, w.yesBy(run, "bob", "b2")))
	equal(t, "what was rejected joins nobody", w.said(t, run), "bob")
	w.clock.skip(20 * time.Minute)
	must(t, w.Approve(ctx, w.yesBy(run, "cy", "b2")))
	equal(t, "two", w.said(t, run), "bob cy")
	w.clock.skip(10 * time.Minute)
	equal(t, "the first has expired", w.said(t, run), "cy")
}

// testRacePeople: of yeses that come at once each is one more, and of those of one person the last counts.
func testRacePeople(t *testing.T, w world) {
	run := w.open(t, "k")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := w.Approve(t.Context(), w.yesBy(run, fmt.Sprintf("p%d", i/2), "b1")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	equal(t, "all of them", w.said(t, run), "p0 p1 p2 p3")
}
