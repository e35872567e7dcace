package storm

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/activity"
	sdk "go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/temporal"
)

// bareEnv makes an engine serve, at that address, the least that Temporal needs to react: a post is stored in an inbox of its own, starts a
// workflow, and that calls one activity, which tells the patients. It shares process and Temporal server with the engine.
const bareEnv = "GALEN_STORM_BARE"

func (s *Stage) withBare() error {
	address, err := free()
	if err != nil {
		return err
	}
	s.bare = address
	s.Engine.Env = append(s.Engine.Env, bareEnv+"="+address)
	return nil
}

// BareTarget is where a post about something goes, see [Options]. plain: its workflow is started as Temporal's SDK does it unless told
// otherwise, its first task through the queue; else as the engine starts its own, the first task with the answer.
func (s *Stage) BareTarget(id string, plain bool) Target {
	return Target{URL: fmt.Sprintf("http://%s/?id=%s&plain=%t", s.bare, url.QueryEscape(id), plain)}
}

// serveBare starts it in this process; it ends with the process.
func serveBare(ctx context.Context, server app.Server, dir, patients string) error {
	address, wanted := os.LookupEnv(bareEnv)
	if !wanted {
		return nil
	}
	store, err := journal.Open(ctx, filepath.Join(dir, "bare.db"), journal.Options{Now: time.Now})
	if err != nil {
		return err
	}
	client, err := temporal.Dial(ctx, temporal.Options{
		Address: server.Address, Namespace: server.Namespace, Headers: server.Headers, Journal: "bare", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	plain, err := sdk.DialContext(ctx, sdk.Options{
		HostPort: server.Address, Namespace: server.Namespace, HeadersProvider: headers(server.Headers), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return err
	}
	worker := client.NewWorker(temporal.WorkerOptions{})
	worker.RegisterWorkflowWithOptions(func(ctx workflow.Context, run string) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second, HeartbeatTimeout: 3 * time.Second})
		return workflow.ExecuteActivity(ctx, "Tell", run).Get(ctx, nil)
	}, workflow.RegisterOptions{Name: temporal.Workflow})
	d := newDriver(patients)
	worker.RegisterActivityWithOptions(func(ctx context.Context, run string) error {
		_, err := ask[string](ctx, d, "tell", run)
		return err
	}, activity.RegisterOptions{Name: "Tell"})
	if err := worker.Start(); err != nil {
		return fmt.Errorf("start the worker of bare Temporal: %w", err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for bare Temporal: %w", err)
	}
	start := func(ctx context.Context, id string, plainly bool) {
		if plainly {
			_, _ = plain.ExecuteWorkflow(ctx, sdk.StartWorkflowOptions{ID: id, TaskQueue: client.Queue("")}, temporal.Workflow, id)
			return
		}
		_, _ = client.StartRun(ctx, temporal.Start{Key: id, Run: id})
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		id := r.URL.Query().Get("id")
		if err == nil {
			_, err = store.StoreAlerts(r.Context(), journal.Alert{Source: "bare", Fingerprint: id, Status: "firing", Body: body})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		go start(context.WithoutCancel(r.Context()), id, r.URL.Query().Get("plain") == "true") // as an outbox does, but for what a crash leaves
	})}
	go func() { _ = s.Serve(l) }() // ends with the process
	return nil
}

// headers are put on each call.
type headers func(context.Context) (map[string]string, error)

// GetHeaders implements the SDK's HeadersProvider.
func (h headers) GetHeaders(ctx context.Context) (map[string]string, error) { return h(ctx) }
