package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// living is a journal of runs that goes on while it is read.
type living struct {
	*engine
	mu    sync.Mutex
	all   []galen.Event
	ended bool
	bell  chan struct{}
	ahead atomic.Int64 // of the real clock, in nanoseconds
	reads atomic.Int64 // of the events of one run
	beats chan time.Time
}

const followed = "run-demo"

func newLiving() *living {
	return &living{engine: newTwo().engine, bell: make(chan struct{}), beats: make(chan time.Time)}
}

func (l *living) now() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }

func (l *living) options() Options {
	o := l.engine.options()
	o.Runs, o.Records, o.Tokens, o.Now, o.Committed = l, l, l, l.now, l.committed
	o.After = func(d time.Duration) <-chan time.Time {
		if d > tailAgain { // a beat, which the test makes
			return l.beats
		}
		return time.After(d)
	}
	return o
}

func (l *living) committed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bell
}

// beat lets time come to the next beat of a stream, unless one is so near that it comes by itself.
func (l *living) beat() {
	select {
	case l.beats <- time.Time{}:
	case <-time.After(2 * expirySoon):
	}
}

// append adds an event, after which do happens in the same commit.
func (l *living) append(run string, kind galen.EventKind, do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, galen.Event{Seq: int64(len(l.all) + 1), Run: run, Resource: demo(), Kind: kind})
	if do != nil {
		do()
	}
	close(l.bell)
	l.bell = make(chan struct{})
}

func (l *living) Run(ctx context.Context, id string) (galen.Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	run, err := l.engine.Run(ctx, id)
	if run.Status = galen.RunRunning; l.ended {
		run.Status = galen.RunVerified
	}
	return run, err
}

func (l *living) Ledger(ctx context.Context, id string) (galen.Ledger, error) {
	run, err := l.Run(ctx, id)
	return galen.Ledger{Run: run}, err
}

func (l *living) Token(ctx context.Context, hash string) (galen.Token, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token, _, err := l.engine.Token(ctx, hash)
	return token, l.now(), err
}

func (l *living) Events(_ context.Context, f EventFilter) ([]galen.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Run != "" {
		l.reads.Add(1)
	}
	var out []galen.Event
	for i := range l.all {
		e := l.all[i]
		if f.Newest {
			e = l.all[len(l.all)-1-i]
		}
		if e.Seq > f.After && (f.Run == "" || f.Run == e.Run) && len(out) < f.Limit {
			out = append(out, e)
		}
	}
	return out, nil
}

// message is one of a stream.
type message struct{ id, name, data string }

// reading is a stream that is open.
type reading struct {
	t    *testing.T
	res  *http.Response
	from *bufio.Reader
	said []string // comments
}

// open follows the run.
func open(t *testing.T, address, secret, lastID string) *reading {
	t.Helper()
	return openWith(t, http.DefaultClient, "http://"+address, secret, lastID)
}

func openWith(t *testing.T, client *http.Client, url, secret, lastID string) *reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/runs/"+followed+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &reading{t: t, res: res, from: bufio.NewReader(res.Body)}
}

// next is the next message, or the error that ended the stream: io.EOF if it was ended as it should.
func (o *reading) next() (message, error) {
	var m message
	for {
		line, err := o.from.ReadString('\n')
		if err != nil {
			return m, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			m.id = value
		case "event":
			m.name = value
		case "data":
			m.data = value
		case "":
			if value != "" {
				o.said = append(o.said, value)
				return m, nil
			}
			if m != (message{}) {
				return m, nil
			}
		}
	}
}

func (o *reading) want(id, name string) message {
	o.t.Helper()
	m, err := o.next()
	if err != nil || m.id != id || m.name != name {
		o.t.Fatalf("%+v %v, want id %q and name %q", m, err, id, name)
	}
	return m
}

func (o *reading) wantEnd() {
	o.t.Helper()
	if m, err := o.next(); !errors.Is(err, io.EOF) || m != (message{}) {
		o.t.Fatalf("%+v %v, want the end of the stream", m, err)
	}
}

// TestFollowWithoutLossOrDouble: who comes and goes while events are appended gets each of the run once and in order, and is told the end.
func TestFollowWithoutLossOrDouble(t *testing.T) {
	l := newLiving()
	address := serve(t, l.options())
	const events = 700
	var want []string
	done := make(chan struct{})
	for i := range events {
		if i%3 != 0 {
			want = append(want, strconv.Itoa(i+1))
		}
	}
	go func() {
		defer close(done)
		for i := range events {
			run := followed
			if i%3 == 0 {
				run = "run-other"
			}
			l.append(run, galen.EventDecided, func() { l.ended = i == events-1 })
		}
	}()
	var got []string
	for last, visits := "", 0; ; visits++ {
		o := open(t, address, testToken, last)
		if form := o.res.Header.Get("Content-Type"); o.res.StatusCode != http.StatusOK || !strings.HasPrefix(form, "text/event-stream") {
			t.Fatalf("%d %s", o.res.StatusCode, form)
		}
		var m message
		for range 1 + visits%37 {
			var err error
			if m, err = o.next(); err != nil {
				t.Fatal(err)
			}
			if m.name == "end" {
				break
			}
			if e, err := galen.Decode[galen.Event]([]byte(m.data)); err != nil || strconv.FormatInt(e.Seq, 10) != m.id || e.Run != followed {
				t.Fatalf("%+v: %v", m, err)
			}
			got, last = append(got, m.id), m.id
		}
		if m.name != "end" {
			_ = o.res.Body.Close()
			continue
		}
		o.wantEnd()
		if run, err := galen.Decode[galen.Run]([]byte(m.data)); err != nil || run.Status != galen.RunVerified {
			t.Errorf("the end tells %s: %v", m.data, err)
		}
		if again := open(t, address, testToken, last); again.res.StatusCode != http.StatusNoContent {
			t.Errorf("after the end: %s", again.res.Status)
		}
		t.Logf("%d visits", visits+1)
		break
	}
	<-done
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// TestAStreamEndsWithItsToken: at once when it is revoked, at its end when it expires, and its holder is told why.
func TestAStreamEndsWithItsToken(t *testing.T) {
	l := newLiving()
	hash := hashOf(secretOf("me"))
	token := galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: time.Now().Add(time.Hour)}
	l.tokens[hash] = token
	address := serve(t, l.options())
	l.append(followed, galen.EventOpened, nil)

	o := open(t, address, secretOf("me"), "")
	o.want("1", "")
	l.append("", galen.EventToken, nil) // somebody else's
	l.append(followed, galen.EventDecided, nil)
	o.want("3", "")
	l.append("", galen.EventToken, func() {
		token.Revoked = l.now()
		l.tokens[hash] = token
	})
	if m := o.want("", "problem"); !strings.Contains(m.data, "was revoked at") || !strings.Contains(m.data, problemBase+"unauthorized") {
		t.Errorf("revoked: %s", m.data)
	}
	o.wantEnd()

	l.append("", galen.EventToken, func() {
		token.Revoked = time.Time{}
		l.tokens[hash] = token
	})
	o = open(t, address, secretOf("me"), "3")
	l.append(followed, galen.EventDecided, nil)
	o.want("6", "")
	l.ahead.Store(int64(2 * time.Hour))
	l.beat()
	if m := o.want("", ""); len(o.said) != 1 {
		t.Errorf("no beat: %+v", m)
	}
	if m := o.want("", "problem"); !strings.Contains(m.data, "expired at") {
		t.Errorf("expired: %s", m.data)
	}
	o.wantEnd()
	if again := open(t, address, secretOf("me"), "6"); again.res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after it has expired: %s", again.res.Status)
	}
}

// revoking revokes a token as soon as somebody reads events.
type revoking struct{ *living }

func (r revoking) Events(ctx context.Context, f EventFilter) ([]galen.Event, error) {
	out, err := r.living.Events(ctx, f)
	r.mu.Lock()
	defer r.mu.Unlock()
	token := r.tokens[hashOf(secretOf("me"))]
	token.Revoked = r.now()
	r.tokens[hashOf(secretOf("me"))] = token
	return out, err
}

// TestABacklogEndsWithItsToken: whoever reads slowly what there is already is told nothing of what comes after the end of their token.
func TestABacklogEndsWithItsToken(t *testing.T) {
	l := newLiving()
	l.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: time.Now().Add(time.Hour)}
	for range 2*streamPage + 1 {
		l.append(followed, galen.EventDecided, nil)
	}
	o := l.options()
	o.Records = revoking{l}
	s := open(t, serve(t, o), secretOf("me"), "")
	for n := range streamPage {
		s.want(strconv.Itoa(n+1), "")
	}
	if m := s.want("", "problem"); !strings.Contains(m.data, "was revoked at") {
		t.Errorf("after the first page: %s", m.data)
	}
	s.wantEnd()
}

// TestAStreamBeats: a quiet stream shows that it lives, also for longer than a whole call, or a piece, may take to be read and written.
func TestAStreamBeats(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprint("HTTP/", version), func(t *testing.T) {
			l := newLiving()
			l.append(followed, galen.EventOpened, nil)
			l.ahead.Store(int64(brief - writeWithin)) // a piece has so long
			h := httptest.NewUnstartedServer(nil)
			h.Config, h.EnableHTTP2 = New(l.options()), version == 2
			h.Config.ReadTimeout, h.Config.WriteTimeout = brief, brief
			h.StartTLS()
			t.Cleanup(h.Close)
			o := openWith(t, h.Client(), h.URL, testToken, "")
			if o.res.ProtoMajor != version {
				t.Fatalf("it is %s", o.res.Proto)
			}
			o.want("1", "")
			for n := 1; n <= 3; n++ {
				<-time.After(2 * brief) // the bounds must be over
				l.beat()
				o.want("", "")
				if len(o.said) != n {
					t.Fatalf("after beat %d: %q", n, o.said)
				}
			}
			l.append(followed, galen.EventDecided, nil)
			o.want("2", "")
			_ = o.res.Body.Close()
		})
	}
}

// brief is what something may take whose bound is tried.
const brief = 300 * time.Millisecond

// TestShutdownEndsWhatWaits at once, and in order.
func TestShutdownEndsWhatWaits(t *testing.T) {
	l := newLiving()
	l.append(followed, galen.EventOpened, nil)
	s := New(l.options())
	address := serveOn(t, s)
	o := open(t, address, testToken, "")
	o.want("1", "")
	answer := make(chan said, 1)
	go func() { answer <- get(t, address, "/v1/runs/"+followed+"?wait=30s&after=1") }()
	awaitStreams(t, address, 1, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("stopped within %s", time.Since(began))
	o.wantEnd()
	if got := <-answer; got.status != http.StatusOK {
		t.Errorf("a call that waited: %d %s", got.status, got.body)
	}
}

// said is a whole answer.
type said struct {
	status int
	body   []byte
}

// get makes a call; the zero answer is none, which is told.
func get(t *testing.T, address, path string) said {
	t.Helper()
	got, err := try(t, address, path)
	if err != nil {
		t.Error(err)
	}
	return got
}

func try(t *testing.T, address, path string) (said, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return said{}, err
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return said{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return said{res.StatusCode, body}, err
}

// awaitStreams waits until so many callers wait, as the metrics tell.
func awaitStreams(t *testing.T, address string, events, waits int) bool {
	t.Helper()
	want := []string{fmt.Sprintf("galen_streams{form=\"events\"} %d\n", events), fmt.Sprintf("galen_streams{form=\"wait\"} %d\n", waits)}
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(5 * time.Millisecond) {
		got, err := try(t, address, "/metrics")
		if err == nil && strings.Contains(string(got.body), want[0]) && strings.Contains(string(got.body), want[1]) {
			return true
		}
		if time.Now().After(deadline) {
			t.Errorf("never %q", want)
			return false
		}
	}
}
