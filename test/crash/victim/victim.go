// Package victim is the engine as `galen serve` runs it, app.Start with the embedded Temporal server, over the simulated
// ring of test/ringd. Built with the tag failpoint, it can be told where to kill or freeze itself. It can also be
// another release of the engine: one with other versions of the runbooks, or without some.
package victim

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/cmd/galen/embedded"
	"github.com/galenhq/galen/detectors"
	"github.com/galenhq/galen/runbooks"
	"github.com/galenhq/galen/test/engine"
	"github.com/galenhq/galen/test/ringd"
)

// optionsEnv carries the options of a victim; a process that finds it is one.
const optionsEnv = "GALEN_VICTIM"

// Options of a victim beside its configuration file.
type Options struct {
	// Trace is the file to which it appends what it does, see [Line].
	Trace string `json:"trace"`
	// Temporal is a server elsewhere; nil: the embedded one.
	Temporal *Temporal `json:"temporal,omitempty"`
	// Versions are those of runbooks by name, where they are other ones than in this build; 0: it has no such runbook.
	Versions map[string]int `json:"versions,omitempty"`
}

// Temporal is a Temporal server that another process runs.
type Temporal struct {
	Address   string            `json:"address"`
	Namespace string            `json:"namespace"`
	Headers   map[string]string `json:"headers"`
}

// Setup of a resource in the victim's configuration.
type Setup struct {
	// URL of the ring process.
	URL string `json:"url"`
}

// Env is the variable that makes a process of this program a victim, NAME=value.
func Env(o Options) (string, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("options of the victim: %w", err)
	}
	return optionsEnv + "=" + string(text), nil
}

// MaybeServe turns this process into a victim, and does not return, if it was started as one with the arguments "serve
// --config FILE". Call it first in TestMain or main.
func MaybeServe() {
	text, ok := os.LookupEnv(optionsEnv)
	if !ok {
		return
	}
	if err := serveHere(text); err != nil {
		fmt.Fprintln(os.Stderr, "victim:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveHere(text string) error {
	o, err := galen.Decode[Options]([]byte(text))
	if err != nil {
		return fmt.Errorf("options: %w", err)
	}
	fate, err := newFate(o)
	if err != nil {
		return err
	}
	return engine.Serve(app.Options{Catalogue: catalogue(fate, o.Versions), Temporal: server(o.Temporal), Version: "victim"})
}

func server(elsewhere *Temporal) app.Temporal {
	return func(ctx context.Context, dir string, logger *slog.Logger) (app.Server, error) {
		if elsewhere != nil {
			headers := func(context.Context) (map[string]string, error) { return elsewhere.Headers, nil }
			return app.Server{Address: elsewhere.Address, Namespace: elsewhere.Namespace, Headers: headers}, nil
		}
		s, err := embedded.Start(ctx, embedded.Options{Dir: dir, Logger: logger})
		if err != nil {
			return app.Server{}, err
		}
		return app.Server{Address: s.Address(), Namespace: s.Namespace(), Headers: s.Headers, Stop: s.Stop}, nil
	}
}

func catalogue(f *fate, versions map[string]int) app.Catalogue {
	out := app.Catalogue{Detectors: detectors.All(), Kinds: []app.Kind{{Name: cassandra.KindName, Open: f.open}}}
	for _, rb := range runbooks.All() {
		if version, other := versions[rb.Name]; other {
			rb.Version = version
		}
		if rb.Version > 0 {
			out.Runbooks = append(out.Runbooks, f.runbook(rb))
		}
	}
	return out
}

// open makes the driver of the one ring.
func (f *fate) open(setups map[galen.Resource]json.RawMessage, _ *slog.Logger) (galen.ListedKind, error) {
	if len(setups) != 1 {
		return galen.ListedKind{}, fmt.Errorf("%d resources, want one", len(setups))
	}
	var d driver
	for r, text := range setups {
		setup, err := galen.Decode[Setup](text)
		if err != nil {
			return galen.ListedKind{}, fmt.Errorf("setup of %s: %w", r, err)
		}
		d = driver{ring: ringd.Connect(setup.URL), fate: f}
	}
	return galen.ListKind(cassandra.Kind(), galen.Driver[cassandra.Ring](d)), nil
}
