package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// Rule says which problem an alert hints at.
type Rule struct {
	// Matches tells whether the rule is for an alert with these labels; the first that is counts.
	Matches func(labels map[string]string) bool
	Code    galen.Code
	// MemberLabel is the label whose value names the member.
	MemberLabel string
}

// Resource is one that alerts can name.
type Resource struct {
	Resource galen.Resource
	// Labels are some that every alert which names it has, with these values; the more resources have the same names of labels here, the
	// fewer are asked. None: it is asked for each alert.
	Labels map[string]string
	// Matches tells whether an alert with these labels names it.
	Matches func(labels map[string]string) bool
}

// World is what we know of resources ourselves.
type World interface {
	// Last is the newest State, false before the first look.
	Last(r galen.Resource) (galen.State, bool)
}

// Runs opens runs for hints.
type Runs interface {
	// Heals tells whether a runbook heals the code on resources of the kind.
	Heals(kind string, code galen.Code) bool
	// OpenHint opens the run of the finding that an alert hints at, or finds the open one of its key or of one of its
	// targets; a hinted run looks until a State confirms it. The hint has resource, code, domain and targets, and since when the alert is
	// here: what came before its problem was proved gone opens nothing, and the run which that was is returned.
	OpenHint(ctx context.Context, hint galen.Finding, alert string) (galen.Run, error)
}

// Options of a matcher.
type Options struct {
	Inbox  *Inbox
	World  World
	Runs   Runs
	Triage *Triage
	// Around goes before each alert that asks for a run; nil: nothing does.
	Around func(ctx context.Context, a Alert) (context.Context, func(error))
	Now    func() time.Time
	Logger *slog.Logger
}

// Matcher turns stored alerts into runs.
type Matcher struct {
	o Options
	// Of the newest Round: what it has dealt with, which may stand among the fresh ones, too; and how many must wait.
	dealt   map[string]bool
	waiting int
	told    time.Time // what became of those that the inbox has settled
}

// NewMatcher does nothing before [Matcher.Run].
func NewMatcher(o Options) *Matcher { return &Matcher{o: o} }

const (
	window     = 1000             // alerts read at once
	settling   = 100              // of which the outcomes are written at once
	retryEvery = time.Second      // while some must wait
	tellEvery  = time.Second      // a line of the log about those that needed no look
	idleEvery  = time.Minute      // in case a signal was lost with a crash
	unseenFor  = 10 * time.Minute // how long an alert waits for the first look at its resource
	stepLimit  = 10 * time.Second // one reading or writing of the journal
)

// Run matches what comes in until the context ends, and what stands in the journal: at the start, where something must wait, and each minute.
func (m *Matcher) Run(ctx context.Context) {
	var due time.Time // when the journal is read
	again, tell := time.NewTimer(0), time.NewTimer(0)
	defer again.Stop()
	defer tell.Stop()
	for {
		whole := false
		select {
		case <-ctx.Done():
			m.tellAll()
			return
		case <-m.o.Inbox.signal:
		case <-tell.C:
		case <-again.C:
			whole = true
		}
		if m.tell() {
			tell.Reset(tellEvery)
		}
		left, err := m.deal(ctx, whole)
		if err != nil && ctx.Err() == nil {
			m.o.Logger.Warn("alerts could not be matched, trying again", "error", err.Error())
		}
		wait := m.wait(left, err)
		if next := m.o.Now().Add(wait); whole || next.Before(due) {
			due = next
			again.Reset(wait)
		}
	}
}

// wait is how long the journal need not be read, after some were left there or trouble.
func (m *Matcher) wait(left int, err error) time.Duration {
	if left == 0 && err == nil {
		return idleEvery
	}
	return retryEvery * time.Duration(1+max(left, m.waiting)/window) // many that wait are not read over and over
}

// tell logs now and then what became of alerts that needed no look; untold: there are some that came since.
func (m *Matcher) tell() (untold bool) {
	now := m.o.Now()
	if since := now.Sub(m.told); since >= 0 && since < tellEvery {
		return m.o.Inbox.fresh.untold()
	}
	m.told = now
	m.tellAll()
	return false
}

func (m *Matcher) tellAll() {
	became := m.o.Inbox.fresh.settled()
	became.log(m.o.Logger, m.o.Triage)
}

// deal deals with what has just come, or with every pending alert if there is more.
func (m *Matcher) deal(ctx context.Context, whole bool) (left int, err error) {
	alerts, more := m.o.Inbox.fresh.take()
	if whole || more {
		return m.Round(ctx)
	}
	alerts = slices.DeleteFunc(alerts, func(a Alert) bool { return m.dealt[a.ID] })
	left, _, err = m.settle(ctx, alerts)
	return left, err
}

// Round deals with every pending alert once; left is how many must wait for a first look or for trouble to pass.
func (m *Matcher) Round(ctx context.Context) (left int, err error) {
	m.dealt = map[string]bool{}
	defer func() { m.waiting = left }()
	var errs []error
	for after := int64(0); ctx.Err() == nil; {
		pending, err := m.pending(ctx, after)
		if err != nil {
			return left, errors.Join(append(errs, err)...)
		}
		waiting, done, err := m.settle(ctx, pending)
		left += waiting
		for _, end := range done {
			m.dealt[end.ID] = true
		}
		errs = append(errs, err)
		if len(pending) < window {
			break
		}
		after = pending[len(pending)-1].N
	}
	return left, errors.Join(errs...)
}

func (m *Matcher) pending(ctx context.Context, after int64) ([]Alert, error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	pending, err := m.o.Inbox.store.PendingAlerts(ctx, after, window)
	if err != nil {
		return nil, fmt.Errorf("read pending alerts: %w", err)
	}
	return pending, nil
}

// settle deals with some alerts and writes down together what became of them. Those that hint at the same problem ask for
// its run once.
func (m *Matcher) settle(ctx context.Context, pending []Alert) (left int, done []End, err error) {
	asked := map[string]End{}
	var ends []End
	var became outcomes
	var errs []error
	for _, a := range pending {
		if ctx.Err() != nil {
			break
		}
		end, err := m.match(ctx, a, asked)
		if err != nil || end.State == "" {
			left++
			errs = append(errs, err)
			continue
		}
		end.ID = a.ID
		ends = append(ends, end)
		became.add(a, end)
	}
	became.log(m.o.Logger, m.o.Triage)
	if err := m.done(ctx, ends); err != nil {
		return len(pending), nil, errors.Join(append(errs, err)...)
	}
	return left, ends, errors.Join(errs...)
}

// done writes down what became of alerts, some at a time: whoever has an alert to store must not wait for all of them.
func (m *Matcher) done(ctx context.Context, ends []End) error {
	for some := range slices.Chunk(ends, settling) {
		write, cancel := context.WithTimeout(ctx, stepLimit)
		err := m.o.Inbox.done(write, some)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// match says what became of an alert; without a state it must wait. Its labels are compared with what we know and go no
// further: the run gets our own resource, code and failure domain. asked are the runs that this round has asked for.
func (m *Matcher) match(ctx context.Context, a Alert, asked map[string]End) (End, error) {
	end, about := m.o.Triage.of(a)
	if end.State != "" {
		return end, nil
	}
	return m.place(ctx, a, about, asked)
}

// place says what became of an alert whose member is looked for.
func (m *Matcher) place(ctx context.Context, a Alert, about suspect, asked map[string]End) (End, error) {
	rule, named := about.rule, about.named
	places, unseen := m.find(named, about.member)
	switch {
	case len(places) > 1:
		return unmatched(fmt.Sprintf("ambiguous: several members of %s are called what the label %s says", few(named), rule.MemberLabel)), nil
	case unseen && m.o.Now().Sub(a.Received) < unseenFor: // the one that it has may have a member of that name, too
		return End{}, nil
	case len(places) == 1:
		return m.open(ctx, a, hintOf(rule, places[0], a.Received), asked)
	case unseen:
		return unmatched(fmt.Sprintf("its resource was not seen within %s: %s", unseenFor, few(named))), nil
	default:
		return unmatched(fmt.Sprintf("no such member: none of %s is called what the label %s says", few(named), rule.MemberLabel)), nil
	}
}

// Waits says what an alert that is not dealt with waits for.
func (m *Matcher) Waits(a Alert) string {
	const turn = "waits for its turn; where that lasts, the log of the engine says what went wrong"
	end, about := m.o.Triage.of(a)
	if end.State != "" {
		return turn
	}
	if places, _ := m.find(about.named, about.member); len(places) > 1 {
		return turn
	}
	for _, r := range about.named {
		if _, seen := m.o.World.Last(r); !seen {
			return fmt.Sprintf("waits for the first look at %s, until %s at the latest", r, a.Received.Add(unseenFor).UTC().Format(time.RFC3339))
		}
	}
	return turn
}

// few names the first of some resources; what an alert says stands in the alert.
func few(all []galen.Resource) string {
	const most = 3
	var names []string
	for i, r := range all {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(all)-most))
			break
		}
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

func hintOf(rule Rule, at place, came time.Time) galen.Finding {
	return galen.Finding{Resource: at.resource, Code: rule.Code, Domain: at.domain, Targets: []galen.Target{at.target}, Since: came}
}

// open asks for the run of a problem, once in a round however many alerts hint at it.
func (m *Matcher) open(ctx context.Context, a Alert, hint galen.Finding, asked map[string]End) (End, error) {
	key := hint.Key() + "\n" + hint.Targets[0].ID
	if end, known := asked[key]; known {
		return end, nil
	}
	if !m.o.Runs.Heals(hint.Resource.Kind, hint.Code) {
		return unmatched(fmt.Sprintf("no runbook heals %s on resources of kind %s", hint.Code, hint.Resource.Kind)), nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	run, err := m.hint(ctx, a, hint)
	if err != nil {
		return End{}, fmt.Errorf("open a run for alert %s: %w", a.ID, err)
	}
	end := End{State: Matched, Run: run.ID, Resource: hint.Resource, Why: inHand(run, hint)}
	if run.Status.Open() { // what came after the end of one is another matter
		asked[key] = end
	}
	return end, nil
}

// inHand says what the run of a hint is to it: one that was opened for something else looks for nothing, and keeps others from its targets.
func inHand(run galen.Run, hint galen.Finding) string {
	where := fmt.Sprintf("%s in %s of %s", hint.Code, hint.Domain, hint.Resource)
	if strings.Trim(hint.Domain, "/") == "" { // of a member that was never heard
		where = fmt.Sprintf("%s of members of %s whose place is not known", hint.Code, hint.Resource)
	}
	if run.FromAlert() || run.Key == hint.Key() || run.Finding != nil || !run.Status.Open() {
		return fmt.Sprintf("run %s looks for %s", run.ID, where)
	}
	return fmt.Sprintf("run %s (%s, %s) is at work there, asked for by a person: nothing else is opened for %s before its end, and after that when Galen sees it, or when it fires anew", run.ID, run.Runbook, run.Status, where)
}

func (m *Matcher) hint(ctx context.Context, a Alert, hint galen.Finding) (galen.Run, error) {
	if m.o.Around == nil {
		return m.o.Runs.OpenHint(ctx, hint, a.ID)
	}
	ctx, end := m.o.Around(ctx, a)
	run, err := m.o.Runs.OpenHint(ctx, hint, a.ID)
	end(err)
	return run, err
}

// place is a member that we know, and its failure domain.
type place struct {
	resource galen.Resource
	domain   string
	target   galen.Target
}

// find looks a member up in the newest States of the resources. unseen: one of them was not looked at yet.
func (m *Matcher) find(resources []galen.Resource, name string) (found []place, unseen bool) {
	for _, r := range resources {
		state, seen := m.o.World.Last(r)
		if !seen {
			unseen = true
			continue
		}
		var listed, all []place
		for _, member := range state.Members() {
			if member.Spare || !is(member, name) {
				continue
			}
			p := place{r, member.Domain, member.Target}
			all = append(all, p)
			if !member.Unlisted {
				listed = append(listed, p)
			}
		}
		if len(listed) > 0 { // who has gone may have left its address to another
			all = listed
		}
		for _, p := range all {
			if !slices.Contains(found, p) {
				found = append(found, p)
			}
		}
	}
	return found, unseen
}

// is tells whether a label's value names the member: by identity, by instance or by address, whatever the port.
func is(m galen.Member, name string) bool {
	if name == m.Target.ID || name == m.Name || name == m.Instance || m.Instance != "" && strings.EqualFold("instance/"+host(name), m.Instance) {
		return true
	}
	given, own := host(name), host(m.Name)
	a, errA := netip.ParseAddr(given)
	b, errB := netip.ParseAddr(own)
	if errA == nil && errB == nil {
		return a.Unmap() == b.Unmap()
	}
	return own != "" && strings.EqualFold(given, own)
}

// host is what stands before the port.
func host(name string) string {
	if h, _, err := net.SplitHostPort(name); err == nil {
		return h
	}
	return strings.Trim(name, "[]")
}
