package http

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// seenResource is a resource of a path that is looked after, with its newest State; nil before the first look.
func (s *server) seenResource(kind, name string) (r galen.Resource, state galen.State, err error) {
	r, err = galen.ParseResource(kind + "/" + name)
	if err != nil {
		return r, nil, Bad(err)
	}
	if _, err := s.watched(r); err != nil {
		return r, nil, err
	}
	if last, seen := s.o.World.Last(r); seen {
		state = last
	}
	return r, state, nil
}

// CanI implements [api.ServerInterface].
func (s *server) CanI(w http.ResponseWriter, r *http.Request, kind api.Kind, name api.Name, params api.CanIParams) {
	resource, state, err := s.seenResource(kind, name)
	if err == nil && strings.TrimSpace(params.Verb) == "" {
		err = senselessf("verb: say what would be done, such as stop")
	}
	if err == nil {
		err = atMost("level", deref(params.Level), mostLevels)
	}
	member := params.Member
	if err == nil && state != nil {
		member, err = MemberID(resource, state, member)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	advice, err := s.o.Advice.CanI(r.Context(), resource, params.Verb, member, deref(params.Level))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, advice)
}

// The most that is asked about at once.
const (
	mostDown   = 1000
	mostLevels = 16
)

func atMost(name string, list []string, most int) error {
	if len(list) > most {
		return badf("%s: %d of them, at most %d are allowed", name, len(list), most)
	}
	return nil
}

// WhatIf implements [api.ServerInterface].
func (s *server) WhatIf(w http.ResponseWriter, r *http.Request, kind api.Kind, name api.Name, params api.WhatIfParams) {
	resource, state, err := s.seenResource(kind, name)
	down := deref(params.Down)
	if err == nil {
		err = errors.Join(atMost("down", down, mostDown), atMost("level", deref(params.Level), mostLevels))
	}
	if err == nil && state != nil {
		down, err = MemberIDs(resource, state, down)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	advice, err := s.o.Advice.WhatIf(r.Context(), resource, down, deref(params.Level))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, advice)
}

// GetState implements [api.ServerInterface].
func (s *server) GetState(w http.ResponseWriter, r *http.Request, kind api.Kind, name api.Name) {
	resource, _, err := s.seenResource(kind, name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	saved, err := s.o.Advice.Saved(r.Context(), resource)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, saved)
}

// margin of a resource that was seen; nil where nobody counts one. A journal that does not answer hides no list.
func (s *server) margin(ctx context.Context, r galen.Resource) *string {
	text, err := s.o.Advice.Margin(ctx, r)
	if err != nil {
		text = "unknown: " + err.Error()
	}
	if text == "" {
		return nil
	}
	return &text
}
