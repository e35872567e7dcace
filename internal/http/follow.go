package http

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// The forms in which a caller may wait for something to happen.
const (
	formStream = "events" // of a run
	formWait   = "wait"   // one call that is answered late
	formExport = "export" // of the journal, as long as its reader is slow
)

func streamForms() []string { return []string{formStream, formWait, formExport} }

const (
	// waitLimit leaves time enough for the answer before the call is over.
	waitLimit = 30 * time.Second
	// streamLimit ends a stream that nothing else has ended; its caller comes again.
	streamLimit = time.Hour
	// beatEvery is how often a quiet stream shows that it lives, and asks whether its token still counts.
	beatEvery = 15 * time.Second
	// expirySoon: a token that has expired by our clock, and counts by that of the journal, is asked about again then.
	expirySoon = time.Second
	// streamPage is how many events are read and sent at once.
	streamPage = 100
	// reconnect tells an EventSource when to come again.
	reconnect = "retry: 1000\n\n"
)

// changed waits until a run has an event after seq, has ended, or the time is over.
func (s *server) changed(w http.ResponseWriter, r *http.Request, id string, params api.GetRunParams) error {
	limit, err := waitOf(params)
	if err == nil && limit > 0 {
		err = s.isPast(r.Context(), deref(params.After))
	}
	if err != nil || limit == 0 {
		return err
	}
	f, leave, err := s.enter(r, id, formWait)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := s.streaming(r.Context(), limit)
	defer cancel()
	defer s.streamTo(w).rest()()
	return s.awaitNews(ctx, r, f, deref(params.After))
}

// awaitNews waits within a context for what has happened since an event.
func (s *server) awaitNews(ctx context.Context, r *http.Request, f *follower, after int64) error {
	for waited := false; ; waited = true {
		run, news, err := s.newsOf(r.Context(), f.run, after, 1)
		if err == nil && waited { // whoever was let wait may have lost the right to see what came
			_, err = s.stillViews(r, run)
		}
		if err != nil || ctx.Err() != nil || len(news) > 0 || !run.Status.Open() {
			return err
		}
		f.await(ctx)
	}
}

// enter lets a caller wait for a run, if not too many do; whoever got in must leave.
func (s *server) enter(r *http.Request, run, form string) (f *follower, leave func(), err error) {
	out, err := s.crowd.enter(by(r.Context()), form)
	if err != nil {
		return nil, nil, err
	}
	f, quit, err := s.tail.join(r.Context(), run)
	if err != nil {
		out()
		return nil, nil, err
	}
	return f, func() { quit(); out() }, nil
}

// What the OpenAPI file says of a time to wait and of the id of an event, and no more, is taken.
var (
	waitForm    = regexp.MustCompile(`^([0-9]{1,4}(m|s|ms))+$`)
	eventIDForm = regexp.MustCompile(`^[0-9]{1,18}$`)
)

const longestWait = 20

// waitOf is 0 when nothing is waited for.
func waitOf(params api.GetRunParams) (time.Duration, error) {
	if params.After != nil && *params.After < 0 {
		return 0, badf("after %d: want seq of the run as it is known, or 0", *params.After)
	}
	if params.Wait == nil {
		return 0, nil
	}
	limit, err := time.ParseDuration(*params.Wait)
	switch {
	case err != nil || len(*params.Wait) > longestWait || !waitForm.MatchString(*params.Wait):
		return 0, badf("wait %.40q: want a time such as 30s", *params.Wait)
	case limit > waitLimit:
		return 0, senselessf("wait %s: want %s at most, and ask again after that", limit, waitLimit)
	}
	return limit, nil
}

// isPast refuses to go on after an event that this journal does not have: whoever knows it knows another journal, or an older one is here now.
func (s *server) isPast(ctx context.Context, seq int64) error {
	if seq == 0 {
		return nil
	}
	head, err := s.tail.head(ctx)
	if err == nil && seq > head {
		err = senselessf("after event %d: the newest one of this journal is %d; ask without it, from the beginning", seq, head)
	}
	return err
}

// stillViews is the token of a call as it is by now, if it still may view the run.
func (s *server) stillViews(r *http.Request, run galen.Run) (galen.Token, error) {
	token, err := s.holder(r.Context(), credential(r))
	if err != nil {
		return token, err
	}
	return token, may(withCaller(r.Context(), token), galen.ScopeView, run.Resource)
}

// FollowRun implements [api.ServerInterface].
func (s *server) FollowRun(w http.ResponseWriter, r *http.Request, id api.Id, params api.FollowRunParams) {
	after, err := afterOf(params)
	if err == nil {
		err = s.isPast(r.Context(), after)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	f, leave, err := s.enter(r, id, formStream)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer leave()
	ctx, cancel := s.streaming(r.Context(), streamLimit)
	defer cancel()
	one := &following{s: s, r: r, f: f, seq: after, expires: callerOf(ctx).Expires}
	if err := one.begin(ctx, w, params); err != nil {
		s.fail(w, r, err)
	}
}

// afterOf is the number of the newest event that a caller has.
func afterOf(params api.FollowRunParams) (int64, error) {
	after := deref(params.After)
	if after < 0 {
		return 0, badf("after %d: want the seq of an event, or 0", after)
	}
	text := deref(params.LastEventID)
	if text == "" {
		return after, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !eventIDForm.MatchString(text) {
		return 0, badf("Last-Event-ID %.40q: want the id of a message that came, or no such header", text)
	}
	return n, nil
}

// following is one stream of the events of a run.
type following struct {
	s       *server
	r       *http.Request
	f       *follower
	out     stream
	seq     int64 // of the newest event that was sent
	expires time.Time
}

// begin is an error only while nothing of an answer is written.
func (o *following) begin(ctx context.Context, w http.ResponseWriter, params api.FollowRunParams) error {
	run, page, err := o.news(ctx)
	if err != nil {
		return err
	}
	if len(page) == 0 && !run.Status.Open() && (params.After != nil || params.LastEventID != nil) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that keeps pieces back would keep all
	o.out = o.s.streamTo(w)
	defer o.out.rest()()
	gone := o.out.send([]byte(reconnect))
	if gone == nil {
		gone = o.on(ctx, run, page)
	}
	if gone != nil {
		o.s.left(o.r, gone)
	}
	return nil
}

// newsOf are a run as it is and its next events; of one that has ended there are no others.
func (s *server) newsOf(ctx context.Context, id string, after int64, limit int) (galen.Run, []galen.Event, error) {
	run, err := s.o.Runs.Run(ctx, id)
	if err != nil {
		return run, nil, fmt.Errorf("run %s: %w", id, err)
	}
	page, err := s.o.Records.Events(ctx, EventFilter{Run: id, After: after, Limit: limit})
	return run, page, err
}

func (o *following) news(ctx context.Context) (galen.Run, []galen.Event, error) {
	return o.s.newsOf(ctx, o.f.run, o.seq, streamPage)
}

// on sends what there is and what comes, until the run has ended; an error says that the caller has left.
func (o *following) on(ctx context.Context, run galen.Run, page []galen.Event) error {
	for {
		if err := o.sendEvents(page); err != nil {
			return err
		}
		var err error
		switch {
		case len(page) == streamPage: // there is more, and sending took as long as its reader let it
			_, err = o.s.stillViews(o.r, run)
		case !run.Status.Open():
			return o.sendNamed("end", run)
		default:
			err = o.wait(ctx, run)
		}
		if err == nil && ctx.Err() == nil {
			run, page, err = o.news(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		if err != nil {
			return o.sendProblem(err)
		}
	}
}

// wait returns once there may be something to tell, and why the caller is told nothing any more.
func (o *following) wait(ctx context.Context, run galen.Run) error {
	defer o.out.rest()()
	for {
		beat := beatEvery
		if !o.expires.IsZero() {
			beat = min(beat, max(o.expires.Sub(o.s.o.Now()), expirySoon))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-o.f.woken: // who may not see it any more is not told
			_, err := o.s.stillViews(o.r, run)
			return err
		case <-o.f.doubted:
		case <-o.s.o.After(beat):
			if err := o.out.send([]byte(": so far\n\n")); err != nil {
				return err
			}
			o.out.rest() // until it is bounded again below
		}
		token, err := o.s.stillViews(o.r, run)
		if err != nil {
			return err
		}
		o.expires = token.Expires
	}
}

func (o *following) sendEvents(page []galen.Event) error {
	if len(page) == 0 {
		return nil
	}
	var text []byte
	for _, e := range page {
		line, err := galen.Canonical(e)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Seq, err)
		}
		text = fmt.Appendf(text, "id: %d\ndata: %s\n\n", e.Seq, line)
	}
	if err := o.out.send(text); err != nil {
		return err
	}
	o.seq = page[len(page)-1].Seq
	return nil
}

// sendNamed sends a message that is no event of the journal, and so without an id.
func (o *following) sendNamed(name string, what any) error {
	text, err := galen.Canonical(what)
	if err != nil {
		return fmt.Errorf("tell %s: %w", name, err)
	}
	return o.out.send(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text))
}

// sendProblem tells why the stream ends.
func (o *following) sendProblem(err error) error {
	p := problemOf(o.s.passing(err))
	switch p.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		o.s.refused(o.r, p.status, err)
	case http.StatusInternalServerError:
		o.s.o.Logger.Error("a stream failed", "path", o.r.URL.Path, "error", err.Error())
	}
	return o.sendNamed("problem", asError(o.r, p, err.Error()))
}

// left tells of a caller who has gone while something was written.
func (s *server) left(r *http.Request, err error) {
	s.o.Logger.Debug("the caller is gone", "path", r.URL.Path, "error", err.Error())
}
