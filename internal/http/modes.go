package http

import (
	"net/http"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// ListModes implements [api.ServerInterface].
func (s *server) ListModes(w http.ResponseWriter, r *http.Request, params api.ListModesParams) {
	p, err := pagingOf("modes", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	resource, err := resourceOr(params.Resource)
	if err == nil {
		err = s.known(r.Context(), resource)
	}
	if err == nil && params.Runbook != nil && !s.hasRunbook(*params.Runbook) {
		err = senselessf("runbook %q: this engine has none of that name; galen runbooks lists them", *params.Runbook)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	rows, next := pageOf(p, numbered(s.modes(only(s.o.World.Watched(), seesOf(r.Context()).watched), resource, deref(params.Runbook))), numberedName)
	out := api.ModeList{Modes: []api.ModeRow{}, Next: next}
	for _, row := range rows {
		out.Modes = append(out.Modes, row.is)
	}
	s.answer(w, r, http.StatusOK, out)
}

func (s *server) hasRunbook(name string) bool {
	for _, rb := range s.o.Runbooks {
		if rb.Name == name {
			return true
		}
	}
	return false
}

// modes are those of each runbook on each resource of its kind; the zero resource and no name mean all.
func (s *server) modes(watched []Watched, resource galen.Resource, runbook string) []api.ModeRow {
	var out []api.ModeRow
	for _, one := range watched {
		if resource != (galen.Resource{}) && one.Resource != resource {
			continue
		}
		for _, rb := range s.o.Runbooks {
			if kind, _, _ := strings.Cut(rb.Name, "/"); kind != one.Resource.Kind || runbook != "" && rb.Name != runbook {
				continue
			}
			mode := func(c galen.Class) galen.Mode { return one.Policy.ModeOf(rb.Name, c) }
			out = append(out, api.ModeRow{
				Resource: one.Resource.String(), Policy: one.PolicyName, Runbook: rb.Name,
				Reversible: mode(galen.Reversible), Disruptive: mode(galen.Disruptive), Destructive: mode(galen.Destructive),
			})
		}
	}
	return out
}
