package galen

import (
	"testing"
	"time"
)

// TestFateOfAYes: what became of an approval that nobody ended, and when.
func TestFateOfAYes(t *testing.T) {
	given := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return given.Add(time.Duration(minutes) * time.Minute) }
	yes := Approval{At: given, Expires: at(30), Steps: []ApprovedStep{{Verb: "stop", Target: "a", Count: 1}, {Verb: "start", Target: "a", Count: 1}}}
	in := func(verb string, minute int, effect EffectStatus) Intent {
		return Intent{Step: Step{Verb: verb, Target: Target{ID: "a"}}, At: at(minute), Effect: Effect{Status: effect}}
	}
	both := []Intent{in("stop", 1, EffectDone), in("start", 2, EffectUnderWay)}
	ended := Run{Ended: at(20)}
	for name, c := range map[string]struct {
		run  Run
		next time.Time
		past []Intent
		now  time.Time
		want ApprovalState
		end  time.Time
	}{
		"it stands":                            {now: at(10), want: ApprovalStands},
		"half of it is used":                   {past: both[:1], now: at(10), want: ApprovalStands},
		"all of it is used":                    {past: both, now: at(10), want: ApprovalUsed, end: at(2)},
		"what was absent gives it back":        {past: []Intent{in("stop", 1, EffectDone), in("start", 2, EffectAbsent)}, now: at(10), want: ApprovalStands},
		"an older intent uses nothing":         {past: []Intent{in("stop", -1, EffectDone), both[1]}, now: at(10), want: ApprovalStands},
		"its time is over":                     {past: both[:1], now: at(30), want: ApprovalExpired, end: at(30)},
		"used, and its time is over":           {past: both, now: at(40), want: ApprovalUsed, end: at(2)},
		"a newer one":                          {next: at(5), past: both[:1], now: at(10), want: ApprovalReplaced, end: at(5)},
		"used before a newer one":              {next: at(5), past: both, now: at(40), want: ApprovalUsed, end: at(2)},
		"what a newer one was spent on":        {next: at(1), past: both, now: at(10), want: ApprovalReplaced, end: at(1)},
		"a newer one after its time":           {next: at(35), now: at(40), want: ApprovalExpired, end: at(30)},
		"its run has ended":                    {run: ended, past: both[:1], now: at(40), want: ApprovalOver, end: at(20)},
		"replaced, and its run has ended":      {run: ended, next: at(5), now: at(40), want: ApprovalReplaced, end: at(5)},
		"its run ended after its time":         {run: Run{Ended: at(31)}, now: at(40), want: ApprovalExpired, end: at(30)},
		"used, and its run has ended":          {run: ended, past: both, now: at(40), want: ApprovalUsed, end: at(2)},
		"before a newer one":                   {next: at(5), past: both[:1], now: at(4), want: ApprovalStands},
		"before its run ended":                 {run: ended, past: both[:1], now: at(10), want: ApprovalStands},
		"just given, of a run that ended then": {run: Run{Ended: at(0)}, now: at(0), want: ApprovalOver, end: at(0)},
	} {
		if got, end := yes.Fate(c.run, c.next, c.past, c.now); got != c.want || !end.Equal(c.end) {
			t.Errorf("%s: %s at %s, want %s at %s", name, got, end, c.want, c.end)
		}
	}
	goOn := Approval{At: given, Expires: at(30)}
	if got, _ := goOn.Fate(Run{}, time.Time{}, both, at(10)); got != ApprovalStands {
		t.Errorf("nothing uses up a yes without steps: %s", got)
	}
}
