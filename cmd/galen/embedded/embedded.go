// Package embedded runs the Temporal server inside the engine's own process: one SQLite file, loopback listeners only,
// and a bearer token that is new at every start. It is the only package that links the server.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

const (
	fileName         = "temporal.db"
	lockName         = "temporal.lock"
	defaultNamespace = "galen"
	defaultRetention = 7 * 24 * time.Hour

	// stickyWorkflows bounds the workflows that this process keeps in memory. The SDK has one such cache per process, and
	// the server's own workers would fix it at 10,000 entries if nobody had set it before them.
	stickyWorkflows = 500
)

// Options says where the server keeps its file and what it is called.
type Options struct {
	// Dir is an existing directory of the engine; the file temporal.db is made in it.
	Dir string
	// Namespace of all workflows; empty means "galen".
	Namespace string
	// Retention of closed workflows, at least one hour; zero means 7 days.
	Retention time.Duration
	// Logger gets the server's warnings and errors.
	Logger *slog.Logger
}

// Server is a running Temporal server. Stop it once.
type Server struct {
	inner     temporal.Server
	lock      *fileLock
	address   string
	namespace string
	token     bearer
	stopping  *atomic.Bool
}

// garbage is how many percent of what a process keeps may become garbage before it is collected. A server makes much and keeps little (some
// 30 MB): at Go's usual 100 a process in a storm collects four times a second, and a ninth of its time goes into that.
const garbage = 300

// Start opens or makes the file in o.Dir and returns when the server answers. It refuses a directory that another
// server uses (ErrInUse) and a file whose schema it does not know (ErrSchema); an older schema is migrated. It lets the whole process
// collect its garbage less often, unless GOGC is set.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(o.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("start embedded Temporal in %s: %w", o.Dir, err)
	}
	s, err := start(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start embedded Temporal in %s: %w", o.Dir, err), lock.release())
	}
	s.lock = lock
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	return s, nil
}

func (o Options) complete() (Options, error) {
	if o.Dir == "" || o.Logger == nil {
		return o, errors.New("embedded Temporal: Dir and Logger must be given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("embedded Temporal: make %s absolute: %w", o.Dir, err)
	}
	o.Dir = dir
	if o.Namespace == "" {
		o.Namespace = defaultNamespace
	}
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	if o.Retention < time.Hour {
		return o, fmt.Errorf("embedded Temporal: retention is %s; give at least 1h, or 0 for 7 days", o.Retention)
	}
	return o, nil
}

func start(ctx context.Context, o Options) (*Server, error) {
	path := filepath.Join(o.Dir, fileName)
	if err := prepareFile(ctx, path, o.Logger); err != nil {
		return nil, err
	}
	if err := createNamespace(path, o); err != nil {
		return nil, err
	}
	token, err := newBearer()
	if err != nil {
		return nil, err
	}
	internode, err := newInternodeTLS()
	if err != nil {
		return nil, err
	}
	worker.SetStickyWorkflowCacheSize(stickyWorkflows)
	ports, err := freePorts(len(services()))
	if err != nil {
		return nil, err
	}
	log := newLogger(o.Logger)
	var inner temporal.Server
	err = untraced(func() (err error) {
		inner, err = startInner(serverOptions(path, ports, token, internode, log))
		return err
	})
	if err != nil {
		return nil, err
	}
	s := &Server{inner: inner, address: loopbackPort(ports[0]), namespace: o.Namespace, token: token, stopping: log.stopping}
	if err := s.applyRetention(ctx, o.Retention); err != nil {
		return nil, errors.Join(err, inner.Stop())
	}
	return s, nil
}

func startInner(o []temporal.ServerOption) (temporal.Server, error) {
	inner, err := temporal.NewServer(o...)
	if err != nil {
		return nil, fmt.Errorf("build the server: %w", err)
	}
	if err := inner.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the server: %w", err), inner.Stop())
	}
	return inner, nil
}

// createNamespace writes the namespace before the server starts: made through the server, it would be usable only
// after the next refresh of the namespace cache, seconds later. An existing namespace is left alone.
func createNamespace(path string, o Options) error {
	ns, err := sqliteschema.NewNamespaceConfig(clusterName, o.Namespace, false, nil)
	if err != nil {
		return fmt.Errorf("describe namespace %s: %w", o.Namespace, err)
	}
	ns.Detail.Config.Retention = retentionProto(o.Retention)
	if err := sqliteschema.CreateNamespaces(sqlConfig(path), ns); err != nil {
		return fmt.Errorf("create namespace %s: %w", o.Namespace, err)
	}
	return nil
}

// Address is the host:port of the frontend, on loopback, another one at each start.
func (s *Server) Address() string { return s.address }

// Namespace is the namespace that exists in this server for the engine's workflows.
func (s *Server) Namespace() string { return s.namespace }

// Headers carries this start's token; without it the server refuses every call.
func (s *Server) Headers(ctx context.Context) (map[string]string, error) {
	return s.token.GetHeaders(ctx)
}

// ClientOptions is all an SDK client needs to reach this server.
func (s *Server) ClientOptions() client.Options {
	return client.Options{HostPort: s.address, Namespace: s.namespace, HeadersProvider: s.token}
}

// Stop ends the server within about a second and lets the next one have the file. Stop workers and clients first.
func (s *Server) Stop() error {
	s.stopping.Store(true)
	if err := errors.Join(s.inner.Stop(), s.lock.release()); err != nil {
		return fmt.Errorf("stop embedded Temporal: %w", err)
	}
	return nil
}
