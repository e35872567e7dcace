package activities_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/activities/fake"
)

// rebooting is a clinic with a run that has just rebooted db-2.
func rebooting(t *testing.T) (*clinic, galen.Run) {
	c := newClinic(t, galen.ModeAct)
	run := c.open("k", "fake/heal", "db-2", nil)
	c.cloud.Crash("db-2", false)
	c.decide(run, fake.APILag, galen.RunWaiting, "")
	c.decide(run, c.policy.DownFor.D(), galen.RunWaiting, "")
	c.act(run, c.decide(run, c.policy.RestartAfter.D(), galen.RunRunning, "a reboot is the cheapest cure"))
	return c, run
}

// newRelease is the next version of a runbook, as another release of the engine has it.
func (c *clinic) newRelease(runbook string) {
	rb := c.books[runbook]
	rb.Version++
	c.books[runbook] = rb
}

// TestAVerbThatThisEngineLacks: the effect of an intent is not guessed; the release that knows the verb goes on after a yes.
func TestAVerbThatThisEngineLacks(t *testing.T) {
	c, run := rebooting(t)
	reboot := c.kind.Verbs[fake.VerbReboot]
	delete(c.kind.Verbs, fake.VerbReboot)
	for range 2 {
		if d := c.decide(run, time.Minute, galen.RunHeld, `does not know the verb "reboot" of the intent`); d.Steps != 0 || d.Done {
			t.Errorf("decided %+v", d)
		}
	}
	if in := c.ledger(run).Past[0]; in.Effect.Settled() {
		t.Errorf("guessed: %+v", in.Effect)
	}
	c.kind.Verbs[fake.VerbReboot] = reboot
	c.approve(run)
	if d := c.decide(run, time.Minute, galen.RunWaiting, "all instances serve"); !d.Done || d.Final != galen.RunVerified || c.calls() != 1 {
		t.Errorf("decided %+v after %d calls", d, c.calls())
	}
}

// TestARunOfAnotherReleaseGoesOnWhereItCan: it is held here, and verified by the release that has its version.
func TestARunOfAnotherReleaseGoesOnWhereItCan(t *testing.T) {
	c, run := rebooting(t)
	c.newRelease("fake/heal")
	if got := c.acts.Lacks(run); !strings.Contains(got, "version 1, this engine has version 2") {
		t.Errorf("lacks %q", got)
	}
	c.must(c.acts.HoldForeign(t.Context(), c.run(run.ID)))
	c.decide(run, time.Minute, galen.RunHeld, "version 1, this engine has version 2")
	heal := galen.ListRunbook(fake.Heal())
	c.books[heal.Name] = heal
	c.must(c.acts.HoldForeign(t.Context(), c.run(run.ID))) // nothing is lacking
	c.approve(run)
	if d := c.decide(run, time.Minute, galen.RunWaiting, "all instances serve"); !d.Done || d.Final != galen.RunVerified || c.calls() != 1 {
		t.Errorf("decided %+v after %d calls", d, c.calls())
	}
}

// TestCancelEndsARunOfAnotherRelease, but not before its last effect is known, and never by guessing.
func TestCancelEndsARunOfAnotherRelease(t *testing.T) {
	end := func(c *clinic, run galen.Run, want bool, status galen.RunStatus, why string) {
		c.Helper()
		ended, err := c.acts.EndForeign(c.Context(), c.run(run.ID))
		c.must(err)
		if got := c.run(run.ID); ended != want || got.Status != status || !strings.Contains(got.Why, why) {
			c.Errorf("ended %v, %s (%s); want %v, %s with %q", ended, got.Status, got.Why, want, status, why)
		}
	}
	t.Run("with nothing under way", func(t *testing.T) {
		c := newClinic(t, galen.ModeAct)
		run := c.open("k", "fake/strange", "db-1", nil)
		c.must(c.acts.HoldForeign(t.Context(), run))
		end(c, run, true, galen.RunCancelled, `does not know the runbook "fake/strange"`)
	})
	t.Run("of a kind that is unknown here", func(t *testing.T) {
		c := newClinic(t, galen.ModeAct)
		run := c.open("k", "strange/heal", "x", func(r *galen.Run) { r.Resource.Kind = "strange" })
		end(c, run, true, galen.RunCancelled, `does not know the kind "strange"`)
	})
	t.Run("with an effect that is open, then settled", func(t *testing.T) {
		c, run := rebooting(t)
		c.newRelease("fake/heal")
		end(c, run, false, galen.RunHeld, "cancelled, but the effect of reboot")
		c.cloud.Advance(time.Minute)
		end(c, run, true, galen.RunCancelled, "no effect of it is open")
		if in := c.ledger(run).Past[0]; in.Effect.Status != galen.EffectDone || c.calls() != 1 {
			t.Errorf("%+v after %d calls", in.Effect, c.calls())
		}
	})
	t.Run("with an effect that nobody here can judge", func(t *testing.T) {
		c, run := rebooting(t)
		c.newRelease("fake/heal")
		delete(c.kind.Verbs, fake.VerbReboot)
		c.cloud.Advance(time.Hour)
		end(c, run, false, galen.RunHeld, `does not know the verb "reboot"`)
	})
}

// TestCancelEndsARunWhoseRunbookIsAtFault, whether that is known already or panics only now; but not before its last
// effect is known.
func TestCancelEndsARunWhoseRunbookIsAtFault(t *testing.T) {
	panics := func(c *clinic) {
		rb := c.books["fake/heal"]
		rb.Decide = func(galen.Situation[galen.State, json.RawMessage]) (galen.Plan, error) { panic("no way out") }
		c.books[rb.Name] = rb
	}
	ends := func(c *clinic, run galen.Run, after time.Duration) {
		c.Helper()
		if d := c.decide(run, after, galen.RunCancelled, "no effect of it is open"); !d.Ended || d.Steps != 0 {
			c.Errorf("decided %+v", d)
		}
		if !strings.Contains(c.run(run.ID).Why, "no way out") {
			c.Errorf("the reason is lost: %s", c.run(run.ID).Why)
		}
	}
	t.Run("at fault already", func(t *testing.T) {
		c := newClinic(t, galen.ModeAct)
		panics(c)
		run := c.open("k", "fake/heal", "db-1", nil)
		c.decide(run, 0, galen.RunHeld, "panicked: no way out")
		c.must(c.store.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"))
		ends(c, run, 0)
	})
	t.Run("found at fault only then", func(t *testing.T) {
		c := newClinic(t, galen.ModeAct)
		panics(c)
		run := c.open("k", "fake/heal", "db-1", nil)
		c.must(c.store.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"))
		ends(c, run, 0)
	})
	t.Run("with an effect that is open, then unseen, then settled", func(t *testing.T) {
		c, run := rebooting(t)
		panics(c)
		c.must(c.store.Stop(t.Context(), run.ID, galen.StopCancel, "ada", "because"))
		c.decide(run, 0, galen.RunHeld, "cancelled, but the effect of reboot")
		c.dark = errors.New("no route to host")
		c.decide(run, time.Minute, galen.RunHeld, "cancelled, but the effect of reboot")
		c.dark = nil
		ends(c, run, 0)
		if in := c.ledger(run).Past[0]; in.Effect.Status != galen.EffectDone || c.calls() != 1 {
			t.Errorf("%+v after %d calls", in.Effect, c.calls())
		}
	})
}

// TestWhatAnEngineServes: only what it has whole, the runbook and its kind.
func TestWhatAnEngineServes(t *testing.T) {
	heal := galen.ListRunbook(fake.Heal())
	c := activities.Catalogue{
		Kinds:    map[string]galen.ListedKind{fake.KindName: {}},
		Runbooks: map[string]galen.ListedRunbook{heal.Name: heal, "rds/heal": {Name: "rds/heal", Version: 4}},
	}
	if got := c.Serves(); !slices.Equal(got, []string{"fake/heal@1"}) {
		t.Errorf("serves %q", got)
	}
	if got := activities.Needs("rds/heal", 4); got != "rds/heal@4" {
		t.Errorf("needs %q", got)
	}
}
