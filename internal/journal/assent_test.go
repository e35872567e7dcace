package journal_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
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
	said, _ := l.Approval.People(l.Run, l.Now, 2)
	return strings.Join(said, " ")
}

func testPeople(t *testing.T, w world) {
	ctx := t.Context()
	_, err := w.CreateToken(ctx, w.token("early"), "hash-0")
	must(t, err)
	w.clock.skip(time.Second)
	run, _, err := w.OpenRun(ctx, galen.Run{
		Key: "k", Resource: ring(), Runbook: "cassandra/heal-node", Version: 1, Asked: galen.AskedBy("zoe"), Params: []byte(`{"a": 1}`), Deadline: w.clock.read().Add(time.Hour),
	})
	must(t, err)
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
	testRevokedYes(t, w, run)
}

// testRevokedYes: a yes of a token that was revoked since counts no more, nor does one that it joined; nor is who made the token that asked
// another person.
func testRevokedYes(t *testing.T, w world, run galen.Run) {
	t.Helper()
	ctx := t.Context()
	must(t, w.Approve(ctx, w.yesBy(run, "early", "b2")))
	must(t, w.Approve(ctx, w.yesBy(run, "cy", "b2")))
	equal(t, "before it is revoked", w.said(t, run), "cy early")
	must(t, w.RevokeToken(ctx, "early", "dan"))
	equal(t, "its yes is revoked", w.said(t, run), "")
	must(t, w.Approve(ctx, w.yesBy(run, "cy", "b2")))
	equal(t, "and joins nobody", w.said(t, run), "cy")
	asked, _, err := w.OpenRun(ctx, galen.Run{Key: "asked", Runbook: run.Runbook, Version: 1, Resource: run.Resource, Asked: galen.AskedBy("late")})
	must(t, err)
	must(t, w.Approve(ctx, w.yesBy(asked, "ann", "b2"))) // who made "late"
	must(t, w.Approve(ctx, w.yesBy(asked, "bob", "b2")))
	equal(t, "who made the token that asked", w.said(t, asked), "bob")
	testYesByAnotherName(t, w, run)
	testYesesInACircle(t, w, run)
	testYesesBeforeALogin(t, w, run)
}

// testYesesBeforeALogin: once people log in, no yes counts that a token said before; what they and programs said since does.
func testYesesBeforeALogin(t *testing.T, w world, run galen.Run) {
	t.Helper()
	ctx := t.Context()
	asked := func(key string) galen.Run {
		out, _, err := w.OpenRun(ctx, galen.Run{Key: key, Runbook: run.Runbook, Version: 1, Resource: run.Resource, Asked: galen.AskedBy("zed")})
		must(t, err)
		return out
	}
	yes := func(run galen.Run, by, person string, program bool) {
		out := w.yesBy(run, by, "b2")
		out.Lineage.Person, out.Lineage.Program = person, program
		must(t, w.Approve(ctx, out))
	}
	token, person, joined, program := asked("a token"), asked("a person"), asked("a token and a person"), asked("a program")
	yes(token, "cy", "", false)
	yes(person, "ann@x", "sub:1", false)
	yes(joined, "cy", "", false)
	yes(joined, "ann@x", "sub:1", false)
	yes(program, "cy", "", true)
	for range 2 {
		must(t, w.PeopleLogIn(ctx))
	}
	for n, run := range []galen.Run{token, joined} { // the second has one of each
		if l := w.ledger(t, run); l.Approval != nil {
			t.Errorf("%s: the yes stands: %+v", run.Key, l.Approval)
		}
		events, err := w.Events(ctx, journal.EventFilter{Run: run.ID, Kind: galen.EventVoided})
		must(t, err)
		if len(events) != n+1 || !strings.Contains(string(events[0].Body), "people log in now") {
			t.Errorf("%s: %v", run.Key, events)
		}
	}
	equal(t, "a person", w.said(t, person), "ann@x")
	if w.ledger(t, program).Approval == nil {
		t.Error("what a program said since was ended")
	}
}

// testYesesInACircle: a name that is given again changes nothing of whose tokens were made before: who asked stays the maker of all of them.
func testYesesInACircle(t *testing.T, w world, run galen.Run) {
	t.Helper()
	ctx := t.Context()
	n := 0
	make := func(name, by string) {
		n++
		token := w.token(name)
		token.By = by
		_, err := w.CreateToken(ctx, token, fmt.Sprint("hash-circle-", n))
		must(t, err)
		w.clock.skip(time.Second)
	}
	for _, branch := range []string{"p", "q"} {
		make(branch+"a", "zed")
		make(branch+"b", branch+"a")
	}
	asked, _, err := w.OpenRun(ctx, galen.Run{Key: "circle", Runbook: run.Runbook, Version: 1, Resource: run.Resource, Asked: galen.AskedBy("zed")})
	must(t, err)
	for _, branch := range []string{"p", "q"} {
		must(t, w.RevokeToken(ctx, branch+"a", branch+"b"))
		make(branch+"a", branch+"b")
		must(t, w.Approve(ctx, w.yesBy(asked, branch+"b", "b2")))
	}
	equal(t, "whose tokens were all made by who asked", w.said(t, asked), "")
}

// testYesByAnotherName: who can change the name that they come with stays who they are.
func testYesByAnotherName(t *testing.T, w world, run galen.Run) {
	t.Helper()
	ctx := t.Context()
	yes := func(run galen.Run, by, person string) {
		out := w.yesBy(run, by, "b2")
		out.Lineage.Person = person
		must(t, w.Approve(ctx, out))
	}
	asked := func(key, by, person string) galen.Run {
		out, _, err := w.OpenRun(ctx, galen.Run{Key: key, Runbook: run.Runbook, Version: 1, Resource: run.Resource, Asked: galen.AskedBy(by), AskedPerson: person})
		must(t, err)
		return out
	}
	named := asked("by another name", "sub:1", "sub:1")
	yes(named, "eve@x", "sub:1")
	yes(named, "bob@x", "sub:2")
	equal(t, "who asked by another name", w.said(t, named), "bob@x")
	tool := w.token("tool")
	tool.By, tool.ByPerson = "sub:1", "sub:1"
	_, err := w.CreateToken(ctx, tool, "hash-tool")
	must(t, err)
	w.clock.skip(time.Second)
	byTool := asked("by her tool", "tool", "")
	yes(byTool, "eve@x", "sub:1")
	yes(byTool, "bob@x", "sub:2")
	equal(t, "whose token asked, by another name", w.said(t, byTool), "bob@x")
}

// testMoved: a yes that the world or a hold ends says what moved: the facts that were shown, and the steps.
func testMoved(t *testing.T, w world) {
	ctx := t.Context()
	run := w.open(t, "k")
	d := galen.Decision{Run: run.ID, Plan: galen.Plan{Steps: []galen.Step{stop("a")}, Why: "w"}, State: "s", Basis: "b", Status: galen.RunAsking, Grounds: galen.Grounds{"a": {"status": "up"}}}
	_, err := w.Decide(ctx, d, nil)
	must(t, err)
	yes := func() galen.Approval {
		out := w.yesBy(run, "bob", "b1")
		out.Grounds = d.Grounds
		return out
	}
	moved := func() string {
		events, err := w.Events(ctx, journal.EventFilter{Kind: galen.EventVoided, Limit: 1, Newest: true})
		must(t, err)
		var body struct{ Moved []galen.Change }
		must(t, json.Unmarshal(events[0].Body, &body))
		return galen.TellMoved(body.Moved)
	}
	must(t, w.Approve(ctx, yes()))
	_, err = w.Void(ctx, w.yes(t, run).ID, "it moved", galen.Grounds{"a": {"status": "down"}})
	must(t, err)
	equal(t, "as it is seen", moved(), "status of a: up, now down")

	must(t, w.Approve(ctx, yes()))
	d.Plan.Steps, d.Grounds = []galen.Step{stop("b")}, galen.Grounds{"a": {"status": "gone"}}
	_, err = w.Decide(ctx, d, nil)
	must(t, err)
	_, err = w.Void(ctx, w.yes(t, run).ID, "a guard", nil)
	must(t, err)
	equal(t, "as it was decided on", moved(), "status of a: up, now gone; step stop of a: once, now nothing; step stop of b: nothing, now once")

	must(t, w.Approve(ctx, w.yesBy(run, "bob", "b1")))
	must(t, w.SetRun(ctx, run.ID, galen.RunHeld, "the gate denied it", time.Time{}))
	equal(t, "held, of who was shown no facts", moved(), "step stop of a: once, now nothing; step stop of b: nothing, now once")
	for _, e := range mustEvents(t, w, galen.EventDecided) {
		if strings.Contains(string(e.Body), "grounds") {
			t.Errorf("a decision keeps its facts twice: %s", e.Body)
		}
	}
}

func mustEvents(t *testing.T, w world, kind galen.EventKind) []galen.Event {
	t.Helper()
	events, err := w.Events(t.Context(), journal.EventFilter{Kind: kind, Limit: 100})
	must(t, err)
	return events
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

// TestTokensOfAnOlderRelease: they do not keep their makers, which are found by their names; one of those that is given again keeps what it meant.
func TestTokensOfAnOlderRelease(t *testing.T) {
	path, c := filepath.Join(t.TempDir(), "journal.db"), newClock()
	ctx := t.Context()
	open := func() *journal.Store {
		s, err := journal.Open(ctx, path, journal.Options{Now: c.read})
		must(t, err)
		return s
	}
	make := func(s *journal.Store, name, by string) {
		c.skip(time.Second)
		_, err := s.CreateToken(ctx, galen.Token{Name: name, By: by, Expires: c.read().Add(time.Hour), Grants: []galen.Grant{{Scope: galen.ScopeAdmin, Resource: galen.Everything}}}, name+by)
		must(t, err)
	}
	s := open()
	must(t, s.SetResource(ctx, ring(), []byte("{}"), "ann"))
	make(s, "a", "zed")
	make(s, "b", "a")
	must(t, s.Close())
	r := openRaw(t, path)
	r.exec("UPDATE tokens SET doc = json_remove(doc, '$.makers')")
	must(t, r.db.Close())
	s = open()
	for range 2 {
		must(t, s.KeepMakers(ctx))
	}
	events, err := s.Events(ctx, journal.EventFilter{Kind: galen.EventToken})
	must(t, err)
	equal(t, "told", len(events), 2+2)
	run, _, err := s.OpenRun(ctx, galen.Run{Key: "k", Resource: ring(), Runbook: "r", Version: 1, Asked: galen.AskedBy("zed"), Params: []byte("{}")})
	must(t, err)
	for range 2 {
		must(t, s.RevokeToken(ctx, "a", "b"))
		make(s, "a", "b")
	}
	w := world{store: s, clock: c}
	must(t, s.Approve(ctx, w.yesBy(run, "b", "b1")))
	equal(t, "whose makers' name was given again", w.said(t, run), "")
	must(t, s.Close())
}
