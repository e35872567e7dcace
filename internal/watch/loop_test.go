package watch_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/watch"
)

// book is the journal of the loops, in memory.
type book struct {
	mu       sync.Mutex
	open     []galen.Intent
	findings []galen.Finding
	saves    int
	vitals   [][]galen.Sample
	debts    []galen.Debt
	duties   []galen.Duty
	unpaid   error // why nobody knows what is owed
}

func (b *book) OpenIntents(context.Context, galen.Resource) ([]galen.Intent, error) {
	return slices.Clone(b.open), nil
}

func (b *book) Findings(context.Context, galen.Resource) ([]galen.Finding, error) {
	return slices.Clone(b.findings), nil
}

func (b *book) SaveFindings(_ context.Context, _ galen.Resource, now []galen.Finding) (news, gone []galen.Finding, err error) {
	b.findings = slices.Clone(now)
	b.saves++
	return nil, nil, nil
}

func (b *book) SaveVitals(_ context.Context, _ galen.Resource, samples []galen.Sample) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vitals = append(b.vitals, samples)
	return nil
}

func (b *book) Abandoned(context.Context, galen.Resource) ([]galen.Debt, []galen.Duty, error) {
	return b.debts, b.duties, b.unpaid
}

// desk takes findings and wakes.
type desk struct {
	asked []galen.Finding
	free  bool // takes what it is asked for
	// opener, if there is one, is asked instead.
	opener *watch.Opener
	err    error
	wakes  int
}

func (d *desk) Open(ctx context.Context, f galen.Finding) (bool, error) {
	d.asked = append(d.asked, f)
	if d.opener != nil {
		return d.opener.Open(ctx, f)
	}
	return d.free && d.err == nil, d.err
}

func (d *desk) Left(ctx context.Context, f galen.Finding) (bool, error) {
	if d.opener != nil {
		return d.opener.Left(ctx, f)
	}
	return false, nil
}

func (d *desk) Wake(context.Context, galen.Resource) error { d.wakes++; return nil }

// station is one patrol over a fake cloud.
type station struct {
	cloud  *fake.Cloud
	book   *book
	desk   *desk
	now    time.Time
	loops  *watch.Loops
	patrol *watch.Patrol
	extra  []galen.Finding // what a detector of the test finds
	broken string          // how it panics
	kinds  map[string]galen.ListedKind
}

func newStation(c *fake.Cloud) *station {
	s := &station{cloud: c, book: &book{}, desk: &desk{free: true}, now: noon, kinds: kinds(c)}
	detectors := []galen.Detector[galen.State]{galen.ListDetector(fake.Detectors()[0]), {
		Name: "test", Codes: []galen.Code{"odd"}, Detect: func(time.Time, galen.State, galen.Policy) []galen.Finding {
			if s.broken != "" {
				panic(s.broken)
			}
			return s.extra
		},
	}}
	s.loops = watch.NewLoops(watch.Options{
		World: watch.NewWorld(s.kinds, &shelf{}, quiet()), Kinds: s.kinds, Detectors: detectors, Journal: s.book, Runs: s.desk,
		Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() }, Now: func() time.Time { return s.now }, Logger: quiet(),
	})
	s.restart()
	return s
}

func (s *station) restart() { s.patrol = watch.NewPatrol(billing()) }

// round lets time pass, and looks.
func (s *station) round(t *testing.T, after time.Duration) {
	t.Helper()
	if err := s.tryRound(t, after); err != nil {
		t.Fatal(err)
	}
}

func (s *station) tryRound(t *testing.T, after time.Duration) error {
	t.Helper()
	s.cloud.Advance(after)
	s.now = s.cloud.Now()
	return s.loops.Round(t.Context(), s.patrol)
}

// down is a station whose writer is down for long enough to be a finding.
func down(t *testing.T) *station {
	t.Helper()
	s := newStation(crashed())
	s.round(t, 0)
	if len(s.desk.asked) != 0 {
		t.Fatalf("asked for a run at once: %+v", s.desk.asked)
	}
	return s
}

func finding(domain string, urgency galen.Urgency) galen.Finding {
	return galen.Finding{
		Resource: billing(), Code: "odd", Domain: domain, Urgency: urgency, Since: noon, Why: "a test",
		Targets: []galen.Target{{ID: "db-2"}}, Evidence: []galen.Observation{},
	}
}

func TestAFindingAsksForARunOnce(t *testing.T) {
	s := down(t)
	for range 5 {
		s.round(t, 10*time.Second)
	}
	if len(s.desk.asked) != 1 || s.desk.asked[0].Code != fake.CodeUnavailable || s.book.saves != 1 || len(s.book.findings) != 1 {
		t.Fatalf("asked %d times, saved %d times: %+v", len(s.desk.asked), s.book.saves, s.book.findings)
	}
	if got, want := s.book.findings[0].Margin, "1 to spare: 2 of 3 instances are well, 1 needed"; got != want {
		t.Errorf("tells the margin %q, want %q", got, want)
	}
	s.restart()
	s.round(t, time.Second)
	if len(s.desk.asked) != 2 || s.book.saves != 1 {
		t.Errorf("after a restart: asked %d times, want once more; saved %d times, want no more", len(s.desk.asked), s.book.saves)
	}
}

func TestAFindingThatIsCoveredAsksAgainUntilItHasItsRun(t *testing.T) {
	s := down(t)
	s.desk.free = false
	for range 3 {
		s.round(t, 10*time.Second)
	}
	s.desk.free = true
	for range 3 {
		s.round(t, 10*time.Second)
	}
	if len(s.desk.asked) != 4 || s.book.saves != 1 {
		t.Errorf("asked %d times, want 3 refusals and a yes; saved %d times", len(s.desk.asked), s.book.saves)
	}
}

func TestAFindingIsStoredAfterItsRun(t *testing.T) {
	s := down(t)
	s.desk.err = errors.New("the journal is read-only")
	if err := s.tryRound(t, 10*time.Second); !errors.Is(err, s.desk.err) || s.book.saves != 0 {
		t.Fatalf("%v, saved %d times: a crash now would lose the run", err, s.book.saves)
	}
	s.desk.err = nil
	s.round(t, time.Second)
	if len(s.desk.asked) != 2 || s.book.saves != 1 {
		t.Errorf("asked %d times, saved %d times", len(s.desk.asked), s.book.saves)
	}
}

func TestNewsAsksAgain(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	s.extra = []galen.Finding{finding("a", galen.Low)}
	s.round(t, time.Second)
	s.extra = []galen.Finding{finding("a", galen.High), finding("a", galen.Medium)} // one finding per key, the gravest
	s.round(t, time.Second)
	s.round(t, time.Second)
	if n := len(s.desk.asked); n != 2 || s.desk.asked[1].Urgency != galen.High || s.book.saves != 2 {
		t.Errorf("asked %+v, saved %d times", s.desk.asked, s.book.saves)
	}
	s.extra = nil
	s.round(t, time.Second)
	if len(s.book.findings) != 0 || s.book.saves != 3 {
		t.Errorf("gone, and still stored: %+v", s.book.findings)
	}
	s.extra = []galen.Finding{finding("a", galen.High)}
	s.round(t, time.Second)
	if len(s.desk.asked) != 3 {
		t.Errorf("it came back, and nobody was asked: %d", len(s.desk.asked))
	}
}

// TestATroubleThatWentAndCameBackBetweenTwoRounds is another one, though it says the same: its run has ended meanwhile.
func TestATroubleThatWentAndCameBackBetweenTwoRounds(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	o, box := opener(t)
	o.Runbooks[0].Heals = append(o.Runbooks[0].Heals, "odd")
	o.Now = func() time.Time { return s.now }
	s.desk.opener = &o
	f := finding("a", galen.High)
	s.extra = []galen.Finding{f}
	s.round(t, time.Second)
	if len(box.runs) != 1 {
		t.Fatalf("%d runs", len(box.runs))
	}
	box.runs[0].Status, box.runs[0].Ended = galen.RunVerified, s.now.Add(40*time.Second)
	f.Since = s.now.Add(50 * time.Second)
	s.extra = []galen.Finding{f}
	for range 3 {
		s.round(t, time.Minute)
	}
	if len(box.runs) != 2 || !box.runs[1].Finding.Since.Equal(f.Since) || len(s.desk.asked) != 2 {
		t.Errorf("asked %d times, these are the runs of the finding since %s: %+v", len(s.desk.asked), f.Since, box.runs)
	}
}

func TestANoteOpensNothing(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	note := finding("a", galen.Low)
	note.Note = true
	s.extra = []galen.Finding{note}
	for range 3 {
		s.round(t, time.Second)
	}
	if len(s.desk.asked) != 0 || s.book.saves != 1 || len(s.book.findings) != 1 {
		t.Fatalf("asked %+v, saved %d times: %+v", s.desk.asked, s.book.saves, s.book.findings)
	}
	s.extra[0].Note = false
	s.round(t, time.Second)
	if len(s.desk.asked) != 1 {
		t.Error("it is more than a note now, and nobody was asked")
	}
}

func TestAnOwedUndoIsAFinding(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	undo := func(target string, at time.Time) galen.Debt {
		return galen.Debt{Intent: "i-" + target, At: at, Step: galen.Step{Verb: fake.VerbSet, Target: galen.Target{ID: target}}}
	}
	s.book.debts = []galen.Debt{undo("db-2", noon), undo("db-2", noon.Add(-time.Hour)), undo("db-3", noon), undo("strange", noon)}
	s.round(t, time.Second)
	s.round(t, time.Second)
	want := map[string]int{"billing/zone-b": 1, "billing/zone-c": 1, "unknown": 1}
	if len(s.desk.asked) != len(want) || s.book.saves != 1 {
		t.Fatalf("asked %+v", s.desk.asked)
	}
	for _, f := range s.desk.asked {
		if f.Code != galen.CodeUndoOwed || len(f.Targets) != want[f.Domain] || f.Since.IsZero() {
			t.Errorf("%+v", f)
		}
		if f.Domain == "billing/zone-b" && (!f.Since.Equal(noon.Add(-time.Hour)) || !strings.Contains(f.Why, "set db-2")) {
			t.Errorf("since %s: %s", f.Since, f.Why)
		}
	}
}

func TestRunsAreWokenByFactsAndEffects(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	s.round(t, time.Second)
	first := s.desk.wakes
	for range 3 {
		s.round(t, time.Second) // a gauge moves, no fact does
	}
	if s.desk.wakes != first {
		t.Fatalf("woken %d times without a reason", s.desk.wakes-first)
	}
	s.cloud.Crash("db-2", false)
	s.round(t, fake.APILag)
	if s.desk.wakes != first+1 {
		t.Fatalf("woken %d times by a crash, want once", s.desk.wakes-first)
	}
	target := galen.Target{ID: "db-3", Generation: 0} // it has booted since: the effect is there
	in := galen.Intent{
		ID: "i1", Resource: billing(), At: s.now, Step: galen.Step{Verb: fake.VerbReboot, Target: target}, Effect: galen.Effect{Status: galen.EffectUnknown},
	}
	s.book.open = []galen.Intent{in}
	s.round(t, time.Second)
	s.round(t, time.Second)
	if s.desk.wakes != first+3 {
		t.Errorf("woken %d times by an effect that nobody has settled yet, want at each look", s.desk.wakes-first-1)
	}
	s.book.open[0].Effect.Status = galen.EffectDone
	s.round(t, time.Second)
	if s.desk.wakes != first+3 {
		t.Error("woken by an effect that is known")
	}
}

// TestRunsAreWokenByFindings: a trouble that has lasted is found with no fact changed, and the run that has its target looks at once.
func TestRunsAreWokenByFindings(t *testing.T) {
	s := down(t)
	for len(s.desk.asked) == 0 {
		before := s.desk.wakes
		if s.round(t, time.Second); s.desk.wakes != before && len(s.desk.asked) == 0 {
			t.Fatal("woken without a reason")
		} else if len(s.desk.asked) > 0 && s.desk.wakes != before+1 {
			t.Errorf("woken %d times by a finding, want once", s.desk.wakes-before)
		}
	}
	before := s.desk.wakes
	if s.round(t, time.Second); s.desk.wakes != before {
		t.Error("woken by a finding that is known")
	}
}

func TestVitalsAreKeptOnceAMinute(t *testing.T) {
	s := newStation(fake.NewCloud("billing", 3, noon))
	for range 25 {
		s.round(t, 5*time.Second)
	}
	if len(s.book.vitals) != 3 {
		t.Fatalf("%d times in 2 minutes, want 3", len(s.book.vitals))
	}
	one := s.book.vitals[1]
	if len(one) != 1 || one[0].Name != "connections" || !one[0].At.Equal(noon.Add(65*time.Second)) {
		t.Errorf("%+v", one)
	}
}

// TestRunTellsItsBlindnessOnce: a resource that cannot be seen hinders no other, and fills no log.
func TestRunTellsItsBlindnessOnce(t *testing.T) {
	log := &lines{}
	s := newStation(fake.NewCloud("billing", 3, noon))
	policy := galen.SafePolicy()
	policy.LookEvery = galen.Duration(time.Millisecond)
	loops := watch.NewLoops(watch.Options{
		World: watch.NewWorld(kinds(s.cloud), &shelf{}, quiet()), Kinds: kinds(s.cloud), Journal: s.book, Runs: s.desk,
		Policy: func(galen.Resource) galen.Policy { return policy }, Now: s.cloud.Now, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		loops.Run(ctx, []galen.Resource{{Kind: fake.KindName, Name: "strange"}, billing()})
	}()
	for ctx.Err() == nil && s.kept() < 3 {
		s.cloud.Advance(time.Minute)
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-ended
	if s.kept() < 3 {
		t.Error("the blind one hindered the other")
	}
	if n := log.count("the watch cannot do its round"); n != 1 {
		t.Errorf("told %d times that it is blind, want once", n)
	}
}

func (s *station) kept() int {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	return len(s.book.vitals)
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}
