package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen/activities/cassandra"
)

// TestMain is the fake java too: bin/start execs this binary with FAKE_NODE set.
func TestMain(m *testing.M) {
	kind := os.Getenv("FAKE_NODE")
	if kind == "" {
		os.Exit(m.Run())
	}
	if kind == "engine" {
		os.Exit(engine())
	}
	if kind == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
	}
	folder := value(os.Args, storageFlag)
	f, err := os.OpenFile(filepath.Join(folder, "execs"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, strings.Join(os.Args[1:], " "))
	}
	if err != nil {
		os.Exit(3)
	}
	<-time.After(time.Minute) // an orphan of a failed test ends by itself
}

// engine starts the node of the folder in its first argument, as the real one would, and waits to be killed.
func engine() int {
	h, err := New(Setup{Name: "n4", Address: "127.0.0.4", Folder: os.Args[1]}, time.Now)
	if err == nil {
		_, err = h.Start(context.Background(), by(h, "i1"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	<-time.After(time.Minute)
	return 0
}

const yamlText = `# kept comment
cluster_name: lab
num_tokens: 8
initial_token: 1,2,3
auto_bootstrap: false
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "127.0.0.4,127.0.0.5:7000"
listen_address: 127.0.0.4
phi_convict_threshold: 5
`

// folder makes an instance's folder whose start command runs the fake node.
func folder(t *testing.T, kind string) *Host {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "bin/start", "#!/bin/sh\nFAKE_NODE="+kind+" exec "+self+" \"$@\" -Dcassandra.storagedir="+dir+"\n")
	if err := os.Chmod(filepath.Join(dir, "bin/start"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "conf/cassandra.yaml", yamlText)
	put(t, dir, "conf/cassandra-rackdc.properties", "# snitch\ndc=dc0\nrack=r0\nprefer_local=true\n")
	put(t, dir, "conf/jvm-extra.options", "-Dother=1\n")
	h := host(t, dir)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.killAll(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

func host(t *testing.T, dir string) *Host {
	t.Helper()
	h, err := New(Setup{Name: "n4", Address: "127.0.0.4", Folder: dir}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (h *Host) data(t *testing.T) {
	t.Helper()
	put(t, h.setup.Folder, "data/system/local-7ad54392/nb-1-big-Data.db", "x")
}

func look(t *testing.T, h *Host) cassandra.Instance {
	t.Helper()
	got := h.Look(time.Unix(1, 0))
	if got.Error != "" {
		t.Fatal(got.Error)
	}
	return got
}

// until polls a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for !cond() {
		select {
		case <-limit:
			t.Fatalf("not in 10 s: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func execs(h *Host) []string {
	b, err := os.ReadFile(h.path("execs"))
	if err != nil || !strings.HasSuffix(string(b), "\n") {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

func start(t *testing.T, h *Host, intent string, options ...string) int {
	t.Helper()
	before := len(execs(h))
	pid, err := h.Start(t.Context(), by(h, intent), options...)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the node runs", func() bool { return len(execs(h)) == before+1 })
	return pid
}

func want(t *testing.T, what string, err, is error) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("%s: got %v, want %v", what, err, is)
	}
}

func TestStartOnce(t *testing.T) {
	h := folder(t, "node")
	if got := look(t, h); got.Process != cassandra.Absent || got.PID != 0 {
		t.Fatalf("before: %+v", got)
	}
	pid := start(t, h, "run-1/2", "-Dx=y")
	got := look(t, h)
	if got.Process != cassandra.Running || got.PID != pid || got.Intent != "run-1/2" || got.Started.IsZero() {
		t.Errorf("running: %+v", got)
	}
	if diff := cmp.Diff([]string{"run-1/2"}, got.Attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if line := execs(h)[0]; !strings.Contains(line, "-Dgalen.intent=run-1/2 -Dx=y") {
		t.Errorf("command line %q", line)
	}
	if sid, err := session(pid); err != nil || sid != pid {
		t.Errorf("the node is in session %d, %v; want its own, %d", sid, err, pid)
	}
	_, err := h.Start(t.Context(), by(h, "other"))
	want(t, "a second start", err, ErrRunning)
	if err := h.Terminate(t.Context(), by(h, "any")); err != nil {
		t.Fatal(err)
	}
	until(t, "its end", func() bool { return look(t, h).Process == cassandra.Absent })
	_, err = host(t, h.setup.Folder).Start(t.Context(), by(h, "run-1/2"))
	want(t, "the same intent after its process ended", err, ErrAttempted)
	if n := len(execs(h)); n != 1 {
		t.Errorf("%d executions, want 1", n)
	}
}

// The node outlives the engine that started it, and the next engine finds it by its intent.
func TestNodeOutlivesItsEngine(t *testing.T) {
	h := folder(t, "node")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, h.setup.Folder)
	cmd.Env, cmd.Stderr = append(os.Environ(), "FAKE_NODE=engine"), os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the node runs", func() bool { return len(execs(h)) == 1 && look(t, h).Process == cassandra.Running })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := look(t, h); got.Process != cassandra.Running || got.Intent != "i1" {
		t.Errorf("after the engine was killed: %+v", got)
	}
	_, err = h.Start(t.Context(), by(h, "i1"))
	want(t, "the next engine", err, ErrRunning)
}

func session(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	var state string
	var parent, group, sid int
	_, err = fmt.Sscan(string(b[strings.LastIndexByte(string(b), ')')+1:]), &state, &parent, &group, &sid)
	return sid, err
}

// A node that somebody else started, without pid file or intent, is adopted by its command line alone.
func TestAdopt(t *testing.T) {
	h := folder(t, "node")
	cmd := exec.Command(h.setup.Start, "-Dcassandra.replace_address_first_boot=127.0.0.3")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	put(t, h.setup.Folder, "pid", "1\n") // stale: another process
	until(t, "adopted", func() bool { return look(t, h).Process == cassandra.Running })
	got := look(t, h)
	if got.PID != cmd.Process.Pid || got.Intent != "" || got.ReplaceFlag != "127.0.0.3" {
		t.Errorf("got %+v", got)
	}
	_, err := h.Start(t.Context(), by(h, "i1"))
	want(t, "start beside an adopted node", err, ErrRunning)
	longer := host(t, h.setup.Folder+"0")
	if all, err := longer.all(); err != nil || len(all) != 0 {
		t.Errorf("a folder with a longer name has processes %v, %v", all, err)
	}
}

func TestKillHitsTheOneProcess(t *testing.T) {
	h := folder(t, "stubborn")
	pid := start(t, h, "i1")
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "stopped", func() bool { return look(t, h).Process == cassandra.Stopped })
	began := look(t, h).Started
	want(t, "kill of a later process", h.Kill(t.Context(), by(h, "any"), pid, began.Add(-time.Minute)), ErrOther)
	want(t, "kill of a foreign process", h.Kill(t.Context(), by(h, "any"), os.Getpid(), began), ErrOther)
	if err := h.Kill(t.Context(), by(h, "any"), pid, began); err != nil {
		t.Fatal(err)
	}
	if got := look(t, h); got.Process != cassandra.Absent {
		t.Errorf("after the kill: %+v", got)
	}
	if err := h.Kill(t.Context(), by(h, "any"), pid, began); err != nil {
		t.Errorf("kill of what is gone: %v", err)
	}
}

// TestDiskOfTheData: device and room are those of data/, which may have a file system of its own; a full one is told as full.
func TestDiskOfTheData(t *testing.T) {
	h := folder(t, "node")
	folders := look(t, h)
	if folders.DiskFree == nil || *folders.DiskFree == 0 {
		t.Fatalf("the folder's disk: %v", folders.DiskFree)
	}
	if err := os.Symlink("/proc", h.path("data")); err != nil { // a file system where nothing is ever free
		t.Fatal(err)
	}
	got := look(t, h)
	if got.Device == folders.Device || got.DiskFree == nil || *got.DiskFree != 0 {
		t.Errorf("data/ on a full file system of its own: device %d (the folder's is %d), free %v", got.Device, folders.Device, got.DiskFree)
	}
}

func TestData(t *testing.T) {
	h := folder(t, "node")
	if got := look(t, h); got.Data != cassandra.DataGone || got.Device == 0 || got.DiskFree == nil || *got.DiskFree == 0 {
		t.Errorf("an empty folder: %+v", got)
	}
	put(t, h.setup.Folder, "data/system/peers-1/nb-1-big-Data.db", "x")
	put(t, h.setup.Folder, "data/system/local-1/nb-1-big-Index.db", "x")
	if got := look(t, h); got.Data != cassandra.DataGone {
		t.Errorf("without a Data.db of system.local: %s", got.Data)
	}
	h.data(t)
	if got := look(t, h); got.Data != cassandra.DataPresent {
		t.Errorf("with data: %s", got.Data)
	}
	// Where it cannot be read, it is unknown: a file in place of the folder stands for every such error.
	if err := os.RemoveAll(h.path("data")); err != nil {
		t.Fatal(err)
	}
	put(t, h.setup.Folder, "data", "no folder")
	if got := h.Look(time.Unix(1, 0)); got.Data != cassandra.DataUnknown || got.Error == "" {
		t.Errorf("unreadable: %+v", got)
	}
	gone := host(t, h.setup.Folder+"/nowhere").Look(time.Unix(1, 0))
	if gone.Data != cassandra.DataUnknown || gone.Error == "" {
		t.Errorf("no folder at all: %+v", gone)
	}
}

// TestWhatCannotBeStarted: a start command that is missing, a folder, or not executable is told before anybody needs it; that of a fenced
// instance was taken away.
func TestWhatCannotBeStarted(t *testing.T) {
	h := folder(t, "serving")
	if got := look(t, h).CannotStart; got != "" {
		t.Errorf("it can be started: %q", got)
	}
	if err := os.Chmod(h.setup.Start, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := look(t, h).CannotStart; !strings.Contains(got, "no file that may be executed") {
		t.Errorf("not executable: %q", got)
	}
	if err := os.Remove(h.setup.Start); err != nil {
		t.Fatal(err)
	}
	if got := look(t, h).CannotStart; !strings.Contains(got, h.setup.Start+" is missing") {
		t.Errorf("missing: %q", got)
	}
	bin := filepath.Dir(h.setup.Start)
	if err := errors.Join(os.RemoveAll(bin), os.WriteFile(bin, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if got := look(t, h).CannotStart; !strings.Contains(got, "cannot be looked at") {
		t.Errorf("its folder is a file: %q", got)
	}
	if err := errors.Join(os.Remove(bin), os.MkdirAll(h.setup.Start, 0o755)); err != nil {
		t.Fatal(err)
	}
	if got := look(t, h).CannotStart; !strings.Contains(got, "no file that may be executed") {
		t.Errorf("a folder: %q", got)
	}
}

func TestHintsAreCountedByTheirNode(t *testing.T) {
	dir := t.TempDir()
	const one, two = "6a1f2f0e-6992-4b4f-8ba7-3c13ebc20f38", "eb907c97-d8d5-439a-a613-97c8725c3a9a"
	for _, name := range []string{one + "-1795449126000-2.hints", one + "-1795449127000-2.hints", one + "-1795449126000-2.crc32", two + "-1-2.hints", "x.hints"} {
		put(t, dir, "hints/"+name, "")
	}
	got := host(t, dir).Look(time.Now()).Hints
	if len(got) != 2 || got[one] != 2 || got[two] != 1 {
		t.Errorf("hints: %v", got)
	}
}

func TestConfigReadBack(t *testing.T) {
	h := folder(t, "node")
	want := cassandra.Config{Cluster: "lab", DC: "dc0", Rack: "r0", Seeds: []string{"127.0.0.4", "127.0.0.5"}, Listen: "127.0.0.4"}
	if diff := cmp.Diff(want, look(t, h).Config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func prepared() Config {
	return Config{Cluster: "ring", DC: "dc1", Rack: "r3", Seeds: []string{"127.0.0.1", "127.0.0.2"}, NumTokens: 16, Replace: "127.0.0.3"}
}

func TestPrepareAndDiscard(t *testing.T) {
	h := folder(t, "node")
	before := tree(t, h)
	for range 2 {
		if err := h.Prepare(t.Context(), by(h, "p1"), prepared()); err != nil {
			t.Fatal(err)
		}
	}
	got := look(t, h)
	wantConfig := cassandra.Config{Cluster: "ring", DC: "dc1", Rack: "r3", Seeds: []string{"127.0.0.1", "127.0.0.2"}, Listen: "127.0.0.4", AutoBootstrap: true}
	if diff := cmp.Diff(wantConfig, got.Config); diff != "" || got.Prepared != "p1" || got.ReplaceFlag != "127.0.0.3" {
		t.Errorf("(-want +got):\n%s\n%+v", diff, got)
	}
	text := tree(t, h)
	for name, part := range map[string]string{"conf/cassandra.yaml": "phi_convict_threshold: 5", "conf/jvm-extra.options": "-Dother=1\n",
		"conf/cassandra-rackdc.properties": "prefer_local=true"} {
		if !strings.Contains(text[name], part) || strings.Contains(text[name], "initial_token") {
			t.Errorf("%s lost %q:\n%s", name, part, text[name])
		}
	}
	want(t, "another prepare", h.Prepare(t.Context(), by(h, "p2"), prepared()), ErrPrepared)
	want(t, "another's discard", h.Discard(t.Context(), by(h, "any"), "p2"), ErrNotPrepared)
	for range 2 {
		if err := h.Discard(t.Context(), by(h, "any"), "p1"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, tree(t, h)); diff != "" {
		t.Errorf("after the discard (-before +after):\n%s", diff)
	}
}

func TestPrepareRefuses(t *testing.T) {
	h := folder(t, "node")
	for name, spoil := range map[string]func(*Config){
		"own seed": func(c *Config) { c.Seeds = []string{"127.0.0.4"} }, "no seeds": func(c *Config) { c.Seeds = nil },
		"a name": func(c *Config) { c.Replace = "-Dx" }, "no cluster": func(c *Config) { c.Cluster = "" },
	} {
		c := prepared()
		spoil(&c)
		if err := h.Prepare(t.Context(), by(h, "p1"), c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	put(t, h.setup.Folder, "hints/1.hints", "x")
	want(t, "hints on the disk", h.Prepare(t.Context(), by(h, "p1"), prepared()), ErrHasData)
	if err := os.RemoveAll(h.path("hints")); err != nil {
		t.Fatal(err)
	}
	start(t, h, "i1")
	want(t, "a running node", h.Prepare(t.Context(), by(h, "p1"), prepared()), ErrRunning)
}

func TestJoinerComesAndGoes(t *testing.T) {
	h := folder(t, "node")
	want(t, "nothing was started", h.RemoveJoiner(t.Context(), by(h, "any"), "r1"), ErrOther)
	if err := h.Prepare(t.Context(), by(h, "p1"), prepared()); err != nil {
		t.Fatal(err)
	}
	start(t, h, "r1")
	h.data(t)
	put(t, h.setup.Folder, "commitlog/a.log", "x")
	want(t, "discard while it runs", h.Discard(t.Context(), by(h, "any"), "p1"), ErrRunning)
	want(t, "remove for another intent", h.RemoveJoiner(t.Context(), by(h, "any"), "r2"), ErrOther)
	for range 2 {
		if err := h.RemoveJoiner(t.Context(), by(h, "any"), "r1"); err != nil {
			t.Fatal(err)
		}
	}
	got := look(t, h)
	if got.Process != cassandra.Absent || got.Data != cassandra.DataGone || got.Prepared != "p1" {
		t.Errorf("after the removal: %+v", got)
	}
	start(t, h, "r2")
	h.data(t)
	for range 2 {
		if err := h.ClearReplaceFlag(t.Context(), by(h, "any")); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "remove a node in service", h.RemoveJoiner(t.Context(), by(h, "any"), "r2"), ErrNotPrepared)
	if err := h.Discard(t.Context(), by(h, "any"), "p1"); err != nil {
		t.Errorf("a discard that is no longer owed: %v", err)
	}
	got = look(t, h)
	if got.Process != cassandra.Running || got.Data != cassandra.DataPresent || got.Config.Cluster != "ring" || got.ReplaceFlag != "" {
		t.Errorf("in service: %+v", got)
	}
}

func TestFence(t *testing.T) {
	h := folder(t, "stubborn")
	start(t, h, "i1")
	if err := h.Fence(t.Context(), by(h, "f1")); err != nil {
		t.Fatal(err)
	}
	if got := look(t, h); got.Fenced != "f1" || got.Process != cassandra.Absent || got.CannotStart != "" {
		t.Errorf("fenced: %+v", got)
	}
	if err := h.Fence(t.Context(), by(h, "f2")); err != nil {
		t.Errorf("a second fence: %v", err)
	}
	if got := look(t, h); got.Fenced != "f1" {
		t.Errorf("fenced by %s, want f1", got.Fenced)
	}
	_, err := h.Start(t.Context(), by(h, "i2"))
	want(t, "start of a fenced node", err, ErrFenced)
	want(t, "prepare of a fenced node", h.Prepare(t.Context(), by(h, "p1"), prepared()), ErrFenced)
	if _, err := os.Stat(h.setup.Start); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the start command is still there: %v", err)
	}
}

// tree is every file of the folder by name, but for locks, logs and the half-made copies that a crash leaves.
func tree(t *testing.T, h *Host) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(h.setup.Folder), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path == "galen/lock" || path == "galen/fences" || strings.HasPrefix(path, "log/") || strings.HasPrefix(path, "galen/original.") || path == "pid" || path == "execs" {
			return err
		}
		b, err := os.ReadFile(h.path(path))
		out[path] = strings.ReplaceAll(string(b), h.setup.Folder, "FOLDER")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNewRefuses(t *testing.T) {
	for _, s := range []Setup{{}, {Folder: "rel"}, {Folder: "/"}, {Folder: "/a", Start: "/b/start"}} {
		if _, err := New(s, time.Now); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
	for _, intent := range []string{"", "a b", "a\nb", strings.Repeat("x", 121)} {
		if _, err := fileName(intent); err == nil {
			t.Errorf("intent %q was taken", intent)
		}
	}
	if name, err := fileName("../x"); err != nil || strings.Contains(name, "/") {
		t.Errorf("intent ../x became %q, %v", name, err)
	}
}
