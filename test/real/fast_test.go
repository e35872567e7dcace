package real

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// seeded rows are in the fast ring before anything breaks.
const seeded = 500

// Lab, live driver and engine on one ring with shortened delays: no safety claim rests on its timing. Profile: fast, phi 5.
func TestFastRing(t *testing.T) {
	binary := engineBinary(t)
	ring := startRing(t, lab.Options{Spares: 1, Phi: 5, Batch: true})
	rows := openClient(t, ring)
	if err := rows.Seed(t.Context(), seeded); err != nil {
		t.Fatal(err)
	}
	for _, scene := range []struct {
		name string
		play func(*testing.T)
	}{
		{"a relay cuts one path", func(t *testing.T) { cutsOnePath(t, ring, 2) }},
		{"the row check sees one emptied table", func(t *testing.T) { rowCheckFails(t, ring, rows) }},
		{"what others order shows", func(t *testing.T) {
			h, _ := newHands(t, ring, 2)
			h.look()
			h.seesOthersTasks(1, rows)
		}},
		{"the live driver by hand", func(t *testing.T) {
			h, relay := newHands(t, ring, 2)
			h.healsByHand(relay)
		}},
		{"who asks before touching a node gets the guards' answer", func(t *testing.T) { asksBeforeTouching(t, binary, ring, 2, 3) }},
		{"hostile labels reach no command", func(t *testing.T) { hostileLabelsReachNoCommand(t, binary, ring, 2) }},
		{"the engine dies while a replacement streams", func(t *testing.T) {
			newPhysician(t, binary, ring, setupOf(ring, 0, nil)).diesInReplacement(rows, 3, 4)
		}},
	} {
		if !t.Run("fast: "+scene.name, scene.play) {
			return // the next scene needs a ring that is well
		}
	}
}

// diesInReplacement kills a node, takes its data away, and kills the engine while the spare streams in its place.
func (p physician) diesInReplacement(rows *client.Client, dead, spare int) {
	old, heir := p.ring.Node(dead), p.ring.Node(spare)
	id, hurt := p.hostID(dead), time.Now()
	wasOld, wasHeir := tracesOf(p.T, old), tracesOf(p.T, heir)
	kill(p.T, old)
	if err := old.LoseData(); err != nil {
		p.Fatal(err)
	}
	run := p.streams(id, hurt)
	p.crash(run)
	d := p.healed(id, hurt, 4*time.Minute)
	p.did(d, map[string]int{
		cassandra.VerbFence: 1, cassandra.VerbPrepare: 1, cassandra.VerbReplace: 1, cassandra.VerbRepair: 0, cassandra.VerbClearReplace: 1,
	})
	if all, err := p.runs(hurt); err != nil || len(all) != 1 {
		p.Errorf("%d runs, %v; want one", len(all), err)
	}

	replace := d.Intents[slices.IndexFunc(d.Intents, func(in galen.Intent) bool { return in.Step.Verb == cassandra.VerbReplace })]
	now := tracesOf(p.T, heir)
	if now.All() != 1 || now.Boots[replace.ID] != 1 || !slices.Equal(now.Started, []string{replace.ID}) || wasHeir.Touched {
		p.Errorf("the heir: %+v, before %+v; want one boot, of intent %s", now, wasHeir, replace.ID)
	}
	now = tracesOf(p.T, old)
	if len(now.Fences) != 1 || now.All() != wasOld.All() {
		p.Errorf("the dead one: %+v, before %+v; want one fence, no boot", now, wasOld)
	}
	if err := old.Start(); !errors.Is(err, os.ErrNotExist) {
		p.Errorf("start of the fenced node: %v, want none: its start command is gone", err)
	}
	p.keepsNoFlag(heir)
	p.verifyJournal()
	hosts := addresses([]*lab.Node{p.ring.Node(1), p.ring.Node(2), heir})
	if report, err := rows.Verify(p.Context(), hosts); err != nil || report.Missing() != 0 || report.Rows != seeded {
		p.Errorf("rows: %v, %v", report, err)
	}
}

// streams waits until ranges are pending for the joiner, as they are only while it streams, and names the run.
func (p physician) streams(dead string, hurt time.Time) (run string) {
	p.Helper()
	h, _ := newHands(p.T, p.ring, 2)
	p.until("the replacement streams", 3*time.Minute, func() (bool, error) {
		d, found, err := p.runOf(dead, hurt)
		if err != nil || !found {
			return false, err
		}
		run = d.Run.ID
		if d.Run.Status == galen.RunHeld {
			return false, finalError{"run " + run + " is held: " + d.Run.Why}
		}
		started := slices.ContainsFunc(d.Intents, func(in galen.Intent) bool {
			return in.Step.Verb == cassandra.VerbReplace && in.Effect.Status == galen.EffectUnderWay
		})
		if !started {
			return false, errors.New(d.Run.Why)
		}
		h.look()
		return len(h.state.Pending) > 0, errors.New(d.Run.Why)
	})
	return run
}

// keepsNoFlag checks that the heir's next start will not replace anybody.
func (p physician) keepsNoFlag(heir *lab.Node) {
	p.Helper()
	text, err := os.ReadFile(heir.Folder + "/conf/jvm-extra.options")
	if err != nil || strings.Contains(string(text), "replace_address") {
		p.Errorf("its options still have the flag: %v\n%s", err, text)
	}
}
