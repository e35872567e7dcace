package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
)

// detailOf is a run as the API tells it, with the ring that it works on.
func (b *book) detailOf() (api.RunDetail, []galen.Member) {
	b.t.Helper()
	led, err := b.store.Ledger(b.t.Context(), b.run.ID)
	b.must(err)
	plans, err := b.store.Plans(b.t.Context(), b.run.ID, 0, 1000)
	b.must(err)
	slices.Reverse(plans)
	events, err := b.store.Events(b.t.Context(), journal.EventFilter{Run: b.run.ID, Limit: 10_000})
	b.must(err)
	return api.RunDetail{Run: led.Run, Plans: plans, Intents: led.Past, Events: events, Seq: events[len(events)-1].Seq}, []galen.Member{
		{Target: galen.Target{ID: n2}, Instance: "instance/n2", Name: "127.0.0.2", Domain: "dc1/r2"},
		{Target: galen.Target{ID: n4}, Instance: n4, Name: "127.0.0.4", Domain: "dc1/r2"},
	}
}

// drawn is the tree now, in a terminal of that width.
func (b *book) drawn(width, turn int) string {
	b.t.Helper()
	d, members := b.detailOf()
	var out bytes.Buffer
	b.must(printTree(&page{to: &out, width: width}, treeOf(d, members, b.now), turn))
	for line := range lineSeq(out.String()) {
		if widthOf(strings.TrimRight(line, "\n")) > max(width, 80) && !contains(line, "galen runs") {
			b.t.Errorf("a line of %d columns on a terminal of %d: %s", widthOf(line), width, line)
		}
	}
	return out.String()
}

// TestTree draws a run at each of its stands.
func TestTree(t *testing.T) {
	b := newBook(t)
	b.found()
	b.open()
	b.after(30*time.Millisecond).wait(2*time.Second, "n2 is down since 12:00:00; waiting for it to come back by itself")
	out := "# waiting\n" + b.after(4*time.Second).drawn(100, 0)

	fence := galen.Plan{
		Steps: []galen.Step{step("fence", n2)}, Why: "n2 is down; its data are gone: fence it, then n4 takes its place",
		Outline: []galen.Step{step("prepare", n4), step("replace", n2), step("repair", n4), step("repair", n4)},
	}
	b.after(time.Second).decide(galen.RunAsking, wanted().Why, fence, append(allowed(), wanted())...)
	out += "\n# asking\n" + b.after(90*time.Second).drawn(100, 1)

	b.after(time.Second).decide(galen.RunRunning, fence.Why, fence, allowed()...)
	id := b.after(20*time.Millisecond).act(galen.Destructive, fence.Steps[0], "start command moved away")
	out += "\n# under way\n" + b.after(700*time.Millisecond).drawn(100, 2)
	b.after(time.Second).effect(id, galen.EffectDone, "its start command is away and no process runs")

	replace := galen.Plan{Steps: []galen.Step{step("replace", n2)}, Outline: []galen.Step{step("repair", n4)}, Why: "start n4 in that place"}
	b.after(50*time.Millisecond).decide(galen.RunRunning, replace.Why, replace, allowed()...)
	id = b.after(time.Second).answered(galen.Destructive, replace.Steps[0], galen.SentError, "connection reset")
	b.after(4*time.Second).effect(id, galen.EffectUnderWay, "n4 streams")
	out += "\n# a long effect, 60 columns\n" + b.after(time.Minute).drawn(60, 3)
	b.effect(id, galen.EffectFailed, "the streams broke")

	b.must(b.store.SetRun(t.Context(), b.run.ID, galen.RunHeld, "no spare is left", time.Time{}))
	out += "\n# held\n" + b.after(time.Second).drawn(100, 4)
	b.must(b.store.SetRun(t.Context(), b.run.ID, galen.RunVerified, "seen well on 3 looks in 30s", time.Time{}))
	golden(t, file("tree"), out+"\n# verified\n"+b.after(time.Second).drawn(100, 5))
}

// flaky is the API over a journal, away while a test wants it so.
func flaky(t *testing.T, b *book) (url string, away *atomic.Bool) {
	away = &atomic.Bool{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		d, members := b.detailOf()
		var answer any = d
		if strings.HasPrefix(r.URL.Path, "/v1/resources") {
			answer = api.ResourceDetail{Resource: cannedResource(), Members: members, Policy: galen.SafePolicy(), Differences: []api.Difference{}}
		}
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
			answer = api.RunAnswer{Run: &d.Run}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, away
}

// TestFollowInAPipe: one line per event, each once, over an engine that is away meanwhile; the exit code tells the end.
func TestFollowInAPipe(t *testing.T) {
	b := newBook(t)
	b.found()
	b.open()
	url, away := flaky(t, b)
	w := watchOn(t, url, nil, "run cassandra/heal-node cassandra/orders --follow")
	w.until("it is opened", func() bool { return contains(w.out.String(), "opened       run of cassandra/heal-node") })
	b.after(time.Second).decide(galen.RunRunning, "go", galen.Plan{Steps: []galen.Step{step("start", n2)}, Why: "its process is gone"}, allowed()...)
	b.act(galen.Reversible, step("start", n2), "started, pid 4242")
	w.until("the call", func() bool { return contains(w.out.String(), "called       start 6a1f2f0e: started, pid 4242") })
	away.Store(true)
	w.until("the engine is away", func() bool { return contains(w.out.String(), "the engine does not answer") })
	away.Store(false)
	b.must(b.store.SetRun(t.Context(), b.run.ID, galen.RunVerified, "seen well", time.Time{}))
	if code := w.ended(); code != exitOK || !contains(w.errs.String(), "run id-1 opened") {
		t.Errorf("exit code %d; %s", code, w.errs)
	}
	got := w.out.String()
	for _, once := range []string{"  opened  ", "  decided  ", "  allowed  ", "  called  ", "does not answer", "answers again", "verified  seen well\nwhat happened"} {
		if strings.Count(got, once) != 1 {
			t.Errorf("%d times %q, want it once:\n%s", strings.Count(got, once), once, got)
		}
	}
	if contains(got, "\x1b") || strings.ContainsAny(got, turns) {
		t.Errorf("a pipe gets what belongs on a terminal: %q", got)
	}
}

// TestFollowWaitsInTheEngine: it is not asked again and again whether anything has happened, and one whose journal was put back is asked from
// the beginning.
func TestFollowWaitsInTheEngine(t *testing.T) {
	b := newBook(t)
	b.found()
	b.open()
	d, _ := b.detailOf()
	var calls, asked atomic.Int64
	more, restored := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		q := r.URL.Query()
		if strings.HasPrefix(r.URL.Path, "/v1/runs/") {
			calls.Add(1)
		}
		if q.Get("wait") == "" || r.Method == http.MethodPost {
			_ = json.NewEncoder(w).Encode(d)
			return
		}
		after, wait := q.Get("after"), q.Get("wait")
		switch n := asked.Add(1); {
		case wait != "30s":
			t.Errorf("it waits %s", wait)
		case n == 1 && after == strconv.FormatInt(d.Seq, 10):
			<-more
			later := d
			later.Seq += 5
			_ = json.NewEncoder(w).Encode(later)
		case n == 2 && after == strconv.FormatInt(d.Seq+5, 10):
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_ = json.NewEncoder(w).Encode(api.Error{Type: "urn:galen:problem:unprocessable", Title: "x", Status: 422, Detail: "after event 9: the newest one is 4", Instance: r.URL.Path})
		case n == 3 && after == "0":
			<-restored
			ended := d
			ended.Run.Status = galen.RunVerified
			_ = json.NewEncoder(w).Encode(ended)
		default:
			t.Errorf("call %d after %s", n, after)
		}
	}))
	t.Cleanup(s.Close)
	w := watchOn(t, s.URL, nil, "runs show id-1 --watch")
	w.until("it is opened", func() bool { return contains(w.out.String(), "opened       run of") && asked.Load() == 1 })
	close(more)
	w.until("the journal is another one", func() bool { return asked.Load() == 3 })
	close(restored)
	if code := w.ended(); code != exitOK || calls.Load() != 4 {
		t.Errorf("exit code %d after %d calls; %s%s", code, calls.Load(), w.out, w.errs)
	}
}

// TestFollowOnATerminal: a tree whose signs turn; Ctrl-C ends the view with success, and a run that is held ends it, too.
func TestFollowOnATerminal(t *testing.T) {
	b := newBook(t)
	b.found()
	b.open()
	b.decide(galen.RunRunning, "go", galen.Plan{Steps: []galen.Step{step("start", n2)}, Why: "its process is gone"}, allowed()...)
	url, away := flaky(t, b)
	on := &terminal{columns: 100, rows: 30}
	w := watchOn(t, url, on, "runs show id-1 --watch")
	w.until("its sign turns", func() bool { return contains(w.out.String(), "⠋") && contains(w.out.String(), "⠹") })
	away.Store(true)
	w.until("the engine is away", func() bool { return contains(w.out.String(), "the engine does not answer") })
	away.Store(false)
	w.stop()
	if code := w.ended(); code != exitOK {
		t.Errorf("exit code %d; %s", code, w.errs)
	}
	w = watchOn(t, url, on, "run cassandra/heal-node cassandra/orders --follow --timeout 300ms")
	if code := w.ended(); code != exitNotDone || !contains(w.errs.String(), "is running after 300ms (go)") {
		t.Errorf("a run that goes on beyond the timeout: exit code %d; %s%s", code, w.out, w.errs)
	}
	b.must(b.store.SetRun(t.Context(), b.run.ID, galen.RunHeld, "no spare is left", time.Time{}))
	w = watchOn(t, url, on, "runs show id-1 --watch")
	if code := w.ended(); code != exitOK || !contains(w.out.String(), "no spare is left") {
		t.Errorf("a held run: exit code %d; %s%s", code, w.out, w.errs)
	}
	w = watchOn(t, url, on, "run cassandra/heal-node cassandra/orders --follow")
	if code := w.ended(); code != exitNotDone {
		t.Errorf("a held run that was asked for: exit code %d; %s%s", code, w.out, w.errs)
	}
	w = watchOn(t, url, on, "runs show id-1 --watch -o json")
	if code := w.ended(); code != exitOK || !json.Valid([]byte(w.out.String())) {
		t.Errorf("for a program: exit code %d; %s%s", code, w.out, w.errs)
	}
}
