package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/config"
	galenhttp "github.com/galenhq/galen/internal/http"
	"github.com/galenhq/galen/internal/journal"
)

// TokenFile is the file of the API's token in the data directory.
const TokenFile = "token"

// stopWithin bounds how long a stopping engine waits for the calls that are under way.
const stopWithin = 2 * time.Second

// door is what the API reads of files and configuration.
type door struct {
	token, tokenFile string
	tls              *tls.Config
	logins           galenhttp.Logins
	watched          []galenhttp.Watched
}

// door makes it before anything looks or acts: an engine that cannot open its ways in does nothing at all.
func (e *Engine) door() (d door, err error) {
	d.tokenFile = filepath.Join(e.o.Config.Data, TokenFile)
	var made bool
	if d.token, made, err = galenhttp.Token(d.tokenFile); err != nil {
		return d, err
	}
	if made {
		e.o.Logger.Info("made the API's token", "file", d.tokenFile)
	}
	if d.watched, err = watchedResources(e.o.Config); err != nil {
		return d, err
	}
	if d.tls, err = e.tls(); err != nil {
		return d, err
	}
	d.logins, err = e.logins()
	return d, err
}

// ways opens the ways in: the API on the listener.
func (e *Engine) ways(listener net.Listener, d door) {
	triage := e.triage()
	inbox := e.inbox(triage)
	matcher := e.matcher(inbox, triage)
	e.matchAlerts(matcher)
	refusals := galenhttp.NewRefusals(e.journal.Append)
	e.tellRefusals(refusals)
	limits := e.o.Config.Limits
	e.serve(listener, galenhttp.New(galenhttp.Options{
		Token: d.token, TokenFile: d.tokenFile, Tokens: tokens{e.journal}, Logins: d.logins, Refusals: refusals, TLS: d.tls,
		Limits: galenhttp.Limits{PerToken: *limits.PerToken, PerAddress: *limits.PerAddress},
		Runs:   rows{e.journal}, Intents: e.journal, Records: rows{e.journal}, Requests: requests{e}, Decisions: people{e}, Approvals: rows{e.journal}, Holds: e.journal, Quarantines: e.journal, Schedules: schedules{e}, Epochs: epochs{e.journal},
		World: seen{d.watched, e}, Advice: advisor{e}, Alerts: alerts{inbox, matcher, e.journal}, Runbooks: e.o.Catalogue.Runbooks, Faults: e.faults.All, Health: e.health, Sees: e.sighted, Orphaned: e.orphaned, Ready: e.ready(), Away: journal.Away,
		Measure: measure{e, inbox, refusals}.now, Tally: e.tally.Tally, Around: e.trace.Around,
		Committed: e.journal.Committed, Shared: e.shared(),
		Version: e.o.Version, Started: e.started, Now: time.Now, Logger: e.o.Logger,
	}))
}

// tls is that of the API, nil for plain HTTP.
func (e *Engine) tls() (*tls.Config, error) {
	t := e.o.Config.TLS
	if !t.On() {
		return nil, nil
	}
	return galenhttp.TLS(galenhttp.TLSFiles{Cert: t.CertFile, Key: t.KeyFile, ClientCA: t.ClientCAFile}, func(err error) {
		e.o.Logger.Error("a certificate that was changed cannot be used", "error", err.Error())
	})
}

// tellRefusals tells the journal of refused calls until the engine stops.
func (e *Engine) tellRefusals(r *galenhttp.Refusals) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx, func(err error) { e.o.Logger.Error("refused calls are not in the journal yet", "error", err.Error()) })
	}()
	e.stops = append(e.stops, func() error { cancel(); <-ended; return nil })
}

// tokens are the named tokens as the API knows them.
type tokens struct{ *journal.Store }

func (t tokens) CreateToken(ctx context.Context, token galen.Token, hash string) (galen.Token, error) {
	made, err := t.Store.CreateToken(ctx, token, hash)
	if errors.Is(err, journal.ErrTokenName) {
		err = galenhttp.Conflict(err)
	}
	return made, err
}

// serve answers calls until the engine stops.
func (e *Engine) serve(listener net.Listener, server *http.Server) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := galenhttp.Serve(server, listener); err != nil {
			select {
			case e.fatal <- err:
			default:
			}
		}
	}()
	e.stops = append(e.stops, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // who is still calling loses the call, not what was stored
		}
		<-ended
		return err
	})
}

// health tells why the engine does not work: its journal and Temporal must answer.
func (e *Engine) health(ctx context.Context) error {
	if _, err := e.journal.Holds(ctx); err != nil {
		return &galenhttp.OutageError{What: "the journal does not answer", Cause: err}
	}
	return e.goesOn(ctx)
}

// goesOn tells why runs do not.
func (e *Engine) goesOn(ctx context.Context) error {
	if err := e.reach.beats(ctx, time.Now()); err != nil {
		return &galenhttp.OutageError{What: "runs do not go on", Cause: err}
	}
	return nil
}

// ready tells why the engine could not record and carry on what it is asked for. It may be asked by anybody, and often: the journal is tried
// now and then only.
func (e *Engine) ready() func(context.Context) error {
	writes := newPulse(e.journal.CanWrite)
	return func(ctx context.Context) error {
		if err := e.aside.err(); err != nil {
			return &galenhttp.OutageError{What: "it stands aside for an engine with another configuration", Cause: err} // which names resources
		}
		if err := writes.beats(ctx, time.Now()); err != nil {
			return &galenhttp.OutageError{What: "the journal cannot be written", Cause: err}
		}
		return e.goesOn(ctx)
	}
}

// watchedResources is the configuration as the API shows it.
func watchedResources(c *config.Config) ([]galenhttp.Watched, error) {
	var out []galenhttp.Watched
	for _, r := range c.Resources {
		policy := c.Policy(r.Resource)
		differences, err := config.Differences(policy)
		if err != nil {
			return nil, fmt.Errorf("policy of %s: %w", r.Resource, err)
		}
		w := galenhttp.Watched{Resource: r.Resource, PolicyName: c.PolicyName(r.Resource), Policy: policy}
		for _, d := range differences {
			w.Differences = append(w.Differences, api.Difference{Field: d.Field, Safe: d.Safe, Here: d.Here})
		}
		out = append(out, w)
	}
	return out, nil
}

// seen is what the engine looks after, as it was seen last.
type seen struct {
	watched []galenhttp.Watched
	engine  *Engine
}

func (s seen) Watched() []galenhttp.Watched { return s.watched }

func (s seen) Last(r galen.Resource) (galen.State, bool) { return s.engine.world.Last(r) }
