package http

import (
	"net/http"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// ListQuarantines implements [api.ServerInterface].
func (s *server) ListQuarantines(w http.ResponseWriter, r *http.Request, params api.ListQuarantinesParams) {
	p, err := pagingOf("quarantines", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	all, err := s.quarantines(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.QuarantineList{}
	out.Quarantines, out.Next = pageOf(p, all, func(q galen.Quarantine) string { return q.Runbook })
	s.answer(w, r, http.StatusOK, out)
}

// ClearQuarantine implements [api.ServerInterface].
func (s *server) ClearQuarantine(w http.ResponseWriter, r *http.Request) {
	req, err := read[api.ClearQuarantine](r)
	if err == nil {
		err = checkWhy(req.Why)
	}
	if err == nil {
		err = s.o.Quarantines.ClearQuarantine(r.Context(), req.Runbook, by(r.Context()), req.Why)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
