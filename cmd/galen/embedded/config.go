package embedded

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	loopback    = "127.0.0.1"
	clusterName = "active"
	storeName   = "sqlite"

	// historyShards can not be changed for the life of a file.
	historyShards = 4
	// pollsPerSecond replaces 20: at 20 each step of a workflow waits 47 ms for its shard's queue.
	pollsPerSecond = 500
	// longPollExpiry caps the damage of a notification that the server drops: a client that waits for a workflow's end
	// is then told this late, instead of 20 s.
	longPollExpiry = 2 * time.Second
	// cachedHistories bounds workflow states in memory.
	cachedHistories = 1024
	// cachedEventBytes bounds the cache of history events.
	cachedEventBytes = 8 << 20
	visibilityRPS    = 100
)

// services are the roles of one server, the frontend first. internal-frontend exists so that the server's own calls
// need no token.
func services() []primitives.ServiceName {
	return []primitives.ServiceName{
		primitives.FrontendService,
		primitives.InternalFrontendService,
		primitives.HistoryService,
		primitives.MatchingService,
		primitives.WorkerService,
	}
}

func serverOptions(path string, ports []int, token bearer, internode *internodeTLS, out logger) []temporal.ServerOption {
	names := make([]string, len(ports))
	hosts := make(map[primitives.ServiceName]static.Hosts, len(ports))
	for i, name := range services() {
		names[i] = string(name)
		hosts[name] = static.SingleLocalHost(loopbackPort(ports[i]))
	}
	return []temporal.ServerOption{
		temporal.WithConfig(serverConfig(path, ports)),
		temporal.ForServices(names),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(out),
		temporal.WithDynamicConfigClient(dynamicSettings()),
		temporal.WithAuthorizer(authorization.NewDefaultAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return token }),
		temporal.WithTLSConfigFactory(internode),
	}
}

func dynamicSettings() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		dynamicconfig.TransferProcessorMaxPollRPS.Key():                  pollsPerSecond,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():                     pollsPerSecond,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key():                pollsPerSecond,
		dynamicconfig.OutboundProcessorMaxPollRPS.Key():                  pollsPerSecond,
		dynamicconfig.HistoryLongPollExpirationInterval.Key():            longPollExpiry,
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():           1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key():          1,
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key():      false,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): visibilityRPS,
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 cachedHistories,
		dynamicconfig.EventsHostLevelCacheMaxSizeBytes.Key():             cachedEventBytes,
	}
}

func serverConfig(path string, ports []int) *config.Config {
	c := &config.Config{
		Global: config.Global{Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}},
		Persistence: config.Persistence{
			DefaultStore:     storeName,
			VisibilityStore:  storeName,
			NumHistoryShards: historyShards,
			DataStores:       map[string]config.DataStore{storeName: {SQL: sqlConfig(path)}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: loopbackPort(ports[0])},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services:            make(map[string]config.Service, len(ports)),
	}
	for i, name := range services() {
		c.Services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: ports[i], BindOnIP: loopback}}
	}
	c.Archival.History.State, c.Archival.Visibility.State = "disabled", "disabled"
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"
	return c
}

// sqlConfig is the one way this package describes the file: the server pools its connections by these exact values, and
// a second connection would answer SQLITE_BUSY under load.
func sqlConfig(path string) *config.SQL {
	return &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: escapePath(path),
		MaxConns:     1,
		MaxIdleConns: 1,
		ConnectAttributes: map[string]string{
			"mode":         "rw",
			"cache":        "private",
			"journal_mode": "wal",
			"synchronous":  "2",
			"busy_timeout": "10000",
		},
	}
}

// escapePath makes a path safe inside an SQLite file URI.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
}

func loopbackPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// freePorts finds n ports that the kernel gives to nobody who asks for any: between our closing them and the server's listening no connection
// of another process takes one. The server takes port numbers, not listeners, so they are free again when this returns: they are one block of
// many, for two engines that start at once and draw port by port would often draw one that the other is about to take.
func freePorts(n int) (ports []int, err error) {
	const lowest, span = 15000, 17000
	for range 100 {
		if ports, err = freeBlock(lowest+n*rand.IntN(span/n), n); err == nil { //nolint:gosec // a port is no secret
			return ports, nil
		}
	}
	return nil, fmt.Errorf("find %d free ports on %s: %w", n, loopback, err)
}

// freeBlock is n ports from the first one on, an error if one of them is taken.
func freeBlock(first, n int) (ports []int, err error) {
	held := make([]net.Listener, 0, n)
	defer func() {
		for _, l := range held {
			err = errors.Join(err, l.Close())
		}
	}()
	for port := first; port < first+n; port++ {
		l, err := net.Listen("tcp", loopbackPort(port))
		if err != nil {
			return nil, err
		}
		held, ports = append(held, l), append(ports, port)
	}
	return ports, nil
}
