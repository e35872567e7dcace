package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestGuardianReapsWhenItsOwnerIsKilled(t *testing.T) {
	for name, kill := range map[string]func(owner int) error{
		"kill -9":              func(owner int) error { return syscall.Kill(owner, syscall.SIGKILL) },
		"Ctrl-C, to the group": func(owner int) error { return syscall.Kill(-owner, syscall.SIGINT) },
		"kill -9 of the group": func(owner int) error { return syscall.Kill(-owner, syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			home, lock := filepath.Join(t.TempDir(), "ring"), filepath.Join(t.TempDir(), "lock")
			if err := os.Mkdir(home, 0o700); err != nil {
				t.Fatal(err)
			}
			owner, node, engine, guardian := startOwner(t, home, lock)
			late := startSleeper(t, storageDir+filepath.Join(home, "n4"))      // a node that somebody else started
			other := startSleeper(t, storageDir+filepath.Join(home+"2", "n1")) // a node of another ring
			if gone(node, engine, guardian, late, other) {
				t.Fatal("a process is missing before the owner was killed")
			}
			if f, err := tryLock(lock); !errors.Is(err, errTaken) {
				t.Fatalf("lock of a living ring: %v, %v", f, err)
			}
			if err := kill(owner.Process.Pid); err != nil {
				t.Fatal(err)
			}
			_ = owner.Wait() // killed, as asked
			eventually(t, "all processes of the ring and the guardian are gone", func() bool { return gone(node, engine, late, guardian) })
			if _, err := os.Stat(home); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the ring's folder is left: %v", err)
			}
			if gone(other) {
				t.Error("a node of another ring was killed")
			}
			f, err := tryLock(lock)
			if err != nil {
				t.Fatalf("the network's lock is not free: %v", err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func startSleeper(t *testing.T, args ...string) int {
	t.Helper()
	cmd := play("sleeper", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // it is killed
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return cmd.Process.Pid
}

func TestGuardianEnds(t *testing.T) {
	tests := map[string]struct {
		charge     charge
		end        func(context.Context, *guardian) error
		node, home bool // what is left
	}{
		"reaped":              {charge{Limit: time.Minute}, func(ctx context.Context, g *guardian) error { return g.reap(ctx) }, false, false},
		"reaped, files kept":  {charge{Limit: time.Minute, Keep: true}, func(ctx context.Context, g *guardian) error { return g.reap(ctx) }, false, true},
		"left":                {charge{Limit: time.Minute}, func(ctx context.Context, g *guardian) error { return g.leave(ctx) }, true, true},
		"at its limit":        {charge{Limit: 50 * time.Millisecond}, func(ctx context.Context, g *guardian) error { return g.wait(ctx) }, false, false},
		"after SIGTERM":       {charge{Limit: time.Minute}, signalled(syscall.SIGTERM), false, false},
		"itself killed first": {charge{Limit: time.Minute}, killedFirst, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.charge.Home = filepath.Join(t.TempDir(), "ring")
			if err := os.Mkdir(tt.charge.Home, 0o700); err != nil {
				t.Fatal(err)
			}
			node := startSleeper(t, storageDir+filepath.Join(tt.charge.Home, "n1"))
			g, err := newGuardian(tt.charge, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.end(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			if left := !gone(node); left != tt.node {
				t.Errorf("node left: %v, want %v", left, tt.node)
			}
			if _, err := os.Stat(tt.charge.Home); (err == nil) != tt.home {
				t.Errorf("folder left: %v, want %v", err == nil, tt.home)
			}
		})
	}
}

func signalled(s syscall.Signal) func(context.Context, *guardian) error {
	return func(ctx context.Context, g *guardian) error {
		return errors.Join(g.cmd.Process.Signal(s), g.wait(ctx))
	}
}

func killedFirst(ctx context.Context, g *guardian) error {
	if err := g.cmd.Process.Kill(); err != nil {
		return err
	}
	<-g.ended
	return g.reap(ctx)
}

func TestReapRefusesAForeignFolder(t *testing.T) {
	home := t.TempDir()
	if err := Reap(t.Context(), home, true); err == nil || !strings.Contains(err.Error(), "not a folder of the lab") {
		t.Errorf("Reap of a folder without the lab's mark: %v", err)
	}
	if _, err := os.Stat(home); err != nil {
		t.Error(err)
	}
}

func TestKillSparesAProcessIdThatIsUsedAgain(t *testing.T) {
	pid := startSleeper(t)
	p, alive := lookUp(pid)
	if !alive {
		t.Fatal("the sleeper is not alive")
	}
	if err := (process{p.pid, p.start - 1}).kill(); err != nil {
		t.Fatal(err)
	}
	if gone(pid) {
		t.Fatal("a process with another start time was killed")
	}
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the named process is gone", func() bool { return gone(pid) })
}

// A program that forgets MaybeGuardian must not start itself again and again.
func TestForgottenMaybeGuardian(t *testing.T) {
	t.Setenv(guardianEnv, "{}")
	_, err := newGuardian(charge{Home: t.TempDir(), Limit: time.Minute}, nil)
	if err == nil || !strings.Contains(err.Error(), "call lab.MaybeGuardian first") {
		t.Errorf("a ring inside a guardian: %v", err)
	}
}

func TestNodeFolder(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"/usr/bin/java -Xmx1g " + storageDir + "/r/n1 -cp a Daemon", "/r/n1"},
		{"/bin/sh /r/n2/bin/start -Dx=y", "/r/n2"},
		{"/r/n2/bin/start", "/r/n2"},
		{"less -R x /r/n1/bin/start", ""},
		{"vi /r/n1/log/system.log", ""},
	} {
		if got := nodeFolder(strings.Fields(tt.line)); got != tt.want {
			t.Errorf("nodeFolder(%q) = %q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestDeadProcessNobodyWaitedForIsNotAlive(t *testing.T) {
	cmd := exec.Command("/bin/true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the zombie counts as gone", func() bool { return gone(cmd.Process.Pid) })
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
