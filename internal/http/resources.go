package http

import (
	"context"
	"fmt"
	"net/http"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// The bounds of what comes with a status and with a resource.
const (
	detailResources = 1000
	detailMembers   = 1000
)

// ListResources implements [api.ServerInterface].
func (s *server) ListResources(w http.ResponseWriter, r *http.Request, params api.ListResourcesParams) {
	p, err := pagingOf("resources", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	watched, next := pageOf(p, numbered(only(s.o.World.Watched(), seesOf(r.Context()).watched)), numberedName)
	out := api.ResourceList{Resources: []api.Resource{}, Next: next}
	for _, one := range watched {
		out.Resources = append(out.Resources, s.resource(r.Context(), one.is))
	}
	s.answer(w, r, http.StatusOK, out)
}

// resources are the first of those that the token may view, and whether there are more.
func (s *server) resources(ctx context.Context) ([]api.Resource, *bool) {
	watched, more := some(only(s.o.World.Watched(), seesOf(ctx).watched), detailResources)
	out := make([]api.Resource, 0, len(watched))
	for _, one := range watched {
		out = append(out, s.resource(ctx, one))
	}
	return out, more
}

func (s *server) resource(ctx context.Context, watched Watched) api.Resource {
	out := api.Resource{
		Resource: watched.Resource.String(), Mode: api.ResourceMode(watched.Policy.Mode), Policy: watched.PolicyName,
	}
	state, seen := s.o.World.Last(watched.Resource)
	if !seen {
		return out
	}
	if oldest, _ := state.Seen(); !oldest.IsZero() {
		at := oldest.UTC()
		out.Seen = &at
	}
	out.Margin = s.margin(ctx, watched.Resource)
	for _, m := range state.Members() {
		switch {
		case m.Bare():
			out.Apart++
			continue
		case m.Bad:
			out.Bad++
		case m.Unknown():
			out.Unknown++
		}
		out.Members++
	}
	return out
}

// watched finds a resource that is looked after; galen.ErrNotFound.
func (s *server) watched(r galen.Resource) (Watched, error) {
	for _, watched := range s.o.World.Watched() {
		if watched.Resource == r {
			return watched, nil
		}
	}
	return Watched{}, listedError{fmt.Errorf("resource %s: %w", r, galen.ErrNotFound), resourcesPath}
}

// viewed is nil for no resource, and for one that the token may view.
func viewed(ctx context.Context, r galen.Resource) error {
	if r == (galen.Resource{}) {
		return nil
	}
	return may(ctx, galen.ScopeView, r)
}

// known is nil for no resource, for one that is looked after, and for one that the journal has events of: it was looked
// after once. Else a mistyped name would read like a resource without trouble; galen.ErrNotFound.
func (s *server) known(ctx context.Context, r galen.Resource) error {
	if err := viewed(ctx, r); err != nil || r == (galen.Resource{}) {
		return err
	}
	_, unwatched := s.watched(r)
	if unwatched == nil {
		return nil
	}
	events, err := s.o.Records.Events(ctx, EventFilter{Resource: r, Limit: 1})
	if err != nil {
		return fmt.Errorf("look for %s in the journal: %w", r, err)
	}
	if len(events) > 0 {
		return nil
	}
	return unwatched
}

// GetResource implements [api.ServerInterface].
func (s *server) GetResource(w http.ResponseWriter, r *http.Request, kind api.Kind, name api.Name) {
	resource, err := galen.ParseResource(kind + "/" + name)
	if err != nil {
		s.fail(w, r, Bad(err))
		return
	}
	watched, err := s.watched(resource)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.ResourceDetail{
		Resource: s.resource(r.Context(), watched), Policy: watched.Policy, Differences: list(watched.Differences), Members: []galen.Member{},
	}
	if state, seen := s.o.World.Last(resource); seen {
		out.Members, out.MoreMembers = some(state.Members(), detailMembers)
	}
	s.answer(w, r, http.StatusOK, out)
}

// ListMembers implements [api.ServerInterface].
func (s *server) ListMembers(w http.ResponseWriter, r *http.Request, kind api.Kind, name api.Name, params api.ListMembersParams) {
	resource := galen.Resource{Kind: kind, Name: name}
	p, err := pagingOf("members/"+resource.String(), params.Limit, params.Cursor, pageMost, pageMost)
	if err == nil {
		_, err = s.watched(resource)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var members []galen.Member
	if state, seen := s.o.World.Last(resource); seen {
		members = state.Members()
	}
	out := api.MemberList{}
	out.Members, out.Next = pageOf(p, members, func(m galen.Member) string { return m.Target.ID })
	s.answer(w, r, http.StatusOK, out)
}

// ListFindings implements [api.ServerInterface].
func (s *server) ListFindings(w http.ResponseWriter, r *http.Request, params api.ListFindingsParams) {
	resource, err := resourceOr(params.Resource)
	if err == nil {
		err = viewed(r.Context(), resource)
	}
	if err == nil && resource != (galen.Resource{}) {
		_, err = s.watched(resource) // of another one nothing is seen, not even that it is well
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p, err := pagingOf("findings", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	findings, err := s.o.Records.Findings(r.Context(), resource)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	open, err := s.runs(r.Context(), RunFilter{Resource: resource, OpenOnly: true, Limit: countLimit})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	some, next := pageOf(p, only(findings, seesOf(r.Context()).finding), galen.Finding.Key)
	out := api.FindingList{Findings: make([]api.FoundProblem, 0, len(some)), Next: next}
	members := s.members()
	for _, f := range some {
		out.Findings = append(out.Findings, api.FoundProblem{Finding: f, Runs: inHand(open, f, members)})
	}
	s.answer(w, r, http.StatusOK, out)
}

// members are those that were seen last of each resource, listed once for all items of one answer.
func (s *server) members() func(galen.Resource) []galen.Member {
	listed := map[galen.Resource][]galen.Member{}
	return func(r galen.Resource) []galen.Member {
		all, known := listed[r]
		if state, seen := s.o.World.Last(r); !known && seen {
			all = state.Members()
		}
		listed[r] = all
		return all
	}
}

// inHand are those runs that have one of a finding's targets in scope, by whatever of its names.
func inHand(open []galen.Run, f galen.Finding, members func(galen.Resource) []galen.Member) []api.InHand {
	var names []string
	for _, t := range f.Targets {
		names = append(names, galen.NamesOf(members(f.Resource), t.ID)...)
	}
	var out []api.InHand
	for _, run := range open {
		if run.Resource == f.Resource && run.About(names...) {
			out = append(out, api.InHand{Run: run.ID, Runbook: run.Runbook, Status: run.Status})
		}
	}
	return out
}

// ListRunbooks implements [api.ServerInterface].
func (s *server) ListRunbooks(w http.ResponseWriter, r *http.Request, params api.ListRunbooksParams) {
	p, err := pagingOf("runbooks", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	books, next := pageOf(p, numbered(s.o.Runbooks), numberedName)
	out, faults := api.RunbookList{Runbooks: []api.Runbook{}, Next: next}, s.o.Faults()
	for _, rb := range books {
		out.Runbooks = append(out.Runbooks, runbook(rb.is, faults))
	}
	s.answer(w, r, http.StatusOK, out)
}

// GetRunbook implements [api.ServerInterface].
func (s *server) GetRunbook(w http.ResponseWriter, r *http.Request, kind api.Kind, name api.Name) {
	full := kind + "/" + name
	for _, rb := range s.o.Runbooks {
		if rb.Name == full {
			s.answer(w, r, http.StatusOK, runbook(rb, s.o.Faults()))
			return
		}
	}
	s.fail(w, r, fmt.Errorf("runbook %s: %w", full, galen.ErrNotFound))
}

// runbook is one as the API tells it, with why it is asked no more.
func runbook(rb galen.ListedRunbook, faults map[string]string) api.Runbook {
	out := api.Runbook{Name: rb.Name, Version: rb.Version, About: rb.About, Heals: []string{}, ByHand: rb.ByHand, Schema: rb.Schema()}
	if why := faults[rb.Name]; why != "" {
		out.Fault = &why
	}
	for _, code := range rb.Heals {
		out.Heals = append(out.Heals, string(code))
	}
	if params := rb.Defaults(); len(params) > 0 {
		out.Params = &params
	}
	return out
}
