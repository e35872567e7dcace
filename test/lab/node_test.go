package lab

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sleeperNode is a node whose start command becomes a sleeper in place of java.
func sleeperNode(t *testing.T) *Node {
	t.Helper()
	n := newNode(t.TempDir(), "127.9.9", 1)
	for _, d := range []string{"bin", "log", "data/ks/rows-1", "data/ks/rowsother-1", "commitlog", "hints", "saved_caches"} {
		if err := os.MkdirAll(filepath.Join(n.Folder, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write(t, n.StartCommand, "#!/bin/sh\n"+roleEnv+"=sleeper exec '"+self+"' "+storageDir+"'"+n.Folder+"' \"$@\"\n")
	t.Cleanup(func() {
		if n.Alive() {
			if err := n.Kill(); err != nil {
				t.Error(err)
			}
		}
	})
	return n
}

func TestNodeLifecycle(t *testing.T) {
	n := sleeperNode(t)
	if err := n.Kill(); err == nil {
		t.Error("a node that never ran was killed")
	}
	if err := n.Start("-Dgalen.intent=7"); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(); err == nil {
		t.Error("a running node was started again")
	}
	if err := n.LoseData(); err == nil {
		t.Error("a running node lost its data")
	}
	pid, alive := n.Pid()
	text, err := os.ReadFile(n.PidFile)
	if err != nil || !alive || strings.TrimSpace(string(text)) != strconv.Itoa(pid) {
		t.Errorf("process %d (%v), pid file %q, %v", pid, alive, text, err)
	}
	eventually(t, "the start command became the node, with its argument", func() bool {
		return strings.HasSuffix(strings.Join(commandLine(pid), " "), n.Folder+" -Dgalen.intent=7")
	})
	for range 20 { // with the pid file once, and without it
		if err := n.Freeze(); err != nil {
			t.Fatal(err)
		}
		if now := state(t, pid); now != "T" {
			t.Errorf("right after Freeze its state is %s, want T", now)
		}
		if err := n.Resume(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "resumed", func() bool { return state(t, pid) != "T" })
		if err := os.RemoveAll(n.PidFile); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := n.Kill(); err != nil || n.Alive() || !gone(pid) {
		t.Errorf("after Kill of a frozen node: %v, alive %v", err, n.Alive())
	}
}

// state is the letter of a process's state.
func state(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)[strings.LastIndex(string(text), ")")+2:][:1]
}

func TestNodeLoses(t *testing.T) {
	n := sleeperNode(t)
	if err := n.LoseTable("ks", "rows"); err != nil {
		t.Fatal(err)
	}
	if err := n.LoseTable("ks", "rows"); err == nil {
		t.Error("a table without files was lost")
	}
	left := func(name string) bool {
		_, err := os.Stat(filepath.Join(n.Folder, name))
		return err == nil
	}
	if left("data/ks/rows-1") || left("commitlog") || !left("data/ks/rowsother-1") || !left("hints") {
		t.Error("not exactly the table and the commitlog are lost")
	}
	if err := n.LoseData(); err != nil {
		t.Fatal(err)
	}
	if left("data") || left("hints") || left("saved_caches") || !left("bin/start") {
		t.Error("not exactly the data is lost")
	}
}

func TestWaitNormalShowsTheLog(t *testing.T) {
	n := sleeperNode(t)
	write(t, filepath.Join(n.Folder, "log", "system.log"), "INFO  fine\nERROR [main] the disk is on fire\n\tat java.lang.Thread\nINFO  bye\n")
	if err := n.WaitNormal(t.Context()); err == nil || !strings.Contains(err.Error(), "n1 has no process") ||
		!strings.Contains(err.Error(), "the disk is on fire") || strings.Contains(err.Error(), "Thread") {
		t.Errorf("a node without a process: %v", err)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.WaitNormal(ctx); err == nil || !strings.Contains(err.Error(), "is not NORMAL") || !strings.Contains(err.Error(), "on fire") {
		t.Errorf("a node that never answers: %v", err)
	}
}
