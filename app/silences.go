package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/alertmanager"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

// silences keeps a silence in Alertmanager for each target that a run works on, and lifts it when the run ends, waits for a person
// or is not there any more. It remembers nothing: each round compares what there is with what should be, so that a new engine
// lifts what a dead one has left. A silence ends by itself soon, so that a dead engine hides nothing for long.
type silences struct {
	api    silencer
	by     string // who makes them, for whom we answer
	runs   func(ctx context.Context) ([]galen.Run, error)
	past   func(ctx context.Context, run string) ([]galen.Intent, error)
	last   func(galen.Resource) (galen.State, bool)
	able   func() bool // whether the engine can go on with what it does
	config *config.Config
	now    func() time.Time
	logger *slog.Logger
}

// silencer is Alertmanager.
type silencer interface {
	Silences(ctx context.Context) ([]alertmanager.Silence, error)
	Put(ctx context.Context, s alertmanager.Silence) error
	Lift(ctx context.Context, id string) error
}

const (
	silenceEvery = 2 * time.Second
	silenceFor   = 5 * time.Minute // longest that a dead engine's silence stays
	silenceRenew = 3 * time.Minute // one that would end sooner is moved on
	silenceCall  = 10 * time.Second
	silenceYoung = time.Minute // how long a run that does nothing yet, or any more, passes for one that works; past its holding time
)

// silence keeps silences until the engine stops.
func (e *Engine) silence(ctx context.Context) error {
	am := e.o.Config.Alertmanager
	if am.URL == "" {
		return nil
	}
	name, err := e.journal.Identity(ctx, e.self.ID)
	if err != nil {
		return err
	}
	s := silences{
		api: &alertmanager.Client{URL: am.URL, TokenFile: am.TokenFile, HTTP: &http.Client{Timeout: silenceCall}},
		by:  "galen " + name, runs: e.allOpen, past: e.journal.IntentsOf, able: func() bool { return e.vigil.works() == nil }, last: e.world.Last, config: e.o.Config, now: time.Now, logger: e.o.Logger,
	}
	run, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(run)
	}()
	e.stops = append(e.stops, func() error { cancel(); <-ended; return nil })
	return nil
}

// allOpen are the open runs of all resources.
func (e *Engine) allOpen(ctx context.Context) ([]galen.Run, error) {
	return e.journal.Runs(ctx, journal.RunFilter{OpenOnly: true, Limit: countLimit})
}

func (s silences) run(ctx context.Context) {
	tick := time.NewTicker(silenceEvery)
	defer tick.Stop()
	was := ""
	for {
		err := s.round(ctx)
		if now := errorText(err); now != was && ctx.Err() == nil { // once, not every two seconds
			was = now
			if err != nil {
				s.logger.Warn("the silences in Alertmanager are not as they should be, trying again", "error", now)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// round makes Alertmanager's silences of ours what they should be.
func (s silences) round(ctx context.Context) error {
	want, err := s.wanted(ctx)
	if err != nil {
		return err
	}
	have, err := s.api.Silences(ctx)
	if err != nil {
		return err
	}
	now := s.now().UTC()
	var errs []error
	for _, is := range have {
		if is.CreatedBy != s.by {
			continue
		}
		named, wanted := want[is.Comment]
		if !wanted {
			errs = append(errs, s.api.Lift(ctx, is.ID)) // its run has ended, or there are two of them
			continue
		}
		delete(want, is.Comment)
		if named.works && is.EndsAt.Sub(now) < silenceRenew {
			is.EndsAt = now.Add(silenceFor)
			errs = append(errs, s.api.Put(ctx, is))
		}
	}
	for comment, named := range want {
		if !named.works {
			continue
		}
		errs = append(errs, s.api.Put(ctx, alertmanager.Silence{Matchers: named.matchers, StartsAt: now, EndsAt: now.Add(silenceFor), CreatedBy: s.by, Comment: comment}))
	}
	return errors.Join(errs...)
}

// rest is a silence that should be, or, of a run that does nothing just now, may be until it ends by itself.
type rest struct {
	matchers []alertmanager.Matcher
	works    bool
}

// wanted are the silences that should be or may be, by comment.
func (s silences) wanted(ctx context.Context) (map[string]rest, error) {
	open, err := s.runs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the open runs: %w", err)
	}
	out := map[string]rest{}
	for _, run := range open {
		state, seen := s.last(run.Resource)
		resource := s.named(run.Resource)
		if !seen || len(resource) == 0 || !s.mayWork(run) {
			continue
		}
		works, err := s.works(ctx, run)
		if err != nil {
			return nil, err
		}
		for _, target := range run.InScope() {
			if names := namesOf(state, target); names != "" {
				s.cover(out, fmt.Sprintf("run %s works on %s of %s; lifted when it ends", run.ID, target.ID, run.Resource), rest{resource, works}, names)
			}
		}
	}
	return out, nil
}

// cover adds the silences of one target: one for each label by which a rule finds members.
func (s silences) cover(out map[string]rest, comment string, resource rest, names string) {
	for _, label := range s.memberLabels() {
		matchers := append(slices.Clone(resource.matchers), alertmanager.Matcher{Name: label, Value: names, IsRegex: true, IsEqual: true})
		out[comment+" ("+label+")"] = rest{matchers, resource.works}
	}
}

// works tells whether something of a run is under way or being verified, or it has just begun. One that a hold, a storm or a window keeps from going on does
// nothing: its silence is not renewed, and people hear of its target soon. So it is while the engine itself can do nothing.
func (s silences) works(ctx context.Context, run galen.Run) (bool, error) {
	if !s.able() {
		return false, nil
	}
	if run.Status == galen.RunRunning && s.now().Sub(run.Created) < silenceYoung {
		return true, nil
	}
	past, err := s.past(ctx, run.ID)
	if err != nil {
		return false, fmt.Errorf("list what run %s has done: %w", run.ID, err)
	}
	settling := s.config.Policy(run.Resource).HoldFor.D() + silenceYoung
	return slices.ContainsFunc(past, func(in galen.Intent) bool {
		return !in.Effect.Settled() || s.now().Sub(in.Effect.At) < settling
	}), nil
}

// mayWork tells whether a run may go on by itself: one that waits for a person, only looks or suggests, or was told by an alert that
// nothing has confirmed hides nothing.
func (s silences) mayWork(run galen.Run) bool {
	policy := s.config.Policy(run.Resource)
	acts := slices.ContainsFunc([]galen.Class{galen.Reversible, galen.Disruptive, galen.Destructive}, func(c galen.Class) bool {
		return policy.ModeOf(run.Runbook, c).Acts()
	})
	return acts && run.Suggested == nil && (run.Status == galen.RunRunning || run.Status == galen.RunWaiting) && (!run.FromAlert() || run.Finding != nil)
}

// memberLabels are the labels by which the rules find members.
func (s silences) memberLabels() []string {
	var out []string
	for _, rule := range s.config.Alerts {
		if !slices.Contains(out, rule.MemberLabel) {
			out = append(out, rule.MemberLabel)
		}
	}
	return out
}

// named are the matchers by which alerts name a resource, none if they do not.
func (s silences) named(r galen.Resource) []alertmanager.Matcher {
	var out []alertmanager.Matcher
	for _, of := range s.config.Resources {
		if of.Resource != r {
			continue
		}
		for _, m := range of.NamedBy() {
			out = append(out, alertmanager.Matcher{Name: m.Name, Value: m.Value, IsRegex: m.Regexp, IsEqual: !m.Not})
		}
	}
	return out
}

// namesOf is a regular expression of what alerts may call a member, see package intake; "" if it is not known.
func namesOf(state galen.State, target galen.Target) string {
	for _, m := range state.Members() {
		if m.Target.ID != target.ID {
			continue
		}
		host := m.Name
		if h, _, err := net.SplitHostPort(m.Name); err == nil {
			host = h
		}
		var names []string
		for _, name := range []string{host, m.Target.ID, m.Instance, strings.TrimPrefix(m.Instance, "instance/")} {
			if name != "" && !slices.Contains(names, regexp.QuoteMeta(name)) {
				names = append(names, regexp.QuoteMeta(name))
			}
		}
		return `\[?(` + strings.Join(names, "|") + `)\]?(:[0-9]+)?`
	}
	return ""
}
