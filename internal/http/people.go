package http

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// whyLimit is the longest reason, in characters.
const whyLimit = 1000

func checkWhy(why string) error {
	if n := utf8.RuneCountInString(strings.TrimSpace(why)); n == 0 || n > whyLimit {
		return badf("why: want a reason of 1 to %d characters; it stays in the journal", whyLimit)
	}
	return nil
}

// ApproveRun implements [api.ServerInterface]. The yes binds the newest plan, which must be the one that was read.
func (s *server) ApproveRun(w http.ResponseWriter, r *http.Request, id api.Id) {
	req, err := read[api.Approve](r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	ctx := r.Context()
	yes, err := s.approval(ctx, id, req)
	if err == nil {
		err = s.o.Decisions.Approve(ctx, yes)
	}
	if err != nil {
		s.refusedYes(r, id, err)
		s.fail(w, r, err)
		return
	}
	s.approved(w, r, id)
}

// approved answers with the run as it stands now, and with who else must say yes.
func (s *server) approved(w http.ResponseWriter, r *http.Request, id string) {
	ledger, err := s.o.Runs.Ledger(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d, err := s.newest(r.Context(), ledger.Run)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	people, not := peopleOf(d, ledger)
	s.uncounted(r, id, not)
	s.answer(w, r, http.StatusOK, api.Approved{Run: ledger.Run, People: people})
}

// peopleOf is who has said yes to a plan that needs several people, nil for another, and whose yes does not count.
func peopleOf(d galen.Decision, l galen.Ledger) (*api.People, []galen.NotCounted) {
	if d.Approvals == 0 || !l.Run.Status.Open() {
		return nil, nil
	}
	var said []string
	var not []galen.NotCounted
	moved := ""
	if l.Approval != nil {
		if moved = outdated(*l.Approval, d, l.Run); moved == "" {
			said, not = l.Approval.People(l.Run, l.Now, d.Approvals)
		}
	}
	why := cmp.Or(moved, galen.Few(l.Run, said, not, d.Approvals))
	out := api.People{Wanted: d.Approvals, Said: list(said), Enough: why == ""}
	if len(not) > 0 {
		texts := make([]string, 0, len(not))
		for _, one := range not {
			texts = append(texts, one.String())
		}
		out.NotCounted = &texts
	}
	if why != "" {
		out.Why = &why
	}
	return &out, not
}

// outdated says of which targets a yes saw another world than the newest plan of a run that waits for people shows; "" if of none. A run that works
// moves them itself.
func outdated(yes galen.Approval, d galen.Decision, run galen.Run) string {
	if run.Status != galen.RunAsking && run.Status != galen.RunHeld {
		return ""
	}
	var moved []string
	for _, target := range slices.Sorted(maps.Keys(d.Shown)) {
		if was, seen := yes.Basis[target]; seen && was != d.Shown[target] {
			moved = append(moved, target)
		}
	}
	if len(moved) == 0 {
		return ""
	}
	return fmt.Sprintf("%s changed since approval %s was given: it counts no more, read the plan again", strings.Join(moved, ", "), yes.ID)
}

// standing is the yes that a run has now, be it enough or not; nil: none.
func standing(l galen.Ledger) *api.StandingApproval {
	yes := l.Approval
	if yes == nil || !l.Run.Status.Open() || !l.Now.Before(yes.Expires) {
		return nil
	}
	out := api.StandingApproval{By: yes.By, At: yes.At, Expires: yes.Expires, Steps: list(yes.Steps)}
	for _, one := range yes.With { // together they count as long as each does
		if one.Expires.Before(out.Expires) && l.Now.Before(one.Expires) {
			out.Expires = one.Expires
		}
	}
	if yes.Why != "" {
		out.Why = &yes.Why
	}
	return &out
}

// approval is the yes to the newest plan of a run. A run that is held before its first plan may be let go on: such a yes
// names no step.
func (s *server) approval(ctx context.Context, id string, req api.Approve) (galen.Approval, error) {
	run, err := s.o.Runs.Run(ctx, id)
	if err != nil {
		return galen.Approval{}, err
	}
	watched, err := s.watched(run.Resource)
	if err != nil {
		return galen.Approval{}, err
	}
	d, err := s.asked(ctx, run, req)
	if err != nil {
		return galen.Approval{}, err
	}
	if err := errors.Join(s.aPerson(ctx, d), heard(run, d, watched.Policy)); err != nil {
		return galen.Approval{}, err
	}
	now := s.o.Now().UTC()
	yes := galen.Approval{
		Run: id, Runbook: run.Runbook, Version: run.Version, Params: galen.HashJSON(run.Params), Plan: run.Plan, By: by(ctx), Why: deref(req.Why), Asked: !run.HeldFast,
		Steps: []galen.ApprovedStep{}, Basis: map[string]string{}, At: now, Expires: now.Add(watched.Policy.ApprovalFor.D()),
	}
	yes.Lineage.Person, yes.Lineage.Program = callerOf(ctx).Person, s.aProgram(ctx)
	if yes.Why != "" {
		if err := checkWhy(yes.Why); err != nil {
			return yes, err
		}
	}
	if run.Plan == 0 {
		return yes, nil
	}
	yes.Steps = append(yes.Steps, galen.ApprovedSteps(d.Plan)...)
	if d.Shown != nil {
		yes.Basis = d.Shown
		yes.Grounds = d.Grounds
	}
	if len(yes.Steps) == 0 && run.Status != galen.RunHeld {
		return yes, Conflict(fmt.Errorf("plan %d of run %s has no steps to approve: %s", run.Plan, id, run.Why))
	}
	return yes, nil
}

// heard refuses a yes that the mode of the plan never hears, whoever says it. Who asks for one hears it.
func heard(run galen.Run, d galen.Decision, p galen.Policy) error {
	n := len(d.Plan.Steps)
	if run.Status == galen.RunAsking || n == 0 || len(d.Classes) < n {
		return nil
	}
	if mode := p.ModeOfPlan(run.Runbook, d.Classes[:n], d.Classes[n:]); !mode.Acts() {
		return Conflict(fmt.Errorf("mode %s lets plan %d of run %s not be done, with a yes neither: set another mode for %s in the configuration, and start the engine again", mode, run.Plan, run.ID, run.Resource))
	}
	return nil
}

// asked is the decision that the person has seen; an error if the run does not ask, or has decided anew since.
func (s *server) asked(ctx context.Context, run galen.Run, req api.Approve) (galen.Decision, error) {
	if req.Shown != nil && !shownForm.MatchString(*req.Shown) {
		return galen.Decision{}, badf("shown %q: want the run's shown as it was read, or its first 8 to 64 characters", *req.Shown)
	}
	if err := approvable(run, req.Plan); err != nil {
		return galen.Decision{}, err
	}
	d, err := s.newest(ctx, run)
	if err != nil {
		return galen.Decision{}, err
	}
	return d, s.stillShown(ctx, run, d, req)
}

// newest is the newest plan of a run, zero before the first.
func (s *server) newest(ctx context.Context, run galen.Run) (galen.Decision, error) {
	if run.Plan == 0 {
		return galen.Decision{}, nil
	}
	return s.o.Runs.Plan(ctx, run.ID, run.Plan)
}

// shownOf names what a yes to a plan of a run rests on; "" if there is no plan. A yes to one that somebody has said no to since, or whose run is
// held for another reason than a look, is another yes.
func shownOf(run galen.Run, d galen.Decision) string {
	switch {
	case d.Number == 0:
		return ""
	case run.HeldFast:
		return galen.HashJSON([]any{d.Shown, "held"})
	}
	return galen.HashJSON(d.Shown)
}

var shownForm = regexp.MustCompile(`^[0-9a-f]{8,64}$`)

// stillShown tells whether the newest plan is the one that the person has read, and rests on what they were shown. Its number alone does not
// say that: the same plan is decided again while its targets change.
func (s *server) stillShown(ctx context.Context, run galen.Run, newest galen.Decision, read api.Approve) error {
	err := error(nil)
	switch {
	case read.Plan != run.Plan:
		err = fmt.Errorf("plan %d of run %s is not its newest, which is plan %d", read.Plan, run.ID, run.Plan)
	case read.Shown == nil || strings.HasPrefix(shownOf(run, newest), *read.Shown):
		return nil
	case run.HeldFast && strings.HasPrefix(galen.HashJSON(newest.Shown), *read.Shown):
		return Conflict(fmt.Errorf("run %s is held since you read it, %s: read it again before you say yes", run.ID, run.Why))
	default:
		err = errors.New("the world has changed since you read the plan")
	}
	return s.moved(ctx, run, newest, read, err)
}

// approvable tells whether the run takes a yes to the plan of that number.
func approvable(run galen.Run, plan int) error {
	switch {
	case !run.Status.Open():
		return fmt.Errorf("run %s ended as %s: %w", run.ID, run.Status, galen.ErrEnded)
	case plan == 0 && run.Plan == 0 && run.Status != galen.RunHeld:
		return Conflict(fmt.Errorf("run %s has no plan yet: wait for it, read it, then approve", run.ID))
	}
	return nil
}

// run answers with a run as it stands now.
func (s *server) run(w http.ResponseWriter, r *http.Request, id string) {
	run, err := s.o.Runs.Run(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, run)
}

// RejectRun implements [api.ServerInterface].
func (s *server) RejectRun(w http.ResponseWriter, r *http.Request, id api.Id) {
	s.withReason(w, r, id, s.o.Decisions.Reject)
}

// CancelRun implements [api.ServerInterface].
func (s *server) CancelRun(w http.ResponseWriter, r *http.Request, id api.Id) {
	s.withReason(w, r, id, s.o.Decisions.Cancel)
}

func (s *server) withReason(w http.ResponseWriter, r *http.Request, id string, do func(ctx context.Context, run, by, why string) error) {
	req, err := read[api.Reason](r)
	if err == nil {
		err = checkWhy(req.Why)
	}
	if err == nil {
		err = do(r.Context(), id, by(r.Context()), req.Why)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.run(w, r, id)
}

// Acknowledge implements [api.ServerInterface]. The target must be a member: a mistyped one would be acknowledged in vain.
func (s *server) Acknowledge(w http.ResponseWriter, r *http.Request, kind api.Kind, name api.Name) {
	id, err := s.acknowledge(r, galen.Resource{Kind: kind, Name: name})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, api.Acknowledge{Target: id})
}

func (s *server) acknowledge(r *http.Request, resource galen.Resource) (string, error) {
	req, err := read[api.Acknowledge](r)
	if err != nil {
		return "", err
	}
	if _, err := s.watched(resource); err != nil {
		return "", err
	}
	id, err := s.target(resource, req.Target)
	if err != nil {
		return "", err
	}
	return id, s.o.Decisions.Acknowledge(r.Context(), resource, id, by(r.Context()))
}

// ListHolds implements [api.ServerInterface].
func (s *server) ListHolds(w http.ResponseWriter, r *http.Request, params api.ListHoldsParams) {
	p, err := pagingOf("holds", params.Limit, params.Cursor, pageMost, pageMost)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	holds, err := s.holds(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	some, next := pageOf(p, holds, func(h galen.Hold) string { return inOrder(max(0, h.At.Unix())) + h.ID })
	out := api.HoldList{Holds: make([]api.Held, 0, len(some)), Next: next}
	members := s.members()
	for _, h := range some {
		out.Holds = append(out.Holds, held(h, members))
	}
	s.answer(w, r, http.StatusOK, out)
}

// held is a hold as it is shown.
func held(h galen.Hold, members func(galen.Resource) []galen.Member) api.Held {
	out := api.Held{Hold: h}
	if h.Target == "" {
		return out
	}
	for _, m := range members(h.Resource) {
		if m.Is(h.Target) {
			out.Called = m.Called()
		}
	}
	return out
}

// GetHold implements [api.ServerInterface].
func (s *server) GetHold(w http.ResponseWriter, r *http.Request, id api.Id) {
	holds, err := s.holds(r.Context())
	i := slices.IndexFunc(holds, func(h galen.Hold) bool { return h.ID == id })
	if err == nil && i < 0 {
		err = fmt.Errorf("hold %s: %w, or released by now", id, galen.ErrNotFound)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, held(holds[i], s.members()))
}

// SetHold implements [api.ServerInterface]. A resource that nobody looks after, a pattern that means none, and a target that is no
// member are refused: such a hold would hold nothing. One of everything never is.
func (s *server) SetHold(w http.ResponseWriter, r *http.Request) {
	req, err := read[api.HoldRequest](r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h, err := s.hold(r.Context(), req)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.o.Holds.SetHold(r.Context(), h); err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, held(h, s.members()))
}

func (s *server) hold(ctx context.Context, req api.HoldRequest) (galen.Hold, error) {
	now := s.o.Now().UTC()
	h := galen.Hold{
		ID: "hold-" + strings.ToLower(rand.Text()[:12]), Target: deref(req.Target), Why: req.Why, By: by(ctx), At: now, Until: req.Until.UTC(),
	}
	if err := errors.Join(checkWhy(req.Why), checkUntil(req.Until, now)); err != nil {
		return h, err
	}
	if err := s.covers(ctx, &h, deref(req.Resource)); err != nil {
		return h, err
	}
	switch {
	case h.Target == "":
		return h, nil
	case h.Resource == (galen.Resource{}):
		return h, senselessf("target %q: name its one resource too", h.Target)
	}
	var err error
	h.Target, err = s.target(h.Resource, h.Target)
	return h, err
}

// covers sets what the hold is for: everything, one resource, or those that a pattern means. A mistyped name would hold nothing while a
// person believes that it does.
func (s *server) covers(ctx context.Context, h *galen.Hold, name string) error {
	pattern := galen.Pattern(name)
	switch {
	case name == "": // a hold of everything is refused to nobody who may set it
		return may(ctx, galen.ScopeOperate, galen.Resource{})
	case !pattern.Wild():
		r, err := galen.ParseResource(name)
		if err != nil {
			return senselessf("resource: %w", err)
		}
		err = may(ctx, galen.ScopeOperate, r)
		if err == nil {
			_, err = s.watched(r)
		}
		h.Resource = r
		return err
	}
	if err := pattern.Check(); err != nil {
		return senselessf("resource: %w", err)
	}
	if err := mayOver(ctx, galen.ScopeOperate, pattern); err != nil {
		return err
	}
	if !slices.ContainsFunc(s.o.World.Watched(), func(w Watched) bool { return pattern.Matches(w.Resource) }) {
		return listedError{senselessf("resource: %q means no resource that is looked after", name), resourcesPath}
	}
	h.Pattern = pattern
	return nil
}

// The furthest end of a hold: who sets it shall be there when it pages. A day may have 25 hours, and a clock may be ahead.
const (
	holdLimit = 90 * 24 * time.Hour
	holdSlack = 2 * time.Hour
)

// checkUntil: an end is required, and past it the hold still holds.
func checkUntil(until, now time.Time) error {
	switch {
	case until.IsZero():
		return senselessf("until: want when the hold is overdue; it still holds then, and a person is paged")
	case !until.After(now):
		return senselessf("until %s is past, it is %s", until.UTC().Format(time.RFC3339), now.Format(time.RFC3339))
	case until.Sub(now) > holdLimit+holdSlack:
		return senselessf("until %s is too far: want at most 90 days from now, %s; a hold that is needed longer can be extended", until.UTC().Format(time.RFC3339), now.Add(holdLimit).Format(time.RFC3339))
	}
	return nil
}

// ExtendHold implements [api.ServerInterface].
func (s *server) ExtendHold(w http.ResponseWriter, r *http.Request, id api.Id) {
	req, err := read[api.ExtendHold](r)
	if err == nil {
		err = errors.Join(checkWhy(req.Why), checkUntil(req.Until, s.o.Now().UTC()))
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h, err := s.o.Holds.ExtendHold(r.Context(), id, req.Until, by(r.Context()), req.Why)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, held(h, s.members()))
}

// ReleaseHold implements [api.ServerInterface].
func (s *server) ReleaseHold(w http.ResponseWriter, r *http.Request, id api.Id) {
	if err := s.o.Holds.Release(r.Context(), id, by(r.Context())); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
