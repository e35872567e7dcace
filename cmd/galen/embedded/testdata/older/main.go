// Command fixture writes a Temporal SQLite file as an older server makes it, with workflows open and closed.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	server "go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

const loop = "127.0.0.1"

func sqlConfig(path string) *config.SQL {
	return &config.SQL{
		PluginName: sqliteplugin.PluginName, DatabaseName: path, MaxConns: 1, MaxIdleConns: 1,
		ConnectAttributes: map[string]string{"mode": "rwc", "cache": "private", "journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"},
	}
}

var names = []primitives.ServiceName{primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService}

func start(path string) (server.Server, error) {
	c := &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loop}},
		Persistence: config.Persistence{DefaultStore: "sqlite", VisibilityStore: "sqlite", NumHistoryShards: 4,
			DataStores: map[string]config.DataStore{"sqlite": {SQL: sqlConfig(path)}}},
		ClusterMetadata: &cluster.Config{FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
			ClusterInformation: map[string]cluster.ClusterInformation{"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: loop + ":27233"}}},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            map[string]config.Service{},
	}
	hosts := map[primitives.ServiceName]static.Hosts{}
	var list []string
	for i, n := range names {
		port := 27233 + i
		c.Services[string(n)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: loop}}
		hosts[n] = static.SingleLocalHost(fmt.Sprintf("%s:%d", loop, port))
		list = append(list, string(n))
	}
	c.Archival.History.State, c.Archival.Visibility.State = "disabled", "disabled"
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"
	if err := sqliteschema.SetupSchema(sqlConfig(path)); err != nil {
		return nil, err
	}
	ns, err := sqliteschema.NewNamespaceConfig("active", "galen", false, nil)
	if err != nil {
		return nil, err
	}
	ns.Detail.Config.Retention = durationpb.New(7 * 24 * time.Hour)
	if err := sqliteschema.CreateNamespaces(sqlConfig(path), ns); err != nil {
		return nil, err
	}
	s, err := server.NewServer(server.WithConfig(c), server.ForServices(list), server.WithStaticHosts(hosts),
		server.WithLogger(log.NewNoopLogger()), server.WithDynamicConfigClient(dynamicconfig.StaticClient{
			dynamicconfig.MatchingNumTaskqueueReadPartitions.Key(): 1, dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
		}))
	if err != nil {
		return nil, err
	}
	return s, s.Start()
}

type decideInput struct {
	Run string `json:"run"`
}

type decided struct {
	At    time.Time `json:"at"`
	Ended bool      `json:"ended,omitempty"`
	Wait  string    `json:"wait,omitempty"`
}

// run gives the same commands as Galen's workflow: decide, then sleep until woken, until it has ended.
func run(ctx workflow.Context, id string) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	wake := workflow.GetSignalChannel(ctx, "wake")
	for {
		actx := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: 30 * time.Second, HeartbeatTimeout: 3 * time.Second,
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second},
		})
		var d decided
		if err := workflow.ExecuteActivity(actx, "Decide", decideInput{id}).Get(ctx, &d); err != nil {
			return err
		}
		if d.Ended {
			return nil
		}
		wait, err := time.ParseDuration(d.Wait)
		if err != nil {
			return err
		}
		tctx, stop := workflow.WithCancel(ctx)
		s := workflow.NewSelector(ctx)
		s.AddReceive(wake, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
		s.AddFuture(workflow.NewTimer(tctx, wait), func(f workflow.Future) { _ = f.Get(ctx, nil) })
		s.Select(ctx)
		stop()
		for wake.ReceiveAsync(nil) {
		}
	}
}

func decide(_ context.Context, in decideInput) (decided, error) {
	d := decided{At: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Wait: "876000h"}
	d.Ended = in.Run == "run-ended"
	return d, nil
}

func work(ctx context.Context) error {
	c, err := client.Dial(client.Options{HostPort: loop + ":27233", Namespace: "galen", Identity: "engine"})
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, "galen-fixture0", worker.Options{})
	w.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: "Run"})
	w.RegisterActivityWithOptions(decide, activity.RegisterOptions{Name: "Decide"})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	for _, id := range []string{"asleep", "woken", "ended"} {
		r, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "fixture0/" + id, TaskQueue: "galen-fixture0", WorkflowTaskTimeout: 2 * time.Second}, "Run", "run-"+id)
		if err != nil {
			return err
		}
		if id == "ended" {
			if err := r.Get(ctx, nil); err != nil {
				return err
			}
		}
	}
	time.Sleep(2 * time.Second)
	if err := c.SignalWorkflow(ctx, "fixture0/woken", "", "wake", nil); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	return nil
}

func stamp(path string) error {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, q := range []string{"PRAGMA user_version = 1030004", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.Exec(q); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	path, err := filepath.Abs(os.Args[1])
	if err != nil {
		panic(err)
	}
	s, err := start(path)
	if err != nil {
		panic(err)
	}
	err = errors.Join(work(context.Background()), s.Stop(), stamp(path))
	if err != nil {
		panic(err)
	}
}
