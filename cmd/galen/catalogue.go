package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/cmd/galen/embedded"
	"github.com/galenhq/galen/detectors"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/runbooks"
)

// catalogue is all that this binary can do. A new kind is one line here.
func catalogue() app.Catalogue {
	return app.Catalogue{
		Kinds: []app.Kind{
			{Name: cassandra.KindName, Open: openCassandra, CheckPolicy: cassandra.CheckPolicy, Doubt: doubtCassandra, Saved: savedCassandra},
		},
		Runbooks:  runbooks.All(),
		Detectors: detectors.All(),
	}
}

func savedCassandra() galen.ListedKind { return galen.ListSaved(cassandra.Kind()) }

func openCassandra(setups map[galen.Resource]json.RawMessage, _ *slog.Logger) (galen.ListedKind, error) {
	driver, err := live.Open(setups, time.Now)
	if err != nil {
		return galen.ListedKind{}, err
	}
	return galen.ListKind(cassandra.Kind(), driver), nil
}

// doubtCassandra tells of a ring that has no node: spares alone take nobody's place.
func doubtCassandra(setup json.RawMessage) []config.Warning {
	if ring, err := galen.Decode[live.Setup](setup); err != nil || !ring.SparesOnly() {
		return nil
	}
	return []config.Warning{{At: "nodes", What: "each is a spare: no node of the ring is named, so that nothing is looked after", Do: "name the nodes of the ring, or leave spare out where one is a node"}}
}

// temporalServer is the one that the configuration names, or else the embedded one.
func temporalServer(c config.Temporal) app.Temporal {
	if c.Address != "" {
		return app.External(c)
	}
	return func(ctx context.Context, dir string, logger *slog.Logger) (app.Server, error) {
		s, err := embedded.Start(ctx, embedded.Options{Dir: dir, Namespace: c.Namespace, Logger: logger})
		if err != nil {
			return app.Server{}, err
		}
		return app.Server{Address: s.Address(), Namespace: s.Namespace(), Headers: s.Headers, Stop: s.Stop}, nil
	}
}

// loadConfig reads a configuration and checks all of it that can be checked without touching a resource, the setups of its
// kinds too; it tells every fault that it finds, those of more with them.
func loadConfig(path string, can app.Catalogue, more ...func(*config.Config) []error) (*config.Config, error) {
	cfg, err := config.Load(path)
	if cfg == nil {
		return nil, &failure{code: exitUsage, err: err, clear: true}
	}
	errs := slices.Concat(unknownKinds(cfg, can), can.CheckPolicies(cfg), unhealed(cfg.Alerts, can.Runbooks), unopened(cfg, can))
	for _, faults := range more {
		errs = append(errs, faults(cfg)...)
	}
	switch others := errors.Join(errs...); {
	case err != nil:
		err = errors.Join(err, others)
	case others != nil:
		err = fmt.Errorf("configuration %s: %w", path, others)
	default:
		return cfg, nil
	}
	return nil, &failure{code: exitUsage, err: err, clear: true}
}

func unknownKinds(cfg *config.Config, can app.Catalogue) []error {
	var errs []error
	var names []string
	for _, k := range can.Kinds {
		names = append(names, k.Name)
	}
	for _, r := range cfg.Resources {
		if r.Resource.Kind != "" && !slices.Contains(names, r.Resource.Kind) {
			errs = append(errs, fmt.Errorf("%s: this galen does not know the kind %q: it has %s", r.Resource, r.Resource.Kind, strings.Join(names, ", ")))
		}
	}
	return errs
}

// unopened are the faults of the setups: of each by itself, and if there is none, of all together.
func unopened(cfg *config.Config, can app.Catalogue) []error {
	var errs []error
	quiet := slog.New(slog.DiscardHandler)
	try := func(k app.Kind, setups map[galen.Resource]json.RawMessage) {
		opened, err := k.Open(setups, quiet)
		if err != nil {
			errs = append(errs, err)
			return
		}
		opened.Close()
	}
	for _, k := range can.Kinds {
		setups := cfg.OfKind(k.Name)
		before := len(errs)
		for _, r := range cfg.Resources {
			if setup, is := setups[r.Resource]; is && len(setup) > 0 {
				try(k, map[galen.Resource]json.RawMessage{r.Resource: setup})
			}
		}
		if len(errs) == before && len(setups) > 1 {
			try(k, setups)
		}
	}
	return errs
}

// unhealed are the faults of alert rules whose code no runbook heals: their alerts would start nothing.
func unhealed(rules []config.AlertRule, books []galen.ListedRunbook) []error {
	var codes []galen.Code
	for _, rb := range books {
		codes = append(codes, rb.Heals...)
	}
	var errs []error
	for i, rule := range rules {
		if !slices.Contains(codes, rule.Code) {
			errs = append(errs, fmt.Errorf("alerts[%d].code: no runbook heals %q, so that it would start nothing; one of %q", i, rule.Code, codes))
		}
	}
	return errs
}
