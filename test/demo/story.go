package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// patient is what the demo's engine looks after.
func patient() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

// seeded rows are there before anything breaks.
const seeded = 3000

// story is one demo.
type story struct {
	say    *teller
	ring   *lab.Ring
	binary string
	home   string // of the engine, below the ring's

	engine *engine.Engine
	client *client.Client
	load   func() // ends the client's load
}

func (s *story) tell(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.load0, s.serve, s.killOne, s.loseOne, s.proof} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// load0 starts the client.
func (s *story) load0(ctx context.Context) error {
	c, err := client.Open(ctx, client.Options{Hosts: []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, Rate: 100, Speculate: true})
	if err != nil {
		return err
	}
	s.client = c
	if err := c.Seed(ctx, seeded); err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); c.Run(run) }()
	s.load = func() { stop(); <-ended }
	s.say.linef("keyspace %s, RF 3, %d rows written; a client goes on writing and reading at QUORUM and remembers every acknowledged row", client.Keyspace, seeded)
	return nil
}

// serve starts the engine.
func (s *story) serve(ctx context.Context) error {
	s.say.head("2  The engine: galen serve, journal and Temporal embedded")
	if err := os.MkdirAll(s.home, 0o700); err != nil {
		return fmt.Errorf("engine folder: %w", err)
	}
	s.engine = &engine.Engine{
		Binary: s.binary, Config: filepath.Join(s.home, "galen.yaml"), Data: filepath.Join(s.home, "data"),
		Log: filepath.Join(s.home, "galen.log"), Listen: listen, Guard: s.ring.Guard,
	}
	text, err := configuration(s.ring, s.engine.Data)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := os.WriteFile(s.engine.Config, text, 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	said, took, err := s.engine.Start(ctx)
	if err != nil {
		return err
	}
	s.say.block(said)
	s.say.linef("ready %d ms after exec, pid %d", took.Milliseconds(), s.engine.PID())
	return s.until(ctx, 30*time.Second, "galen sees three healthy nodes", func() (bool, error) {
		members, err := s.engine.Members(ctx, patient())
		if err != nil {
			return false, err
		}
		good := 0
		for _, m := range members {
			if !m.Spare && !m.Bad {
				good++
			}
		}
		return good == 3, nil
	})
}

// killOne is a crash that a restart heals.
func (s *story) killOne(ctx context.Context) error {
	s.say.head("3  kill -9 of 127.0.0.2")
	if err := s.ring.Node(2).Kill(); err != nil {
		return err
	}
	s.say.line("killed; nobody tells Galen")
	run, err := s.verified(ctx, 0, 90*time.Second)
	if err != nil {
		return err
	}
	return s.did(ctx, run, map[string]int{cassandra.VerbStart: 1})
}

// joins tells whether the second run's replacement is under way and says JOINING itself.
func (s *story) joins(ctx context.Context) (bool, error) {
	runs, err := s.engine.Runs(ctx)
	if err != nil || len(runs) < 2 {
		return false, err
	}
	d, err := s.engine.Run(ctx, runs[1].ID)
	if err != nil {
		return false, err
	}
	started := slices.ContainsFunc(d.Intents, func(in galen.Intent) bool {
		return in.Step.Verb == cassandra.VerbReplace && in.Effect.Status == galen.EffectUnderWay
	})
	if !started {
		return false, held(runs[1])
	}
	mode, err := s.ring.Node(4).Mode(ctx)
	if err != nil {
		mode = "" // its agent is not up yet
	}
	return mode == string(cassandra.Joining), held(runs[1])
}

// loseOne is a crash with the loss of the disk, and the engine dies in the middle of the healing.
func (s *story) loseOne(ctx context.Context) error {
	s.say.head("4  kill -9 of 127.0.0.3 and the loss of its data: a restart cannot help")
	if err := s.ring.Node(3).Kill(); err != nil {
		return err
	}
	if err := s.ring.Node(3).LoseData(); err != nil {
		return err
	}
	s.say.line("killed; data, commitlog, hints and saved_caches are gone")
	if err := s.until(ctx, 90*time.Second, "the replacement is JOINING", func() (bool, error) { return s.joins(ctx) }); err != nil {
		return err
	}
	s.say.head("5  kill -9 of the engine in the middle of it")
	if err := s.engine.Kill(); err != nil {
		return err
	}
	s.say.line("killed; 127.0.0.4 goes on joining without an engine")
	_, took, err := s.engine.Start(ctx)
	if err != nil {
		return err
	}
	s.say.linef("started again, ready after %d ms, pid %d", took.Milliseconds(), s.engine.PID())
	run, err := s.verified(ctx, 1, 3*time.Minute)
	if err != nil {
		return err
	}
	return s.did(ctx, run, map[string]int{
		cassandra.VerbFence: 1, cassandra.VerbPrepare: 1, cassandra.VerbReplace: 1, cassandra.VerbClearReplace: 1, cassandra.VerbRepair: 0,
	})
}

// verified waits for the end of the n-th run and tells each change of its status on the way.
func (s *story) verified(ctx context.Context, n int, limit time.Duration) (galen.Run, error) {
	var run galen.Run
	told := ""
	err := s.until(ctx, limit, "", func() (bool, error) {
		runs, err := s.engine.Runs(ctx)
		if err != nil || len(runs) <= n {
			return false, err
		}
		run = runs[n]
		if now := strings.TrimSuffix(string(run.Status)+": "+run.Why, ": "); now != told {
			told = now
			s.say.linef("%s  %s", run.Runbook, now)
		}
		return run.Status == galen.RunVerified, held(run)
	})
	if err != nil {
		return run, fmt.Errorf("%w; its run stands at %q; the engine's log ends with:\n%s", err, told, engine.Tail(s.engine.Log, 15))
	}
	return run, nil
}

func held(run galen.Run) error {
	if run.Status == galen.RunHeld || run.Status == galen.RunCancelled || run.Status == galen.RunNotConfirmed {
		return fmt.Errorf("run %s is %s: %s", run.ID, run.Status, run.Why)
	}
	return nil
}

// did proves that a run had exactly these effects; 0: at least one.
func (s *story) did(ctx context.Context, run galen.Run, want map[string]int) error {
	d, err := s.engine.Run(ctx, run.ID)
	if err != nil {
		return err
	}
	got := map[string]int{}
	for _, in := range d.Intents {
		if !in.Effect.Settled() {
			return fmt.Errorf("run %s is verified, and the effect of %s is %s", run.ID, in.Step, in.Effect.Status)
		}
		if in.Effect.Status != galen.EffectAbsent {
			got[in.Step.Verb]++
		}
	}
	for verb, n := range want {
		if n > 0 && got[verb] != n || n == 0 && got[verb] == 0 {
			return fmt.Errorf("run %s did %s %d times, want %d (0: at least once)", run.ID, verb, got[verb], n)
		}
		delete(got, verb)
	}
	if len(got) > 0 {
		return fmt.Errorf("run %s also did %v", run.ID, got)
	}
	return nil
}

// proof shows the timeline and reads every row.
func (s *story) proof(ctx context.Context) error {
	s.say.head("6  What happened, from the journal")
	runs, err := s.engine.Runs(ctx)
	if err != nil {
		return err
	}
	if len(runs) != 2 {
		return fmt.Errorf("%d runs, want 2", len(runs))
	}
	for _, run := range runs {
		text, err := s.engine.Galen(ctx, "runs", "show", run.ID)
		if err != nil {
			return err
		}
		s.say.block(text)
	}
	s.load()
	f := s.client.Figures()
	s.say.head("7  The client, and every acknowledged row")
	s.say.linef("%d rows seeded, then %d operations (%d writes, %d reads), %d failed, longest pause %s",
		seeded, f.Operations, f.Writes-seeded, f.Reads, f.Failed, f.LongestPause.Round(time.Millisecond))
	if f.Failed > 0 {
		s.say.line("the newest failure: " + f.LastError)
	}
	if f.Lost > 0 {
		return fmt.Errorf("%d reads at QUORUM did not find an acknowledged row", f.Lost)
	}
	report, err := s.client.Verify(ctx, []string{"127.0.0.1", "127.0.0.2", "127.0.0.4"})
	if err != nil {
		return err
	}
	s.say.line(report.String())
	if n := report.Missing(); n > 0 {
		return fmt.Errorf("%d acknowledged rows are missing", n)
	}
	if err := s.nodesAgree(ctx); err != nil {
		return err
	}
	text, err := s.engine.Galen(ctx, "journal", "verify", filepath.Join(s.engine.Data, "galen.db"))
	s.say.block(text)
	if err != nil {
		return err
	}
	s.say.head("Healed twice, nothing lost, nothing done twice.")
	return nil
}

// nodesAgree proves from the nodes' own logs and folders, not from Galen's journal, that nothing was done twice.
func (s *story) nodesAgree(ctx context.Context) error {
	runs, err := s.engine.Runs(ctx)
	if err != nil {
		return err
	}
	want := map[string]map[string]int{"n1": {"": 1}, "n2": {"": 1}, "n3": {"": 1}, "n4": {}}
	for _, run := range runs {
		d, err := s.engine.Run(ctx, run.ID)
		if err != nil {
			return err
		}
		for _, in := range d.Intents {
			switch in.Step.Verb {
			case cassandra.VerbStart:
				want["n2"][in.ID] = 1
			case cassandra.VerbReplace:
				want["n4"][in.ID] = 1
			}
		}
	}
	fences := 0
	for _, n := range append(s.ring.Nodes(), s.ring.Spares()...) {
		got, err := n.Traces()
		if err != nil {
			return err
		}
		if fmt.Sprint(got.Boots) != fmt.Sprint(want[n.Instance]) {
			return fmt.Errorf("%s was started %v times by intent, want %v", n.Instance, got.Boots, want[n.Instance])
		}
		fences += len(got.Fences)
	}
	if fences != 1 {
		return fmt.Errorf("%d fences, want one", fences)
	}
	s.say.line("by the nodes' own logs and folders: one start of n2, one of n4, one fence, nothing else")
	return nil
}

// until asks every quarter of a second; an error of the question counts only at the end, for the engine may be away.
func (s *story) until(ctx context.Context, limit time.Duration, what string, question func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := question()
		if yes {
			if what != "" {
				s.say.linef("%s (%.1f s)", what, time.Since(began).Seconds())
			}
			return nil
		}
		if err != nil && strings.Contains(err.Error(), "is held") {
			return err
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
			return fmt.Errorf("waited %s for %q: %w", time.Since(began).Round(time.Second), what, err)
		case <-tick.C:
		}
	}
}

// end stops everything, or leaves it running and says where it is.
func (s *story) end(keep bool) error {
	if s.load != nil {
		s.load()
	}
	if s.client != nil {
		s.client.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if !keep {
		return errors.Join(s.ring.Close(ctx))
	}
	s.say.head("Left running (KEEP=1)")
	s.say.block(fmt.Sprintf(`nodes     127.0.0.1, 127.0.0.2, 127.0.0.4: CQL 9042, Jolokia 8778; files in %s
engine    %s, pid %d, log %s
try       export GALEN_SERVER=%s GALEN_TOKEN_FILE=%s
          bin/galen status; bin/galen runs list; bin/galen resources %s
stop      bin/galen-demo -stop %s
`, s.ring.Home, s.engine.Server(), s.engine.PID(), s.engine.Log, s.engine.Server(), filepath.Join(s.engine.Data, "token"), patient(), s.ring.Home))
	return s.ring.Leave(ctx)
}
