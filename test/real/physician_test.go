package real

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/lab"
)

func resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "lab"} }

// resumeWithin is how soon after its start an engine must go on with the runs of a killed one.
const resumeWithin = 10 * time.Second

// setupOf is where a ring's nodes are; the node of the relayed number, if any, only through the relay.
func setupOf(ring *lab.Ring, relayed int, relay *lab.Relay) live.Setup {
	var s live.Setup
	for i, n := range append(slices.Clone(ring.Nodes()), ring.Spares()...) {
		setup := live.NodeSetup{
			Instance: n.Instance, Address: n.Address, Jolokia: n.JolokiaURL, CQL: n.CQLAddress, Folder: n.Folder,
			Start: n.StartCommand, PIDFile: n.PidFile, Spare: i >= len(ring.Nodes()),
		}
		if i+1 == relayed {
			setup.Jolokia, setup.CQL = relay.JolokiaURL, relay.CQLAddress
		}
		s.Nodes = append(s.Nodes, setup)
	}
	return s
}

// physician is the built galen, which looks after a ring in mode act: its waits are shortened, the numbers of all guards
// are the safe defaults.
type physician struct {
	*testing.T
	engine *engine.Engine
	ring   *lab.Ring
}

// engineBinary is bin/galen, or the one that GALEN names. Asked for before a ring is started.
func engineBinary(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("GALEN")
	if binary == "" {
		binary = filepath.Join("..", "..", "bin", "galen")
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("the engine is not built: %v; run make build first", err)
	}
	return binary
}

// newPhysician starts the engine beside a ring and returns when it sees all nodes well.
func newPhysician(t *testing.T, binary string, ring *lab.Ring, setup live.Setup) physician {
	t.Helper()
	return newPhysicianOf(t, binary, ring, setup, nil, nil)
}

// newPhysicianOf is one with more in its policy, and in its configuration.
func newPhysicianOf(t *testing.T, binary string, ring *lab.Ring, setup live.Setup, policy, config map[string]any) physician {
	t.Helper()
	home := t.TempDir()
	p := physician{T: t, ring: ring, engine: &engine.Engine{
		Binary: binary, Config: filepath.Join(home, "galen.yaml"), Data: filepath.Join(home, "data"), Log: filepath.Join(home, "galen.log"),
		Listen: ring.Net + ".250:7170", Guard: ring.Guard,
	}}
	quick := map[string]any{
		"mode": "act", "look_every": "1s", "look_soon": "500ms", "down_for": "0s", "restart_after": "2s", "hold_for": "6s",
	}
	maps.Copy(quick, policy)
	all := map[string]any{
		"data": p.engine.Data, "listen": p.engine.Listen, "policies": map[string]any{"test": quick},
		"resources": []any{map[string]any{
			"resource": resource().String(), "policy": "test", "setup": setup, "labels": map[string]string{"cluster": ring.Name},
		}},
	}
	maps.Copy(all, config)
	text, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(p.engine.Config, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	t.Cleanup(func() {
		if err := p.engine.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the engine's log ends with:\n%s", engine.Tail(p.engine.Log, 40))
		}
	})
	p.until("galen sees all nodes well", time.Minute, func() (bool, error) {
		members, err := p.engine.Members(p.Context(), resource())
		bad := slices.ContainsFunc(members, func(m galen.Member) bool { return m.Bad && !m.Spare })
		return err == nil && !bad && len(members) == len(setup.Nodes), err
	})
	return p
}

// in is the physician within a subtest.
func (p physician) in(t *testing.T) physician {
	p.T = t
	return p
}

// start starts the engine and tells when it was executed.
func (p physician) start() time.Time {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), 30*time.Second)
	defer cancel()
	began := time.Now()
	said, took, err := p.engine.Start(ctx)
	if err != nil {
		p.Fatalf("%v; it said:\n%s", err, said)
	}
	p.Logf("galen is ready %d ms after exec", took.Milliseconds())
	return began
}

// until asks until the answer is yes, and logs how long that took. An error of the question counts only at the limit,
// save one that is final.
func (p physician) until(what string, limit time.Duration, question func() (bool, error)) {
	p.Helper()
	began := time.Now()
	for {
		yes, err := question()
		if yes {
			p.Logf("%s after %.1f s", what, time.Since(began).Seconds())
			return
		}
		if final := (finalError{}); errors.As(err, &final) || time.Since(began) > limit {
			p.Fatalf("not in %s (%.1f s passed): %s; %v", limit, time.Since(began).Seconds(), what, err)
		}
		select {
		case <-p.Context().Done():
			p.Fatal(p.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// finalError is one that waiting does not mend.
type finalError struct{ text string }

func (e finalError) Error() string { return e.text }

// hostID is the identity of node i, as the engine knows it.
func (p physician) hostID(i int) string {
	p.Helper()
	members, err := p.engine.Members(p.Context(), resource())
	if err != nil {
		p.Fatal(err)
	}
	for _, m := range members {
		if m.Name == p.ring.Node(i).Address {
			return m.Target.ID
		}
	}
	p.Fatalf("%s is not among the members %v", p.ring.Node(i).Instance, members)
	return ""
}

// runs are those that were opened since a moment, oldest first.
func (p physician) runs(since time.Time) ([]galen.Run, error) {
	all, err := p.engine.Runs(p.Context())
	return slices.DeleteFunc(all, func(r galen.Run) bool { return r.Created.Before(since) }), err
}

// runOf is the one run about a target since a moment; false: there is none yet.
func (p physician) runOf(target string, since time.Time) (api.RunDetail, bool, error) {
	all, err := p.runs(since)
	if err != nil {
		return api.RunDetail{}, false, err
	}
	for _, r := range all {
		if slices.ContainsFunc(r.InScope(), func(t galen.Target) bool { return t.ID == target }) {
			d, err := p.engine.Run(p.Context(), r.ID)
			if err != nil {
				return api.RunDetail{}, false, err
			}
			return *d, true, nil
		}
	}
	return api.RunDetail{}, false, nil
}

// healed waits until the run about a target that was hurt at a moment is verified, and logs its times.
func (p physician) healed(target string, hurt time.Time, limit time.Duration) api.RunDetail {
	p.Helper()
	var d api.RunDetail
	p.until("verified", limit, func() (yes bool, err error) {
		var found bool
		if d, found, err = p.runOf(target, hurt); err != nil || !found {
			return false, err
		}
		switch d.Run.Status {
		case galen.RunVerified:
			return true, nil
		case galen.RunOpened, galen.RunRunning, galen.RunWaiting:
			return false, errors.New(string(d.Run.Status) + ": " + d.Run.Why)
		default:
			return false, finalError{"run " + d.Run.ID + " is " + string(d.Run.Status) + ": " + d.Run.Why}
		}
	})
	if len(d.Intents) == 0 {
		p.Fatalf("run %s is verified without an intent", d.Run.ID)
	}
	after := func(t time.Time) float64 { return t.Sub(hurt).Seconds() }
	p.Logf("%s: after the hurt: found %.1f s, first call %.1f s (%d ms after the finding), verified %.1f s; %s", d.Run.Key, after(d.Run.Created),
		after(d.Intents[0].At), d.Intents[0].At.Sub(d.Run.Created).Milliseconds(), after(d.Run.Ended), d.Run.Why)
	return d
}

// did checks that a run had exactly these effects, 0: one or more, and that all are settled.
func (p physician) did(d api.RunDetail, want map[string]int) {
	p.Helper()
	got := map[string]int{}
	for _, in := range d.Intents {
		if !in.Effect.Settled() {
			p.Errorf("run %s: the effect of %s is %s", d.Run.ID, in.Step, in.Effect.Status)
		}
		if in.Effect.Status != galen.EffectAbsent {
			got[in.Step.Verb]++
		}
	}
	for verb, n := range want {
		if n > 0 && got[verb] != n || got[verb] == 0 {
			p.Errorf("run %s did %s %d times, want %d (0: at least once)", d.Run.ID, verb, got[verb], n)
		}
		delete(got, verb)
	}
	if len(got) > 0 {
		p.Errorf("run %s also did %v", d.Run.ID, got)
	}
}

// crash kills the engine with -9 and starts it again; it must go on with the run in time.
func (p physician) crash(run string) {
	p.Helper()
	if err := p.engine.Kill(); err != nil {
		p.Fatal(err)
	}
	began := p.start()
	var decided time.Time
	p.until("the run goes on", 3*resumeWithin, func() (bool, error) {
		d, err := p.engine.Run(p.Context(), run)
		if err != nil || len(d.Plans) == 0 {
			return false, err
		}
		decided = d.Plans[len(d.Plans)-1].At
		return decided.After(began), nil
	})
	resumed := decided.Sub(began)
	p.Logf("kill -9 of the engine: run %s goes on %.2f s after exec", run, resumed.Seconds())
	if resumed > resumeWithin {
		p.Errorf("resumed after %s, want at most %s", resumed, resumeWithin)
	}
}

// findings are the problems seen now.
func (p physician) findings() ([]api.FoundProblem, error) {
	c, err := p.engine.Client()
	if err != nil {
		return nil, err
	}
	res, err := c.ListFindingsWithResponse(p.Context(), &api.ListFindingsParams{})
	if err != nil {
		return nil, err
	}
	if res.JSON200 == nil {
		return nil, errors.New("list findings: " + res.Status())
	}
	return res.JSON200.Findings, nil
}

// events counts what the journal has of each kind since a moment.
func (p physician) events(since time.Time) map[galen.EventKind]int {
	p.Helper()
	c, err := p.engine.Client()
	if err != nil {
		p.Fatal(err)
	}
	newest, limit := true, 1000
	res, err := c.ListEventsWithResponse(p.Context(), &api.ListEventsParams{Newest: &newest, Limit: &limit})
	if err != nil {
		p.Fatal(err)
	}
	if res.JSON200 == nil {
		p.Fatalf("list events: %s", res.Status())
	}
	out := map[galen.EventKind]int{}
	for _, e := range res.JSON200.Events {
		if !e.At.Before(since) {
			out[e.Kind]++
		}
	}
	return out
}

// verifyJournal has the journal checked offline.
func (p physician) verifyJournal() {
	p.Helper()
	said, err := p.engine.Galen(p.Context(), "journal", "verify", filepath.Join(p.engine.Data, "galen.db"))
	if err != nil {
		p.Errorf("journal verify: %v\n%s", err, said)
	}
}
