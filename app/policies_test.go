package app

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// TestTheConfigurationThatWasToldLast: an engine knows its own, and another one's that was told since; of a journal that it has for itself nobody
// else can have told any.
func TestTheConfigurationThatWasToldLast(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.o.Config.Journal.URLFile = "shared"
	if err := e.policies(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func() galen.Ledger {
		t.Helper()
		l, err := e.journal.Preview(t.Context(), galen.Run{Resource: demoDB(), Runbook: "fake/heal"})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := read(); l.Configuration == "" || l.Configuration != e.toldHash {
		t.Errorf("its own configuration is told as %s", l.Configuration)
	}
	if err := e.overruled(t.Context()); err != nil {
		t.Error(err)
	}
	other := journal.Configuration{demoDB().String(): "another", "fake/new": "x"}
	if err := e.journal.Configure(t.Context(), other, "another engine"); err != nil {
		t.Fatal(err)
	}
	if l := read(); l.Configuration == e.toldHash {
		t.Error("another configuration is told as its own")
	}
	if err := e.overruled(t.Context()); err == nil || !strings.Contains(err.Error(), "another policy for "+demoDB().String()+", fake/new besides") {
		t.Errorf("%v", err)
	}
	if view, err := (advisor{e}).known(t.Context(), demoDB()); err != nil || !strings.Contains(view.Doubt, "another configuration") {
		t.Errorf("an answer by a policy that does not count: %q, %v", view.Doubt, err)
	}
	if why := e.overruledOn(galen.Resource{Kind: "fake", Name: "gone"}, e.toldHash); !strings.Contains(why, "not in the configuration") {
		t.Errorf("a resource that is not its own: %q", why)
	}
	e.o.Config.Journal.URLFile = ""
	if err := e.overruled(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestApart(t *testing.T) {
	old := journal.Configuration{"a": "1", "b": "1", "c": "1"}
	for want, newer := range map[string]journal.Configuration{
		"":                     old,
		"another policy for b": {"a": "1", "b": "2", "c": "1"},
		"d besides, not c":     {"a": "1", "b": "1", "d": "1"},
		"another policy for a, another policy for b, another policy for c, and 2 more": {"a": "2", "b": "2", "c": "2", "d": "1", "e": "1"},
	} {
		if got := apart(old, newer); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestAnEngineStandsAside: what it does by itself ends once, in reverse order, as soon as another configuration counts; with its own it goes on.
func TestAnEngineStandsAside(t *testing.T) {
	for name, c := range map[string]struct {
		counts journal.Configuration
		file   string
		want   string
	}{
		"its own":          {nil, "shared", ""},
		"another":          {journal.Configuration{"fake/x": "y"}, "shared", "watch worker "},
		"in a file of its": {journal.Configuration{"fake/x": "y"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := engineWithoutTemporal(t)
			e.o.Config.Journal.URLFile = c.file
			if err := e.policies(t.Context()); err != nil {
				t.Fatal(err)
			}
			e.vigil = newVigil(e.overruled)
			ended, done := "", make(chan struct{})
			e.labours(func() error { ended += "worker "; close(done); return nil })
			e.labours(func() error { ended += "watch "; return nil })
			if c.counts != nil {
				if err := e.journal.Configure(t.Context(), c.counts, "another engine"); err != nil {
					t.Fatal(err)
				}
			}
			e.standAside(t.Context())
			if c.want != "" {
				select {
				case <-done:
				case <-time.After(10 * time.Second):
					t.Fatal("it goes on")
				}
			}
			if last := len(e.stops) - 1; c.file != "" {
				if err := e.stops[last](); err != nil { // the end of the asking
					t.Error(err)
				}
			}
			if works := e.vigil.works(); c.want != "" && !strings.Contains(works.Error(), "stands aside") {
				t.Errorf("it says %v", works)
			}
			if ended != c.want {
				t.Errorf("ended: %q, want %q", ended, c.want)
			}
			for _, end := range e.labour { // as a stop does after it
				if err := end(); err != nil {
					t.Error(err)
				}
			}
			if strings.Count(ended, "watch") != 1 || strings.Count(ended, "worker") != 1 {
				t.Errorf("ended by a stop: %q", ended)
			}
		})
	}
}
