package app

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/galenhq/galen"
	galenhttp "github.com/galenhq/galen/internal/http"
	"github.com/galenhq/galen/internal/journal"
)

// TestTheConfigurationThatWasToldLast: an engine knows its own, and another one's that was told since; of a journal that it has for itself nobody
// else can have told any.
func TestTheConfigurationThatWasToldLast(t *testing.T) {
	e := engineWithoutTemporal(t)
	e.o.Config.Journal.URLFile = "shared"
	if err := errors.Join(e.policies(t.Context()), e.configure(t.Context())); err != nil {
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
	old := journal.Configuration{"f/a": "1", "f/b": "1", "f/c": "1"}
	for want, newer := range map[string]journal.Configuration{
		"":                       old,
		"another policy for f/b": {"f/a": "1", "f/b": "2", "f/c": "1"},
		"f/d besides, not f/c":   {"f/a": "1", "f/b": "1", "f/d": "1"},
		"oidc besides":           {"f/a": "1", "f/b": "1", "f/c": "1", "oidc": "x"},
		"another policy for f/a, another policy for f/b, another policy for f/c, and 2 more": {"f/a": "2", "f/b": "2", "f/c": "2", "f/d": "1", "f/e": "1"},
	} {
		if got := apart(old, newer); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := apart(journal.Configuration{"oidc": "x"}, journal.Configuration{"oidc": "y"}); got != "another oidc" {
		t.Error(got)
	}
}

// TestAnEngineStandsAside: what it does by itself ends once, its place among the living last, as soon as another configuration counts, and stays
// ended whatever counts then; with its own it goes on.
func TestAnEngineStandsAside(t *testing.T) {
	for name, c := range map[string]struct {
		counts journal.Configuration
		file   string
		aside  bool
	}{
		"its own":           {nil, "shared", false},
		"another":           {journal.Configuration{"fake/x": "y"}, "shared", true},
		"in a file of ours": {journal.Configuration{"fake/x": "y"}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			e, ctx := engineWithoutTemporal(t), t.Context()
			e.o.Config.Journal.URLFile, e.vigil = c.file, newVigil(e.overruled)
			if err := errors.Join(e.policies(ctx), e.configure(ctx)); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var ended []string
			left := make(chan struct{})
			end := func(what string, then func()) {
				e.labours(func() error {
					mu.Lock()
					defer mu.Unlock()
					ended = append(ended, what)
					then()
					return nil
				})
			}
			end("place", func() { close(left) })
			end("worker", func() {})
			end("watch", func() {})
			if c.counts != nil {
				if err := e.journal.Configure(ctx, c.counts, "another engine"); err != nil {
					t.Fatal(err)
				}
			}
			e.standAside(ctx)
			if c.aside {
				select {
				case <-left:
				case <-time.After(10 * time.Second):
					t.Fatal("it goes on")
				}
			}
			if err := e.configure(ctx); err != nil { // by a third one with the configuration of this
				t.Fatal(err)
			}
			if works, asks := e.vigil.once(ctx), e.elsewhere(); (works != nil) != c.aside || (asks != nil) != c.aside || c.aside && !strings.Contains(works.Error(), "stands aside") {
				t.Errorf("it says %v, and to who asks %v", works, asks)
			}
			var outage *galenhttp.OutageError
			ready := e.ready()(ctx)
			if errors.As(ready, &outage) && strings.Contains(outage.What, demoDB().String()) || (ready != nil) != c.aside {
				t.Errorf("who has no token is told: %v", ready)
			}
			if err := e.Stop(); err != nil {
				t.Error(err)
			}
			slices.Sort(ended[:2])
			if want := "watch worker place"; strings.Join(ended, " ") != want {
				t.Errorf("ended: %q, want each once, and the place last", ended)
			}
		})
	}
}
