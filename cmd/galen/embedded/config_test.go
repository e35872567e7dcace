package embedded

import (
	"testing"
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

// What the embedded server needs to be told: by its own defaults a step waits 47 ms for its shard's queue, a client that
// waits for the end of a workflow 20 s, and a list of runs is cut off at 10 a second. Each setting is here with the least
// and the most that do, so that one that is lost or mistyped fails.
func TestDynamicSettings(t *testing.T) {
	within := func(least, most int) func(any) bool {
		return func(v any) bool { n, is := v.(int); return is && least <= n && n <= most }
	}
	wants := map[dynamicconfig.Key]func(any) bool{
		dynamicconfig.TransferProcessorMaxPollRPS.Key():                  within(500, 500),
		dynamicconfig.TimerProcessorMaxPollRPS.Key():                     within(500, 500),
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key():                within(500, 500),
		dynamicconfig.OutboundProcessorMaxPollRPS.Key():                  within(500, 500),
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():           within(1, 1),
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key():          within(1, 1),
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): within(100, 1000),
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():                 within(512, 2048),
		dynamicconfig.EventsHostLevelCacheMaxSizeBytes.Key():             within(1<<20, 64<<20),
		dynamicconfig.HistoryLongPollExpirationInterval.Key(): func(v any) bool {
			d, is := v.(time.Duration)
			return is && 2*time.Second <= d && d <= 3*time.Second
		},
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): func(v any) bool { return v == false },
	}
	settings := dynamicSettings()
	for key, good := range wants {
		if got, is := settings[key]; !is || !good(got) {
			t.Errorf("%s is %v (set: %v), which is not what the embedded server needs", key, got, is)
		}
	}
	if len(settings) != len(wants) {
		t.Errorf("%d settings, %d are expected here", len(settings), len(wants))
	}
}

// The file is written through, and by one connection: a second one would answer SQLITE_BUSY under load.
func TestTheFileIsWrittenThrough(t *testing.T) {
	c := sqlConfig("x")
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000"} {
		if got := c.ConnectAttributes[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if c.MaxConns != 1 || c.MaxIdleConns != 1 {
		t.Errorf("%d connections, %d idle, want 1 and 1", c.MaxConns, c.MaxIdleConns)
	}
	if historyShards != 4 {
		t.Errorf("%d shards: a file keeps its number for ever, and those that are out there have 4", historyShards)
	}
}
