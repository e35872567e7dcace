package journal_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// The contract is over these, so that a second store (PostgreSQL) must pass the same tests: Contract(t, open).
type runs interface {
	OpenRun(ctx context.Context, run galen.Run) (galen.Run, bool, error)
	Run(ctx context.Context, id string) (galen.Run, error)
	Runs(ctx context.Context, f journal.RunFilter) ([]galen.Run, error)
	SetRun(ctx context.Context, id string, status galen.RunStatus, why string, until time.Time) error
	Stop(ctx context.Context, id, stop, by, why string) error
}

type decisions interface {
	Duplicates(ctx context.Context, id string) (int64, error)
	Decide(ctx context.Context, d galen.Decision, state []byte) (galen.Decision, error)
	Plan(ctx context.Context, runID string, number int) (galen.Decision, error)
	Plans(ctx context.Context, runID string, before, limit int) ([]galen.Decision, error)
	shown
}

type shown interface {
	State(ctx context.Context, hash string) ([]byte, error)
	Shown(ctx context.Context, runID string, number int, shown string) (galen.Decision, error)
}

type acts interface {
	Intents(ctx context.Context, run, before string, limit int) ([]galen.Intent, error)
	steps
}

type steps interface {
	Ledger(ctx context.Context, runID string) (galen.Ledger, error)
	Commit(ctx context.Context, c galen.Commit) (galen.Intent, error)
	Outcome(ctx context.Context, intentID, sent, reply string) error
	Refused(ctx context.Context, runID string, step galen.Step, verdicts []galen.Verdict) error
	Settle(ctx context.Context, runID string, changes []galen.Settlement) error
}

type standings interface {
	OpenAlone(ctx context.Context, run galen.Run) (galen.Run, bool, error)
	HoldRun(ctx context.Context, id, why string, was galen.Standing) error
	VerifyRun(ctx context.Context, id, why string, looked time.Time) error
}

type approvals interface {
	Approve(ctx context.Context, a galen.Approval) error
	Approvals(ctx context.Context, f journal.ApprovalFilter) ([]galen.GivenApproval, error)
	Reject(ctx context.Context, runID, by, why string) error
	Void(ctx context.Context, approvalID, why string, now galen.Grounds) (int, error)
	standings
}

type holds interface {
	SetHold(ctx context.Context, h galen.Hold) error
	ExtendHold(ctx context.Context, id string, until time.Time, by, why string) (galen.Hold, error)
	Release(ctx context.Context, holdID, by string) error
	Holds(ctx context.Context) ([]galen.Hold, error)
}

type switches interface {
	holds
	beats
	Acknowledge(ctx context.Context, resource galen.Resource, names []string, by string) error
	Prune(ctx context.Context) error
}

type schedules interface {
	CreateSchedule(ctx context.Context, s galen.Schedule) (galen.Schedule, error)
	Schedules(ctx context.Context) ([]galen.Schedule, error)
	DueSchedules(ctx context.Context) ([]galen.Schedule, time.Time, error)
	Fire(ctx context.Context, s galen.Schedule, f galen.Firing, next time.Time, run *galen.Run) (galen.Firing, bool, error)
	changes
}

type changes interface { // of schedules
	PauseSchedule(ctx context.Context, name, by, why string) (galen.Schedule, error)
	ResumeSchedule(ctx context.Context, name string, next time.Time, by string) (galen.Schedule, error)
	DeleteSchedule(ctx context.Context, name, by string) error
}

type epochs interface {
	Epoch(ctx context.Context) (journal.Epoch, error)
	Disarm(ctx context.Context, why string) error
	Rearm(ctx context.Context, by, why string) (journal.Epoch, error)
}

// beats is a journal that proves that it can be written.
type beats interface {
	CanWrite(ctx context.Context) error
}

type shared interface {
	Identity(ctx context.Context, proposed string) (string, error)
	Join(ctx context.Context, e journal.Engine, ttl time.Duration) error
	Leave(ctx context.Context, e journal.Engine) error
	Engines(ctx context.Context) ([]string, error)
	Lease(ctx context.Context, e journal.Engine, shards []string, ttl time.Duration) ([]string, error)
}

type quarantined interface {
	epochs
	shared
	Resume(ctx context.Context, id, why string) error
	Quarantines(ctx context.Context) ([]galen.Quarantine, error)
	ClearQuarantine(ctx context.Context, runbook, by, why string) error
}

type watched interface {
	Folded(ctx context.Context, r galen.Resource) ([]byte, error)
	SaveFolded(ctx context.Context, r galen.Resource, body []byte, basis string, onto []byte) error
	Findings(ctx context.Context, r galen.Resource) ([]galen.Finding, error)
	SaveFindings(ctx context.Context, r galen.Resource, now []galen.Finding) (news, gone []galen.Finding, err error)
}

type owing interface {
	Abandoned(ctx context.Context, r galen.Resource) ([]galen.Debt, []galen.Duty, error)
	configured
	kept
}

type configured interface {
	Configure(ctx context.Context, c journal.Configuration, author string) error
	Configuration(ctx context.Context) (journal.Configuration, error)
	Counts(ctx context.Context) (string, error)
}

type kept interface {
	SaveVitals(ctx context.Context, r galen.Resource, samples []galen.Sample) error
	Vitals(ctx context.Context, r galen.Resource, since time.Time) ([]galen.Sample, error)
	SetResource(ctx context.Context, r galen.Resource, policyJSON []byte, author string) error
	Resources(ctx context.Context) ([]journal.WatchedResource, error)
}

type alertRows interface {
	Alerts(ctx context.Context, f journal.AlertFilter) ([]journal.Alert, error)
	Alert(ctx context.Context, id string) (journal.Alert, error)
}

type inbox interface {
	StoreAlerts(ctx context.Context, alerts ...journal.Alert) ([]journal.Kept, error)
	PendingAlerts(ctx context.Context, after int64, limit int) ([]journal.Alert, error)
	CountPendingAlerts(ctx context.Context, limit int) (int, error)
	AlertsDone(ctx context.Context, ends ...journal.AlertEnd) error
}

type boxes interface {
	inbox
	alertRows
	Outbox(ctx context.Context, limit int) ([]journal.OutboxItem, error)
	OutboxDone(ctx context.Context, ids ...int64) error
}

type lines interface {
	OutboxSignal() <-chan struct{}
	Append(ctx context.Context, e galen.Event) error
	Events(ctx context.Context, f journal.EventFilter) ([]galen.Event, error)
}

type engineSide interface {
	runs
	decisions
	acts
	watched
	owing
}

type tokens interface {
	CreateToken(ctx context.Context, t galen.Token, hash string) (galen.Token, error)
	Token(ctx context.Context, hash string) (galen.Token, time.Time, error)
	Tokens(ctx context.Context) ([]galen.Token, error)
	RevokeToken(ctx context.Context, name, by string) error
	secrets
}

type secrets interface {
	PeopleLogIn(ctx context.Context) error
	TokenHashes(ctx context.Context) ([]string, error)
}

type named interface {
	tokens
	approvals
	schedules
}

type peopleSide interface {
	named
	switches
	quarantined
	boxes
	lines
}

type store interface {
	engineSide
	peopleSide
}

// clock is a clock that a test sets; every reading is a little later than the one before.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 2, 28, 23, 59, 0, 0, time.UTC)}
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *clock) skip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// opener opens an empty store on a clock, closed and verified when the test ends.
type opener func(t *testing.T, c *clock) store

func TestContractSQLite(t *testing.T) {
	Contract(t, func(t *testing.T, c *clock) store {
		path := filepath.Join(t.TempDir(), "journal.db")
		s, err := journal.Open(t.Context(), path, journal.Options{Now: c.read})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			sound(t, path)
		})
		return s
	})
}

func TestContractMemory(t *testing.T) {
	Contract(t, func(t *testing.T, c *clock) store {
		s, err := journal.OpenMemory(t.Context(), journal.Options{Now: c.read})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	})
}

// sound fails the test when the journal does not verify.
func sound(t *testing.T, path string) {
	t.Helper()
	report, err := journal.Verify(context.Background(), path)
	if err != nil || !report.OK() {
		t.Errorf("verify: %v, faults: %+v", err, report.Faults)
	}
}

// Contract is what every store of the journal holds.
func Contract(t *testing.T, open opener) {
	for _, c := range []struct {
		name string
		test func(*testing.T, world)
	}{
		{"events are those of a time and of a span of numbers", testEventSpan},
		{"a run is opened once per key", testOpenRun},
		{"of two requests at once for one target one opens a run", testOpenAlone},
		{"runs are listed", testRuns},
		{"a status is set", testSetRun},
		{"verified is what was looked at lately", testVerifyRun},
		{"a run is stopped", testStop},
		{"a run yields and goes on", testYield},
		{"a thousand duplicates are one run", testThousandDuplicates},
		{"a plan is numbered and counted", testDecide},
		{"a plan is known as it was shown", testShown},
		{"a run that is held for something else pages anew", testHeldAnew},
		{"a plan is cited with its status, whoever moved the run", testMovedMeanwhile},
		{"a decision does not overwrite what a person did meanwhile", testDecideMoved},
		{"nor does a denial", testHoldMoved},
		{"what a run suggests is kept, with an event", testSuggestion},
		{"a state is stored and pruned", testStates},
		{"an intent is committed", testCommit},
		{"the intents of a run are listed", testIntentList},
		{"a commit is refused", testRefusals},
		{"a thing is one under all its names", testNames},
		{"a refused commit leaves nothing", testNothingLeft},
		{"whatever a step depends on raises a revision", testRevisions},
		{"claims live as long as they are needed", testClaims},
		{"a call has one outcome", testOutcome},
		{"an effect settles once", testSettle},
		{"a fact is kept", testFactKept},
		{"a refusal repeated counts", testRefused},
		{"an approval is used, voided, rejected", testApprovals},
		{"approvals are listed with what became of each", testApprovalList},
		{"several people say yes", testPeople},
		{"a yes that ends says what moved", testMoved},
		{"of yeses at once each joins those before", testRacePeople},
		{"a yes re-arms a held run at once, and no older one does", testApproveRearms},
		{"a yes without steps counts until it expires", testEmptyYes},
		{"an effect re-bases the yes of its run", testRebase},
		{"a hold holds until a person releases it", testHolds},
		{"a token counts until it is revoked or past its end", testTokens},
		{"of several tokens of one name one is made", testRaceToken},
		{"a schedule fires until it is paused or deleted", testSchedules},
		{"what its author may no longer do is refused", testScheduleAuthor},
		{"of several engines one fires", testRaceSchedule},
		{"a recovery is acknowledged", testRecoveries},
		{"an acknowledgement is pruned when no recovery is as old", testAcksPruned},
		{"a runbook that fails on two targets is in quarantine", testQuarantine},
		{"what a run waited for in vain has failed once somebody has looked", testQuarantineInVain},
		{"each resource counts by its own window what failed", testQuarantineWindows},
		{"a yes that is outdated has ended", testOutdated},
		{"what was missed while the machine was off has not failed", testDowntimeIsNoFailure},
		{"failures far apart, undone or of other verbs are none alike", testNoQuarantine},
		{"calls are let go one after the other", testRate},
		{"a journal in doubt observes only until a person re-arms it", testEpoch},
		{"an epoch begins above all fences before it", testFences},
		{"fences rise over all names on a resource", testFenceNames},
		{"a refusal is counted until it is forgotten", testForgotten},
		{"shards are leased to the living", testLeases},
		{"engines that share a journal are told apart", testEngines},
		{"findings come and go", testFindings},
		{"what runs that have ended owe is told", testAbandoned},
		{"the folded state is overwritten by what was folded onto it", testFolded},
		{"engines fold onto each other", testFoldedRace},
		{"vitals are a ring", testVitals},
		{"a policy change is an event", testResources},
		{"the newest configuration counts", testConfiguration},
		{"an alert is stored once", testAlerts},
		{"the alerts of a call are stored together", testAlertsTogether},
		{"an alert that comes with its end waits for nobody", testSettledAlerts},
		{"an alert that fires anew after its end is dealt with anew", testFiresAnew},
		{"so is one whose end came with it", testFiresAnewAtOnce},
		{"an alert that comes again waits from then on", testWaitsAnew},
		{"an alert that fires anew is among the newest", testIsAmongTheNewest},
		{"alerts are listed", testAlertList},
		{"the outbox is urgent first", testUrgentFirst},
		{"the outbox is emptied", testOutbox},
		{"events are listed", testEvents},
		{"two runs race for a target", testRaceTarget},
		{"two runs race for a claim", testRaceClaim},
		{"runs race for a budget", testRaceBudget},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			c.test(t, world{store: open(t, clock), clock: clock})
		})
	}
}

// world is a store with short ways to say the usual things.
type world struct {
	store
	clock *clock
}

func ring() galen.Resource  { return galen.Resource{Kind: "cassandra", Name: "lab"} }
func other() galen.Resource { return galen.Resource{Kind: "cassandra", Name: "other"} }

func (w world) open(t *testing.T, key string) galen.Run {
	t.Helper()
	return w.openOn(t, key, ring())
}

func (w world) openOn(t *testing.T, key string, r galen.Resource) galen.Run {
	t.Helper()
	run, opened, err := w.OpenRun(t.Context(), galen.Run{
		Key: key, Resource: r, Runbook: "cassandra/heal-node", Version: 1, Asked: "person ann", Urgency: galen.Medium,
		Params: []byte(`{"a": 1}`), Deadline: w.clock.read().Add(time.Hour),
	})
	if err != nil || !opened {
		t.Fatalf("open %s: opened %t, %v", key, opened, err)
	}
	return run
}

func stop(target string) galen.Step {
	return galen.Step{Verb: "stop", Why: "it is stuck", Target: galen.Target{ID: target, Generation: 7}, Within: galen.Duration(time.Minute)}
}

func claims(names ...string) []galen.Claim {
	var out []galen.Claim
	for _, n := range names {
		out = append(out, galen.Claim{Name: n})
	}
	return out
}

// commitOf is a commit of a run on a target as the gate would make it from a fresh ledger.
func (w world) commitOf(t *testing.T, run galen.Run, target string, taken ...galen.Claim) galen.Commit {
	t.Helper()
	l, err := w.Ledger(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	touched := []string{target}
	for _, c := range taken {
		if id := c.Target(); id != "" && id != target {
			touched = append(touched, id)
		}
	}
	return galen.Commit{
		Intent:   galen.Intent{Run: run.ID, Step: stop(target), Class: galen.Disruptive, Basis: "b1"},
		Revision: l.Revision, Account: l.Account, Claims: taken, Touched: touched, State: "s1",
		Verdicts: []galen.Verdict{{Guard: "I-02 quorum", Answer: galen.Allow, Why: "2 of 3 stay"}},
	}
}

func (w world) commit(t *testing.T, run galen.Run, target string, taken ...galen.Claim) galen.Intent {
	t.Helper()
	in, err := w.Commit(t.Context(), w.commitOf(t, run, target, taken...))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (w world) settle(t *testing.T, in galen.Intent, status galen.EffectStatus) {
	t.Helper()
	err := w.Settle(t.Context(), in.Run, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: status}}})
	if err != nil {
		t.Fatal(err)
	}
}

func (w world) ledger(t *testing.T, run galen.Run) galen.Ledger {
	t.Helper()
	l, err := w.Ledger(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// count is how many events of a kind there are.
func (w world) count(t *testing.T, kind galen.EventKind) int {
	t.Helper()
	events, err := w.Events(t.Context(), journal.EventFilter{Kind: kind, Limit: 10000})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}
