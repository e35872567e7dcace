package storm

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
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/test/engine"
)

// Alertname of the one rule of the engines.
const Alertname = "InstanceDown"

// Options of a stage.
type Options struct {
	// Dir holds everything; it exists.
	Dir string
	// Resources to look after.
	Resources int
	// CallFor is how long each call to them takes.
	CallFor time.Duration
	// Policy over the quick one.
	Policy map[string]any
	// Config is what else stands in the configuration.
	Config map[string]any
	// Bare Temporal beside the engine, see [Stage.BareTarget].
	Bare bool
}

// Stage is patients with the engines that look after them one after the other, all on one data directory.
type Stage struct {
	Patients *Patients
	Engine   *engine.Engine
	Options  Options
	token    string
	bare     string
	started  bool
}

// quick acts by itself and waits for nothing; its own watch looks so seldom that the alerts are what it acts on.
func quick() map[string]any {
	return map[string]any{
		"mode": "act", "look_every": "10m", "look_soon": "200ms", "fallback": "2s", "hold_looks": 2, "hold_for": "200ms", "down_for": "0s",
		"restart_after": "0s", "cooldown": "0s", "release_per_second": 100, "confirm_for": "2s",
	}
}

// Set serves the patients and writes the configuration; it starts no engine.
func Set(o Options) (_ *Stage, err error) {
	p, err := NewPatients(o.Resources, o.CallFor)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find this program: %w", err), p.Close())
	}
	s := &Stage{Patients: p, Options: o, Engine: &engine.Engine{
		Binary: self, Config: filepath.Join(o.Dir, "galen.yaml"), Data: filepath.Join(o.Dir, "data"), Log: filepath.Join(o.Dir, "galen.log"),
		Env: []string{patientsEnv + "=" + p.URL},
	}}
	if o.Bare {
		if err := s.withBare(); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	policy := quick()
	maps.Copy(policy, o.Policy)
	var resources []any
	for i := range o.Resources {
		resources = append(resources, map[string]any{
			"resource": Resource(i), "policy": "test", "labels": map[string]string{"cluster": Name(i)}, "setup": map[string]any{},
		})
	}
	config := map[string]any{
		"data": s.Engine.Data, "listen": "127.0.0.1:0", "policies": map[string]any{"test": policy}, "resources": resources,
		"alerts": []any{map[string]any{"alertname": Alertname, "code": fake.CodeUnavailable, "member_label": "instance"}},
	}
	maps.Copy(config, o.Config)
	text, err := json.MarshalIndent(config, "", " ")
	if err == nil {
		err = os.WriteFile(s.Engine.Config, text, 0o600)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the configuration: %w", err), p.Close())
	}
	return s, nil
}

// Start the next engine.
func (s *Stage) Start(ctx context.Context) error {
	said, _, err := s.Engine.Start(ctx)
	if err != nil {
		return err
	}
	s.started = true
	_, address, found := strings.Cut(said, "api http://")
	if !found {
		return fmt.Errorf("the engine did not say its address: %q", said)
	}
	s.Engine.Listen = strings.TrimSpace(address)
	token, err := os.ReadFile(filepath.Join(s.Engine.Data, app.TokenFile))
	s.token = strings.TrimSpace(string(token))
	return err
}

// End kills the engine if one lives, and ends the patients.
func (s *Stage) End() error {
	var err error
	if s.started {
		if err = s.Engine.Kill(); errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
	}
	return errors.Join(err, s.Patients.Close())
}

// JournalFile is where the journal is.
func (s *Stage) JournalFile() string { return filepath.Join(s.Engine.Data, app.JournalFile) }

// Webhook is where the alerts go.
func (s *Stage) Webhook() Target {
	return Target{URL: s.Engine.Server() + "/v1/alerts/alertmanager", Header: map[string]string{"Authorization": "Bearer " + s.token}}
}

// AwaitSeen returns when the engine has seen every resource.
func (s *Stage) AwaitSeen(ctx context.Context) error {
	return s.poll(ctx, "every resource was seen", func() (bool, error) {
		got, err := s.Measure(ctx, "galen_looks_total")
		return int(got) >= s.Options.Resources, err
	})
}

// AwaitQuiet returns when no alert waits to be matched and no message waits for Temporal.
func (s *Stage) AwaitQuiet(ctx context.Context) error {
	return s.poll(ctx, "inbox and outbox are empty", func() (bool, error) {
		alerts, err := s.Measure(ctx, "galen_alerts_pending")
		if err != nil {
			return false, err
		}
		outbox, err := s.Measure(ctx, "galen_outbox_depth")
		return alerts == 0 && outbox == 0, err
	})
}

// AwaitRuns returns all runs when there are so many at least, and none is open. Its error names the open ones.
func (s *Stage) AwaitRuns(ctx context.Context, n int) (all []galen.Run, err error) {
	isOpen := func(r galen.Run) bool { return r.Status.Open() }
	err = s.poll(ctx, fmt.Sprintf("%d runs have ended", n), func() (bool, error) {
		all, err = s.Runs(ctx)
		return len(all) >= n && !slices.ContainsFunc(all, isOpen), err
	})
	if err != nil {
		err = fmt.Errorf("%w\nthere are %d runs", err, len(all))
		for _, r := range all {
			if isOpen(r) {
				err = fmt.Errorf("%w\nrun %s of %s is %s: %s", err, r.ID, r.Resource, r.Status, r.Why)
			}
		}
	}
	return all, err
}

// poll asks every 50 ms.
func (s *Stage) poll(ctx context.Context, what string, holds func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := holds()
		if done && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited until %s: %w; the log ends with:\n%s", what, errors.Join(ctx.Err(), err), engine.Tail(s.Engine.Log, 10))
		case <-tick.C:
		}
	}
}
