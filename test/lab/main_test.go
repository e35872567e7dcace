package lab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleEnv makes this test binary play another program.
const roleEnv = "GALEN_LAB_TEST_ROLE"

func TestMain(m *testing.M) {
	MaybeGuardian()
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "owner":
		if err := own(os.Args[1], os.Args[2]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	case "sleeper":
	}
	time.Sleep(time.Minute) // to be killed long before
}

// play starts this binary in a role, with arguments, in a session of its own.
func play(role string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// own is a program that owns a ring of sleepers: a node, and a guarded engine. It prints their ids and lives on.
func own(home, lockFile string) error {
	lock, err := tryLock(lockFile)
	if err != nil {
		return err
	}
	g, err := newGuardian(charge{Home: home, Limit: time.Minute}, lock)
	if err != nil {
		return err
	}
	node, engine := play("sleeper", storageDir+filepath.Join(home, "n1")), play("sleeper")
	for _, cmd := range []*exec.Cmd{node, engine} {
		if err := cmd.Start(); err != nil {
			return err
		}
	}
	if err := g.guard(engine.Process.Pid); err != nil {
		return err
	}
	fmt.Println(node.Process.Pid, engine.Process.Pid, g.cmd.Process.Pid)
	return nil
}

// startOwner starts an owner and returns it with the ids of its node, engine and guardian.
func startOwner(t *testing.T, home, lock string) (owner *exec.Cmd, node, engine, guardian int) {
	t.Helper()
	owner = play("owner", home, lock)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &node, &engine, &guardian); err != nil {
		t.Fatalf("the owner said %q: %v", strings.TrimSpace(line), err)
	}
	return owner, node, engine, guardian
}

// eventually polls for at most 10 s.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("after 10 s still not: %s", what)
}

func gone(pids ...int) bool {
	for _, pid := range pids {
		if _, alive := lookUp(pid); alive {
			return false
		}
	}
	return true
}
