package journal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// model is what the journal must know of claims, intents and fences, in the simplest form.
type model struct {
	runs   []galen.Run
	status map[string]galen.RunStatus
	keep   map[string]map[string]bool
	open   map[string]galen.Intent           // by target
	needs  map[string]map[string]galen.Claim // by intent, then claim
	held   map[string]map[string]galen.Claim // by run, then claim
	fences map[string]int64
}

func (m *model) excluded(run string, wants []galen.Claim) bool {
	for other, held := range m.held {
		for _, h := range held {
			for _, want := range wants {
				if other != run && h.Excludes(want) {
					return true
				}
			}
		}
	}
	return false
}

// release drops what a run neither keeps nor needs.
func (m *model) release(run string) {
	for name := range m.held[run] {
		needed := m.keep[run][name]
		for _, in := range m.open {
			_, needs := m.needs[in.ID][name]
			needed = needed || needs && in.Run == run
		}
		if !needed {
			delete(m.held[run], name)
		}
	}
}

// Whatever several runs do in whatever order: the journal refuses exactly what the model refuses, and holds the same
// claims, intents and fences; at the end it verifies.
func TestClaimsAgainstModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	s, err := journal.Open(t.Context(), path, journal.Options{Now: newClock().read, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++ // a resource of its own for every case
		m := &model{
			status: map[string]galen.RunStatus{}, keep: map[string]map[string]bool{}, open: map[string]galen.Intent{},
			needs: map[string]map[string]galen.Claim{}, held: map[string]map[string]galen.Claim{}, fences: map[string]int64{},
		}
		r := galen.Resource{Kind: "cassandra", Name: fmt.Sprint("ring-", n)}
		for i := range 3 {
			run, _, err := s.OpenRun(context.Background(), galen.Run{Key: fmt.Sprint(r, i), Resource: r, Runbook: "r"})
			if err != nil {
				rt.Fatal(err)
			}
			m.runs, m.held[run.ID], m.status[run.ID] = append(m.runs, run), map[string]galen.Claim{}, run.Status
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) { m.commit(rt, s) }, "settle": func(rt *rapid.T) { m.settle(rt, s) },
			"decide": func(rt *rapid.T) { m.decide(rt, s) }, "stand": func(rt *rapid.T) { m.stand(rt, s) }, "": func(rt *rapid.T) { m.compare(rt, s) },
		})
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
}

func drawRun(rt *rapid.T, m *model) galen.Run { return rapid.SampledFrom(m.runs).Draw(rt, "run") }

func (m *model) commit(rt *rapid.T, s *journal.Store) {
	ctx := context.Background()
	run, target := drawRun(rt, m), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "target")
	wants := rapid.SliceOfNDistinct(rapid.Custom(func(rt *rapid.T) galen.Claim {
		return galen.Claim{Name: rapid.SampledFrom([]string{"ring", "rack/1", "node/1"}).Draw(rt, "name"), Shared: rapid.Bool().Draw(rt, "shared")}
	}), 0, 2, func(c galen.Claim) string { return c.Name }).Draw(rt, "claims")
	l, err := s.Ledger(ctx, run.ID)
	if err != nil {
		rt.Fatal(err)
	}
	in, err := s.Commit(ctx, galen.Commit{
		Intent: galen.Intent{Run: run.ID, Step: stop(target), Class: galen.Disruptive}, Revision: l.Revision, Account: l.Account, Claims: wants, Touched: []string{target},
	})
	_, busy := m.open[target]
	var want error
	switch {
	case m.status[run.ID] == galen.RunHeld:
		want = galen.ErrHeld
	case busy:
		want = galen.ErrUnsettled
	case m.excluded(run.ID, wants):
		want = galen.ErrClaimed
	}
	if !errors.Is(err, want) {
		rt.Fatalf("commit: got %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	next := int64(1)
	for _, fence := range m.fences {
		next = max(next, fence+1)
	}
	if m.fences[target] == 0 {
		next = max(next, in.At.UnixMilli())
	}
	if m.fences[target] = next; in.Fence != next {
		rt.Fatalf("fence %d, want %d", in.Fence, next)
	}
	m.open[target], m.needs[in.ID] = in, map[string]galen.Claim{}
	for _, c := range wants {
		m.needs[in.ID][c.Name] = c
		if was, has := m.held[run.ID][c.Name]; has && !was.Shared {
			c.Shared = false
		}
		m.held[run.ID][c.Name] = c
	}
}

func (m *model) settle(rt *rapid.T, s *journal.Store) {
	target := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "target")
	in, busy := m.open[target]
	if !busy {
		return
	}
	effect := rapid.SampledFrom([]galen.EffectStatus{galen.EffectDone, galen.EffectUnderWay, galen.EffectAbsent}).Draw(rt, "effect")
	err := s.Settle(context.Background(), drawRun(rt, m).ID, []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: effect}}})
	if err != nil {
		rt.Fatal(err)
	}
	if (galen.Effect{Status: effect}).Settled() {
		delete(m.open, target)
		m.release(in.Run)
	}
}

func (m *model) decide(rt *rapid.T, s *journal.Store) {
	run := drawRun(rt, m)
	keep := rapid.SampledFrom([]string{"", "ring", "rack/1"}).Draw(rt, "keep")
	status := rapid.SampledFrom([]galen.RunStatus{galen.RunRunning, galen.RunWaiting, galen.RunAsking, galen.RunHeld}).Draw(rt, "status")
	p := plan(time.Second)
	if keep != "" {
		p.Keep = claims(keep)
	}
	if _, err := s.Decide(context.Background(), galen.Decision{Run: run.ID, Plan: p, Status: status, Why: "w"}, nil); err != nil {
		rt.Fatal(err)
	}
	m.status[run.ID], m.keep[run.ID] = status, map[string]bool{}
	if status == galen.RunRunning || status == galen.RunWaiting {
		m.keep[run.ID][keep] = true
	}
	m.release(run.ID)
}

// stand moves a run without a decision.
func (m *model) stand(rt *rapid.T, s *journal.Store) {
	run := drawRun(rt, m)
	status := rapid.SampledFrom([]galen.RunStatus{galen.RunWaiting, galen.RunHeld}).Draw(rt, "status")
	if m.status[run.ID] == galen.RunAsking && status == galen.RunWaiting {
		return // it goes on by a decision
	}
	var want error
	if m.status[run.ID] == galen.RunHeld && status != galen.RunHeld {
		want = galen.ErrHeld
	}
	if err := s.SetRun(context.Background(), run.ID, status, "s", time.Time{}); !errors.Is(err, want) {
		rt.Fatalf("set run: got %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	if m.status[run.ID] = status; status == galen.RunHeld {
		m.keep[run.ID] = map[string]bool{}
		m.release(run.ID)
	}
}

func (m *model) compare(rt *rapid.T, s *journal.Store) {
	l, err := s.Ledger(context.Background(), m.runs[0].ID)
	if err != nil {
		rt.Fatal(err)
	}
	n := 0
	for _, held := range m.held {
		n += len(held)
	}
	if len(l.Claims) != n || len(l.Open) != len(m.open) {
		rt.Fatalf("claims %+v and open %+v, want %+v and %+v", l.Claims, l.Open, m.held, m.open)
	}
	for _, c := range l.Claims {
		if m.held[c.Run][c.Name] != c.Claim || c.Kept != m.keep[c.Run][c.Name] {
			rt.Fatalf("claim %+v, want %+v, kept %v", c, m.held[c.Run], m.keep[c.Run])
		}
	}
	for target, fence := range m.fences {
		if l.Fences[target] != fence {
			rt.Fatalf("fence of %s is %d, want %d", target, l.Fences[target], fence)
		}
	}
}
