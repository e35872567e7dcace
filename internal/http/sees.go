package http

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// sees is what the call's token may view; everything that a list answers with passes here.
type sees struct{ token galen.Token }

func seesOf(ctx context.Context) sees { return sees{callerOf(ctx)} }

func (v sees) all() bool                      { return v.token.May(galen.ScopeView, galen.Resource{}) }
func (v sees) resource(r galen.Resource) bool { return v.token.May(galen.ScopeView, r) }
func (v sees) run(run galen.Run) bool         { return v.resource(run.Resource) }
func (v sees) finding(f galen.Finding) bool   { return v.resource(f.Resource) }
func (v sees) alert(a api.Alert) bool         { return v.resource(ownerOf(a)) }
func (v sees) watched(w Watched) bool         { return v.resource(w.Resource) }

func (v sees) approval(a galen.GivenApproval) bool {
	return v.resource(a.Resource)
}

// event: what tells of tokens, their names and grants, is for who may list them.
func (v sees) event(e galen.Event) bool {
	if e.Kind == galen.EventToken || e.Kind == galen.EventKeptOut {
		return v.tokens()
	}
	return v.resource(e.Resource)
}

func (v sees) tokens() bool { return v.token.May(galen.ScopeAdmin, galen.Resource{}) }

// only are those that pass.
func only[T any](all []T, pass func(T) bool) []T {
	out := make([]T, 0, len(all))
	for _, one := range all {
		if pass(one) {
			out = append(out, one)
		}
	}
	return out
}

// holds are those that hold anything that the token may view.
func (s *server) holds(ctx context.Context) ([]galen.Hold, error) {
	holds, err := s.o.Records.Holds(ctx)
	if err != nil {
		return nil, err
	}
	return only(holds, s.seesHold(ctx)), nil
}

func (s *server) seesHold(ctx context.Context) func(galen.Hold) bool {
	view := seesOf(ctx)
	mine := only(s.o.World.Watched(), view.watched)
	return func(h galen.Hold) bool {
		return view.all() || view.resource(h.Resource) || slices.ContainsFunc(mine, func(w Watched) bool { return h.Covers(w.Resource, h.Target) })
	}
}

// lastReleased is how many holds that were released are told from those that never were, to who may not do everything.
const lastReleased = 100

// released are the holds that were released last.
func (s *server) released(ctx context.Context) ([]galen.Hold, error) {
	events, err := s.o.Records.Events(ctx, EventFilter{Kind: galen.EventRelease, Limit: lastReleased, Newest: true})
	if err != nil {
		return nil, err
	}
	out := make([]galen.Hold, 0, len(events))
	for _, e := range events {
		var body struct {
			Hold galen.Hold `json:"hold"`
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return nil, fmt.Errorf("read the event %d: %w", e.Seq, err)
		}
		out = append(out, body.Hold)
	}
	return out, nil
}

// quarantines are of the whole account: everyone sees that a runbook acts nowhere, and of what it failed on what they may view.
func (s *server) quarantines(ctx context.Context) ([]galen.Quarantine, error) {
	all, err := s.o.Quarantines.Quarantines(ctx)
	view := seesOf(ctx)
	if err != nil || view.all() {
		return all, err
	}
	out := make([]galen.Quarantine, 0, len(all))
	for _, q := range all {
		n := len(q.Targets)
		q.Targets = only(q.Targets, func(target string) bool {
			name, _, _ := strings.Cut(target, " ")
			r, err := galen.ParseResource(name)
			return err == nil && view.resource(r)
		})
		q.Why = fmt.Sprintf("%s failed on %d targets", q.Verb, n)
		out = append(out, q)
	}
	return out, nil
}

// scanPage is how much of the journal is read at once for a token that may not view everything.
const scanPage = 1000

// scan reads pages until there are as many as wanted that pass. page reads the one after the item with which the page before ended; nil: the
// first one.
func scan[T any](want int, pass func(T) bool, page func(limit int, last *T) ([]T, error)) ([]T, error) {
	var out []T
	for last := (*T)(nil); ; {
		some, err := page(scanPage, last)
		if err != nil {
			return nil, err
		}
		out = append(out, only(some, pass)...)
		if len(out) >= want || len(some) < scanPage {
			return out[:min(want, len(out))], nil
		}
		last = &some[len(some)-1]
	}
}

// runs are those of a filter that the token may view, as many as the filter wants if there are so many.
func (s *server) runs(ctx context.Context, f RunFilter) ([]galen.Run, error) {
	view, want := seesOf(ctx), f.Limit
	if view.all() || f.Resource != (galen.Resource{}) {
		return s.o.Runs.Runs(ctx, f)
	}
	return scan(want, view.run, func(limit int, last *galen.Run) ([]galen.Run, error) {
		if f.Limit = limit; last != nil {
			f.Before = last.ID
		}
		return s.o.Runs.Runs(ctx, f)
	})
}

// events are those of a filter that the token may view.
func (s *server) events(ctx context.Context, f EventFilter) ([]galen.Event, error) {
	view, want := seesOf(ctx), f.Limit
	if view.all() && view.tokens() || f.Resource != (galen.Resource{}) {
		return s.o.Records.Events(ctx, f)
	}
	return scan(want, view.event, func(limit int, last *galen.Event) ([]galen.Event, error) {
		switch f.Limit = limit; {
		case last == nil:
		case f.Newest:
			f.Before = last.Seq
		default:
			f.After = last.Seq
		}
		return s.o.Records.Events(ctx, f)
	})
}
