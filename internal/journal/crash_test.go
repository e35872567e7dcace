package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// crashEnv names the journal for a child process that writes until it is killed.
const crashEnv = "GALEN_JOURNAL_CRASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		if err := writeForEver(context.Background(), path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if what := os.Getenv(restoreEnv); what != "" {
		if err := restoreChild(context.Background(), what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeForEver opens runs and acts for them, several at once, and prints a line for everything that was acknowledged.
func writeForEver(ctx context.Context, path string) error {
	s, err := journal.Open(ctx, path, journal.Options{Now: time.Now})
	if err != nil {
		return err
	}
	const workers = 4
	failed := make(chan error, workers)
	for i := range workers {
		go func() { failed <- writeRuns(ctx, s, fmt.Sprintf("%d-%d", os.Getpid(), i)) }()
	}
	return <-failed
}

func writeRuns(ctx context.Context, s *journal.Store, name string) error {
	resource := galen.Resource{Kind: "cassandra", Name: name}
	for i := 0; ; i++ {
		run, _, err := s.OpenRun(ctx, galen.Run{Key: fmt.Sprint(name, "/", i), Resource: resource, Runbook: "cassandra/heal-node", Version: 1})
		if err != nil {
			return err
		}
		fmt.Println("run", run.ID)
		l, err := s.Ledger(ctx, run.ID)
		if err != nil {
			return err
		}
		in, err := s.Commit(ctx, galen.Commit{
			Intent: galen.Intent{Run: run.ID, Step: stop("a"), Class: galen.Disruptive}, Revision: l.Revision, Account: l.Account, Claims: claims("ring"), Touched: []string{"a"},
		})
		if err != nil {
			return err
		}
		fmt.Println("intent", in.ID)
		if err := s.Outcome(ctx, in.ID, galen.SentYes, "ok"); err != nil {
			return err
		}
		fmt.Println("called", in.ID)
		done := []galen.Settlement{{Intent: in.ID, Effect: galen.Effect{Status: galen.EffectDone}}}
		if err := errors.Join(s.Settle(ctx, run.ID, done), s.SetRun(ctx, run.ID, galen.RunVerified, "well", time.Time{})); err != nil {
			return err
		}
		fmt.Println("ended", run.ID)
	}
}

// Killed with -9 in the middle of a stream of commits, again and again on the same file: what was acknowledged is there,
// and the chain is whole.
func TestKilledWhileItWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	acknowledged := map[string][]string{}
	for round := range 5 {
		for kind, ids := range killAfter(t, path, 40+37*round) {
			acknowledged[kind] = append(acknowledged[kind], ids...)
		}
		sound(t, path)
	}
	s, err := journal.Open(t.Context(), path, journal.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	present := map[string]bool{}
	after := int64(0)
	for {
		events, err := s.Events(t.Context(), journal.EventFilter{After: after, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			after++
			if e.Seq != after {
				t.Fatalf("event %d where %d belongs", e.Seq, after)
			}
			present[string(e.Kind)+" "+e.Run] = true
		}
	}
	for _, id := range acknowledged["run"] {
		if _, err := s.Run(t.Context(), id); err != nil || !present[string(galen.EventOpened)+" "+id] {
			t.Errorf("run %s was acknowledged and is lost: %v", id, err)
		}
	}
	for _, id := range acknowledged["ended"] {
		if run, err := s.Run(t.Context(), id); err != nil || run.Status != galen.RunVerified {
			t.Errorf("the end of run %s was acknowledged and is lost: %v", id, err)
		}
	}
	intents := intentsOf(t, s, acknowledged["run"])
	for _, id := range acknowledged["intent"] {
		if _, there := intents[id]; !there {
			t.Errorf("intent %s was acknowledged and is lost", id)
		}
	}
	for _, id := range acknowledged["called"] {
		if intents[id].Sent != galen.SentYes {
			t.Errorf("the outcome of intent %s was acknowledged and is lost", id)
		}
	}
	t.Logf("5 kills, %d events, acknowledged and there: %d runs, %d intents", after, len(acknowledged["run"]), len(acknowledged["intent"]))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound(t, path)
}

func intentsOf(t *testing.T, s *journal.Store, runs []string) map[string]galen.Intent {
	t.Helper()
	out := map[string]galen.Intent{}
	for _, id := range runs {
		l, err := s.Ledger(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range l.Past {
			out[in.ID] = in
		}
	}
	return out
}

// killAfter starts a writer, kills it after so many acknowledgements, and returns all that it could still tell.
func killAfter(t *testing.T, path string, lines int) map[string][]string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), crashEnv+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	acknowledged := map[string][]string{}
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); {
		kind, id, whole := strings.Cut(scanner.Text(), " ")
		if !whole || len(id) != 36 { // the last line may be cut off by the kill
			continue
		}
		acknowledged[kind] = append(acknowledged[kind], id)
		if n++; n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return acknowledged
}
