package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/config"
)

// stopWithin is how long an orderly end may take: a worker waits 5 s for what it is at, as long again for a decision in a workflow's own task,
// and then takes it back. What is cut off after that is what a kill -9 would cut off: nothing is lost.
const stopWithin = 20 * time.Second

type serveFlags struct{ config, logs, level string }

func (c *cli) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "The engine: watch, find, heal, answer the API",
		Long: `Runs the engine until it is told to stop. Journal and Temporal are embedded, in the data directory of the
configuration (an external Temporal is used if the configuration names one).

When it is up it prints to stdout how each resource is looked after, each place where a policy leaves the safe
defaults, and last a line that begins with "ready": the API's address, the data directory, where the journal is, and the file of the API's
token. The log goes to stderr.

SIGTERM or Ctrl-C ends it in good order within 20 s; a second one at once. Open runs go on after the next start, also
after a kill -9.`,
		Example: `  galen config check --config galen.yaml
  galen serve --config galen.yaml
  galen serve --config /etc/galen/galen.yaml --log json --log-level warn`,
		Args: takes(0, 0, "no arguments: name the configuration with --config"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.config, "config", "galen.yaml", "the configuration file")
	cmd.Flags().StringVar(&f.logs, "log", "text", "form of the log: text or json")
	cmd.Flags().StringVar(&f.level, "log-level", "info", "least level of the log: debug, info, warn or error")
	return cmd
}

func (c *cli) serve(ctx context.Context, f serveFlags) error {
	begun := c.now()
	logger, err := newLogger(c.errs, f.logs, f.level)
	if err != nil {
		return err
	}
	can := catalogue()
	cfg, err := loadConfig(f.config, can, (*config.Config).CheckFiles)
	if err != nil {
		return err
	}
	what, err := meaningOf(cfg)
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer release()
	engine, err := app.Start(ctx, app.Options{
		Config: cfg, Catalogue: can, Temporal: temporalServer(cfg.Temporal), Logger: logger, Version: version(),
	})
	if err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	fatal := printReady(c.out, what, engine.Address(), c.now().Sub(begun))
	if fatal == nil {
		select {
		case <-ctx.Done():
			logger.Info("told to stop", "within", stopWithin.String())
		case fatal = <-engine.Fatal():
			logger.Error("the engine cannot go on", "error", fatal.Error())
		}
	}
	release() // a second signal ends the process at once
	return errors.Join(fatal, stopIn(engine.Stop, stopWithin))
}

// stopIn waits for an orderly end, for a limited time.
func stopIn(stop func() error, limit time.Duration) error {
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("stop the engine: %w", err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("the engine did not stop within %s and is cut off; the next start goes on with its open runs", limit)
	}
}

// printReady is what an operator sees at the start; the last line begins with "ready".
func printReady(w io.Writer, m meaning, address string, took time.Duration) error {
	if err := printTreatments(w, m.Resources); err != nil {
		return fmt.Errorf("tell that the engine is ready: %w", err)
	}
	scheme := "http"
	if m.TLS {
		scheme = "https"
	}
	_, err := fmt.Fprintf(w, "ready in %d ms  api %s://%s  data %s  journal %s  token %s  temporal %s\n",
		took.Milliseconds(), scheme, address, m.Data, m.Journal, filepath.Join(m.Data, app.TokenFile), m.Temporal)
	if err != nil {
		return fmt.Errorf("tell that the engine is ready: %w", err)
	}
	return nil
}

func newLogger(w io.Writer, form, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, usage("--log-level %q: want debug, info, warn or error", level)
	}
	o := &slog.HandlerOptions{Level: least}
	switch form {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	default:
		return nil, usage("--log %q: want text or json", form)
	}
}
