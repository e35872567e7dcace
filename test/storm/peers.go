package storm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Peer is another program that takes alerts by HTTP, as a child process.
type Peer struct {
	Name   string
	Target Target
	cmd    *exec.Cmd
}

// Close kills it with all that it started.
func (p *Peer) Close() error {
	err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = p.cmd.Wait() // "signal: killed" is what we wanted
	return err
}

// Alertmanager is that binary, alone, with no receiver that does anything.
func Alertmanager(ctx context.Context, dir, binary string) (*Peer, error) {
	address, err := free()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		return nil, fmt.Errorf("configuration of Alertmanager: %w", err)
	}
	cmd := exec.Command(binary, "--config.file="+file, "--storage.path="+filepath.Join(dir, "alertmanager"), "--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Dir = filepath.Join(filepath.Dir(binary), "..", "templates") // where build/setup lets it look for its own
	return startPeer(ctx, "Alertmanager", dir, cmd, Target{URL: "http://" + address + "/api/v2/alerts"})
}

// Rulebook is ansible-rulebook with its webhook source and one rule that does nothing; it runs on a JDK.
func Rulebook(ctx context.Context, dir, binary, jdk string) (*Peer, error) {
	address, err := free()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address of ansible-rulebook: %w", err)
	}
	file := filepath.Join(dir, "rulebook.yml")
	rules := `- name: storm
  hosts: all
  sources:
    - eda.builtin.webhook: {host: 127.0.0.1, port: ` + port + `}
  rules:
    - name: firing
      condition: event.payload.status == "firing"
      action: {none: {}}
`
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		return nil, fmt.Errorf("rules of ansible-rulebook: %w", err)
	}
	cmd := exec.Command(binary, "--rulebook", file)
	cmd.Env = append(os.Environ(), "JAVA_HOME="+jdk, "PATH="+filepath.Dir(binary)+":"+filepath.Join(jdk, "bin")+":"+os.Getenv("PATH"))
	return startPeer(ctx, "ansible-rulebook", dir, cmd, Target{URL: "http://" + address + "/endpoint"})
}

func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// startPeer returns when it answers.
func startPeer(ctx context.Context, name, dir string, cmd *exec.Cmd, at Target) (p *Peer, err error) {
	logName := filepath.Join(dir, filepath.Base(cmd.Path)+".log")
	logFile, err := os.OpenFile(logName, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = logFile, logFile, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p = &Peer{Name: name, Target: at, cmd: cmd}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.URL, nil)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		if res, err := http.DefaultClient.Do(r); err == nil { // whatever it says
			return p, res.Body.Close()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s does not answer, see %s: %w", name, logName, ctx.Err()), p.Close())
		case <-tick.C:
		}
	}
}
