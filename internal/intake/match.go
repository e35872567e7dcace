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
	Alertname string
	Code      galen.Code
	// MemberLabel is the label whose value names the member.
	MemberLabel string
}

// Resource is one that alerts can name, by labels which must all match; without labels none does.
type Resource struct {
	Resource galen.Resource
	Labels   map[string]string
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
	// targets; a hinted run looks until a State confirms it. The hint has resource, code, domain and targets.
	OpenHint(ctx context.Context, hint galen.Finding, alert string) (galen.Run, error)
}

// Options of a matcher.
type Options struct {
	Inbox     *Inbox
	World     World
	Runs      Runs
	Rules     []Rule
	Resources []Resource
	Now       func() time.Time
	Logger    *slog.Logger
}

// Matcher turns stored alerts into runs.
type Matcher struct{ o Options }

// NewMatcher does nothing before [Matcher.Run].
func NewMatcher(o Options) *Matcher { return &Matcher{o: o} }

const (
	window     = 1000             // alerts read at once
	retryEvery = time.Second      // while some must wait
	idleEvery  = time.Minute      // in case a signal was lost with a crash
	unseenFor  = 10 * time.Minute // how long an alert waits for the first look at its resource
	stepLimit  = 10 * time.Second // one reading or writing of the journal
)

// Run matches what comes in until the context ends.
func (m *Matcher) Run(ctx context.Context) {
	for {
		wait := idleEvery
		left, err := m.Round(ctx)
		if err != nil && ctx.Err() == nil {
			m.o.Logger.Warn("alerts could not be matched, trying again", "error", err.Error())
		}
		if left > 0 || err != nil {
			wait = retryEvery
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-m.o.Inbox.signal:
		case <-t.C:
		}
		t.Stop()
	}
}

// Round deals with every pending alert once; left is how many must wait: for a first look, or for the next round.
func (m *Matcher) Round(ctx context.Context) (left int, err error) {
	read, cancel := context.WithTimeout(ctx, stepLimit)
	pending, err := m.o.Inbox.store.PendingAlerts(read, window)
	cancel()
	if err != nil {
		return 0, fmt.Errorf("read pending alerts: %w", err)
	}
	var errs []error
	for _, a := range pending {
		if ctx.Err() != nil {
			break
		}
		done, err := m.settle(ctx, a)
		if !done {
			left++
		}
		errs = append(errs, err)
	}
	if len(pending) == window {
		left++
	}
	return left, errors.Join(errs...)
}

func (m *Matcher) settle(ctx context.Context, a Alert) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	outcome, err := m.match(ctx, a)
	if err != nil || outcome == "" {
		return false, err
	}
	if err := m.o.Inbox.store.AlertDone(ctx, a.ID, outcome); err != nil {
		return false, fmt.Errorf("finish alert %s: %w", a.ID, err)
	}
	m.o.Logger.Info("alert dealt with", "alert", a.ID, "alertname", brief(a.Labels["alertname"]), "named", brief(m.names(a)), "outcome", outcome)
	return true, nil
}

// logged is how many characters of a label the log shows.
const logged = 200

func brief(label string) string {
	if runes := []rune(label); len(runes) > logged {
		return string(runes[:logged]) + "…"
	}
	return label
}

// rule of an alert, false if there is none.
func (m *Matcher) rule(a Alert) (Rule, bool) {
	i := slices.IndexFunc(m.o.Rules, func(r Rule) bool { return r.Alertname == a.Labels["alertname"] })
	if i < 0 {
		return Rule{}, false
	}
	return m.o.Rules[i], true
}

// names is what an alert calls its member, as it was sent; "" if no rule says where that stands.
func (m *Matcher) names(a Alert) string {
	rule, found := m.rule(a)
	if !found {
		return ""
	}
	return a.Labels[rule.MemberLabel]
}

// match says in words what became of an alert, "" if it must wait. Its labels are compared with what we know and go no
// further: the run gets our own resource, code and failure domain.
func (m *Matcher) match(ctx context.Context, a Alert) (string, error) {
	if a.Status != firing {
		return "resolved: noted; it cancels nothing", nil
	}
	rule, found := m.rule(a)
	if !found {
		return "no rule for this alertname", nil
	}
	name := a.Labels[rule.MemberLabel]
	if name == "" {
		return "no label " + rule.MemberLabel, nil
	}
	named := m.named(a.Labels)
	if len(named) == 0 {
		return "no resource has these labels", nil
	}
	places, unseen := m.find(named, name)
	switch {
	case len(places) > 1:
		return "ambiguous: there are several such members", nil
	case len(places) == 1:
		return m.open(ctx, a, rule, places[0])
	case unseen && m.o.Now().Sub(a.Received) < unseenFor:
		return "", nil
	case unseen:
		return fmt.Sprintf("its resource was not seen within %s", unseenFor), nil
	default:
		return "no such member", nil
	}
}

func (m *Matcher) open(ctx context.Context, a Alert, rule Rule, at place) (string, error) {
	if !m.o.Runs.Heals(at.resource.Kind, rule.Code) {
		return fmt.Sprintf("no runbook heals %s on resources of kind %s", rule.Code, at.resource.Kind), nil
	}
	hint := galen.Finding{Resource: at.resource, Code: rule.Code, Domain: at.domain, Targets: []galen.Target{at.target}}
	run, err := m.o.Runs.OpenHint(ctx, hint, a.ID)
	if err != nil {
		return "", fmt.Errorf("open a run for alert %s: %w", a.ID, err)
	}
	return fmt.Sprintf("run %s looks for %s in %s of %s", run.ID, rule.Code, at.domain, at.resource), nil
}

// named are the resources whose labels all are labels of the alert.
func (m *Matcher) named(labels map[string]string) []galen.Resource {
	var out []galen.Resource
	for _, r := range m.o.Resources {
		match := len(r.Labels) > 0
		for name, value := range r.Labels {
			got, has := labels[name]
			match = match && has && got == value
		}
		if match {
			out = append(out, r.Resource)
		}
	}
	return out
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
	if name == m.Target.ID || name == m.Name || name == m.Instance || m.Instance != "" && "instance/"+name == m.Instance {
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
