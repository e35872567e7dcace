// Package http serves the engine's API: bearer token, strict JSON, errors that say what to do, metrics. It reaches the
// engine through small ports only.
package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// Options are what the API stands on; all are required but Measure.
type Options struct {
	// Token that calls must carry, and the file where a person finds it.
	Token     string
	TokenFile string

	Runs        Runs
	Records     Records
	Requests    Requests
	Decisions   Decisions
	Holds       Holds
	Quarantines Quarantines
	Epochs      Epochs
	World       World
	Alerts      Alerts
	Runbooks    []galen.ListedRunbook
	// Faults are the runbooks that this engine asks no more, with the reasons.
	Faults func() map[string]string
	// Health tells why the engine does not work, nil if it does.
	Health func(ctx context.Context) error
	// Measure counts for the metrics at each scrape.
	Measure func(ctx context.Context) (Measures, error)

	Version string
	Started time.Time
	Now     func() time.Time
	Logger  *slog.Logger
}

// The limits of a call. A look for a preview takes ten seconds at most, so a minute is enough for everything.
const (
	bodyLimit     = 1 << 20
	headerLimit   = 64 << 10
	headerTimeout = 5 * time.Second
	readTimeout   = 20 * time.Second
	callTimeout   = 40 * time.Second
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
)

// server implements [api.ServerInterface].
type server struct {
	o       Options
	metrics http.Handler
}

// Handler answers all calls of the API.
func Handler(o Options) http.Handler {
	s := &server{o: o}
	s.metrics = s.metricsHandler()
	mux := http.NewServeMux()
	api.HandlerWithOptions(s, api.StdHTTPServerOptions{
		BaseRouter: mux,
		ErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, err error) {
			s.fail(w, r, Bad(err))
		},
	})
	return s.recovered(s.logged(s.secured(s.limited(s.routed(mux)))))
}

// New is a server with time limits for [Handler]; the caller serves and stops it.
func New(o Options) *http.Server {
	return &http.Server{
		Handler:           Handler(o),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerLimit,
		ErrorLog:          slog.NewLogLogger(o.Logger.With("part", "http").Handler(), slog.LevelDebug),
	}
}

// Serve serves until the server is stopped; that is no error.
func Serve(s *http.Server, l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API on %s: %w", l.Addr(), err)
	}
	return nil
}

// recovered turns a panic of a handler into a 500; the log tells its place.
func (s *server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
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
		open := r.URL.Path == "/v1/health" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
		if !open && !bearer(r, s.o.Token) {
			h.Set("WWW-Authenticate", `Bearer realm="galen"`)
			s.tell(w, r, unauthorized(), s.unauthorized(r))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) unauthorized(r *http.Request) string {
	what := "this call needs the API's token"
	if r.Header.Get("Authorization") != "" {
		what = "the token of this call is not the API's"
	}
	return fmt.Sprintf("%s: send the header \"Authorization: Bearer <token>\"; the token is in the file %s where galen serve runs", what, s.o.TokenFile)
}

// limited bounds the time of a call and the size of its body; a body that says it is too long is not read at all.
func (s *server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > bodyLimit {
			s.fail(w, r, &http.MaxBytesError{Limit: bodyLimit})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// routed gives the mux's own 404 and 405 our form.
func (s *server) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &refusal{header: http.Header{}}
		refuse.ServeHTTP(probe, r)
		if allow := probe.header.Get("Allow"); probe.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allow)
			s.tell(w, r, wrongMethod(), fmt.Sprintf("%s does not take %s: use %s", r.URL.Path, r.Method, allow))
			return
		}
		s.tell(w, r, noSuchCall(), fmt.Sprintf("there is no %s: GET /v1/openapi.yaml lists the calls", r.URL.Path))
	})
}

// refusal takes what the mux would answer.
type refusal struct {
	header http.Header
	status int
}

func (p *refusal) Header() http.Header         { return p.header }
func (p *refusal) Write(b []byte) (int, error) { return len(b), nil }
func (p *refusal) WriteHeader(status int)      { p.status = status }

// GetSpec implements [api.ServerInterface].
func (s *server) GetSpec(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi; charset=utf-8")
	s.write(w, r, http.StatusOK, api.Spec)
}
