package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Node is one host of a ring: a started node, or a spare.
type Node struct {
	Instance     string // name of the host: n1, n2, …
	Address      string // listen and rpc address, without port
	DC           string // data centre of its configuration
	Rack         string // rack of its configuration
	Folder       string // bin/start, conf/, log/, pid, and the data below
	StartCommand string // <Folder>/bin/start: runs the node in the foreground, arguments are more JVM options
	PidFile      string // <Folder>/pid, written by whoever starts the node
	JolokiaURL   string // http://<Address>:8778/jolokia/
	CQLAddress   string // <Address>:9042
}

func newNode(home, network string, n int) *Node {
	name, ip := "n"+strconv.Itoa(n), address(network, n)
	folder := filepath.Join(home, name)
	return &Node{
		Instance: name, Address: ip, DC: DC, Rack: rack(n), Folder: folder,
		StartCommand: filepath.Join(folder, "bin", "start"), PidFile: filepath.Join(folder, "pid"),
		JolokiaURL: "http://" + net.JoinHostPort(ip, portJolokia) + "/jolokia/", CQLAddress: net.JoinHostPort(ip, portCQL),
	}
}

// process finds the node's process by its pid file or, when somebody else started it without one, by its command line.
func (n *Node) process() (process, bool) {
	text, _ := os.ReadFile(n.PidFile) // no file: the node is looked for below
	if first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n"); first != "" {
		if pid, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && nodeFolder(commandLine(pid)) == n.Folder {
			return lookUp(pid)
		}
	}
	all, _ := nodesBelow(filepath.Dir(n.Folder)) // /proc can't be read: nothing can be said to be alive
	for _, p := range all {
		if nodeFolder(commandLine(p.pid)) == n.Folder {
			return p, true
		}
	}
	return process{}, false
}

// Pid is the id of the node's process, whoever started it; false if there is none.
func (n *Node) Pid() (int, bool) {
	p, alive := n.process()
	return p.pid, alive
}

// Alive says whether a process of this node exists, a frozen one included.
func (n *Node) Alive() bool {
	_, alive := n.process()
	return alive
}

// RSS is the resident memory of the node's process in bytes, 0 if there is none.
func (n *Node) RSS() int64 {
	pid, _ := n.Pid()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// Start runs the start command in a session of its own, with more JVM options, and writes the pid file. It does not wait for the
// node to be of use: see WaitNormal. A node that is alive is not started again.
func (n *Node) Start(options ...string) error {
	if n.Alive() {
		return fmt.Errorf("start %s: it is running", n.Instance)
	}
	cmd := exec.Command(n.StartCommand, options...)
	cmd.Dir = n.Folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Instance, err)
	}
	go func() { _ = cmd.Wait() }() // collects the dead process; how it ended is in its log
	if err := os.WriteFile(n.PidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the pid file of %s: %w", n.Instance, err)
	}
	return nil
}

// Kill ends the node with SIGKILL, whoever started it, and returns when it is gone. A dead node is an error.
func (n *Node) Kill() error {
	p, alive := n.process()
	if !alive {
		return fmt.Errorf("kill %s: it is not running", n.Instance)
	}
	if err := p.kill(); err != nil {
		return fmt.Errorf("kill %s: %w", n.Instance, err)
	}
	gone := func() bool { now, alive := lookUp(p.pid); return !alive || now != p }
	if !within10s(gone) {
		return fmt.Errorf("kill %s: process %d is still there 10 s after SIGKILL", n.Instance, p.pid)
	}
	return nil
}

// Freeze stops the node's process with SIGSTOP and returns when each thread is stopped, which the kernel does not do at once. Its
// ports accept connections and nothing answers.
func (n *Node) Freeze() error {
	p, err := n.signal(syscall.SIGSTOP)
	if err != nil {
		return err
	}
	if !within10s(p.stopped) {
		return fmt.Errorf("freeze %s: process %d still runs 10 s after SIGSTOP", n.Instance, p.pid)
	}
	return nil
}

// Resume lets a frozen node go on.
func (n *Node) Resume() error {
	_, err := n.signal(syscall.SIGCONT)
	return err
}

func (n *Node) signal(s syscall.Signal) (process, error) {
	p, alive := n.process()
	if !alive {
		return p, fmt.Errorf("send %v to %s: it is not running", s, n.Instance)
	}
	if err := syscall.Kill(p.pid, s); err != nil {
		return p, fmt.Errorf("send %v to %s: %w", s, n.Instance, err)
	}
	return p, nil
}

// within10s waits until it is so, 10 s at most.
func within10s(so func() bool) bool {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return so()
}

// LoseData removes data, commitlog, hints and saved_caches, as a lost disk does. Refused while the node is alive.
func (n *Node) LoseData() error {
	return n.remove("data", "commitlog", "hints", "saved_caches")
}

// LoseTable removes one table's files and the commitlog, so that this node alone has lost its rows. Refused while the node is alive.
func (n *Node) LoseTable(keyspace, table string) error {
	if n.Alive() {
		return n.running()
	}
	folders, err := filepath.Glob(filepath.Join(n.Folder, "data", keyspace, table+"-*"))
	if err != nil || len(folders) == 0 {
		return fmt.Errorf("lose table %s.%s of %s: no files of it", keyspace, table, n.Instance)
	}
	lost := []string{"commitlog"}
	for _, f := range folders {
		name, err := filepath.Rel(n.Folder, f)
		if err != nil {
			return fmt.Errorf("lose table %s.%s of %s: %w", keyspace, table, n.Instance, err)
		}
		lost = append(lost, name)
	}
	return n.remove(lost...)
}

func (n *Node) running() error {
	return fmt.Errorf("remove files of %s: it is running, kill it first", n.Instance)
}

func (n *Node) remove(names ...string) error {
	if n.Alive() {
		return n.running()
	}
	var faults []error
	for _, name := range names {
		faults = append(faults, os.RemoveAll(filepath.Join(n.Folder, name)))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("remove files of %s: %w", n.Instance, err)
	}
	return nil
}

// WaitNormal returns when the node says NORMAL and accepts CQL. It fails, with the last lines of the node's logs, when ctx ends or
// the process does.
func (n *Node) WaitNormal(ctx context.Context) error {
	for gone := 0; ; {
		err := n.normal(ctx)
		if err == nil {
			return nil
		}
		if gone++; n.Alive() {
			gone = 0
		}
		if gone > 1 { // while its start command becomes the node, a process has no command line for a moment
			return fmt.Errorf("%s has no process; its last lines:\n%s", n.Instance, n.LastLines(6))
		}
		if ended := sleep(ctx, 150*time.Millisecond); ended != nil {
			return fmt.Errorf("%s is not NORMAL: %w (%w); its last lines:\n%s", n.Instance, err, ended, n.LastLines(6))
		}
	}
}

// Mode is what the node says of itself, such as JOINING.
func (n *Node) Mode(ctx context.Context) (string, error) {
	v, err := look(ctx, n.JolokiaURL)
	return v.Mode, err
}

func (n *Node) normal(ctx context.Context) error {
	mode, err := n.Mode(ctx)
	if err != nil {
		return err
	}
	if mode != "NORMAL" {
		return fmt.Errorf("mode is %q", mode)
	}
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", n.CQLAddress)
	if err != nil {
		return fmt.Errorf("connect for CQL: %w", err)
	}
	return conn.Close()
}

// LastLines returns the last lines of the node's output and of its log, without stack traces and INFO lines where others exist.
func (n *Node) LastLines(lines int) string {
	var out strings.Builder
	for _, name := range []string{"out.log", "system.log"} {
		text, err := os.ReadFile(filepath.Join(n.Folder, "log", name))
		if err != nil || len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if grave := graveLines(text); len(grave) > 0 {
			text = grave
		}
		fmt.Fprintf(&out, "%s %s:\n%s\n", n.Instance, name, lastLines(text, lines))
	}
	return out.String()
}

func graveLines(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("\tat ")) && !bytes.HasPrefix(line, []byte("INFO ")) {
			out = append(out, line...)
		}
	}
	return out
}
