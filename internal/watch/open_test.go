package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/watch"
)

// inbox takes runs, in memory, as the journal does.
type inbox struct {
	runs   []galen.Run // oldest first
	broken error
	// repeated counts runs that were open already.
	repeated int
}

func (i *inbox) OpenRun(_ context.Context, run galen.Run) (galen.Run, bool, error) {
	if i.broken != nil {
		return galen.Run{}, false, i.broken
	}
	for k, had := range i.runs {
		if had.Key == run.Key && had.Status.Open() {
			i.runs[k].Urgency = max(had.Urgency, run.Urgency)
			i.repeated++
			return i.runs[k], false, nil
		}
	}
	run.ID = fmt.Sprintf("r%d", len(i.runs)+1)
	i.runs = append(i.runs, run)
	return run, true, nil
}

func (i *inbox) OpenRuns(context.Context, galen.Resource) ([]galen.Run, error) {
	return slices.DeleteFunc(slices.Clone(i.runs), func(r galen.Run) bool { return !r.Status.Open() }), i.broken
}

func (i *inbox) LastRun(_ context.Context, _ galen.Resource, key string) (galen.Run, error) {
	for _, run := range slices.Backward(i.runs) {
		if run.Key == key {
			return run, nil
		}
	}
	return galen.Run{}, fmt.Errorf("%s: %w", key, galen.ErrNotFound)
}

// opener opens runs in an inbox, at noon, on a cluster that was seen.
func opener(t *testing.T) (watch.Opener, *inbox) {
	t.Helper()
	box := &inbox{}
	tune := fake.Tune()
	tune.Scope = func(c fake.Cluster, p fake.TuneParams) []galen.Target {
		if p.Setting != "max_connections" {
			return nil
		}
		return []galen.Target{c.Instances[0].Target()}
	}
	w := watch.NewWorld(kinds(fake.NewCloud("billing", 3, noon)), &shelf{}, quiet())
	seen(t, w)
	return watch.Opener{
		Runbooks: []galen.ListedRunbook{galen.ListRunbook(fake.Heal()), galen.ListRunbook(tune)}, Inbox: box,
		Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() }, Last: w.Last,
		Now: func() time.Time { return noon }, Logger: quiet(),
	}, box
}

// unavailable is what the fake kind's own detector finds: db-1 in zone a.
func unavailable(t *testing.T) galen.Finding {
	t.Helper()
	s := down(t)
	s.round(t, 10*time.Second)
	return s.desk.asked[0]
}

func TestOpenOpensTheRunThatHeals(t *testing.T) {
	o, box := opener(t)
	f := unavailable(t)
	f.Since = noon.Add(-time.Minute)
	for range 3 {
		if taken, err := o.Open(t.Context(), f); err != nil || !taken {
			t.Fatalf("taken %v, %v", taken, err)
		}
	}
	if len(box.runs) != 1 {
		t.Fatalf("%d runs for one finding", len(box.runs))
	}
	run := box.runs[0]
	if run.Key != f.Key() || run.Runbook != "fake/heal" || run.Finding == nil || len(run.Scope) != 1 || run.Urgency != f.Urgency ||
		run.Asked != "detector instance-unavailable" || string(run.Params) != `{"reboots":1}` || !run.Deadline.Equal(noon.Add(6*time.Hour)) {
		t.Errorf("opened %+v with %s", run, run.Params)
	}
	strange := f
	strange.Code = "nobody-heals-this"
	if taken, err := o.Open(t.Context(), strange); err != nil || !taken || len(box.runs) != 1 {
		t.Errorf("what no runbook heals is for people: taken %v, %v", taken, err)
	}
}

// TestWhetherAnEndedRunIsOpenedAgain: a person who cancelled is not overruled, until the trouble is another one.
func TestWhetherAnEndedRunIsOpenedAgain(t *testing.T) {
	f := unavailable(t)
	wider := f
	wider.Targets = append(slices.Clone(f.Targets), galen.Target{ID: "db-9"})
	ended := galen.Run{Key: f.Key(), Status: galen.RunCancelled, Scope: f.Targets, Created: f.Since.Add(time.Second), Asked: "detector instance-unavailable"}
	cases := []struct {
		name   string
		now    galen.Finding
		change func(*galen.Run)
		opened bool
		taken  bool
	}{
		{"cancelled", f, func(*galen.Run) {}, false, true},
		{"cancelled before this trouble began", f, func(r *galen.Run) { r.Created = f.Since.Add(-time.Second) }, true, true},
		{"cancelled, and one more target since", wider, func(*galen.Run) {}, true, true},
		{"cancelled, its last finding had the target", wider, func(r *galen.Run) { r.Finding = &wider }, false, true},
		{"opened before this trouble began, cancelled after that", f, func(r *galen.Run) {
			r.Created, r.Ended = f.Since.Add(-time.Second), f.Since.Add(time.Second)
		}, false, true},
		{"opened and cancelled before this trouble began", f, func(r *galen.Run) {
			r.Created, r.Ended = f.Since.Add(-time.Minute), f.Since.Add(-time.Second)
		}, true, true},
		{"opened before this trouble began, verified after that", f, func(r *galen.Run) {
			r.Status, r.Created, r.Ended = galen.RunVerified, f.Since.Add(-time.Second), f.Since.Add(time.Second)
		}, true, true},
		{"an alert that was not confirmed", f, func(r *galen.Run) { r.Status, r.Asked = galen.RunNotConfirmed, "alert x" }, true, true},
		{"an alert that was confirmed", f, func(r *galen.Run) { r.Asked, r.Finding = "alert x", &f }, false, true},
		{"open for it", f, func(r *galen.Run) { r.Status = galen.RunHeld }, false, true},
		{"open since before this trouble began", f, func(r *galen.Run) { r.Status, r.Created = galen.RunHeld, f.Since.Add(-time.Second) }, false, false},
		{"open, and one more target since", wider, func(r *galen.Run) { r.Status = galen.RunWaiting }, false, false},
		{"open for an alert, not confirmed yet", f, func(r *galen.Run) { r.Status, r.Asked = galen.RunOpened, "alert x" }, false, false},
		{"open under another key, for the target", f, func(r *galen.Run) { r.Key, r.Status = "other", galen.RunHeld }, false, false},
		{"open under another key and for something else, for one of two targets", wider, func(r *galen.Run) {
			r.Key, r.Runbook, r.Status = "other", "fake/tune", galen.RunHeld
		}, true, true},
		{"open under another key and for something else, for both", wider, func(r *galen.Run) {
			r.Key, r.Runbook, r.Status, r.Finding = "other", "fake/tune", galen.RunHeld, &wider
		}, false, false},
		{"open under another key, for one of two targets, and takes in the other", wider, func(r *galen.Run) {
			r.Key, r.Runbook, r.Status = "other", fake.Heal().Name, galen.RunHeld
		}, false, false},
		{"open under another key, for others", f, func(r *galen.Run) {
			r.Key, r.Status, r.Scope = "other", galen.RunHeld, []galen.Target{{ID: "db-3"}}
		}, true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, box := opener(t)
			before := ended
			c.change(&before)
			box.runs = []galen.Run{before}
			taken, err := o.Open(t.Context(), c.now)
			if err != nil || taken != c.taken || (len(box.runs) == 2) != c.opened {
				t.Errorf("taken %v, %v, %d runs; want taken %v, opened %v", taken, err, len(box.runs), c.taken, c.opened)
			}
		})
	}
}

// TestWhatAPersonCancelledStaysSo: a finding names all of a rack, and a cancel is about those who were in trouble then. The others get their
// run, and that run leaves the cancelled trouble to people, as does the one after it.
func TestWhatAPersonCancelledStaysSo(t *testing.T) {
	f := unavailable(t) // of db-1
	since := f.Since
	cancelled := since.Add(10 * time.Minute)
	of := func(began map[string]time.Duration) galen.Finding {
		wider := f
		wider.Targets, wider.Began, wider.Since = nil, map[string]time.Time{}, since.Add(24*time.Hour)
		for _, id := range []string{"db-1", "db-4", "db-7"} {
			after, is := began[id]
			if !is {
				continue
			}
			at := since.Add(after)
			wider.Targets, wider.Began[id] = append(wider.Targets, galen.Target{ID: id}), at
			if at.Before(wider.Since) {
				wider.Since = at
			}
		}
		return wider
	}
	both := of(map[string]time.Duration{"db-1": 0, "db-4": time.Minute})
	before := galen.Run{
		ID: "r1", Key: f.Key(), Resource: f.Resource, Status: galen.RunCancelled, Scope: f.Targets, Created: since.Add(time.Second), Ended: cancelled,
		Asked: "detector instance-unavailable",
	}
	of2 := func(r galen.Run) galen.Run { r.Finding = &both; return r }
	after := func(status galen.RunStatus) galen.Run {
		r := before
		r.ID, r.Status, r.Scope, r.Finding = "r2", status, []galen.Target{{ID: "db-4"}}, nil
		r.Created, r.Ended, r.Except = cancelled.Add(time.Minute), cancelled.Add(10*time.Minute), map[string]time.Time{"db-1": cancelled}
		return r
	}
	for name, c := range map[string]struct {
		runs  []galen.Run
		now   galen.Finding
		scope []string // of the run that is opened; none: no run is
		taken bool
	}{
		"a neighbour dies after it":           {[]galen.Run{before}, of(map[string]time.Duration{"db-1": 0, "db-4": time.Hour}), []string{"db-4"}, true},
		"a neighbour had died, unseen yet":    {[]galen.Run{before}, of(map[string]time.Duration{"db-1": 0, "db-4": 9 * time.Minute}), []string{"db-4"}, true},
		"both, and one comes back and dies":   {[]galen.Run{of2(before)}, of(map[string]time.Duration{"db-1": 0, "db-4": time.Hour}), []string{"db-4"}, true},
		"both, and one comes back":            {[]galen.Run{of2(before)}, of(map[string]time.Duration{"db-1": 0}), nil, true},
		"both, and nobody does":               {[]galen.Run{of2(before)}, both, nil, true},
		"it comes back and dies itself":       {[]galen.Run{before}, of(map[string]time.Duration{"db-1": time.Hour}), []string{"db-1"}, true},
		"the run after it was verified":       {[]galen.Run{before, after(galen.RunVerified)}, of(map[string]time.Duration{"db-1": 0}), nil, true},
		"and a third one dies":                {[]galen.Run{before, after(galen.RunVerified)}, of(map[string]time.Duration{"db-1": 0, "db-7": time.Hour}), []string{"db-7"}, true},
		"the run after it was cancelled, too": {[]galen.Run{before, after(galen.RunCancelled)}, of(map[string]time.Duration{"db-1": 0, "db-4": 0, "db-7": 0}), []string{"db-7"}, true},
		"the run after it is open":            {[]galen.Run{before, after(galen.RunHeld)}, of(map[string]time.Duration{"db-1": 0, "db-4": 5 * time.Minute}), nil, true},
		"and there is a third one":            {[]galen.Run{before, after(galen.RunHeld)}, of(map[string]time.Duration{"db-1": 0, "db-4": 0, "db-7": time.Hour}), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, box := opener(t)
			o.Now, box.runs = func() time.Time { return since.Add(2 * time.Hour) }, slices.Clone(c.runs)
			taken, err := o.Open(t.Context(), c.now)
			if err != nil || taken != c.taken || len(box.runs)-len(c.runs) != min(1, len(c.scope)) {
				t.Fatalf("taken %t, %v, %d runs", taken, err, len(box.runs))
			}
			if c.scope == nil {
				return
			}
			run := box.runs[len(box.runs)-1]
			var got []string
			for _, target := range run.InScope() {
				got = append(got, target.ID)
			}
			if !slices.Equal(got, c.scope) || !run.Except["db-1"].Equal(cancelled) || run.Finding.Since.Before(run.Finding.BeganAt(c.scope[0])) {
				t.Errorf("it may act on %v, leaves %v to people, and is for %+v", got, run.Except, run.Finding)
			}
			if taken, err := o.Open(t.Context(), c.now); err != nil || !taken {
				t.Errorf("again: taken %t, %v", taken, err)
			}
			hint := galen.Finding{Resource: billing(), Code: f.Code, Domain: f.Domain, Targets: f.Targets}
			box.runs[len(box.runs)-1].Status = galen.RunVerified
			if run, err := o.OpenHint(t.Context(), hint, "4711"); err != nil || !run.Except["db-1"].Equal(cancelled) {
				t.Errorf("an alert's run leaves %v to people, %v", run.Except, err)
			}
		})
	}
}

// TestARunBesideKeepsNobodyFromHealing: what a person set on a member, or what is owed there, waits while the member is down; it is
// healed meanwhile. Two of that sort do not meet on a target: each would put back what the other one has set.
func TestARunBesideKeepsNobodyFromHealing(t *testing.T) {
	f := unavailable(t)
	for _, c := range []struct {
		runs, heals, opened bool
	}{{false, false, false}, {true, false, true}, {true, true, false}, {false, true, false}} {
		o, box := opener(t)
		o.Runbooks[1].Beside, o.Runbooks[0].Beside = c.runs, c.heals
		tuned, _, err := o.Request(t.Context(), "tuned", galen.Run{Resource: billing(), Runbook: "fake/tune", Params: json.RawMessage(`{"value":"60"}`)}, "ann")
		if err != nil {
			t.Fatal(err)
		}
		if taken, err := o.Open(t.Context(), f); err != nil || taken != c.opened || (len(box.runs) == 2) != c.opened {
			t.Errorf("%+v: taken %t, %v, %d runs", c, taken, err, len(box.runs))
		}
		hint := galen.Finding{Resource: billing(), Code: f.Code, Domain: f.Domain, Targets: f.Targets}
		if run, err := o.OpenHint(t.Context(), hint, "4711"); err != nil || (run.ID != tuned.ID) != c.opened {
			t.Errorf("%+v: an alert is run %s, %v", c, run.ID, err)
		}
	}
}

// TestAHintIsTheSameRunAsTheFinding: whichever comes first, there is one run.
func TestAHintIsTheSameRunAsTheFinding(t *testing.T) {
	o, box := opener(t)
	f := unavailable(t)
	hint := galen.Finding{Resource: billing(), Code: f.Code, Domain: f.Domain, Targets: f.Targets}
	run, err := o.OpenHint(t.Context(), hint, "4711")
	if err != nil || run.Key != f.Key() || run.Finding != nil || len(run.Scope) != 1 || run.Scope[0].ID != f.Targets[0].ID || !run.FromAlert() || run.Asked != "alert 4711" {
		t.Fatalf("%+v, %v", run, err)
	}
	if taken, err := o.Open(t.Context(), f); err != nil || taken || len(box.runs) != 1 {
		t.Errorf("taken %v, %v, %d runs; the hint may end without having seen the finding", taken, err, len(box.runs))
	}
	again, err := o.OpenHint(t.Context(), hint, "4712")
	if err != nil || again.ID != run.ID {
		t.Errorf("a second alert: run %s, %v; want %s", again.ID, err, run.ID)
	}
	hint.Code = "nobody-heals-this"
	if _, err := o.OpenHint(t.Context(), hint, "4713"); err == nil {
		t.Error("an alert without a runbook opened a run")
	}
}

// TestAHintFromBeforeTheCure: in a storm the last alerts are read when the run is over that has proved their problem gone.
func TestAHintFromBeforeTheCure(t *testing.T) {
	f := unavailable(t)
	ended := noon.Add(10 * time.Minute)
	hold := galen.SafePolicy().HoldFor.D()
	for name, c := range map[string]struct {
		came   time.Time
		status galen.RunStatus
		opened bool
	}{
		"long before":              {ended.Add(-hold - time.Second), galen.RunVerified, false},
		"while its end was looked": {ended.Add(-hold), galen.RunVerified, true},
		"after it":                 {ended.Add(time.Second), galen.RunVerified, true},
		"nobody knows when":        {time.Time{}, galen.RunVerified, true},
		"it was cancelled":         {ended.Add(-hold - time.Second), galen.RunCancelled, true},
		"it saw nothing":           {ended.Add(-hold - time.Second), galen.RunNotConfirmed, true},
	} {
		t.Run(name, func(t *testing.T) {
			o, box := opener(t)
			box.runs = []galen.Run{{ID: "r0", Key: f.Key(), Resource: f.Resource, Status: c.status, Scope: f.Targets, Created: noon, Ended: ended, Asked: "alert 4711"}}
			run, err := o.OpenHint(t.Context(), galen.Finding{Resource: f.Resource, Code: f.Code, Domain: f.Domain, Targets: f.Targets, Since: c.came}, "4712")
			if err != nil || (len(box.runs) == 2) != c.opened || (run.ID == "r0") == c.opened {
				t.Errorf("run %q, %v, %d runs", run.ID, err, len(box.runs))
			}
		})
	}
}

// TestAHintAtATroubleOfAnotherNameIsTheSameRun: what the alert calls down, the detector may call frozen. Whichever comes
// first, there is one run for the member.
func TestAHintAtATroubleOfAnotherNameIsTheSameRun(t *testing.T) {
	named := func(rb galen.ListedRunbook) galen.ListedRunbook {
		rb.Heals = append(slices.Clone(rb.Heals), "instance-down")
		return rb
	}
	f := unavailable(t)
	hint := galen.Finding{Resource: billing(), Code: "instance-down", Domain: f.Domain, Targets: f.Targets}
	t.Run("the finding first", func(t *testing.T) {
		o, box := opener(t)
		o.Runbooks[0] = named(o.Runbooks[0])
		if taken, err := o.Open(t.Context(), f); err != nil || !taken {
			t.Fatalf("taken %v, %v", taken, err)
		}
		run, err := o.OpenHint(t.Context(), hint, "4711")
		if err != nil || len(box.runs) != 1 || run.ID != box.runs[0].ID {
			t.Errorf("run %s, %v, %d runs", run.ID, err, len(box.runs))
		}
	})
	t.Run("the alert first", func(t *testing.T) {
		o, box := opener(t)
		o.Runbooks[0] = named(o.Runbooks[0])
		if _, err := o.OpenHint(t.Context(), hint, "4711"); err != nil {
			t.Fatal(err)
		}
		if taken, err := o.Open(t.Context(), f); err != nil || taken || len(box.runs) != 1 {
			t.Errorf("taken %v, %v, %d runs", taken, err, len(box.runs))
		}
	})
}

func TestRequests(t *testing.T) {
	o, box := opener(t)
	want := galen.Run{Resource: billing(), Runbook: "fake/tune", Params: json.RawMessage(`{"value":"60"}`)}
	run, created, err := o.Request(t.Context(), "k1", want, "ann")
	if err != nil || !created || run.Key != "k1" || !run.FromPerson() || len(run.Scope) != 1 || run.Scope[0].ID != "db-1" ||
		!strings.Contains(string(run.Params), `"setting":"max_connections"`) {
		t.Fatalf("%+v with %s, %v", run, run.Params, err)
	}
	if again, created, err := o.Request(t.Context(), "k1", want, "ann"); err != nil || created || again.ID != run.ID {
		t.Errorf("again: run %s, created %v, %v", again.ID, created, err)
	}
	for name, c := range map[string]struct {
		change func(*galen.Run)
		want   string
	}{
		"unknown runbook":        {func(r *galen.Run) { r.Runbook = "fake/nothing" }, `no runbook "fake/nothing"`},
		"another kind":           {func(r *galen.Run) { r.Resource.Kind = "other" }, "is for resources of kind fake"},
		"not seen yet":           {func(r *galen.Run) { r.Resource.Name = "other" }, "has not been seen yet"},
		"unknown parameter":      {func(r *galen.Run) { r.Params = []byte(`{"Value":"60"}`) }, "did you mean"},
		"no such target":         {func(r *galen.Run) { r.Params = []byte(`{"setting":"x"}`) }, "name; its members are db-1, db-2"},
		"a runbook for findings": {func(r *galen.Run) { r.Runbook, r.Params = "fake/heal", nil }, "started by findings only"},
	} {
		bad := want
		c.change(&bad)
		if _, err := o.Requested(bad); !errors.Is(err, watch.ErrBadRequest) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: plan mode: %v, want a bad request with %q", name, err, c.want)
		}
		if _, created, err := o.Request(t.Context(), name, bad, "ann"); !errors.Is(err, watch.ErrBadRequest) || created {
			t.Errorf("%s: created %v, %v", name, created, err)
		}
	}
	if len(box.runs) != 1 {
		t.Errorf("%d runs, want only the good one", len(box.runs))
	}
}

func TestTroubleOfTheInboxIsNotABadRequest(t *testing.T) {
	o, box := opener(t)
	box.broken = errors.New("disk full")
	_, _, requested := o.Request(t.Context(), "k", galen.Run{Resource: billing(), Runbook: "fake/tune"}, "ann")
	_, found := o.Open(t.Context(), unavailable(t))
	_, hinted := o.OpenHint(t.Context(), galen.Finding{Resource: billing(), Code: fake.CodeUnavailable, Domain: "d"}, "x")
	for name, err := range map[string]error{"requested": requested, "found": found, "hinted": hinted} {
		if !errors.Is(err, box.broken) || errors.Is(err, watch.ErrBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAFindingWhoseRunWasJustClosing: the run of an earlier trouble closes on what it saw before; the trouble that has come back since
// gets its own run.
func TestAFindingWhoseRunWasJustClosing(t *testing.T) {
	o, box := opener(t)
	f := unavailable(t)
	box.runs = []galen.Run{{
		ID: "r1", Key: f.Key(), Resource: f.Resource, Runbook: "fake/heal", Version: 1, Status: galen.RunWaiting, Urgency: galen.Low,
		Created: f.Since.Add(-time.Hour), Scope: f.Targets,
	}}
	s := newStation(crashed())
	s.desk.opener = &o
	for range 6 {
		s.round(t, 10*time.Second)
	}
	if len(box.runs) != 1 || len(s.desk.asked) < 2 || box.runs[0].Urgency != f.Urgency || box.repeated != 1 {
		t.Fatalf("asked %d times, %d runs, the first with urgency %d, told %d times", len(s.desk.asked), len(box.runs), box.runs[0].Urgency, box.repeated)
	}
	box.runs[0].Status = galen.RunVerified
	for range 6 {
		s.round(t, 10*time.Second)
	}
	if len(box.runs) != 2 || !box.runs[1].Status.Open() {
		t.Errorf("the finding stands, and these are its runs: %+v", box.runs)
	}
}

// verifyAt ends a run as verified.
func (i *inbox) verifyAt(at time.Time, n int) {
	i.runs[n].Status, i.runs[n].Ended = galen.RunVerified, at
}

// TestAFindingThatItsVerifiedRunLeftAlone gets another run, before a restart or after one; what was seen before the end proves nothing.
func TestAFindingThatItsVerifiedRunLeftAlone(t *testing.T) {
	for _, restart := range []bool{false, true} {
		s := down(t)
		o, box := opener(t)
		o.Now = func() time.Time { return s.now }
		s.desk.opener = &o
		for range 3 {
			s.round(t, 10*time.Second)
		}
		if len(box.runs) != 1 {
			t.Fatalf("%+v", box.runs)
		}
		box.verifyAt(s.now, 0)
		if restart {
			s.restart()
		}
		for range 3 {
			s.round(t, 10*time.Second)
			if len(box.runs) != 1 {
				t.Fatalf("opened again %s after its end", s.now.Sub(box.runs[0].Ended))
			}
		}
		for range 60 {
			s.round(t, 10*time.Second)
		}
		if len(box.runs) != 2 || box.runs[1].Key != box.runs[0].Key || !box.runs[1].Status.Open() || box.runs[1].Finding.Margin == "" {
			t.Errorf("restart %t: the finding stands, and its runs are %+v", restart, box.runs)
		}
	}
}

// TestARunThatIsAlwaysWrongIsNotOpenedInARow: the holding time lies between two of them, also when each is called verified at once; and what
// a person cancelled stays so.
func TestARunThatIsAlwaysWrongIsNotOpenedInARow(t *testing.T) {
	s := down(t)
	o, box := opener(t)
	o.Now = func() time.Time { return s.now }
	s.desk.opener = &o
	for range 3600 {
		s.round(t, time.Second)
		if n := len(box.runs) - 1; n >= 0 && box.runs[n].Status.Open() {
			box.verifyAt(s.now, n)
		}
	}
	for i := 1; i < len(box.runs); i++ {
		if rest := box.runs[i].Created.Sub(box.runs[i-1].Ended); rest < galen.SafePolicy().HoldFor.D() {
			t.Errorf("run %d was opened %s after the end of the one before", i, rest)
		}
	}
	n := len(box.runs)
	if n < 2 || n > 61 {
		t.Errorf("%d runs in an hour", n)
	}
	s.round(t, time.Minute)
	s.round(t, time.Minute)
	n = len(box.runs)
	box.runs[n-1].Status, box.runs[n-1].Ended = galen.RunCancelled, s.now
	for range 30 {
		s.round(t, time.Minute)
	}
	if len(box.runs) != n {
		t.Error("a person's cancel was overruled")
	}
}
