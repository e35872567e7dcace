package process

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/ringd"
)

const (
	// resumeLimit is for a machine on which an engine is ready in 3.3 s or less; on a busier one a run goes on within resumeShare times
	// what that engine itself took from exec to ready. The goal on a quiet machine is 2 s (make figures).
	resumeLimit = 10 * time.Second
	resumeShare = 3
	// lives is how many cases run at the same time: they mostly wait for the settle times of verbs.
	lives = 6
	// sampled is how many points of all are tried unless the flag -points says otherwise.
	sampled = 36
	// asleep is how long after a decision the run is certainly in its sleep, if it sleeps.
	asleep = 60 * time.Millisecond
)

// crashCase is one engine that dies once.
type crashCase struct {
	scene scene
	order failpoint.Order
}

func (c crashCase) name() string {
	at := string(c.order.At)
	if c.order.After > 0 {
		at = "asleep"
	}
	of := c.order.Of
	if of == "" {
		of = "nothing yet"
	}
	return fmt.Sprintf("%s/%s/%s", c.scene.name, of, at)
}

// rehearse plays a scene without a death, and returns each await that it passes, once.
func (s scene) rehearse(t *testing.T) []crashCase {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	st := s.set(ctx, t)
	s.begin(ctx, t, st, failpoint.Order{})
	run, err := st.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	if run.Runbook != s.runbook {
		t.Errorf("verified by %s, want %s", run.Runbook, s.runbook)
	}
	// The workflow hears of its end after everybody else.
	must(t, st.AwaitPassage(ctx, func(p failpoint.Passage) bool { return p.At == failpoint.Closed }))
	must(t, st.Engine.Kill())
	s.once(ctx, t, st)
	passed, err := failpoint.Trace(st.PassedFile)
	must(t, err)
	var out []crashCase
	seen := map[failpoint.Passage]bool{}
	for _, p := range passed {
		if seen[p] || s.mayMiss(p) || s.only != nil && !s.only(p) {
			continue
		}
		seen[p] = true
		o := failpoint.Order{At: p.At, Of: p.Of, Signal: failpoint.Kill}
		out = append(out, crashCase{s, o})
		if p.At == failpoint.Decided {
			o.After = galen.Duration(asleep)
			out = append(out, crashCase{s, o})
		}
	}
	return out
}

// mayMiss: what only a look at the right moment passes, on a ring so fast that another engine's looks may fall beside it.
func (s scene) mayMiss(p failpoint.Passage) bool {
	return (p.At == victim.Joining || p.At == victim.Streaming) && (s.faster == 0 || s.faster > slowly)
}

func (s scene) set(ctx context.Context, t *testing.T) *victim.Stage {
	t.Helper()
	o := victim.StageOptions{Faster: s.faster, Policy: s.policy}
	if o.Faster == 0 {
		o.Faster = 20
	}
	return stage(ctx, t, o)
}

// begin plays the scene up to its cause, with an engine that has an order.
func (s scene) begin(ctx context.Context, t *testing.T, st *victim.Stage, o failpoint.Order) {
	t.Helper()
	if s.before != nil {
		s.before(ctx, t, st)
		must(t, st.Unanswered(ctx, start(ctx, st, &o))) // it may die of its order before it says that it is ready
	} else {
		must(t, start(ctx, st, &o))
		must(t, st.AwaitHealth(ctx))
	}
	must(t, s.cause(ctx, st))
}

// once: nothing was done twice, nothing was lost, and the journal is whole.
func (s scene) once(ctx context.Context, t *testing.T, st *victim.Stage) {
	t.Helper()
	if calls := onceEach(ctx, t, st, max(s.runs, 1)); calls == 0 && !s.mayRest {
		t.Error("the ring accepted no call")
	}
	whole(ctx, t, st)
}

// TestDiesAtEachPoint kills the engine at each await of each scene and starts it again at once: all of them with -points
// all, a slice with -points 2/5, else a sample of them.
func TestDiesAtEachPoint(t *testing.T) {
	all := everywhere(t)
	chosen := choose(t, all)
	resumed := make([]resume, len(chosen))
	slots := make(chan struct{}, lives)
	var wg sync.WaitGroup
	for i, c := range chosen {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			t.Run(c.name(), func(t *testing.T) { resumed[i] = c.run(t) })
		})
	}
	wg.Wait()
	resumed = slices.DeleteFunc(resumed, func(r resume) bool { return r.after == 0 }) // the run had nothing left to decide
	if len(resumed) == 0 {
		return // none was asked for
	}
	slices.SortFunc(resumed, func(a, b resume) int { return cmp.Compare(a.after, b.after) })
	worst := slices.MaxFunc(resumed, func(a, b resume) int { return cmp.Compare(a.share(), b.share()) })
	t.Logf("%d of %d points, %d at a time; first decision after exec: p50 %s, max %s; worst beside that engine's start: %s", len(chosen), len(all), lives,
		resumed[len(resumed)/2].after.Round(time.Millisecond), resumed[len(resumed)-1].after.Round(time.Millisecond), worst)
}

// resume is how long after exec an engine first decided for a run that it found, and when it was ready.
type resume struct{ after, ready time.Duration }

// late: longer than the load of the machine explains, as the same engine's start has shown it.
func (r resume) late() bool { return r.after > max(resumeLimit, resumeShare*r.ready) }

func (r resume) share() float64 { return float64(r.after) / float64(max(r.ready, time.Millisecond)) }

func (r resume) String() string {
	return fmt.Sprintf("%s after exec, %.1f times the %s until ready", r.after.Round(time.Millisecond), r.share(), r.ready.Round(time.Millisecond))
}

// everywhere rehearses all scenes.
func everywhere(t *testing.T) []crashCase {
	t.Helper()
	list := scenes()
	byScene := make([][]crashCase, len(list))
	var wg sync.WaitGroup
	for i, s := range list {
		wg.Go(func() { t.Run("rehearsal of "+s.name, func(t *testing.T) { byScene[i] = s.rehearse(t) }) })
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	all := slices.Concat(byScene...)
	if lacks := unplayed(all); len(lacks) > 0 {
		t.Fatalf("no scene commits %q: it misses its moment, or there is no scene for it", lacks)
	}
	return all
}

// unplayed are the verbs that nothing in the cases dies at the commit of: a scene that misses its moment would pass without a word.
func unplayed(all []crashCase) []string {
	var out []string
	for _, verb := range cassandra.Verbs() {
		if !slices.ContainsFunc(all, func(c crashCase) bool { return c.order.At == failpoint.Committed && c.order.Of == verb.Name }) {
			out = append(out, verb.Name)
		}
	}
	slices.Sort(out)
	return out
}

// choose what the flag -points says.
func choose(t *testing.T, all []crashCase) []crashCase {
	t.Helper()
	points := flag.Lookup("points").Value.String()
	nth, of := 0, (len(all)+sampled-1)/sampled
	switch part, whole, sliced := strings.Cut(points, "/"); {
	case points == "all":
		return all
	case sliced:
		var err, err2 error
		nth, err = strconv.Atoi(part)
		of, err2 = strconv.Atoi(whole)
		must(t, errors.Join(err, err2))
		nth--
	}
	var out []crashCase
	for i := nth; i < len(all); i += of {
		out = append(out, all[i])
	}
	if points == "sample" {
		out = withEach(out, all)
	}
	return out
}

// withEach adds to a sample what it lacks of the moments that were promised for every run of the tests: after the decision,
// after the intent, after the call before its outcome, while waiting, while streaming.
func withEach(out, all []crashCase) []crashCase {
	for _, is := range []func(failpoint.Order) bool{
		func(o failpoint.Order) bool { return o.At == failpoint.Decided && o.After == 0 },
		func(o failpoint.Order) bool { return o.At == failpoint.Committed },
		func(o failpoint.Order) bool { return o.At == failpoint.Called },
		func(o failpoint.Order) bool { return o.After > 0 },
		func(o failpoint.Order) bool { return o.At == victim.Streaming },
	} {
		of := func(c crashCase) bool { return is(c.order) }
		if i := slices.IndexFunc(all, of); i >= 0 && !slices.ContainsFunc(out, of) {
			out = append(out, all[i])
		}
	}
	return out
}

func (c crashCase) run(t *testing.T) (resumed resume) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := c.scene.set(ctx, t)
	c.scene.begin(ctx, t, s, c.order)
	must(t, s.AwaitDeath(ctx))
	c.diedThere(ctx, t, s)
	must(t, start(ctx, s, nil))
	if c.scene.again != nil {
		must(t, c.scene.again(ctx, s))
	}
	if c.order.At != failpoint.Closing && c.order.At != failpoint.Closed {
		after, err := s.AwaitResume(ctx)
		must(t, err)
		if resumed = (resume{after, s.Ready}); resumed.late() {
			t.Errorf("resumed %s, want at most %s or %d times", resumed, resumeLimit, resumeShare)
		}
	}
	_, err := s.AwaitRun(ctx, galen.RunVerified)
	must(t, err)
	must(t, s.Engine.Kill())
	c.scene.once(ctx, t, s)
	return resumed
}

// diedThere proves by the journal and the ring's log that the engine died at the point of a step and nowhere else.
func (c crashCase) diedThere(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	passed, err := failpoint.Trace(s.PassedFile)
	must(t, err)
	died := func(p failpoint.Passage) bool {
		return p == failpoint.Passage{At: c.order.At, Of: c.order.Of, Signal: failpoint.Kill}
	}
	if !slices.ContainsFunc(passed, died) {
		t.Fatalf("died elsewhere: %+v", passed)
	}
	want, ofAStep := map[failpoint.Point][3]bool{
		failpoint.Acting: {}, failpoint.GateLooked: {}, failpoint.Judged: {},
		failpoint.Committed: {true, false, false}, failpoint.Called: {true, true, false}, failpoint.Recorded: {true, true, true},
	}[c.order.At]
	if !ofAStep {
		return
	}
	store := copied(t, s)
	runs, err := store.Runs(ctx, journal.RunFilter{})
	must(t, err)
	led, err := store.Ledger(ctx, runs[0].ID) // the newest
	must(t, err)
	of := func(verb string) bool { return verb == c.order.Of }
	i := slices.IndexFunc(led.Past, func(in galen.Intent) bool { return of(in.Step.Verb) })
	calls, err := ringd.Accepted(s.Ring.Log)
	must(t, err)
	called := i >= 0 && slices.ContainsFunc(calls, func(call ring.Call) bool { return call.Intent == led.Past[i].ID })
	if got := [3]bool{i >= 0, called, i >= 0 && led.Past[i].Sent == galen.SentYes}; got != want {
		t.Fatalf("died with intended, called, told %v, want %v", got, want)
	}
	if i >= 0 && led.Past[i].Effect.Settled() {
		t.Fatal("died with the effect settled")
	}
}

func start(ctx context.Context, s *victim.Stage, o *failpoint.Order) error {
	_, err := s.Start(ctx, o)
	return err
}

// stage is set for one test; its engine, if one lives, and its ring end with the test.
func stage(ctx context.Context, t *testing.T, o victim.StageOptions) *victim.Stage {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := victim.SetStage(ctx, o)
	must(t, err)
	t.Cleanup(func() {
		must(t, s.End())
		if o.Ring == nil {
			must(t, s.Ring.Close())
		}
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copied is the journal as a dead engine left it. A file is copied: whoever opens a journal tidies it up, and that is the
// next engine's work.
func copied(t *testing.T, s *victim.Stage) *journal.Store {
	t.Helper()
	if s.Journal.URL != "" {
		store, err := journal.OpenPostgres(t.Context(), s.Journal.URL, journal.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, store.Close()) })
		return store
	}
	dir := t.TempDir()
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(s.Engine.Data, app.JournalFile+end))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, app.JournalFile+end), b, 0o600))
	}
	store, err := journal.Open(t.Context(), filepath.Join(dir, app.JournalFile), journal.Options{Now: time.Now})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	return store
}

// onceEach: by the ring's own log each intent, and each step whatever its intent, had its effect once at most in each
// run; by the journal every effect is settled and there are that many runs. It returns how many the ring accepted.
func onceEach(ctx context.Context, t *testing.T, s *victim.Stage, runs int) (accepted int) {
	t.Helper()
	steps := settledSteps(ctx, t, s, runs)
	calls, err := ringd.Accepted(s.Ring.Log)
	must(t, err)
	if twice := ring.Doubled(calls); len(twice) > 0 {
		t.Errorf("intents with more than one effect: %v", twice)
	}
	count := map[string]int{}
	for _, call := range calls {
		step, known := steps[call.Intent]
		if !known {
			t.Errorf("the ring accepted %s of intent %s, which the journal does not know", call.Verb, call.Intent)
		}
		if count[step]++; count[step] == 2 {
			t.Errorf("%s had its effect twice: %+v", call.Verb, calls)
		}
	}
	arrived, err := s.Ring.Calls(ctx)
	must(t, err)
	tried := map[string]bool{}
	for _, call := range arrived {
		if tried[call.Intent] {
			t.Errorf("the call of intent %s was made twice", call.Intent)
		}
		tried[call.Intent] = true
	}
	harms, err := s.Ring.Harms(ctx)
	must(t, err)
	for _, h := range harms {
		t.Errorf("harm: %s", h.What)
	}
	return len(calls)
}

// settledSteps are the steps of all runs by intent.
func settledSteps(ctx context.Context, t *testing.T, s *victim.Stage, want int) map[string]string {
	t.Helper()
	store := copied(t, s)
	runs, err := store.Runs(ctx, journal.RunFilter{})
	must(t, err)
	if len(runs) != want {
		t.Errorf("%d runs, want %d", len(runs), want)
	}
	steps := map[string]string{}
	for _, run := range runs {
		if run.Status.Open() {
			t.Errorf("run %s of %s was lost: it is %s (%s)", run.ID, run.Runbook, run.Status, run.Why)
		}
		led, err := store.Ledger(ctx, run.ID)
		must(t, err)
		tries := 0 // what was taken back may be done once more
		for _, in := range led.Past {
			if in.Step.Verb == cassandra.VerbRemoveJoiner || in.Step.Verb == cassandra.VerbDiscard {
				tries++
			}
			steps[in.ID] = fmt.Sprint(run.ID, tries, in.Step.Hash())
			if !in.Effect.Settled() {
				t.Errorf("the run is %s, and the effect of %s is %s", run.Status, in.Step, in.Effect.Status)
			}
		}
	}
	return steps
}

// whole: the journal has no gap and no fault.
func whole(ctx context.Context, t *testing.T, s *victim.Stage) {
	t.Helper()
	report, err := s.Journal.Verify(ctx)
	must(t, err)
	if !report.OK() || report.Events == 0 {
		t.Errorf("%d events, faults: %v", report.Events, report.Faults)
	}
}
