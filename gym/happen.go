package gym

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/watch"
)

// happenings lets happen what is due.
func (w *world) happenings(ctx context.Context) error {
	for len(w.happen) > 0 && !w.now.Before(epoch().Add(w.happen[0].At)) {
		h := w.happen[0]
		w.happen = w.happen[1:]
		w.trace.note("%s", h.what())
		if err := w.let(ctx, h); err != nil {
			return fmt.Errorf("%s: %w", h, err)
		}
	}
	if w.until != "" && w.trace.took(w.until) {
		w.until = ""
		w.trace.note("a person cancels what is open")
		if err := w.cancel(ctx); err != nil {
			return err
		}
	}
	return w.persons(ctx)
}

func (w *world) let(ctx context.Context, h Happening) error {
	switch h.What {
	case Strike:
		w.ring.Strike(ring.Fault{Verb: h.Verb, Kind: h.Fault, By: galen.Duration(h.Step), Times: h.N})
	case Crash, Freeze, Clock, Upgrade:
		w.letEngine(h)
	case StoreOut:
		w.outUntil = w.now.Add(h.For)
	case StoreLag:
		w.lagUntil, w.lag, w.answersLate = w.now.Add(h.For), h.Step, h.Point == After
	case Blind:
		w.blindUntil = w.now.Add(h.For)
	case Lie:
		w.lieUntil, w.lie = w.now.Add(h.For), h.N
	case Hold, Release, Cancel, Ack, AskFor, Alert:
		return w.letPerson(ctx, h)
	default:
		// What makes no sense at that moment, a kill of a dead node say, does not happen.
		err := w.ring.Happen(ring.Happening{
			Trouble: ring.Trouble(h.What), Instance: h.Who, Of: h.Of, For: galen.Duration(h.For), Every: galen.Duration(h.Every), Times: h.N,
		})
		if err != nil {
			w.trace.note("in vain: %s", err)
		}
	}
	return nil
}

func (w *world) letEngine(h Happening) {
	i, err := strconv.Atoi(h.Who)
	if err != nil || i >= len(w.slots) {
		return
	}
	s := w.slots[i]
	switch h.What {
	case Clock:
		s.skew += h.Step
	case Upgrade:
		w.upgrade(s, h.For)
	case Freeze:
		if h.N > 0 {
			s.fate = &fate{left: h.N, point: h.Point, down: h.For, freeze: true}
			return
		}
		s.frozen = w.now.Add(h.For)
	default:
		s.fate = &fate{left: h.N, point: h.Point, down: h.For}
	}
}

// upgrade lets another release take the place of the one that runs: it is another engine to whoever judges.
func (w *world) upgrade(s *slot, down time.Duration) {
	if s.engine != nil {
		w.die(s, down)
	}
	if w.mixed = true; s.name < otherRelease {
		s.name += otherRelease
	} else {
		s.name -= otherRelease
	}
}

// die ends the process of a slot. What it was doing ends with it.
func (w *world) die(s *slot, down time.Duration) {
	w.trace.crashed(s)
	p := s.engine
	p.dead = true
	s.engine, s.bootAt = nil, w.now.Add(max(down, time.Millisecond))
	for _, t := range w.tasks {
		if t.p == p {
			t.due = w.now
		}
	}
}

// jitter is how long an await takes.
func (w *world) jitter() time.Duration {
	if w.in.Jitter == 0 || w.acting == nil {
		return 0
	}
	return w.dice.between(0, w.in.Jitter)
}

// hang is a call that nobody answers: it ends by its deadline.
func (w *world) hang(context.Context, ring.Call) error {
	if w.acting != nil {
		w.acting.park(hungFor)
	}
	return context.DeadlineExceeded
}

// hungFor is the deadline of a call, about.
const hungFor = 5 * time.Second

// shrunk is a look whose nodes all leave out some members, as a listing that was cut does.
func (w *world) shrunk(r cassandra.Ring) cassandra.Ring {
	n := min(w.lie, max(len(r.Nodes)-1, 0))
	gone := map[string]bool{}
	for k := range n { // every third, so that no range lacks two
		at := len(r.Nodes) - 1 - 3*k
		for at < 0 {
			at += len(r.Nodes) - 1
		}
		gone[r.Nodes[at].Address] = true
	}
	views := slices.Clone(r.Views)
	tokens := []cassandra.Owner{}
	for _, v := range views {
		if len(v.Tokens) > 0 {
			tokens = v.Tokens
		}
	}
	for i := range views {
		v := &views[i]
		if v.Jolokia != cassandra.Answered {
			continue
		}
		v.Peers = slices.DeleteFunc(slices.Clone(v.Peers), func(e cassandra.Endpoint) bool { return gone[e.Address] })
		v.Owners = slices.DeleteFunc(slices.Clone(v.Owners), func(a string) bool { return gone[a] })
		v.Tokens = slices.DeleteFunc(slices.Clone(tokens), func(o cassandra.Owner) bool { return gone[o.Address] })
		v.Keyspaces, v.TokenHash = r.Keyspaces, ""
	}
	return cassandra.Merge(r.Name, r.At, views, r.Instances, r.Repairs)
}

// shift dates a look by a clock that is set wrong.
func shift(r *cassandra.Ring, by time.Duration) {
	if by == 0 {
		return
	}
	move := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(by)
		}
	}
	move(&r.At)
	for i := range r.Views {
		move(&r.Views[i].At)
	}
	for i := range r.Instances {
		move(&r.Instances[i].At)
	}
	for i := range r.Nodes {
		for k := range r.Nodes[i].Observations {
			move(&r.Nodes[i].Observations[k].At)
		}
	}
}

const person = "ada"

func (w *world) letPerson(ctx context.Context, h Happening) error {
	switch h.What {
	case Hold:
		w.hold = "hold-" + strconv.Itoa(len(w.happen))
		w.trace.held(true)
		return w.store.SetHold(ctx, galen.Hold{ID: w.hold, Resource: Resource(), Why: "drill", By: person, Until: w.now.Add(time.Hour)})
	case Release:
		w.trace.held(false)
		if err := w.store.Release(ctx, w.hold, person); err != nil && !errors.Is(err, galen.ErrNotFound) && !errors.Is(err, galen.ErrReleased) {
			return err
		}
		return nil
	case Ack:
		return w.acknowledge(ctx)
	case Cancel:
		if h.Verb != "" {
			w.until = h.Verb
			return nil
		}
		return w.cancel(ctx)
	case AskFor:
		return w.ask(ctx, h)
	default:
		return w.alert(ctx, h)
	}
}

func (w *world) acknowledge(ctx context.Context) error {
	for _, m := range w.ring.Truth().Members {
		if err := w.store.Acknowledge(ctx, Resource(), []string{m.HostID}, person); err != nil {
			return err
		}
		w.trace.acknowledged(m.HostID)
	}
	return nil
}

func (w *world) cancel(ctx context.Context) error {
	runs, err := w.store.OpenRuns(ctx, Resource())
	if err != nil {
		return err
	}
	for _, run := range runs {
		if err := w.store.Stop(ctx, run.ID, galen.StopCancel, person, "drill"); err != nil {
			return err
		}
	}
	return nil
}

// opener is the way in for persons and alerts, at the first engine that lives.
func (w *world) opener() (watch.Opener, bool) {
	for _, s := range w.slots {
		if p := s.engine; p != nil {
			rows := awaitedStore{w.store, awaits{w, p}}
			return watch.Opener{
				Runbooks: w.of.books(s.name), Inbox: rows, Policy: func(galen.Resource) galen.Policy { return w.in.Policy },
				Last: p.seen.Last, Now: func() time.Time { return w.now.Add(s.skew) }, Logger: quietLog(),
			}, true
		}
	}
	return watch.Opener{}, false
}

func (w *world) ask(ctx context.Context, h Happening) error {
	open, lives := w.opener()
	params, err := json.Marshal(map[string]string{"node": h.Who})
	if err != nil || !lives {
		return err
	}
	if h.Params != "" {
		params = json.RawMessage(h.Params)
	}
	_, _, err = open.Request(ctx, "asked-"+h.At.String(), galen.Run{Runbook: h.Verb, Resource: Resource(), Params: params}, person)
	if errors.Is(err, watch.ErrBadRequest) || err != nil && expected(err) {
		w.trace.note("in vain: %s", err)
		return nil
	}
	return err
}

func (w *world) alert(ctx context.Context, h Happening) error {
	open, lives := w.opener()
	host, known := w.ring.Truth().Host(h.Who)
	heals := func(rb galen.ListedRunbook) bool { return slices.Contains(rb.Heals, cassandra.CodeNodeDown) }
	if !lives || !known || !slices.ContainsFunc(w.of.Runbooks, heals) { // no rule may name what nothing heals
		return nil
	}
	hint := galen.Finding{Resource: Resource(), Code: cassandra.CodeNodeDown, Domain: host.DC + "/" + host.Rack}
	if state, seen := open.Last(Resource()); seen { // as the engine finds the member that an alert names
		for _, m := range state.Members() {
			if m.Instance == "instance/"+h.Who && !m.Spare {
				hint.Targets = []galen.Target{m.Target}
			}
		}
	}
	for range max(h.N, 1) {
		_, err := open.OpenHint(ctx, hint, "gym")
		if err != nil && !expected(err) {
			return err
		}
	}
	return nil
}

// persons say yes to what is asked, after a while.
func (w *world) persons(ctx context.Context) error {
	if w.in.Asleep || !w.trace.anybody(galen.RunAsking) {
		return nil
	}
	runs, err := w.store.Runs(ctx, journal.RunFilter{Status: galen.RunAsking})
	if err != nil {
		return err
	}
	for _, run := range runs {
		if w.now.Sub(w.trace.since(run.ID, galen.RunAsking, w.now)) < thinkFor || w.now.Sub(w.yes[run.ID]) < thinkFor {
			continue
		}
		w.yes[run.ID] = w.now
		d, err := w.store.Plan(ctx, run.ID, run.Plan)
		if err != nil {
			return err
		}
		for _, who := range persons(run, d) {
			err = w.store.Approve(ctx, galen.Approval{
				Run: run.ID, Runbook: run.Runbook, Version: run.Version, Params: galen.HashJSON(run.Params), Steps: galen.ApprovedSteps(d.Plan),
				Basis: d.Shown, By: who, Expires: w.now.Add(w.in.Policy.ApprovalFor.D()),
			})
			if err != nil && !errors.Is(err, galen.ErrEnded) {
				return err
			}
		}
		w.trace.yes[run.ID] = append(w.trace.yes[run.ID], w.now)
	}
	return nil
}

// persons are as many as must say yes to the plan, none of whom asked for the run.
func persons(run galen.Run, d galen.Decision) []string {
	out := []string{person}
	for n := 1; n < d.Approvals; n++ {
		out = append(out, fmt.Sprintf("witness-%d", n))
	}
	if run.AskedBy() == person && d.Approvals > 0 {
		out[0] = "witness-0"
	}
	return out
}

// thinkFor is how long a person reads before the yes.
const thinkFor = 20 * time.Second
