// Package http serves the engine's API: bearer token, strict JSON, errors that say what to do, metrics. It reaches the
// engine through small ports only.
package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// Options are what the API stands on; all are required but Away, Sees, Orphaned, Measure, Tally, Around, Committed, Shared and After.
type Options struct {
	// Token that calls must carry, and the file where a person finds it.
	Token     string
	TokenFile string
	// Tokens are the named ones beside it.
	Tokens Tokens
	// Logins are those of people; nil: nobody logs in.
	Logins Logins
	// Refusals takes down every call that is refused for who makes it; nil: nobody does.
	Refusals *Refusals
	Limits   Limits
	// TLS is that of the listener, see [TLS]; nil: plain HTTP.
	TLS *tls.Config

	Runs        Runs
	Intents     Intents
	Records     Records
	Requests    Requests
	Decisions   Decisions
	Approvals   Approvals
	Holds       Holds
	Quarantines Quarantines
	Schedules   Schedules
	Epochs      Epochs
	World       World
	Advice      Advice
	Alerts      Alerts
	Runbooks    []galen.ListedRunbook
	// Faults are the runbooks that this engine asks no more, with the reasons.
	Faults func() map[string]string
	// Health tells why the engine does not work, nil if it does.
	Health func(ctx context.Context) error
	// Ready tells why it cannot carry on what it is asked for, nil if it can.
	Ready func(ctx context.Context) error
	// Away tells whether an error goes away by itself, for the journal does not answer; nil: of none is that known.
	Away func(error) bool
	// Sees tells why the engine's looks see nothing lately, or why it could do nothing about what they see, nil if all is well; nil: nobody tells.
	Sees func() error
	// Orphaned tells which resources no engine looks after; nil: nobody tells.
	Orphaned func(ctx context.Context) (func(galen.Resource) bool, error)
	// Measure counts for the metrics at each scrape.
	Measure func(ctx context.Context) (Measures, error)
	// Tally is what was counted since the start; nil: nothing.
	Tally *Tally
	// Around goes around each call that is permitted; nil: nothing does.
	Around func(http.Handler) http.Handler

	// Committed is closed once this engine has committed something to the journal since it was asked for; nil: nobody tells, and the journal
	// is asked. Shared: other engines write to it, too.
	Committed func() <-chan struct{}
	Shared    bool

	Version string
	Started time.Time
	Now     func() time.Time
	// After is that of package time, which nil means.
	After  func(time.Duration) <-chan time.Time
	Logger *slog.Logger
}

// The limits of a call. A look for a preview takes ten seconds at most, so a minute is enough for everything.
const (
	bodyLimit     = 1 << 20
	headerLimit   = 64 << 10
	headerTimeout = 5 * time.Second
	readTimeout   = 20 * time.Second
	callTimeout   = 40 * time.Second
	lookupTimeout = 10 * time.Second // of a token in the journal
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
)

// server implements [api.ServerInterface].
type server struct {
	o          Options
	metrics    http.Handler
	operations map[string]api.Operation
	mux        *http.ServeMux
	// paths knows which path of the OpenAPI file a URL means, whatever the method; methods are those of each.
	paths   *http.ServeMux
	methods map[string][]string
	// stopping is closed when the server stops: no answer may keep it up.
	stopping chan struct{}
	// The calls of each token, of each address without one, of each with one that must be looked up and may be none, and of each to what
	// needs none.
	perToken, perAddress, lookups, unnamed *buckets
	good                                   goodHashes
	hashes                                 knownHashes
	alertBytes                             weights
	clients                                clients
	// Who waits for something to happen, and who wakes them.
	crowd crowd
	tail  *tail
}

// Handler answers all calls of the API.
func Handler(o Options) http.Handler {
	_, h := handler(o)
	return h
}

func handler(o Options) (*server, http.Handler) {
	if o.After == nil {
		o.After = time.After
	}
	s := &server{
		o: o, mux: http.NewServeMux(), stopping: make(chan struct{}), perToken: newBuckets(o.Limits.PerToken), perAddress: newBuckets(o.Limits.PerAddress),
		unnamed: newBuckets(o.Limits.PerToken), lookups: newBuckets(o.Limits.PerAddress),
	}
	s.tail = newTail(o)
	s.metrics, s.operations = s.metricsHandler(), s.operationsOf()
	s.paths, s.methods = pathsOf(s.operations)
	api.HandlerWithOptions(s, api.StdHTTPServerOptions{
		BaseRouter:  s.mux,
		Middlewares: s.middlewares(),
		ErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, err error) {
			s.fail(w, r, misread(err))
		},
	})
	return s, s.recovered(s.logged(s.trusted(s.secured(s.limited(s.routed(s.mux))))))
}

// middlewares are called from the last to the first.
func (s *server) middlewares() []api.MiddlewareFunc {
	if s.o.Around == nil {
		return []api.MiddlewareFunc{s.permitted}
	}
	return []api.MiddlewareFunc{s.o.Around, s.permitted}
}

// New is a server with time limits for [Handler]; the caller serves and stops it.
func New(o Options) *http.Server {
	s, h := handler(o)
	quiet := slog.NewLogLogger(o.Logger.With("part", "http").Handler(), slog.LevelDebug)
	out := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerLimit,
		TLSConfig:         o.TLS,
		ErrorLog:          log.New(handshakeLog{quiet.Writer(), o.Refusals}, "", 0),
	}
	out.RegisterOnShutdown(sync.OnceFunc(func() { close(s.stopping) }))
	return out
}

// Serve serves until the server is stopped; that is no error.
func Serve(s *http.Server, l net.Listener) error {
	serve := s.Serve
	if s.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API on %s: %w", l.Addr(), err)
	}
	return nil
}

// recovered turns a panic of a handler into a 500; the log tells its place.
func (s *server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == http.ErrAbortHandler { //nolint:errorlint // it is what was panicked with
				panic(p) // the connection ends, see cutOff
			}
			if p != nil {
				s.fail(w, r, fmt.Errorf("a fault in galen itself: %v; please report it", p))
				s.o.Logger.Error("a handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// logged writes one line per call; the query and the headers, which may hold secrets, stay out.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.o.Now()
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		s.o.Logger.LogAttrs(r.Context(), slog.LevelDebug, "call", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", seen.status), slog.Duration("took", s.o.Now().Sub(began)), slog.String("from", r.RemoteAddr))
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Status is what was answered, 0 if no status was written.
func (w *statusWriter) Status() int { return w.status }

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// secured sets the headers that keep a browser from guessing, framing and keeping, and asks for the token.
func (s *server) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		token, err := s.caller(r)
		r = r.WithContext(withCaller(r.Context(), token))
		seen := &statusWriter{ResponseWriter: w}
		if err != nil {
			s.fail(seen, r, err)
		} else {
			next.ServeHTTP(seen, r)
		}
		s.turnedAway(r, seen.status, err)
	})
}

// caller is the token that a call is made with, none for a call that needs none, if it may be made now. Who has no token that counts
// takes no call away from those who have one, even from the same address.
func (s *server) caller(r *http.Request) (galen.Token, error) {
	need := s.operations[s.callOf(r)].Access
	if need.Scope == scopeNone {
		return galen.Token{}, s.unnamed.take(network(r), s.o.Now())
	}
	token, err := s.guessed(r, need.Scope == string(galen.ScopeAlerts))
	switch {
	case errors.Is(err, ErrUnauthorized) && need.Scope == string(galen.ScopeAlerts) && (token.Name != "" || maybeOurs(credential(r))):
		// It has ended, or was one of ours before the journal was restored or the file made anew: a sender drops what it is refused so, and
		// is to send it again with a new token.
		s.refused(r.WithContext(withCaller(r.Context(), token)), http.StatusUnauthorized, err)
		away := Unavailable(errors.New(err.Error() + ": give the sender a new one, galen token create makes it, and it sends this again"))
		if token.Name == "" {
			away = markedError{away, errUnknownSender}
		}
		return token, away
	case errors.Is(err, ErrUnauthorized):
		return token, s.unauthorized(r, err)
	case err != nil:
		return token, err
	case need.Scope == string(galen.ScopeAlerts) && token.MayAny(galen.ScopeAlerts): // a sender of alerts drops what it is refused so
		return token, nil
	}
	return token, s.perToken.take(token.Name, s.o.Now())
}

// guessed is the holder of the call's credential. One that was not good lately is a guess, and paid for by its address before the journal
// is asked, so that many cost it little; a good one gets that back.
func (s *server) guessed(r *http.Request, alerts bool) (galen.Token, error) {
	secret := credential(r)
	hash := hashOf(secret)
	back := func() {}
	if !s.good.has(hash) && !same(secret, s.o.Token) {
		var err error
		back, err = s.guess(r, secret, hash)
		if err != nil && alerts && maybeOurs(secret) {
			// It may be a good one, and a sender of alerts drops what is refused with a 429.
			s.refused(r, http.StatusServiceUnavailable, err)
			return galen.Token{}, markedError{Unavailable(errors.New("too many tokens that are none come from this address: send again")), errUnknownSender}
		} else if err != nil {
			return galen.Token{}, err
		}
	}
	token, err := s.holder(r.Context(), secret)
	switch {
	case err == nil:
		back()
		s.good.add(hash)
	case errors.Is(err, ErrUnauthorized):
		s.good.drop(hash)
	}
	return token, err
}

// guess counts a credential that may be none, and gives a way to take that back. Once there are too many, a named token is known all the same.
func (s *server) guess(r *http.Request, secret, hash string) (back func(), err error) {
	if !wellFormed(secret) {
		return s.perAddress.borrow(network(r), s.o.Now())
	}
	back, err = s.lookups.borrow(network(r), s.o.Now()) // those that the journal is asked for are counted apart
	if err != nil && s.isKnown(r.Context(), hash) {
		return func() {}, nil
	}
	return back, err
}

// isKnown tells whether it is the hash of a token that counts.
func (s *server) isKnown(ctx context.Context, hash string) bool {
	return s.hashes.has(hash, s.o.Now(), func() ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		return s.o.Tokens.TokenHashes(ctx)
	})
}

// unauthorized says where a token is to be had.
func (s *server) unauthorized(r *http.Request, err error) error {
	if r.Header.Get("Authorization") == "" {
		err = errors.New("this call needs a token of the API")
	}
	file := s.o.TokenFile
	if host, _, _ := net.SplitHostPort(r.RemoteAddr); !net.ParseIP(host).IsLoopback() { // who calls from elsewhere learns nothing of this machine
		file = filepath.Base(file)
	}
	return markedError{fmt.Errorf("%w: send the header \"Authorization: Bearer <token>\"; galen token create makes one, and that of an administrator is in the file %s where galen serve runs",
		err, file), ErrUnauthorized}
}

// limited bounds the time of a call and the size of its body; a body that says it is too long is not read at all.
func (s *server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > bodyLimit {
			s.fail(w, r, &http.MaxBytesError{Limit: bodyLimit})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		if call := s.operations[s.callOf(r)]; call.Stream || call.Access.Scope == string(galen.ScopeAlerts) { // they have limits of their own
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// routed gives the mux's own 404 and 405 our form.
func (s *server) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, path := s.paths.Handler(r)
		methods := s.methods[path]
		if slices.Contains(methods, r.Method) {
			mux.ServeHTTP(w, r)
			return
		}
		if len(methods) > 0 {
			allow := strings.Join(methods, ", ")
			w.Header().Set("Allow", allow)
			s.tell(w, r, wrongMethod(), fmt.Sprintf("%s does not take %s: use %s", r.URL.Path, r.Method, allow))
			return
		}
		s.tell(w, r, noSuchCall(), fmt.Sprintf("there is no %s: GET /v1/openapi.yaml lists the calls", r.URL.Path))
	})
}

// pathsOf are the paths of the OpenAPI file with the methods that each takes. The mux of the calls cannot tell them apart: it would let
// /v1/alerts/alertmanager, which takes POST only, be read as an alert of that ID.
func pathsOf(operations map[string]api.Operation) (*http.ServeMux, map[string][]string) {
	mux, methods := http.NewServeMux(), map[string][]string{}
	for pattern := range operations {
		method, path, _ := strings.Cut(pattern, " ")
		if methods[path] == nil {
			mux.Handle(path, http.NotFoundHandler())
		}
		methods[path] = append(methods[path], method)
		if method == http.MethodGet {
			methods[path] = append(methods[path], http.MethodHead)
		}
	}
	for _, all := range methods {
		slices.Sort(all)
	}
	return mux, methods
}

// GetSpec implements [api.ServerInterface].
func (s *server) GetSpec(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi; charset=utf-8")
	s.write(w, r, http.StatusOK, api.Spec)
}
