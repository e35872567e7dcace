package activities

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/gate"
)

func starts(situation) (galen.Plan, error) {
	return galen.Plan{Steps: []galen.Step{{Verb: "start", Target: galen.Target{ID: "n1"}, Within: galen.Duration(time.Minute), Why: "s"}}, Why: "s"}, nil
}

// TestTheLessUrgentYields: whoever holds what a more urgent run needs is asked to let it go; nobody else is, for no other reason.
func TestTheLessUrgentYields(t *testing.T) {
	held := func(run, name string, urgency galen.Urgency) galen.HeldClaim {
		return galen.HeldClaim{Claim: galen.Claim{Name: name}, Run: run, Urgency: urgency}
	}
	claims := galen.Verdict{Guard: gate.GuardClaims, Answer: galen.LookAgain, Why: "taken"}
	for _, c := range []struct {
		name    string
		verdict galen.Verdict
		held    []galen.HeldClaim
		want    []string
	}{
		{"the ring is taken", claims, []galen.HeldClaim{held("r2", "ring", galen.Low)}, []string{"r2 yield r1"}},
		{"the target is taken", claims, []galen.HeldClaim{held("r2", "node/n1", galen.Low)}, []string{"r2 yield r1"}},
		{"as urgent", claims, []galen.HeldClaim{held("r2", "ring", galen.High)}, nil},
		{"one of two", claims, []galen.HeldClaim{held("r2", "ring", galen.Critical), held("r3", "node/n1", galen.Medium)}, []string{"r3 yield r1"}},
		{"elsewhere", claims, []galen.HeldClaim{held("r2", "node/n7", galen.Low)}, nil},
		{"its own", claims, []galen.HeldClaim{held("r1", "ring", galen.Low)}, nil},
		{"another guard", galen.Verdict{Guard: "I-02 quorum", Answer: galen.LookAgain, Why: "x"}, []galen.HeldClaim{held("r2", "ring", galen.Low)}, nil},
		{"allowed", galen.Verdict{}, []galen.HeldClaim{held("r2", "ring", galen.Low)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ward()
			w.ledger.Run.Urgency, w.ledger.Run.Stop, w.ledger.Claims, w.verdict = galen.High, "", c.held, c.verdict
			if _, err := w.engine(kindWith(done), starts).Decide(t.Context(), DecideInput{Run: "r1"}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(w.stops, c.want) {
				t.Errorf("stops %q, want %q", w.stops, c.want)
			}
		})
	}
	w := ward()
	w.ledger.Run.Urgency, w.ledger.Run.Stop, w.verdict = galen.High, "", claims
	w.ledger.Claims = []galen.HeldClaim{held("r2", "ring", galen.Low)}
	for err, want := range map[error]bool{galen.ErrEnded: false, galen.ErrNotFound: false, errors.New("disk"): true} {
		w.errs["stop"] = err
		if _, got := w.engine(kindWith(done), starts).Decide(t.Context(), DecideInput{Run: "r1"}); (got != nil) != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// TestWhoYieldedGoesOn when the other one has ended, is lost, or waits for a person itself.
func TestWhoYieldedGoesOn(t *testing.T) {
	for status, resumed := range map[galen.RunStatus]bool{
		galen.RunRunning: false, galen.RunWaiting: false, galen.RunAsking: true,
		galen.RunHeld: true, galen.RunVerified: true, galen.RunCancelled: true,
	} {
		w := ward()
		w.ledger.Run.StopBy = "r9"
		w.others = map[string]galen.Run{"r9": {ID: "r9", Status: status}}
		if _, err := w.engine(kindWith(done), waits).Decide(t.Context(), DecideInput{Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(w.stops, "r1 resume"); got != resumed {
			t.Errorf("the other one is %s: resumed %t, want %t", status, got, resumed)
		}
	}
}

// TestTwoDoNotYieldToEachOther: a run that has yielded becomes the more urgent one on its way, and asks the other to yield to it.
func TestTwoDoNotYieldToEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		mine, other galen.Urgency
		stopBy      string
		resumed     bool
	}{
		"the other yields to this one":                {galen.Critical, galen.High, "r1", true},
		"both are as urgent by now":                   {galen.High, galen.High, "r1", true},
		"the other was the first, and is more urgent": {galen.High, galen.Critical, "r1", false},
		"the other yields to a third":                 {galen.Critical, galen.High, "r8", false},
	} {
		w := ward()
		w.ledger.Run.StopBy, w.ledger.Run.Urgency = "r9", c.mine
		w.others = map[string]galen.Run{"r9": {ID: "r9", Status: galen.RunWaiting, Urgency: c.other, Stop: galen.StopYield, StopBy: c.stopBy}}
		if _, err := w.engine(kindWith(done), waits).Decide(t.Context(), DecideInput{Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(w.stops, "r1 resume"); got != c.resumed {
			t.Errorf("%s: resumed %t, want %t", name, got, c.resumed)
		}
	}
}

// TestWhatEndsByItself does not use up the time that a step may be refused, and runs that a cut kept waiting come back apart.
func TestWhatEndsByItself(t *testing.T) {
	for guard, refused := range map[string]bool{gate.GuardHold: false, gate.GuardStorm: false, gate.GuardCalendar: false, gate.GuardRate: false, gate.GuardClaims: true} {
		w := ward()
		w.ledger.Run.Stop, w.verdict = "", galen.Verdict{Guard: guard, Answer: galen.LookAgain, Why: "x"}
		got, err := w.engine(kindWith(done), starts).Decide(t.Context(), DecideInput{Run: "r1"})
		if err != nil || got.Refused != refused || got.Wait <= 0 {
			t.Errorf("%s: %+v, %v", guard, got, err)
		}
		w.plan.Steps = []galen.Step{{Verb: "start", Target: galen.Target{ID: "n1"}}}
		acted, err := w.engine(kindWith(done), starts).Act(t.Context(), ActInput{Run: "r1"})
		if err != nil || acted.Refused != refused || acted.Wait <= 0 {
			t.Errorf("%s, by the gate alone: %+v, %v", guard, acted, err)
		}
	}
	const runs, least = 1000, 2 * time.Second
	seconds := map[int]int{}
	for i := range runs {
		pause := spread(galen.Run{ID: fmt.Sprint("run-", i), Urgency: galen.Medium}, night, least)
		if again := spread(galen.Run{ID: fmt.Sprint("run-", i), Urgency: galen.Medium}, night, least); pause < least || pause != again {
			t.Fatalf("run %d: %s, then %s", i, pause, again)
		}
		seconds[int(pause/time.Second)]++
	}
	for s, n := range seconds {
		if n > runs/5 {
			t.Errorf("%d of %d runs come back in second %d", n, runs, s)
		}
	}
	if spread(galen.Run{ID: "x", Urgency: galen.Critical}, night, least) > 2*least {
		t.Error("a critical run waits as long as the others")
	}
}
