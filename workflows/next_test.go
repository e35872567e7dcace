package workflows

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
)

func at(seconds int) time.Time { return time.Unix(1_800_000_000+int64(seconds), 0).UTC() }

func done(seconds int) Result {
	return Result{Decided: &activities.Decided{
		At: at(seconds), Plan: 1, Done: true, Final: galen.RunVerified, Looks: 3, HoldFor: galen.Duration(30 * time.Second), Why: "all good",
	}}
}

func waits(seconds int) Result {
	return Result{Decided: &activities.Decided{At: at(seconds), Wait: galen.Duration(time.Minute)}}
}

func steps(seconds, plan, n int) Result {
	return Result{Decided: &activities.Decided{At: at(seconds), Plan: plan, Steps: n, Wait: galen.Duration(time.Second)}}
}

func sent(seconds int) Result { return Result{Acted: &activities.Acted{At: at(seconds), Sent: true}} }

func refused(seconds int) Result {
	return Result{Acted: &activities.Acted{At: at(seconds), Refused: true, Wait: galen.Duration(2 * time.Second)}}
}

// with is a decision whose first step was done with it.
func with(first *activities.Acted, decided Result) Result {
	decided.Decided.First, decided.Decided.Lost = first, first == nil
	return decided
}

// play feeds results and returns the command after each.
func play(results ...Result) (RunState, []Command) {
	s, cmd := Next(RunState{Run: "r1"}, Result{})
	cmds := []Command{cmd}
	for _, r := range results {
		s, cmd = Next(s, r)
		cmds = append(cmds, cmd)
	}
	return s, cmds
}

func TestNext(t *testing.T) {
	slept := Result{Slept: true}
	cases := []struct {
		name    string
		results []Result
		want    []Do
	}{
		{"starts by looking", nil, []Do{DoDecide}},
		{"waits, then looks", []Result{waits(0), slept}, []Do{DoDecide, DoSleep, DoDecide}},
		{"two steps, then a look", []Result{steps(0, 1, 2), sent(1), sent(2)}, []Do{DoDecide, DoAct, DoAct, DoDecide}},
		{"a refused step voids the rest", []Result{steps(0, 1, 2), refused(1), slept}, []Do{DoDecide, DoAct, DoSleep, DoDecide}},
		{"an unknown outcome is looked at", []Result{steps(0, 1, 1), {Failed: true}}, []Do{DoDecide, DoAct, DoDecide}},
		{
			"an act that fails each time is not tried at the speed of a look",
			[]Result{steps(0, 1, 1), {Failed: true}, steps(1, 1, 1), {Failed: true}, slept, steps(3, 1, 1), {Failed: true}, slept, steps(9, 1, 1), sent(10)},
			[]Do{DoDecide, DoAct, DoDecide, DoAct, DoSleep, DoDecide, DoAct, DoSleep, DoDecide, DoAct, DoDecide},
		},
		{"the first step is done with its decision", []Result{with(sent(0).Acted, steps(0, 1, 2)), sent(2)}, []Do{DoDecide, DoAct, DoDecide}},
		{"the only step is done with its decision", []Result{with(sent(0).Acted, steps(0, 1, 1))}, []Do{DoDecide, DoDecide}},
		{"a first step that is refused with its decision voids the rest", []Result{with(refused(0).Acted, steps(0, 1, 2)), slept}, []Do{DoDecide, DoSleep, DoDecide}},
		{
			"a first step that is lost with its decision each time is not tried at the speed of a look",
			[]Result{with(nil, steps(0, 1, 1)), with(nil, steps(1, 1, 1)), slept, with(nil, steps(2, 1, 1)), slept, with(sent(9).Acted, steps(9, 1, 1)), with(nil, steps(10, 1, 1))},
			[]Do{DoDecide, DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoDecide, DoDecide},
		},
		{"failures back off", []Result{{Failed: true}, {Failed: true}, slept}, []Do{DoDecide, DoDecide, DoSleep, DoDecide}},
		{
			"verified after three looks over 30 s",
			[]Result{done(0), slept, done(15), slept, done(30), {Closed: &activities.Closed{}}},
			[]Do{DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoClose, DoFinish},
		},
		{
			"three looks too soon do not count",
			[]Result{done(0), slept, done(1), slept, done(2)},
			[]Do{DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoSleep},
		},
		{
			"a doubt starts the holding time anew",
			[]Result{done(0), slept, done(15), slept, waits(20), slept, done(30), slept, done(45)},
			[]Do{DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoSleep},
		},
		{"an ended run finishes", []Result{{Decided: &activities.Decided{Ended: true}}}, []Do{DoDecide, DoFinish}},
		{
			"a close whose answer was lost is repeated",
			[]Result{done(0), slept, done(15), slept, done(30), {Failed: true}, {Closed: &activities.Closed{}}},
			[]Do{DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoClose, DoClose, DoFinish},
		},
		{
			"a close that comes too late is proved anew, and not repeated when that fails",
			[]Result{done(0), slept, done(15), slept, done(30), {Failed: true}, {Closed: &activities.Closed{Stale: true}}, {Failed: true}, slept, done(7200), slept, done(7215), slept, done(7230)},
			[]Do{DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoClose, DoClose, DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoSleep, DoDecide, DoClose},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, cmds := play(c.results...)
			for i, cmd := range cmds {
				if cmd.Do != c.want[i] {
					t.Fatalf("command %d = %s, want %s", i, cmd.Do, c.want[i])
				}
			}
		})
	}
}

func TestHoldLooksLandAtTheEnd(t *testing.T) {
	_, cmds := play(done(0), Result{Slept: true}, done(15))
	if got := cmds[1].For; got != 15*time.Second {
		t.Errorf("first pause %s, want 15s", got)
	}
	if got := cmds[3].For; got != 15*time.Second {
		t.Errorf("second pause %s, want 15s", got)
	}
}

func TestRefusedSinceIsHandedOn(t *testing.T) {
	_, cmds := play(steps(0, 1, 1), refused(1), Result{Slept: true})
	if got := cmds[3].Decide.RefusedSince; !got.Equal(at(1)) {
		t.Errorf("refused since %s, want %s", got, at(1))
	}
	_, cmds = play(steps(0, 1, 1), refused(1), Result{Slept: true}, waits(2), Result{Slept: true})
	if got := cmds[len(cmds)-1].Decide.RefusedSince; !got.IsZero() {
		t.Errorf("refused since %s after another answer, want zero", got)
	}
	unseen := Result{Decided: &activities.Decided{At: at(3), Unseen: true, Wait: galen.Duration(time.Second)}}
	_, cmds = play(steps(0, 1, 1), refused(1), Result{Slept: true}, unseen, Result{Slept: true})
	if got := cmds[len(cmds)-1].Decide.RefusedSince; !got.Equal(at(1)) {
		t.Errorf("refused since %s after a look that saw nothing, want %s: it would never be too long", got, at(1))
	}
}

// TestARefusalThatOnlyTheGateGivesIsTold: the preview allows the step at each decision, the gate says look again each
// time. Every decision is told since when, over continued histories too, or no deadline would ever end it.
func TestARefusalThatOnlyTheGateGivesIsTold(t *testing.T) {
	s, cmd := Next(RunState{Run: "r1"}, Result{})
	now, told, looks := 0, time.Duration(0), 0
	for now < 7200 {
		var r Result
		switch cmd.Do {
		case DoDecide:
			looks++
			if since := cmd.Decide.RefusedSince; !since.IsZero() {
				told = at(now).Sub(since)
			}
			r = steps(now, 1, 1)
		case DoAct:
			r = refused(now)
		default:
			now += int(cmd.For / time.Second)
			r = Result{Slept: true}
			if looks%100 == 0 { // the history is too long: continued as new
				s, r = begin(s.Run, s.carried()), Result{}
			}
		}
		s, cmd = Next(s, r)
	}
	if told < 7190*time.Second {
		t.Errorf("after 2 h of refusals, %d looks, a decision was told of %s at most", looks, told)
	}
	s, cmd = Next(s, steps(now, 1, 1))
	if cmd.Do != DoAct {
		t.Fatalf("does %s", cmd.Do)
	}
	if _, cmd = Next(s, sent(now)); !cmd.Decide.RefusedSince.IsZero() {
		t.Errorf("refused since %s after a step was sent", cmd.Decide.RefusedSince)
	}
}

// Whatever comes back, a run acts only on the plan of its newest decision, in order, and closes only after enough
// looks in a row that said done.
func TestNextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, cmd := Next(RunState{Run: "r1"}, Result{})
		now, doneInRow := 0, 0
		var doneSince time.Time
		var allowed activities.Decided
		next := 0
		for range rapid.IntRange(1, 60).Draw(t, "length") {
			now += rapid.IntRange(0, 20).Draw(t, "pause")
			r := answer(t, cmd, now)
			if r.Decided != nil {
				allowed, next = *r.Decided, 0
				if first := r.Decided.First; first != nil && first.Sent {
					next = 1
				} else if first != nil || r.Decided.Lost {
					allowed.Steps = 0
				}
				if !r.Decided.Done {
					doneInRow = 0
				} else if doneInRow++; doneInRow == 1 {
					doneSince = r.Decided.At
				}
			} else if r.Failed && cmd.Do != DoClose || r.Closed != nil {
				doneInRow = 0
			}
			s, cmd = Next(s, r)
			switch cmd.Do {
			case DoAct:
				if cmd.Act.Plan != allowed.Plan || cmd.Act.Index != next || next >= allowed.Steps {
					t.Fatalf("acts on plan %d step %d, allowed are %d steps of plan %d, next is %d", cmd.Act.Plan, cmd.Act.Index, allowed.Steps, allowed.Plan, next)
				}
				next++
			case DoClose:
				if doneInRow < 3 || at(now).Sub(doneSince) < 30*time.Second {
					t.Fatalf("closes after %d looks over %s", doneInRow, at(now).Sub(doneSince))
				}
			case DoSleep:
				if cmd.For <= 0 {
					t.Fatalf("sleeps %s", cmd.For)
				}
			case DoFinish:
				return
			case DoDecide: // looking is always right
			}
		}
	})
}

func answer(t *rapid.T, cmd Command, now int) Result {
	if rapid.IntRange(0, 9).Draw(t, "fails") == 0 && cmd.Do != DoSleep {
		return Result{Failed: true}
	}
	switch cmd.Do {
	case DoDecide:
		switch rapid.IntRange(0, 3).Draw(t, "decision") {
		case 0:
			decided := steps(now, rapid.IntRange(1, 9).Draw(t, "plan"), rapid.IntRange(1, 3).Draw(t, "steps"))
			first := []*activities.Acted{sent(now).Acted, refused(now).Acted, nil}
			if n := rapid.IntRange(0, len(first)).Draw(t, "first"); n < len(first) {
				return with(first[n], decided)
			}
			return decided
		case 1:
			return waits(now)
		default:
			return done(now)
		}
	case DoAct:
		if rapid.Bool().Draw(t, "sent") {
			return sent(now)
		}
		return refused(now)
	case DoClose:
		return Result{Closed: &activities.Closed{Stale: rapid.Bool().Draw(t, "stale")}}
	default:
		return Result{Slept: true}
	}
}
