package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A java that prints its arguments shows what the start command makes of them.
func TestStartCommand(t *testing.T) {
	home := filepath.Join(t.TempDir(), "it's a ring")
	node, lib, java := newNode(home, "127.9.9", 4), t.TempDir(), filepath.Join(t.TempDir(), "java")
	for _, jar := range []string{"cassandra-all-5.jar", "jamm-1.jar", "jolokia-1.jar"} {
		write(t, filepath.Join(lib, jar), "")
	}
	write(t, java, "#!/bin/sh\nprintf '%s\\n' \"pid=$$\" \"cwd=$PWD\" \"leak=${LEAK:-none}\" \"$@\"\n")
	o, err := Options{Spares: 1}.filled()
	if err != nil {
		t.Fatal(err)
	}
	h := host{Options: o, network: "127.9.9", n: 4, folder: node.Folder, java: java, lib: lib}
	if err := h.write(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(node.Folder, "conf", "jvm-extra.options"), "# a comment\n\n-Dfrom.file=a b\n-Dlast=1")
	cmd := exec.Command(node.StartCommand, "-Dgalen.intent=7", "-Dquoted='x' y")
	cmd.Env = append(os.Environ(), "LEAK=yes")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(node.Folder, "log", "out.log"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if want := []string{"cwd=" + node.Folder, "leak=none"}; !slices.Equal(lines[1:3], want) {
		t.Errorf("got %q, want %q", lines[1:3], want)
	}
	if !slices.Contains(lines, storageDir+node.Folder) {
		t.Errorf("no %s%s", storageDir, node.Folder)
	}
	at := slices.Index(lines, "-Dfrom.file=a b")
	want := []string{"-Dfrom.file=a b", "-Dlast=1", "-Dgalen.intent=7", "-Dquoted='x' y", "-cp"}
	if at < 0 || !slices.Equal(lines[at:at+5], want) {
		t.Errorf("got %q, want %q in it", lines, want)
	}
	if err := os.Remove(filepath.Join(node.Folder, "conf", "jvm-extra.options")); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(node.StartCommand).Run(); err == nil {
		t.Error("a node without its configuration starts")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestYAML(t *testing.T) {
	o, err := Options{Spares: 1, Phi: 5, Name: "demo"}.filled()
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int][]string{
		2: {
			"cluster_name: demo\n", "\ninitial_token: -8454757700450205350,", "\nauto_bootstrap: false\n",
			"\nlisten_address: 127.9.9.2\n", "\nphi_convict_threshold: 5\ncommitlog_sync: periodic\ncommitlog_sync_period: 2000ms\ncommitlog_segment",
			"\ndynamic_snitch: false\n",
		},
		4: {"\nnum_tokens: 8\nauto_bootstrap: true\n", `- seeds: "127.9.9.1,127.9.9.2,127.9.9.3"`, "\nrpc_address: 127.9.9.4\n"},
	} {
		text, err := host{Options: o, network: "127.9.9", n: n}.yaml()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("node %d: no %q in\n%s", n, w, text)
			}
		}
		h := host{Options: o, network: "127.9.9", n: n}
		h.Batch = true
		if durable, err := h.yaml(); err != nil || !strings.Contains(string(durable), "\ncommitlog_sync: batch\ncommitlog_segment") {
			t.Errorf("node %d, batch: %v in\n%s", n, err, durable)
		}
		if n == 4 && strings.Contains(string(text), "initial_token") {
			t.Errorf("a spare has tokens:\n%s", text)
		}
	}
}

// Tokens are different, in the same order on every node, and evenly spread.
func TestTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.IntRange(1, 9).Draw(t, "nodes")
		var ring []int64
		for n := 1; n <= all; n++ {
			ring = append(ring, tokens(n, all)...)
		}
		slices.Sort(ring)
		for i := 1; i < len(ring); i++ {
			if step, first := ring[i]-ring[i-1], ring[1]-ring[0]; step != first {
				t.Fatalf("step %d is %d, not %d", i, step, first)
			}
		}
		if want := tokensPerNode * all; len(ring) != want {
			t.Fatalf("%d tokens, want %d", len(ring), want)
		}
	})
}

func TestRefusesAFolderThatHoldsSomething(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, "letter"), "dear")
	if _, err := emptyFolder(home); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
}
