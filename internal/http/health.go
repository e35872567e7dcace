package http

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// healthTimeout: an engine that cannot answer within it does not work.
const healthTimeout = 2 * time.Second

// GetHealth implements [api.ServerInterface].
func (s *server) GetHealth(w http.ResponseWriter, r *http.Request) {
	h := s.health(r.Context(), outward)
	status := http.StatusOK
	if !h.Ok {
		status = http.StatusServiceUnavailable
	}
	s.answer(w, r, status, h)
}

// outward is what anybody may be told of an outage.
func outward(err error) string {
	var out *OutageError
	if errors.As(err, &out) {
		return out.What + "; the engine's log and galen status tell why"
	}
	return "it does not work; the engine's log and galen status tell why"
}

// health has the reason in the words for whoever asks.
func (s *server) health(ctx context.Context, say func(error) string) api.Health {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	h := api.Health{Ok: true, Version: s.o.Version, Started: s.o.Started.UTC()}
	if err := s.o.Health(ctx); err != nil {
		why := say(err)
		h.Ok, h.Why = false, &why
	}
	return h
}

// sighted is the health for people: an engine that answers and sees nothing does not do what it is there for.
func (s *server) sighted(h api.Health) api.Health {
	if !h.Ok || s.o.Sees == nil {
		return h
	}
	if err := s.o.Sees(); err != nil {
		why := err.Error()
		h.Ok, h.Why = false, &why
	}
	return h
}

// GetReady implements [api.ServerInterface].
func (s *server) GetReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	if err := s.o.Ready(ctx); err != nil {
		s.fail(w, r, Unavailable(errors.New(outward(err))))
		return
	}
	s.answer(w, r, http.StatusOK, api.Ready{Ok: true})
}

// GetVersion implements [api.ServerInterface].
func (s *server) GetVersion(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, http.StatusOK, api.Version{Version: s.o.Version, Go: runtime.Version(), Started: s.o.Started.UTC()})
}

// countLimit bounds how many open runs a summary reads.
const countLimit = 10_000

// GetStatus implements [api.ServerInterface].
func (s *server) GetStatus(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	open, err := s.runs(ctx, RunFilter{OpenOnly: true, Limit: countLimit})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	findings, err := s.o.Records.Findings(ctx, galen.Resource{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	findings = only(findings, seesOf(ctx).finding)
	holds, err := s.holds(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	quarantines, err := s.quarantines(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	observe, err := s.o.Epochs.Observe(ctx)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.Status{
		Health: s.sighted(s.health(ctx, error.Error)), Findings: len(findings), OpenRuns: len(open), Holds: len(holds), Quarantines: len(quarantines),
	}
	out.Resources, out.MoreResources = s.resources(ctx)
	if observe != "" {
		out.Observe = &observe
	}
	runs := counted(open)
	out.HeldRuns, out.AskingRuns = runs.by[galen.RunHeld], runs.by[galen.RunAsking]
	for _, n := range runs.idle {
		out.IdleRuns += n
	}
	if out.Orphans, err = s.orphans(ctx, open, holds); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, out)
}

// runCounts are open runs by status, and the idle ones by the mode that lets them do nothing.
type runCounts struct {
	by   map[galen.RunStatus]int
	idle map[galen.Mode]int
}

func counted(open []galen.Run) runCounts {
	n := runCounts{map[galen.RunStatus]int{}, map[galen.Mode]int{}}
	for _, run := range open {
		n.by[run.Status]++
		if run.Idle() {
			n.idle[run.Only]++
		}
	}
	return n
}

// Rearm implements [api.ServerInterface].
func (s *server) Rearm(w http.ResponseWriter, r *http.Request) {
	req, err := read[api.Rearm](r)
	if err == nil {
		err = checkWhy(req.Why)
	}
	if err == nil {
		err = s.o.Epochs.Rearm(r.Context(), by(r.Context()), req.Why)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
