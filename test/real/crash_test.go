//go:build crashreal

package real

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// TestDiesOnRealNodes kills the built engine (with failpoints: make crash-real) at a dozen moments, over real nodes: eight
// times in a start, four times in one replacement. Profile: fast, phi 5; what is claimed is what was done, not when.
func TestDiesOnRealNodes(t *testing.T) {
	binary := engineBinary(t)
	ring := startRing(t, lab.Options{Spares: 1, Phi: 5, Batch: true})
	rows := openClient(t, ring)
	if err := rows.Seed(t.Context(), seeded); err != nil {
		t.Fatal(err)
	}
	const start = cassandra.VerbStart
	for i, o := range []failpoint.Order{
		{At: failpoint.Started}, {At: failpoint.Acting, Of: start}, {At: failpoint.Judged, Of: start}, {At: failpoint.Committed, Of: start},
		{At: failpoint.Called, Of: start}, {At: failpoint.Recorded, Of: start}, {At: failpoint.Settled, Of: start}, {At: failpoint.Closing},
	} {
		node := 1 + i%3
		if !t.Run(string(o.At)+" of a start", func(t *testing.T) { newPhysician(t, binary, ring, setupOf(ring, 0, nil)).diesInStart(node, o) }) {
			return // the next scene needs a ring that is well
		}
	}
	t.Run("four deaths in a replacement", func(t *testing.T) {
		newPhysician(t, binary, ring, setupOf(ring, 0, nil)).diesFourTimes(rows, 3, 4, []failpoint.Order{
			{At: failpoint.Committed, Of: cassandra.VerbFence}, {At: failpoint.Called, Of: cassandra.VerbPrepare},
			{At: failpoint.Called, Of: cassandra.VerbReplace}, {At: failpoint.Recorded, Of: cassandra.VerbClearReplace},
		})
	})
}

// obeys starts the next life of the engine, with an order to kill itself, or none.
func (p physician) obeys(o *failpoint.Order) {
	p.Helper()
	p.engine.Env = nil
	if o != nil {
		order := *o
		order.Signal, order.Trace = failpoint.Kill, filepath.Join(p.TempDir(), "passed.jsonl")
		env, err := failpoint.Env(order)
		if err != nil {
			p.Fatal(err)
		}
		p.engine.Env = []string{env}
	}
	if err := p.engine.Kill(); err != nil {
		p.Fatal(err)
	}
	p.start()
}

// dies waits until the engine has killed itself.
func (p physician) dies(where failpoint.Order) {
	p.Helper()
	p.until("the engine dies: "+string(where.At)+" of "+where.Of, 3*time.Minute, p.engine.Dead)
}

// diesInStart kills a node, and the engine while it starts that node again.
func (p physician) diesInStart(i int, o failpoint.Order) {
	n, id := p.ring.Node(i), p.hostID(i)
	p.obeys(&o)
	was, hurt := tracesOf(p.T, n), time.Now()
	kill(p.T, n)
	p.dies(o)
	p.obeys(nil)
	d := p.healed(id, hurt, 3*time.Minute)
	p.did(d, map[string]int{cassandra.VerbStart: 1})
	now := tracesOf(p.T, n)
	if now.All() != was.All()+1 || len(now.Started) != len(was.Started)+1 {
		p.Errorf("boots by its own log %v, before %v; start markers %v, before %v; want one more of each", now.Boots, was.Boots, now.Started, was.Started)
	}
	if all, err := p.runs(hurt); err != nil || len(all) != 1 {
		p.Errorf("%d runs, %v; want one", len(all), err)
	}
	p.verifyJournal()
}

// diesFourTimes kills a node and its data, and the engine at each of some moments of the replacement.
func (p physician) diesFourTimes(rows *client.Client, dead, spare int, orders []failpoint.Order) {
	old, heir := p.ring.Node(dead), p.ring.Node(spare)
	id := p.hostID(dead)
	p.obeys(&orders[0])
	wasOld, hurt := tracesOf(p.T, old), time.Now()
	kill(p.T, old)
	if err := old.LoseData(); err != nil {
		p.Fatal(err)
	}
	for i, o := range orders {
		p.dies(o)
		if i+1 < len(orders) {
			p.obeys(&orders[i+1])
		} else {
			p.obeys(nil)
		}
	}
	d := p.healed(id, hurt, 4*time.Minute)
	p.did(d, map[string]int{
		cassandra.VerbFence: 1, cassandra.VerbPrepare: 1, cassandra.VerbReplace: 1, cassandra.VerbRepair: 0, cassandra.VerbClearReplace: 1,
	})
	if d.Run.Status != galen.RunVerified {
		p.Errorf("the run is %s", d.Run.Status)
	}
	if now := tracesOf(p.T, heir); now.All() != 1 || len(now.Started) != 1 {
		p.Errorf("the heir: %+v; want one boot, of one intent", now)
	}
	if now := tracesOf(p.T, old); len(now.Fences) != 1 || now.All() != wasOld.All() {
		p.Errorf("the dead one: %+v, before %+v; want one fence, no boot", now, wasOld)
	}
	p.keepsNoFlag(heir)
	p.verifyJournal()
	hosts := addresses([]*lab.Node{p.ring.Node(1), p.ring.Node(2), heir})
	if report, err := rows.Verify(p.Context(), hosts); err != nil || report.Missing() != 0 || report.Rows != seeded {
		p.Errorf("rows: %v, %v", report, err)
	}
}
