package real

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// The engine on one ring with all of Cassandra's default delays, and a spare that it could use. Profile: honest.
func TestEngineOnHonestRing(t *testing.T) {
	binary := engineBinary(t)
	ring := startRing(t, lab.Options{Profile: lab.Honest, Spares: 1, Batch: true})
	rows := openClient(t, ring)
	if err := rows.Seed(t.Context(), 300); err != nil {
		t.Fatal(err)
	}
	endLoad := load(t, rows)
	relay, err := ring.Relay(2)
	if err != nil {
		t.Fatal(err)
	}
	p := newPhysician(t, binary, ring, setupOf(ring, 2, relay))
	for _, scene := range []struct {
		name string
		play func(physician)
	}{
		{"a frozen node is killed and started", func(p physician) { p.freezes(1) }},
		{"cut off from one node it does nothing and says who disagrees", func(p physician) { p.isCutOff(2, relay) }},
		{"killed after a start it does not start again", func(p physician) { p.diesAfterStart(2) }},
		{"no acknowledged row is lost", func(p physician) {
			endLoad()
			p.keepsRows(rows)
		}},
		{"of two dead nodes it starts the one that can, and asks a person", func(p physician) { p.losesTwo(3, 1) }},
	} {
		if !t.Run("honest: "+scene.name, func(t *testing.T) { scene.play(p.in(t)) }) {
			return // the next scene needs a ring that is well
		}
	}
	p.verifyJournal()
}

// load has a client write and read at QUORUM until the test, or the function that is returned, ends it.
func load(t *testing.T, rows *client.Client) (end func()) {
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		rows.Run(ctx)
	}()
	end = func() {
		stop()
		<-ended
	}
	t.Cleanup(end)
	return end
}

// keepsRows reads every acknowledged row at ONE from each node, and only then at ALL.
func (p physician) keepsRows(rows *client.Client) {
	p.Logf("the client: %+v", rows.Figures())
	report, err := rows.Verify(p.Context(), addresses(p.ring.Nodes()))
	p.Logf("rows: %v", report)
	if err != nil || report.Missing() != 0 || rows.Figures().Lost != 0 {
		p.Errorf("rows are missing: %v, %v", report, err)
	}
}

// freezes stops a node with SIGSTOP.
func (p physician) freezes(i int) {
	n, id := p.ring.Node(i), p.hostID(i)
	was, hurt := tracesOf(p.T, n), time.Now()
	if err := n.Freeze(); err != nil {
		p.Fatal(err)
	}
	d := p.healed(id, hurt, 3*time.Minute)
	p.did(d, map[string]int{cassandra.VerbKill: 1, cassandra.VerbStart: 1})
	if !strings.Contains(d.Run.Key, "/"+string(cassandra.CodeNodeFrozen)+"/") {
		p.Errorf("the run's key is %s, want one of %s", d.Run.Key, cassandra.CodeNodeFrozen)
	}
	if now := tracesOf(p.T, n); now.All() != was.All()+1 {
		p.Errorf("its own log has %d boots more, want 1: %v", now.All()-was.All(), now.Boots)
	}
}

// isCutOff closes the engine's own path to a node; its peers and its host see it fine.
func (p physician) isCutOff(i int, relay *lab.Relay) {
	id, cut := p.hostID(i), time.Now()
	if err := relay.Cut(lab.Refuse); err != nil {
		p.Fatal(err)
	}
	note := p.noted(id)
	p.Logf("the note came %.1f s after the cut: %s", time.Since(cut).Seconds(), note.Why)
	for _, who := range []string{"jolokia n2", "cql n2", "observers say good"} {
		if !strings.Contains(note.Why, who) {
			p.Errorf("the note does not name %q", who)
		}
	}
	p.staysNoted(note, 5*time.Second)
	if err := relay.Restore(); err != nil {
		p.Fatal(err)
	}
	p.until("the note is gone", time.Minute, func() (bool, error) {
		seen, err := p.findings()
		return err == nil && len(seen) == 0, err
	})
	opened, err := p.runs(cut)
	if err != nil || len(opened) > 0 {
		p.Errorf("runs: %v, %v; want none", opened, err)
	}
	if got := p.events(cut); got[galen.EventIntended] != 0 || got[galen.EventFound] != 1 || got[galen.EventGone] != 1 {
		p.Errorf("events %v, want no intent, one finding that appears once and goes once", got)
	}
}

// noted waits for the note on a node and checks that it is one, and alone.
func (p physician) noted(id string) api.FoundProblem {
	p.Helper()
	var seen []api.FoundProblem
	p.until("a finding", 2*time.Minute, func() (yes bool, err error) {
		seen, err = p.findings()
		return len(seen) > 0, err
	})
	if f := seen[0]; len(seen) != 1 || !f.Note || f.Code != cassandra.CodeDisagree || len(f.Targets) != 1 || !f.Has(id) {
		p.Fatalf("findings %+v, want one note on %s", seen, id)
	}
	return seen[0]
}

// staysNoted watches for a while that nothing but the note is found.
func (p physician) staysNoted(note api.FoundProblem, long time.Duration) {
	p.Helper()
	began := time.Now()
	p.until("nothing but the note", 2*long, func() (bool, error) {
		seen, err := p.findings()
		if err == nil && (len(seen) != 1 || !seen[0].Same(note.Finding)) {
			return false, finalError{"other findings beside the note"}
		}
		return time.Since(began) > long, err
	})
}

// diesAfterStart kills a node, and the engine as soon as it has started that node.
func (p physician) diesAfterStart(i int) {
	n, id := p.ring.Node(i), p.hostID(i)
	was, hurt := tracesOf(p.T, n), time.Now()
	kill(p.T, n)
	var run string
	var sent galen.Intent
	p.until("the start is sent", 3*time.Minute, func() (bool, error) {
		d, found, err := p.runOf(id, hurt)
		if err != nil || !found {
			return false, err
		}
		run = d.Run.ID
		k := slices.IndexFunc(d.Intents, func(in galen.Intent) bool { return in.Step.Verb == cassandra.VerbStart && in.Sent == galen.SentYes })
		if k < 0 {
			return false, errors.New(d.Run.Why)
		}
		sent = d.Intents[k]
		return true, nil
	})
	if sent.Effect.Settled() {
		p.Fatalf("the start took effect before the engine could be killed: %+v", sent.Effect)
	}
	p.crash(run)
	d := p.healed(id, hurt, 3*time.Minute)
	p.did(d, map[string]int{cassandra.VerbStart: 1})
	now := tracesOf(p.T, n)
	if now.All() != was.All()+1 || now.Boots[sent.ID] != 1 {
		p.Errorf("boots by its own log %v, before %v; want one more, of intent %s", now.Boots, was.Boots, sent.ID)
	}
	if len(now.Started) != len(was.Started)+1 || !slices.Contains(now.Started, sent.ID) {
		p.Errorf("start markers %v, before %v; want one more, of intent %s", now.Started, was.Started, sent.ID)
	}
	p.verifyJournal()
}

// losesTwo kills two nodes of different racks; one of them loses its data, so that no restart can help it.
func (p physician) losesTwo(kept, lost int) {
	keptID, lostID := p.hostID(kept), p.hostID(lost)
	var was []lab.Traces
	for i := range 4 {
		was = append(was, tracesOf(p.T, p.ring.Node(i+1)))
	}
	hurt := time.Now()
	kill(p.T, p.ring.Node(lost))
	kill(p.T, p.ring.Node(kept))
	if err := p.ring.Node(lost).LoseData(); err != nil {
		p.Fatal(err)
	}
	p.did(p.healed(keptID, hurt, 3*time.Minute), map[string]int{cassandra.VerbStart: 1})

	d, found, err := p.runOf(lostID, hurt)
	if err != nil || !found {
		p.Fatalf("no run about the node without data: %v", err)
	}
	if d.Run.Status != galen.RunHeld || !strings.Contains(d.Run.Why, "its data are gone") || !strings.Contains(d.Run.Why, "in another rack is down too") {
		p.Errorf("its run is %s: %s; want held, because two are down", d.Run.Status, d.Run.Why)
	}
	if len(d.Intents) > 0 {
		p.Errorf("its run made %d intents, want none: %v", len(d.Intents), d.Intents)
	}
	paged := slices.IndexFunc(d.Events, func(e galen.Event) bool { return e.Kind == galen.EventHeld })
	if paged < 0 {
		p.Fatal("nobody was paged")
	}
	p.Logf("%s: a person was paged %.1f s after the hurt: %s", d.Run.Key, d.Events[paged].At.Sub(hurt).Seconds(), d.Run.Why)
	for i, before := range was {
		now := tracesOf(p.T, p.ring.Node(i+1))
		boots := 0
		if i+1 == kept {
			boots = 1
		}
		if now.All() != before.All()+boots || len(now.Fences) > 0 || !before.Touched && now.Touched && i+1 != kept {
			p.Errorf("n%d: %+v, before %+v; want %d boots more, no fence", i+1, now, before, boots)
		}
	}
}
