package embedded

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/galenhq/galen/internal/temporal"
)

// BenchmarkReady starts a process on an existing file: the time from exec to a server and client that answer, and what
// the process holds and burns while nothing happens.
func BenchmarkReady(b *testing.B) {
	dir := b.TempDir()
	first := spawn(b, dir, idleRun)
	first.await(b, childServing)
	first.kill(b)
	var memory, cpu float64
	b.ResetTimer()
	for range b.N {
		p := spawn(b, dir, idleRun)
		p.await(b, childServing)
		b.StopTimer()
		<-time.After(5 * time.Second) // what start-up costs is over
		before := burned(b, p.cmd.Process.Pid)
		<-time.After(10 * time.Second)
		cpu += float64(burned(b, p.cmd.Process.Pid)-before) / float64(10*time.Second) * 100
		memory += float64(resident(b, p.cmd.Process.Pid)) / (1 << 20)
		p.kill(b)
		b.StartTimer()
	}
	b.ReportMetric(memory/float64(b.N), "MiB-idle")
	b.ReportMetric(cpu/float64(b.N), "%core-idle")
}

// BenchmarkRun runs workflows of three activities one after another.
func BenchmarkRun(b *testing.B) {
	s, err := Start(b.Context(), Options{Dir: b.TempDir(), Logger: discard()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			b.Error(err)
		}
	}()
	o := s.ClientOptions()
	o.Logger = nil
	raw, err := client.Dial(o)
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	c, err := temporal.Dial(b.Context(), temporal.Options{Address: s.Address(), Headers: s.Headers, Logger: discard()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	w := c.NewWorker(temporal.WorkerOptions{})
	w.RegisterWorkflowWithOptions(threeSteps, workflow.RegisterOptions{Name: temporal.Workflow})
	w.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: "Step"})
	if err := w.Start(); err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	var took []time.Duration
	for i := range b.N {
		id := fmt.Sprintf("bench/%d", i)
		begun := time.Now()
		if _, err := c.StartRun(b.Context(), temporal.Start{Key: id, Run: "run"}); err != nil {
			b.Fatal(err)
		}
		if err := raw.GetWorkflow(b.Context(), id, "").Get(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

func threeSteps(ctx workflow.Context, _ string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second, HeartbeatTimeout: 3 * time.Second})
	for range 3 {
		if err := workflow.ExecuteActivity(ctx, "Step").Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// resident is the memory of a process in bytes.
func resident(b *testing.B, pid int) int64 {
	b.Helper()
	return stat(b, pid, 23) * int64(os.Getpagesize())
}

// burned is the processor time of a process; the kernel counts in ticks of 10 ms.
func burned(b *testing.B, pid int) time.Duration {
	b.Helper()
	return time.Duration(stat(b, pid, 13)+stat(b, pid, 14)) * 10 * time.Millisecond
}

// stat is one field of /proc/<pid>/stat, counted from 0.
func stat(b *testing.B, pid, field int) int64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(raw), ") ") // the name before it may hold anything
	value, err := strconv.ParseInt(strings.Fields(after)[field-2], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return value
}
