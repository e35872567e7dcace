package workflows

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
)

// stage plays the activities for the interpreter, in the virtual time of Temporal's test environment.
type stage struct {
	env   *testsuite.TestWorkflowEnvironment
	start time.Time
	// decide and act answer the n-th call, from 1.
	decide func(n int, in activities.DecideInput) (activities.Decided, error)
	act    func(n int, in activities.ActInput) (activities.Acted, error)

	decides, acts int
	locals        int             // of the decides
	looks         []time.Duration // after the start, per Decide
	closed        []activities.CloseInput
	stale         int // so many closes come too late
}

func newStage(t *testing.T) *stage {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s := &stage{env: suite.NewTestWorkflowEnvironment()}
	s.env.SetTestTimeout(20 * time.Second)
	s.start = s.env.Now()
	s.env.RegisterWorkflowWithOptions(Run, workflow.RegisterOptions{Name: RunName})
	s.env.RegisterWorkflowWithOptions(RunLocal, workflow.RegisterOptions{Name: LocalName})
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in activities.DecideInput) (activities.Decided, error) {
		s.decides++
		if activity.GetInfo(ctx).IsLocalActivity {
			s.locals++
		}
		s.looks = append(s.looks, s.env.Now().Sub(s.start))
		return s.decide(s.decides, in)
	}, activity.RegisterOptions{Name: "Decide"})
	s.env.RegisterActivityWithOptions(func(_ context.Context, in activities.ActInput) (activities.Acted, error) {
		s.acts++
		return s.act(s.acts, in)
	}, activity.RegisterOptions{Name: "Act"})
	s.env.RegisterActivityWithOptions(func(_ context.Context, in activities.CloseInput) (activities.Closed, error) {
		s.closed = append(s.closed, in)
		return activities.Closed{Stale: len(s.closed) <= s.stale}, nil
	}, activity.RegisterOptions{Name: "Close"})
	return s
}

// run plays the workflow to its end.
func (s *stage) run(t *testing.T) error {
	t.Helper()
	s.env.ExecuteWorkflow(RunName, "r1")
	if !s.env.IsWorkflowCompleted() {
		t.Fatal("the workflow did not end")
	}
	return s.env.GetWorkflowError()
}

func waiting(d time.Duration) activities.Decided { return activities.Decided{Wait: galen.Duration(d)} }

// finished: the journal says that the run is over.
func finished() activities.Decided { return activities.Decided{Ended: true} }

func TestRunVerifiesAndCloses(t *testing.T) {
	s := newStage(t)
	s.decide = func(n int, in activities.DecideInput) (activities.Decided, error) {
		if in.Run != "r1" {
			t.Errorf("decides for run %q", in.Run)
		}
		if n == 1 {
			return activities.Decided{At: s.env.Now(), Plan: 1, Steps: 1}, nil
		}
		return activities.Decided{At: s.env.Now(), Done: true, Final: galen.RunVerified, Looks: 3, HoldFor: galen.Duration(30 * time.Second), Why: "well", Looked: at(n)}, nil
	}
	s.act = func(_ int, in activities.ActInput) (activities.Acted, error) {
		if want := (activities.ActInput{Run: "r1", Plan: 1}); in != want {
			t.Errorf("acts on %+v", in)
		}
		return activities.Acted{At: s.env.Now(), Sent: true}, nil
	}
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]activities.CloseInput{{Run: "r1", Status: galen.RunVerified, Why: "well", Looked: at(4)}}, s.closed); diff != "" {
		t.Error(diff)
	}
	if took := s.env.Now().Sub(s.start); s.acts != 1 || took < 30*time.Second || took > time.Minute {
		t.Errorf("%d acts, verified after %s", s.acts, took)
	}
}

// TestACloseThatComesTooLate: whoever hears so looks again over the whole holding time, and closes on that.
func TestACloseThatComesTooLate(t *testing.T) {
	s := newStage(t)
	s.stale = 1
	s.decide = func(n int, _ activities.DecideInput) (activities.Decided, error) {
		return activities.Decided{At: s.env.Now(), Done: true, Final: galen.RunVerified, Looks: 3, HoldFor: galen.Duration(30 * time.Second), Why: "well", Looked: at(n)}, nil
	}
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	want := []activities.CloseInput{
		{Run: "r1", Status: galen.RunVerified, Why: "well", Looked: at(3)},
		{Run: "r1", Status: galen.RunVerified, Why: "well", Looked: at(6)},
	}
	if diff := cmp.Diff(want, s.closed); diff != "" {
		t.Error(diff)
	}
	if took := s.env.Now().Sub(s.start); took < time.Minute {
		t.Errorf("proved twice within %s", took)
	}
}

func TestAWakeEndsTheSleep(t *testing.T) {
	s := newStage(t)
	s.env.RegisterDelayedCallback(func() { s.env.SignalWorkflow(WakeSignal, nil) }, 5*time.Second)
	s.decide = func(n int, _ activities.DecideInput) (activities.Decided, error) {
		switch n {
		case 3:
			for range 5 {
				s.env.SignalWorkflow(WakeSignal, nil) // while it looks: one more look is needed, not five
			}
		case 5:
			return finished(), nil
		}
		return waiting(time.Minute), nil
	}
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	woken := 5 * time.Second
	want := []time.Duration{0, woken, woken + time.Minute, woken + time.Minute, woken + 2*time.Minute}
	if diff := cmp.Diff(want, s.looks); diff != "" {
		t.Errorf("looked at other times: %s", diff)
	}
}

// TestAnActWithoutAnEndIsLookedAt: it is tried once, whatever became of it.
func TestAnActWithoutAnEndIsLookedAt(t *testing.T) {
	s := newStage(t)
	s.decide = func(n int, _ activities.DecideInput) (activities.Decided, error) {
		if n == 1 {
			return activities.Decided{Plan: 1, Steps: 2}, nil
		}
		return finished(), nil
	}
	s.act = func(int, activities.ActInput) (activities.Acted, error) {
		return activities.Acted{}, errors.New("the engine died")
	}
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	if s.acts != 1 || s.decides != 2 {
		t.Errorf("%d acts and %d looks, want 1 and 2", s.acts, s.decides)
	}
}

func TestDecideIsTriedAgain(t *testing.T) {
	s := newStage(t)
	s.decide = func(n int, _ activities.DecideInput) (activities.Decided, error) {
		if n < 4 {
			return activities.Decided{}, errors.New("the journal is busy")
		}
		return finished(), nil
	}
	if err := s.run(t); err != nil || s.decides != 4 {
		t.Fatalf("%d looks, %v", s.decides, err)
	}
}

// TestARunThatStartsLocalDecidesOnceInItsOwnTask, however that ends: what comes after it is an activity as ever, and so is all of a run that
// was started without that.
func TestARunThatStartsLocalDecidesOnceInItsOwnTask(t *testing.T) {
	cases := map[string]struct {
		name    string
		first   error // of the first decision, twice if it may be tried again
		locals  int
		decides int
	}{
		"local":                 {LocalName, nil, 1, 3},
		"tried again":           {LocalName, errors.New("the journal is busy"), 3, 5},
		"not to be tried again": {LocalName, temporal.NewNonRetryableApplicationError("odd", "Odd", nil), 1, 4},
		"not local":             {RunName, nil, 0, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			told, failures := 0, 0
			s.decide = func(int, activities.DecideInput) (activities.Decided, error) {
				if c.first != nil && failures < 2 && told == 0 {
					failures++
					var app *temporal.ApplicationError
					if !errors.As(c.first, &app) || failures == 1 {
						return activities.Decided{}, c.first
					}
				}
				if told++; told == 3 {
					return finished(), nil
				}
				return waiting(time.Minute), nil
			}
			s.env.ExecuteWorkflow(c.name, "r1")
			if err := s.env.GetWorkflowError(); err != nil || s.locals != c.locals || s.decides != c.decides {
				t.Errorf("%d local decisions of %d, %v; want %d of %d", s.locals, s.decides, err, c.locals, c.decides)
			}
		})
	}
}

func TestARunThatTheJournalDoesNotKnowEnds(t *testing.T) {
	s := newStage(t)
	s.decide = func(int, activities.DecideInput) (activities.Decided, error) {
		return activities.Decided{}, temporal.NewNonRetryableApplicationError("no run r1", activities.ErrTypeNoRun, nil)
	}
	err := s.run(t)
	var app *temporal.ApplicationError
	if !errors.As(err, &app) || app.Type() != activities.ErrTypeNoRun || s.decides != 1 {
		t.Errorf("%d looks, %v", s.decides, err)
	}
	local := newStage(t)
	local.decide = s.decide
	local.env.ExecuteWorkflow(LocalName, "r1")
	if err := local.env.GetWorkflowError(); !errors.As(err, &app) || app.Type() != activities.ErrTypeNoRun || local.decides != 1 {
		t.Errorf("decided in its own task: %d looks, %v", local.decides, err)
	}
}

// TestAllElseThatCannotBeRetriedIsLookedAtAgain: only a run that is unknown ends its workflow.
func TestAllElseThatCannotBeRetriedIsLookedAtAgain(t *testing.T) {
	s := newStage(t)
	s.decide = func(n int, _ activities.DecideInput) (activities.Decided, error) {
		if n < 3 {
			return activities.Decided{}, temporal.NewNonRetryableApplicationError("odd", "Odd", nil)
		}
		return finished(), nil
	}
	if err := s.run(t); err != nil || s.decides != 3 {
		t.Fatalf("%d looks, %v", s.decides, err)
	}
	if s.looks[2] == 0 {
		t.Error("failures in a row do not back off")
	}
}

// TestACancellationFromTemporalIsIgnored: a run is stopped by a row in the journal.
func TestACancellationFromTemporalIsIgnored(t *testing.T) {
	s := newStage(t)
	s.env.RegisterDelayedCallback(s.env.CancelWorkflow, 10*time.Second)
	s.decide = func(n int, _ activities.DecideInput) (activities.Decided, error) {
		if n == 4 {
			return finished(), nil
		}
		return waiting(time.Minute), nil
	}
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{0, time.Minute, 2 * time.Minute, 3 * time.Minute}, s.looks); diff != "" {
		t.Errorf("looked at other times: %s", diff)
	}
}

// TestALongHistoryContinuesAsNew: with the run's ID and since when it is refused, when nothing is under way.
func TestALongHistoryContinuesAsNew(t *testing.T) {
	s := newStage(t)
	refused := s.start.Add(time.Second).UTC()
	s.act = func(n int, _ activities.ActInput) (activities.Acted, error) {
		return activities.Acted{At: refused, Sent: n < 3, Refused: n == 3, Wait: galen.Duration(time.Second)}, nil
	}
	s.decide = func(n int, _ activities.DecideInput) (activities.Decided, error) {
		s.env.SetContinueAsNewSuggested(n >= 2)
		return activities.Decided{Plan: n, Steps: 1}, nil
	}
	err := s.run(t)
	var anew *workflow.ContinueAsNewError
	if !errors.As(err, &anew) || anew.WorkflowType.Name != RunName {
		t.Fatalf("ended with %v, want a new one of the same", err)
	}
	if s.decides != 3 || s.acts != 3 {
		t.Errorf("%d looks and %d acts: continued in the middle of something", s.decides, s.acts)
	}
	var run string
	var from Carried
	if err := converter.GetDefaultDataConverter().FromPayloads(anew.Input, &run, &from); err != nil || run != "r1" || !from.RefusedSince.Equal(refused) {
		t.Errorf("continued as run %q, refused since %s, %v; want r1 and %s", run, from.RefusedSince, err, refused)
	}
}

// TestAContinuedRunTellsSinceWhenItIsRefused at its first look.
func TestAContinuedRunTellsSinceWhenItIsRefused(t *testing.T) {
	s := newStage(t)
	since := s.start.Add(-time.Hour).UTC()
	s.decide = func(_ int, in activities.DecideInput) (activities.Decided, error) {
		if !in.RefusedSince.Equal(since) {
			t.Errorf("told of a refusal since %s, want %s", in.RefusedSince, since)
		}
		return finished(), nil
	}
	s.env.ExecuteWorkflow(RunName, "r1", Carried{RefusedSince: since})
	if err := s.env.GetWorkflowError(); err != nil || s.decides != 1 {
		t.Errorf("%d looks, %v", s.decides, err)
	}
}

func TestAnUnknownCommandEndsTheWorkflow(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		_, err := execute(ctx, Command{Do: "dance"}, workflow.GetSignalChannel(ctx, WakeSignal))
		return err
	})
	if err := env.GetWorkflowError(); err == nil {
		t.Error("danced")
	}
}
