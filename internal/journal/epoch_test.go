package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func testEpoch(t *testing.T, w world) {
	run, held := w.open(t, "k"), w.open(t, "held")
	must(t, w.SetRun(t.Context(), run.ID, galen.RunWaiting, "for the world", time.Time{}))
	must(t, w.SetRun(t.Context(), held.ID, galen.RunHeld, "for a reason of its own", time.Time{}))
	refusedRun := w.open(t, "refused meanwhile")
	must(t, w.SetRun(t.Context(), refusedRun.ID, galen.RunWaiting, "for the world", time.Time{}))
	ended := w.open(t, "ended")
	must(t, w.SetRun(t.Context(), ended.ID, galen.RunVerified, "well", time.Time{}))
	w.approve(t, run, "yes", galen.ApprovedStep{Verb: "stop", Target: "a", Count: 1})
	opened := w.open(t, "opened") // it has decided nothing: there is nothing to hold, and what it will want is refused
	must(t, w.Disarm(t.Context(), "the clock jumped"))
	must(t, w.Disarm(t.Context(), "again")) // changes nothing
	_, err := w.Commit(t.Context(), w.commitOf(t, opened, "a"))
	refused(t, err, galen.ErrDisarmed)
	e, err := w.Epoch(t.Context())
	must(t, err)
	equal(t, "why", e.Why, "the clock jumped")
	l := w.ledger(t, run)
	equal(t, "status", l.Run.Status, galen.RunHeld)
	if l.Approval != nil {
		t.Error("the yes of before counts still")
	}
	for _, text := range []string{l.Observe, l.Run.Why} {
		if !strings.HasPrefix(text, "observe only: the clock jumped") || !strings.Contains(text, "galen rearm") {
			t.Errorf("told: %q", text)
		}
	}
	must(t, w.Reject(t.Context(), refusedRun.ID, "ann", "do not touch it"))
	yes := galen.Approval{Run: run.ID, By: "ann", Expires: w.clock.read().Add(time.Hour)}
	refused(t, w.Approve(t.Context(), yes), galen.ErrDisarmed) // it would be to what was before the re-arming
	fresh := w.open(t, "fresh")                                // it may look and plan
	_, err = w.Commit(t.Context(), w.commitOf(t, fresh, "a"))
	refused(t, err, galen.ErrDisarmed)
	if _, err := w.Rearm(t.Context(), "", "why"); err == nil {
		t.Error("re-armed by nobody")
	}
	e, err = w.Rearm(t.Context(), "ann", "looked at it")
	must(t, err)
	equal(t, "epoch", e.Number, 2)
	if _, err := w.Rearm(t.Context(), "ann", "twice"); err == nil {
		t.Error("re-armed twice")
	}
	for id, want := range map[string]galen.RunStatus{run.ID: galen.RunRunning, held.ID: galen.RunHeld, refusedRun.ID: galen.RunHeld, ended.ID: galen.RunVerified, opened.ID: galen.RunOpened} {
		got, err := w.Run(t.Context(), id)
		must(t, err)
		equal(t, "status", got.Status, want)
	}
	items, err := w.Outbox(t.Context(), 100)
	must(t, err)
	var woken []string
	for _, item := range items[len(items)-5:] {
		woken = append(woken, item.Kind+" "+item.Key)
	}
	equal(t, "woken", strings.Join(woken, ", "), "wake k, wake held, wake refused meanwhile, wake opened, wake fresh")
	if l := w.ledger(t, run); l.Approval != nil {
		t.Errorf("a yes from before the re-arming counts: %+v", l.Approval)
	}
	w.commit(t, fresh, "a")
	must(t, w.Approve(t.Context(), yes))
	equal(t, "disarmed", w.count(t, galen.EventDisarmed), 1)
	equal(t, "re-armed", w.count(t, galen.EventRearmed), 1)
}

// testFences: the fences of a journal that was restored are below what the hosts have seen, until a person has begun an epoch: from
// then on they are above, and those of a new journal are from the start.
func testFences(t *testing.T, w world) {
	run := w.open(t, "k")
	fence := func(target string) int64 {
		t.Helper()
		in := w.commit(t, run, target)
		w.settle(t, in, galen.EffectDone)
		return in.Fence
	}
	first := fence("a")
	equal(t, "counts on", fence("a"), first+1)
	w.clock.skip(time.Hour)
	equal(t, "counts on", fence("a"), first+2)
	must(t, w.Disarm(t.Context(), "restored from an old backup"))
	w.clock.skip(time.Hour)
	hosts := w.clock.read().UnixMilli() // no earlier journal can have given more by now
	_, err := w.Rearm(t.Context(), "ann", "looked at it")
	must(t, err)
	w.clock.skip(time.Hour)
	again := fence("a")
	if again <= hosts {
		t.Errorf("fence %d in the new epoch, the hosts may have seen %d", again, hosts)
	}
	equal(t, "counts on", fence("a"), again+1)
	if b := fence("b"); b <= hosts {
		t.Errorf("fence %d of another target, the hosts may have seen %d", b, hosts)
	}
}

// testFenceNames: one host gets the orders for a node, for the instance under it, and for the node whose place it takes, and keeps one
// highest fence. So each is above all before it, under whatever name, and is kept under all names of its target.
func testFenceNames(t *testing.T, w world) {
	run := w.open(t, "k")
	var last int64
	for _, names := range [][]string{
		{"instance/n7"}, {"host-7", "instance/n7"}, {"instance/n7"}, {"host-1", "instance/n1"}, {"instance/n7"}, {"host-1", "instance/n1"},
		{"host-8", "instance/n7"}, {"host-7"}, {"instance/n7"},
	} {
		w.clock.skip(time.Hour)
		c := w.commitOf(t, run, names[0])
		c.Intent.Also = names[1:]
		in, err := w.Commit(t.Context(), c)
		must(t, err)
		if in.Fence <= last {
			t.Errorf("%v has fence %d after %d", names, in.Fence, last)
		}
		fences := w.ledger(t, run).Fences
		for _, name := range names {
			equal(t, "fence of "+name, fences[name], in.Fence)
		}
		last = in.Fence
		w.settle(t, in, galen.EffectDone)
	}
	elsewhere := w.openOn(t, "elsewhere", other())
	in := w.commit(t, elsewhere, "instance/n7")
	equal(t, "the first on another resource is the time", in.Fence, in.At.UnixMilli())
	w.settle(t, in, galen.EffectDone)
	equal(t, "and counts by itself", w.commit(t, elsewhere, "instance/n7").Fence, in.Fence+1)
}

// doubtful is a journal in a file with its witness.
type doubtful struct {
	path string
	opts journal.Options
}

func newDoubtful(t *testing.T, c *clock) doubtful {
	dir := t.TempDir()
	return doubtful{path: filepath.Join(dir, "journal.db"), opts: journal.Options{Now: c.read, Witness: filepath.Join(dir, "witness"), Engine: "e1"}}
}

func (d doubtful) open(t *testing.T) *journal.Store {
	t.Helper()
	s, err := journal.Open(t.Context(), d.path, d.opts)
	must(t, err)
	return s
}

func whyOf(t *testing.T, s *journal.Store) string {
	t.Helper()
	e, err := s.Epoch(t.Context())
	must(t, err)
	if e.Armed {
		return "armed"
	}
	return e.Why
}

// TestAnOldBackupObservesOnly: a journal without its newest event is never acted on.
func TestAnOldBackupObservesOnly(t *testing.T) {
	c := newClock()
	d := newDoubtful(t, c)
	s := d.open(t)
	w := world{store: s, clock: c}
	before := w.open(t, "before")
	must(t, s.SetRun(t.Context(), before.ID, galen.RunWaiting, "for the world", time.Time{}))
	must(t, s.Close())
	old, err := os.ReadFile(d.path)
	must(t, err)
	s = d.open(t) // nothing happened: nothing to doubt
	equal(t, "after a start", whyOf(t, s), "armed")
	w = world{store: s, clock: c}
	run := w.open(t, "after")
	must(t, s.Close())
	must(t, os.WriteFile(d.path, old, 0o600))
	s = d.open(t)
	if why := whyOf(t, s); !strings.Contains(why, "restored from an old backup") || !strings.Contains(why, "ends at event 2, event 3 was written") {
		t.Errorf("why: %s", why)
	}
	if _, err := s.Run(t.Context(), run.ID); !errors.Is(err, galen.ErrNotFound) {
		t.Fatalf("the backup is not that old: %v", err)
	}
	runs, err := s.Runs(t.Context(), journal.RunFilter{Status: galen.RunHeld})
	must(t, err)
	equal(t, "held", len(runs), 1)
	must(t, s.Close())
	s = d.open(t) // a start is no re-arming
	if whyOf(t, s) == "armed" {
		t.Error("armed by a start")
	}
	_, err = s.Rearm(t.Context(), "ann", "looked")
	must(t, err)
	must(t, s.Close())
	s = d.open(t)
	equal(t, "re-armed", whyOf(t, s), "armed")
	must(t, s.Close())
	sound(t, d.path)
}

func TestAnotherJournalObservesOnly(t *testing.T) {
	c := newClock()
	d := newDoubtful(t, c)
	s := d.open(t)
	w := world{store: s, clock: c}
	w.open(t, "one")
	must(t, s.Close())
	must(t, os.Remove(d.path))
	other := d
	other.opts.Witness = ""
	s = other.open(t)
	w = world{store: s, clock: c}
	w.open(t, "two")
	w.open(t, "three")
	must(t, s.Close())
	s = d.open(t)
	if why := whyOf(t, s); !strings.Contains(why, "another journal than before") {
		t.Errorf("why: %s", why)
	}
	must(t, s.Close())
	must(t, os.WriteFile(d.opts.Witness, []byte("rubbish"), 0o600))
	if s, err := journal.Open(t.Context(), d.path, d.opts); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a damaged witness is believed: %v %v", s, err)
	}
}

// TestAClockThatJumpsObservesOnly: while it runs by the monotonic clock, at a start by the newest event.
func TestAClockThatJumpsObservesOnly(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			c := newClock()
			d := newDoubtful(t, c)
			start := c.read()
			stepped := time.Duration(0)
			d.opts.Mono = func() time.Duration { return c.read().Sub(start) - stepped }
			s := d.open(t)
			w := world{store: s, clock: c}
			run := w.open(t, "k")
			c.skip(5 * time.Hour) // both clocks go on
			w.open(t, "later")
			equal(t, "time passes", whyOf(t, s), "armed")
			stepped += jump
			c.skip(jump)
			_, err := s.Commit(t.Context(), w.commitOf(t, run, "a"))
			if !errors.Is(err, galen.ErrMoved) && !errors.Is(err, galen.ErrDisarmed) {
				t.Errorf("committed: %v", err)
			}
			if why := whyOf(t, s); !strings.Contains(why, "the clock jumped by "+jump.String()) {
				t.Errorf("why: %s", why)
			}
			must(t, s.Close())
			sound(t, d.path)
		})
	}
	c := newClock()
	d := newDoubtful(t, c)
	s := d.open(t)
	w := world{store: s, clock: c}
	w.open(t, "k")
	must(t, s.Close())
	c.skip(-time.Hour)
	s = d.open(t)
	if why := whyOf(t, s); !strings.Contains(why, "the clock went back") {
		t.Errorf("why: %s", why)
	}
	must(t, s.Close())
}

// TestASlowTransactionIsNoJump: a disk that stalls for longer than the clock may jump.
func TestASlowTransactionIsNoJump(t *testing.T) {
	c := newClock()
	d := newDoubtful(t, c)
	start, ids := c.read(), 0
	d.opts.Mono = func() time.Duration { return c.read().Sub(start) }
	d.opts.NewID = func(time.Time) string { // within the transaction
		c.skip(30 * time.Second)
		ids++
		return fmt.Sprint("id-", ids)
	}
	s := d.open(t)
	w := world{store: s, clock: c}
	for _, key := range []string{"a", "b", "c"} {
		w.open(t, key)
	}
	equal(t, "three slow ones", whyOf(t, s), "armed")
	must(t, s.Close())
}

// TestARefusedRequestLeavesNothing: also where the transaction goes on, because it found the clock in doubt.
func TestARefusedRequestLeavesNothing(t *testing.T) {
	c := newClock()
	d := newDoubtful(t, c)
	start, stepped := c.read(), time.Duration(0)
	d.opts.Mono = func() time.Duration { return c.read().Sub(start) - stepped }
	s := d.open(t)
	w := world{store: s, clock: c}
	run := w.open(t, "k")
	in := w.commit(t, run, "a")
	stepped = time.Hour
	c.skip(stepped)
	done := galen.Effect{Status: galen.EffectDone}
	err := s.Settle(t.Context(), run.ID, []galen.Settlement{{Intent: in.ID, Effect: done}, {Intent: "nobody's", Effect: done}})
	refused(t, err, galen.ErrNotFound)
	if why := whyOf(t, s); !strings.Contains(why, "the clock jumped") {
		t.Errorf("why: %s", why)
	}
	open, err := s.OpenIntents(t.Context(), ring())
	must(t, err)
	equal(t, "open intents", len(open), 1)
	must(t, s.Close())
	sound(t, d.path)
}

// TestTwoEnginesOnOneFile: the lock on the data directory can be got around; then neither acts.
func TestTwoEnginesOnOneFile(t *testing.T) {
	c := newClock()
	d := newDoubtful(t, c)
	d.opts.Witness = ""
	one := d.open(t)
	w1 := world{store: one, clock: c}
	run := w1.open(t, "k")
	d.opts.Engine = "e2"
	two := d.open(t)
	w2 := world{store: two, clock: c}
	before := w2.commitOf(t, run, "a")
	// The one that was there first cannot act any more, and its attempt stops the other.
	_, err := one.Commit(t.Context(), w1.commitOf(t, run, "a"))
	if !errors.Is(err, galen.ErrMoved) && !errors.Is(err, galen.ErrDisarmed) {
		t.Errorf("the first still acts: %v", err)
	}
	if _, err := two.Commit(t.Context(), before); !errors.Is(err, galen.ErrDisarmed) {
		t.Errorf("the second still acts: %v", err)
	}
	for _, s := range []*journal.Store{one, two} {
		if why := whyOf(t, s); !strings.Contains(why, "two engines write the same journal") {
			t.Errorf("why: %s", why)
		}
	}
	must(t, one.Close())
	_, err = two.Rearm(t.Context(), "ann", "stopped the other")
	must(t, err)
	w2.commit(t, run, "a")
	must(t, two.Close())
	sound(t, d.path)
}
