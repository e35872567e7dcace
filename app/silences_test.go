package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/alertmanager"
	"github.com/galenhq/galen/internal/config"
)

// quiet is an Alertmanager.
type quiet struct {
	all    []alertmanager.Silence
	puts   int
	broken error
}

func (q *quiet) Silences(context.Context) ([]alertmanager.Silence, error) {
	return slices.Clone(q.all), q.broken
}

func (q *quiet) Put(_ context.Context, s alertmanager.Silence) error {
	q.puts++
	if i := slices.IndexFunc(q.all, func(is alertmanager.Silence) bool { return is.ID == s.ID }); s.ID != "" && i >= 0 {
		q.all[i] = s
		return q.broken
	}
	s.ID = fmt.Sprint("s", q.puts)
	q.all = append(q.all, s)
	return q.broken
}

func (q *quiet) Lift(_ context.Context, id string) error {
	q.all = slices.DeleteFunc(q.all, func(is alertmanager.Silence) bool { return is.ID == id })
	return q.broken
}

// membersOnly is a State of members only.
type membersOnly struct {
	galen.State
	members []galen.Member
}

func (m membersOnly) Members() []galen.Member { return m.members }

const silenceConfig = `
data: data
policies: {default: {mode: act}}
resources:
  - {resource: fake/demo, labels: {cluster: demo}, matchers: ['env!="test"'], setup: {}}
  - {resource: fake/unnamed, setup: {}}
alerts:
  - {alertname: Down, code: x, member_label: instance}
  - {alertname: Slow, code: x, member_label: instance}
`

// TestSilences: a target that a run works on is silent, until the run ends or waits for a person; a new engine knows nothing of
// the old one's silences but what Alertmanager tells, and leaves alone what others have made.
func TestSilences(t *testing.T) {
	cfg, err := config.Parse([]byte(silenceConfig))
	if err != nil {
		t.Fatal(err)
	}
	demo := galen.Resource{Kind: "fake", Name: "demo"}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	db := galen.Target{ID: "db-1"}
	run := galen.Run{ID: "r1", Resource: demo, Runbook: "fake/heal", Status: galen.RunRunning, Created: now, Scope: []galen.Target{db}, Finding: &galen.Finding{Resource: demo, Targets: []galen.Target{db}}}
	var open []galen.Run
	underWay := []galen.Intent{{ID: "r1-1", Run: "r1"}}
	am := &quiet{all: []alertmanager.Silence{{ID: "theirs", CreatedBy: "ann"}, {ID: "dead", CreatedBy: "galen x", Comment: "run r0"}}}
	able := true
	s := silences{
		able: func() bool { return able },
		api:  am, by: "galen x", config: cfg, now: func() time.Time { return now }, logger: slog.New(slog.DiscardHandler),
		runs: func(context.Context) ([]galen.Run, error) { return open, nil },
		past: func(context.Context, string) ([]galen.Intent, error) { return underWay, nil },
		last: func(galen.Resource) (galen.State, bool) {
			return membersOnly{members: []galen.Member{{Target: db, Name: "127.0.0.1:7000", Instance: "instance/n1"}}}, true
		},
	}
	round := func(want int, runs ...galen.Run) {
		t.Helper()
		open = runs
		if err := s.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(am.all) != 1+want || am.all[0].ID != "theirs" {
			t.Fatalf("%d silences, want one of others and %d: %+v", len(am.all), want, am.all)
		}
	}
	round(0)
	round(1, run)
	made := am.all[1]
	var got []string
	for _, m := range made.Matchers {
		got = append(got, fmt.Sprint(m.Name, m.IsEqual, m.IsRegex, m.Value))
	}
	want := `clustertrue falsedemo envfalse falsetest instancetrue true\[?(127\.0\.0\.1|db-1|instance/n1|n1)\]?(:[0-9]+)?`
	if text := strings.Join(got, " "); text != want || !made.EndsAt.Equal(now.Add(silenceFor)) || !strings.HasPrefix(made.Comment, "run r1 works on db-1 of fake/demo") {
		t.Errorf("%s, want %s; %+v", text, want, made)
	}
	names := regexp.MustCompile("^(?:" + made.Matchers[2].Value + ")$")
	for name, is := range map[string]bool{"127.0.0.1:9404": true, "[127.0.0.1]:1": true, "db-1": true, "n1": true, "127.0.0.11:9404": false, "127x0.0.1": false, "db-10": false} {
		if names.MatchString(name) != is {
			t.Errorf("%s: %v", name, !is)
		}
	}
	now = now.Add(time.Minute)
	if round(1, run); am.puts != 1 {
		t.Errorf("%d calls: nothing was to be moved on", am.puts)
	}
	now = now.Add(2 * time.Minute)
	if round(1, run); !am.all[1].EndsAt.Equal(now.Add(silenceFor)) || !am.all[1].StartsAt.Equal(made.StartsAt) {
		t.Errorf("not moved on: %+v", am.all[1])
	}
	ends := am.all[1].EndsAt
	able, now = false, now.Add(3*time.Minute)
	if round(1, run); !am.all[1].EndsAt.Equal(ends) {
		t.Errorf("moved on by an engine that cannot go on: %+v", am.all[1])
	}
	able, now = true, now.Add(-3*time.Minute)
	for name, change := range map[string]func(*galen.Run){
		"held": func(r *galen.Run) { r.Status = galen.RunHeld }, "asks": func(r *galen.Run) { r.Status = galen.RunAsking },
		"an alert's": func(r *galen.Run) { r.Asked, r.Finding = galen.AskedAlert+" 1", nil },
		"unnamed":    func(r *galen.Run) { r.Resource.Name = "unnamed" },
		"a stranger": func(r *galen.Run) { r.Scope, r.Finding.Targets = []galen.Target{{ID: "x"}}, []galen.Target{{ID: "x"}} },
	} {
		other := run
		finding := *run.Finding
		other.Finding = &finding
		round(1, run)
		change(&other)
		t.Log(name)
		round(0, other)
	}
	suggesting := run
	suggesting.Suggested = &galen.Suggestion{Plan: 1, At: now, Steps: []string{"start db-1: it is down"}}
	round(0, suggesting)
	for mode, want := range map[string]int{
		"mode: observe": 0, "mode: suggest": 0, "mode: approve": 1, "mode: act": 1,
		"mode: suggest, modes: [{class: reversible, mode: act}]":  1,
		"mode: act, modes: [{runbook: fake/heal, mode: suggest}]": 0,
	} {
		if s.config, err = config.Parse([]byte(strings.Replace(silenceConfig, "mode: act", mode, 1))); err != nil {
			t.Fatal(err)
		}
		round(want, run)
	}
	if s.config, err = config.Parse([]byte(silenceConfig)); err != nil {
		t.Fatal(err)
	}
	waiting := run
	waiting.Status = galen.RunWaiting
	round(1, waiting) // for what is under way
	underWay[0].Effect = galen.Effect{Status: galen.EffectDone, At: now}
	am.all = am.all[:1]
	round(1, waiting) // while it is verified
	underWay[0].Effect.At = now.Add(-2 * time.Minute)
	ends = am.all[1].EndsAt
	for now.Before(ends) { // kept from going on, it looks now and then
		run.Status, waiting.Status = galen.RunRunning, galen.RunWaiting
		for _, r := range []galen.Run{run, waiting} {
			if round(1, r); !am.all[1].EndsAt.Equal(ends) {
				t.Fatalf("the silence of a run that does nothing is moved on: %+v", am.all[1])
			}
		}
		now = now.Add(30 * time.Second)
	}
	am.all = am.all[:1] // Alertmanager has let it end
	round(0, run)
	round(0, waiting)
	am.broken = errors.New("away")
	if err := s.round(t.Context()); !errors.Is(err, am.broken) {
		t.Error(err)
	}
}
