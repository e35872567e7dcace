package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/watch"
)

// watching gives an engine a watch that has gone round once, at that time.
func (e *Engine) watching(t *testing.T, now time.Time) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	e.watch = watch.NewLoops(watch.Options{
		World: e.world, Kinds: e.opened.kinds, Journal: e.journal, Runs: e.runs, Policy: e.o.Config.Policy, Logger: e.o.Logger,
		Now: func() time.Time { return now },
	})
	ended := make(chan struct{})
	go func() { defer close(ended); e.watch.Run(ctx, []galen.Resource{demoDB()}) }()
	for deadline := time.Now().Add(10 * time.Second); e.watch.Beat().IsZero(); {
		if time.Now().After(deadline) {
			t.Fatal("the watch does not begin")
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	<-ended
}

// TestTheVigil: whatever keeps the engine from looking or acting is found, and named; a hold is not such a thing.
func TestTheVigil(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *Engine)
		says  string
	}{
		{"nothing", func(*testing.T, *Engine) {}, ""},
		{"a hold on everything", func(t *testing.T, e *Engine) {
			err := e.journal.SetHold(t.Context(), galen.Hold{By: "ann", Why: "freeze", Until: time.Now().Add(time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"the journal is closed", func(t *testing.T, e *Engine) {
			if err := e.journal.Close(); err != nil {
				t.Fatal(err)
			}
		}, "cannot record what it would do"},
		{"it only observes", func(t *testing.T, e *Engine) {
			if err := e.journal.Disarm(t.Context(), "the clock jumped"); err != nil {
				t.Fatal(err)
			}
		}, "only observes: "},
		{"Temporal is away", func(_ *testing.T, e *Engine) {
			e.reach = newPulse(func(context.Context) error { return errors.New("refused") })
		}, "its runs do not go on: refused"},
		{"Temporal hangs", func(_ *testing.T, e *Engine) {
			e.reach = newPulse(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}, "its runs do not go on: "},
		{"the watch stands still", func(t *testing.T, e *Engine) { e.watching(t, time.Now().Add(-time.Hour)) }, "has not gone round for 1h"},
		{"the watch has not begun", func(_ *testing.T, e *Engine) { e.watch = nil }, errUnexamined.Error()},
		{"no look sees anything", func(_ *testing.T, e *Engine) {
			e.looks.seen = map[galen.Resource]time.Time{demoDB(): time.Now().Add(-time.Hour)}
		}, "no look has seen anything"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := engineWithoutTemporal(t)
			if _, err := e.journal.Identity(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			e.lookOnce(t)
			e.watching(t, time.Now())
			c.spoil(t, e)
			v := newVigil(e.works)
			if err := v.works(); !errors.Is(err, errUnexamined) {
				t.Errorf("before the first time: %v", err)
			}
			_ = v.once(t.Context()) // works tells it
			switch err := v.works(); {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, want %q", err, c.says)
			}
			v.at = v.at.Add(-vigilFor)
			if err := v.works(); !errors.Is(err, errUnexamined) {
				t.Errorf("what was found out %s ago counts still: %v", vigilFor, err)
			}
		})
	}
}

// TestTheDeadMan: it is told while the engine works, and no longer, though the process goes on; the URL, a secret, is in no error.
func TestTheDeadMan(t *testing.T) {
	var told atomic.Int64
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/s3cret" || string(body) != "galen works\n" || err != nil {
			t.Errorf("%s %s %q %v", r.Method, r.URL, body, err)
		}
		told.Add(1)
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	var works error
	var failures []string
	p := &ping{url: s.URL + "/s3cret", client: s.Client(), works: func() error { return works }, failed: func(err error) { failures = append(failures, err.Error()) }}
	step := func(what string, want int64, fails int) {
		t.Helper()
		p.once(t.Context())
		if told.Load() != want || len(failures) != fails {
			t.Errorf("%s: told %d times, want %d; failures %q, want %d", what, told.Load(), want, failures, fails)
		}
	}
	step("it works", 1, 0)
	works = errors.New("no Temporal")
	step("it does not", 1, 0)
	works = nil
	step("it does again", 2, 0)
	status = http.StatusNotFound
	step("nobody knows the URL", 3, 1)
	step("that is told once", 4, 1)
	s.Close()
	status = http.StatusOK
	p.told = false
	step("the watcher is away", 4, 2)
	if all := strings.Join(failures, " "); strings.Contains(all, "s3cret") || !strings.Contains(all, "its URL") {
		t.Errorf("failures: %s", all)
	}
}

// TestTheDeadMansURLIsASecret: with a password in it, or where the watcher sends us on, too.
func TestTheDeadMansURLIsASecret(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/other-s3cret", http.StatusPermanentRedirect)
	}))
	t.Cleanup(s.Close)
	for _, at := range []string{s.URL + "/s3cret", "http://ann:pw@127.0.0.1:1/s3cret", strings.Replace(s.URL, "http://", "http://ann:pw@", 1) + "/s3cret"} {
		var said string
		p := &ping{url: at, client: s.Client(), works: func() error { return nil }, failed: func(err error) { said = err.Error() }}
		p.once(t.Context())
		if said == "" || strings.Contains(said, "s3cret") || strings.Contains(said, "pw") || !strings.Contains(said, "its URL") {
			t.Errorf("%s: %q", at, said)
		}
	}
}
