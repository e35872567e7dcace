package http

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// ListEvents implements [api.ServerInterface].
func (s *server) ListEvents(w http.ResponseWriter, r *http.Request, params api.ListEventsParams) {
	f, p, err := s.listed(r.Context(), params)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f.Limit++ // whether there is another page
	events, err := s.events(r.Context(), f)
	if err == nil && len(events) == 0 && f.Run != "" { // there are none, or nobody knows such a run
		err = s.isRun(r.Context(), f.Run)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.EventList{}
	out.Events, out.Next = cut(p, events, func(e galen.Event) string { return strconv.FormatInt(e.Seq, 10) })
	s.answer(w, r, http.StatusOK, out)
}

// listed is what a call wants of the journal.
func (s *server) listed(ctx context.Context, params api.ListEventsParams) (EventFilter, paging, error) {
	name := "events"
	if deref(params.Newest) {
		name = "newest-events"
	}
	p, err := pagingOf(name, params.Limit, params.Cursor, pageUsual, eventMost)
	if err != nil {
		return EventFilter{}, p, err
	}
	f, err := s.eventFilter(ctx, wish{params.Resource, params.Run, params.Kind, params.From, params.To, params.After})
	if err != nil {
		return f, p, err
	}
	f.Newest, f.Limit = deref(params.Newest), p.limit
	at, err := p.number()
	switch {
	case f.Newest:
		f.Before = at
	case at > f.After:
		f.After = at
	}
	return f, p, err
}

// wish is what all calls of the journal can ask for.
type wish struct {
	resource *string
	run      *string
	kind     *galen.EventKind
	from, to *time.Time
	after    *int64
}

// eventFilter reads a wish, and refuses names that mean nothing: their answer would read like that of a quiet time.
func (s *server) eventFilter(ctx context.Context, in wish) (EventFilter, error) {
	f := EventFilter{Run: deref(in.run), Kind: deref(in.kind), From: deref(in.from), To: deref(in.to), After: deref(in.after)}
	var err error
	switch f.Resource, err = filtered(in.resource, given{"run", in.run}); {
	case err != nil:
		return f, err
	case in.kind != nil && !slices.Contains(galen.EventKinds(), f.Kind):
		return f, badf("kind %q: want one of %s", f.Kind, words(galen.EventKinds()))
	case f.After < 0:
		return f, badf("after %d: want the number of an event, or 0", f.After)
	case in.from != nil && f.From.IsZero(), in.to != nil && f.To.IsZero():
		return f, senselessf("from and to: want a time such as 2026-11-24T10:00:00Z")
	case in.from != nil && in.to != nil && !f.From.Before(f.To):
		return f, senselessf("from %s is not before to %s", f.From.UTC().Format(time.RFC3339), f.To.UTC().Format(time.RFC3339))
	}
	return f, s.mayRead(ctx, f)
}

// isRun tells that a filter names no run.
func (s *server) isRun(ctx context.Context, id string) error {
	_, err := s.o.Runs.Run(ctx, id)
	if errors.Is(err, galen.ErrNotFound) {
		return listedError{err, "/v1/runs"}
	}
	return err
}

// mayRead is nil if the filter's resource is known, its run one of a resource that the token may view, and its event one of this journal.
func (s *server) mayRead(ctx context.Context, f EventFilter) error {
	err := s.known(ctx, f.Resource)
	if err == nil && f.Run != "" {
		err = s.mayOnRun(ctx, galen.ScopeView, f.Run)
	}
	if err == nil {
		err = s.isPast(ctx, f.After)
	}
	return err
}

const (
	exportPage = 1000
	// exportLimit bounds a whole export.
	exportLimit = 30 * time.Minute
)

// ExportEvents implements [api.ServerInterface].
func (s *server) ExportEvents(w http.ResponseWriter, r *http.Request, params api.ExportEventsParams) {
	f, err := s.eventFilter(r.Context(), wish{params.Resource, params.Run, params.Kind, params.From, params.To, params.After})
	left := deref(params.Limit)
	if params.Limit != nil && left < 1 {
		err = badf("limit %d: want 1 or more", left)
	}
	if err == nil && f.Run != "" {
		err = s.isRun(r.Context(), f.Run)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	leave, err := s.crowd.enter(by(r.Context()), formExport)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	ctx, cancel := s.streaming(r.Context(), exportLimit)
	defer cancel()
	out := s.streamTo(w)
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	if params.Limit == nil {
		left = math.MaxInt64
	}
	begun, err := s.export(ctx, out, f, left, func() error {
		_, err := s.holder(r.Context(), credential(r))
		return err
	})
	switch {
	case err != nil && begun:
		s.cutOff(r, err)
	case err != nil:
		s.fail(w, r, err)
	}
}

// export writes events until there are no more, none is left to write, or the token counts no more; begun tells that an answer has begun.
func (s *server) export(ctx context.Context, out stream, f EventFilter, left int64, counts func() error) (begun bool, err error) {
	for left > 0 {
		if begun {
			if err := counts(); err != nil {
				return begun, err
			}
		}
		f.Limit = int(min(left, exportPage))
		page, err := s.events(ctx, f)
		if err != nil {
			return begun, err
		}
		begun = true
		if err := out.events(page); err != nil {
			return begun, err
		}
		if len(page) < f.Limit {
			break
		}
		left -= int64(len(page))
		f.After = page[len(page)-1].Seq
	}
	return begun, nil
}

func (o stream) events(all []galen.Event) error {
	text := make([]byte, 0, 512*len(all))
	for _, e := range all {
		line, err := galen.Canonical(e)
		if err != nil {
			return fmt.Errorf("export event %d: %w", e.Seq, err)
		}
		text = append(append(text, line...), '\n')
	}
	return o.send(text)
}
