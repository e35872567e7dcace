package victim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/failpoint"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/ringd"
)

// Resource that every victim looks after.
func Resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

// Stage is a ring process with the engines that look after it one after the other, all on one data directory. A program
// that uses it calls [MaybeServe] and [ringd.MaybeServe] first.
type Stage struct {
	Ring   *ringd.Process
	Engine *engine.Engine
	// Journal is where it is.
	Journal journal.Place
	// TraceFile of all engines; PassedFile of the failpoints of the newest.
	TraceFile, PassedFile string
	// Versions of runbooks in the next engine, see [Options].
	Versions map[string]int
	// Temporal elsewhere; nil: embedded.
	Temporal *Temporal
	// Execed is when the newest engine was started, the Lives-th; Ready how long after that it said that it was ready.
	Execed time.Time
	Ready  time.Duration
	Lives  int

	doomed bool // the newest engine has an order to kill itself
}

// StageOptions say how a stage is set.
type StageOptions struct {
	// Dir holds everything; it exists.
	Dir string
	// Faster is the ring's, see [ringd.Options].
	Faster float64
	// Policy over [QuickPolicy].
	Policy map[string]any
	// Journal is a PostgreSQL connection string; empty: a file.
	Journal string
	// Config is what else stands in the configuration.
	Config map[string]any
	// Ring that another stage has set; nil: a new one.
	Ring *ringd.Process
}

// QuickPolicy acts by itself, looks often and waits for nothing that the ring does not need; the guards are as they are
// by default.
func QuickPolicy() map[string]any {
	return map[string]any{
		"mode": "act", "look_every": "200ms", "look_soon": "100ms", "fallback": "2s", "hold_looks": 3, "hold_for": "500ms",
		"down_for": "0s", "restart_after": "0s", "gone_apart": "300ms",
	}
}

// SetStage starts the ring and writes the configuration; it starts no engine.
func SetStage(ctx context.Context, o StageOptions) (*Stage, error) {
	r := o.Ring
	if r == nil {
		var err error
		if r, err = ringd.Start(ctx, ringd.Options{Name: Resource().Name, Log: filepath.Join(o.Dir, "calls.jsonl"), Faster: o.Faster}); err != nil {
			return nil, err
		}
	}
	s, err := o.stage(r)
	if err != nil && o.Ring == nil {
		err = errors.Join(err, r.Close())
	}
	return s, err
}

// stage writes what its engines read.
func (o StageOptions) stage(r *ringd.Process) (*Stage, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	s := &Stage{Ring: r, Journal: journal.Place{Path: filepath.Join(o.Dir, "data", app.JournalFile)}, TraceFile: filepath.Join(o.Dir, "trace.jsonl"), Engine: &engine.Engine{
		Binary: self, Config: filepath.Join(o.Dir, "galen.yaml"), Data: filepath.Join(o.Dir, "data"), Log: filepath.Join(o.Dir, "galen.log"),
	}}
	policy := QuickPolicy()
	maps.Copy(policy, o.Policy)
	config := map[string]any{
		"data": s.Engine.Data, "listen": "127.0.0.1:0", "policies": map[string]any{"test": policy},
		"alerts": []any{map[string]any{"alertname": "CassandraDown", "code": cassandra.CodeNodeDown, "member_label": "instance"},
			map[string]any{"alertname": "CassandraNodeDown", "code": cassandra.CodeNodeDown, "member_label": "instance"}},
		"resources": []any{map[string]any{
			"resource": Resource(), "policy": "test", "labels": map[string]string{"cluster": "demo"}, "setup": Setup{URL: r.URL},
		}},
	}
	maps.Copy(config, o.Config)
	if o.Journal != "" {
		file := filepath.Join(o.Dir, "journal.url")
		s.Journal, config["journal"] = journal.Place{URL: o.Journal}, map[string]any{"url_file": file}
		if err := os.WriteFile(file, []byte(o.Journal), 0o600); err != nil {
			return nil, fmt.Errorf("write where the journal is: %w", err)
		}
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err == nil {
		err = os.WriteFile(s.Engine.Config, text, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return s, nil
}

// Start starts the next engine and returns how long after exec it was ready. An order needs a build with failpoints; the
// stage says where its trace is.
func (s *Stage) Start(ctx context.Context, order *failpoint.Order) (time.Duration, error) {
	env, err := Env(Options{Trace: s.TraceFile, Temporal: s.Temporal, Versions: s.Versions})
	if err != nil {
		return 0, err
	}
	s.Engine.Env = []string{env}
	s.Lives++
	s.PassedFile = filepath.Join(filepath.Dir(s.TraceFile), fmt.Sprintf("passed-%d.jsonl", s.Lives))
	s.doomed = order != nil && order.Signal == failpoint.Kill
	if order != nil {
		o := *order
		o.Trace = s.PassedFile
		obeys, err := failpoint.Env(o)
		if err != nil {
			return 0, err
		}
		s.Engine.Env = append(s.Engine.Env, obeys)
	}
	s.Execed = time.Now().UTC()
	said, took, err := s.Engine.Start(ctx)
	if err != nil {
		return 0, err
	}
	_, address, found := strings.Cut(said, "api http://")
	if !found {
		return 0, fmt.Errorf("the engine did not say its address: %q", said)
	}
	s.Engine.Listen = strings.TrimSpace(address)
	s.Ready = took
	return took, nil
}

// deathTakes is how long a process that kills itself may take to be gone after its connections, on a busy machine.
const deathTakes = 10 * time.Second

// Unanswered is what the error of a question to the newest engine comes to: nil if the engine had an order to kill itself and did, so
// that only its answer is lost. Its connections end before the process does, so its death is waited for.
func (s *Stage) Unanswered(ctx context.Context, err error) error {
	if err == nil || !s.doomed {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deathTakes)
	defer cancel()
	if alive := poll(ctx, "the engine that gave no answer is dead", s.Engine.Dead); alive != nil {
		return errors.Join(err, s.explained(alive))
	}
	return nil
}

// AwaitHealth returns when the newest engine has seen all nodes up.
func (s *Stage) AwaitHealth(ctx context.Context) error {
	return s.await(ctx, "the engine sees a healthy ring", func(lines []Line) bool {
		return len(lines) > 0 && lines[len(lines)-1].What == "look" && len(lines[len(lines)-1].Down) == 0 && lines[len(lines)-1].At.After(s.Execed)
	})
}

// AwaitLook returns when a look of the newest engine shows these nodes down.
func (s *Stage) AwaitLook(ctx context.Context, match func(down []string) bool) error {
	return s.await(ctx, "the engine looks and sees it", func(lines []Line) bool {
		return slices.ContainsFunc(lines, func(l Line) bool { return l.What == "look" && l.At.After(s.Execed) && match(l.Down) })
	})
}

// AwaitMoving returns when the newest engine has seen ranges move.
func (s *Stage) AwaitMoving(ctx context.Context) error {
	return s.await(ctx, "the engine sees ranges move", func(lines []Line) bool {
		return slices.ContainsFunc(lines, func(l Line) bool { return l.What == "look" && l.At.After(s.Execed) && l.Moving })
	})
}

// AwaitDeath returns when the engine has killed itself, and reaps it.
func (s *Stage) AwaitDeath(ctx context.Context) error {
	err := poll(ctx, "the engine dies", func() (bool, error) { return s.Engine.Dead() })
	return errors.Join(s.explained(err), s.Engine.Kill())
}

// AwaitStop returns when the engine has frozen itself.
func (s *Stage) AwaitStop(ctx context.Context) error {
	return s.explained(poll(ctx, "the engine stops", func() (bool, error) { return s.Engine.Stopped() }))
}

// AwaitPassage returns when the newest engine has passed a point that its order names.
func (s *Stage) AwaitPassage(ctx context.Context, match func(failpoint.Passage) bool) error {
	return s.explained(poll(ctx, "the engine passes its point", func() (bool, error) {
		passed, err := failpoint.Trace(s.PassedFile)
		return slices.ContainsFunc(passed, match), err
	}))
}

// explained is an error with the end of the engine's log.
func (s *Stage) explained(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; its log ends with:\n%s", err, engine.Tail(s.Engine.Log, 10))
}

// poll asks every 5 ms.
func poll(ctx context.Context, what string, holds func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := holds()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// AwaitResume returns how long after exec the newest engine first decided for an open run.
func (s *Stage) AwaitResume(ctx context.Context) (time.Duration, error) {
	var resumed time.Time
	err := s.await(ctx, "the engine decides", func(lines []Line) bool {
		for _, l := range lines {
			if l.What == "decide" && l.At.After(s.Execed) {
				resumed = l.At
				return true
			}
		}
		return false
	})
	return resumed.Sub(s.Execed), err
}

func (s *Stage) await(ctx context.Context, what string, holds func([]Line) bool) error {
	return s.explained(poll(ctx, what, func() (bool, error) {
		lines, err := Trace(s.TraceFile)
		return err == nil && holds(lines), err
	}))
}

// AwaitRun asks every 50 ms for the newest run until it has the status, and returns it. A run that is held or ended
// otherwise is an error.
func (s *Stage) AwaitRun(ctx context.Context, want galen.RunStatus) (galen.Run, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := "none"
	for {
		runs, err := s.Engine.Runs(ctx)
		switch {
		case err != nil:
			last = err.Error()
		case len(runs) > 0:
			run := runs[len(runs)-1]
			last = fmt.Sprintf("%s: %s", run.Status, run.Why)
			if run.Status == want {
				return run, nil
			}
			if run.Status == galen.RunHeld || !run.Status.Open() {
				return run, fmt.Errorf("run %s is %s, want %s; the log ends with:\n%s", run.ID, last, want, engine.Tail(s.Engine.Log, 10))
			}
		}
		select {
		case <-ctx.Done():
			return galen.Run{}, fmt.Errorf("waited until the run is %s: %w; it is %s; the log ends with:\n%s", want, ctx.Err(), last, engine.Tail(s.Engine.Log, 20))
		case <-tick.C:
		}
	}
}

// AwaitRuns asks every 50 ms until there are n runs, all verified.
func (s *Stage) AwaitRuns(ctx context.Context, n int) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		runs, err := s.Engine.Runs(ctx)
		if err == nil && len(runs) == n && !slices.ContainsFunc(runs, func(r galen.Run) bool { return r.Status != galen.RunVerified }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return s.explained(fmt.Errorf("waited until %d runs are verified: %w; there are %d", n, ctx.Err(), len(runs)))
		case <-tick.C:
		}
	}
}

// Break lets trouble happen to a node.
func (s *Stage) Break(ctx context.Context, instance string, all ...ring.Trouble) error {
	for _, t := range all {
		if err := s.Ring.Make(ctx, t, instance); err != nil {
			return err
		}
	}
	return nil
}

// End kills the engine if one lives.
func (s *Stage) End() error {
	if s.Execed.IsZero() {
		return nil
	}
	if err := s.Engine.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
