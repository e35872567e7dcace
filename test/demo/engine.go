package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/test/lab"
)

// engine is the built galen, as a child process.
type engine struct {
	binary string
	config string
	data   string
	log    string
	cmd    *exec.Cmd
	server string // http://host:port
}

const listen = "127.0.0.1:7170"

// configuration is what galen serve reads; the policy demo shows each wait that is shortened.
func configuration(ring *lab.Ring, data string) ([]byte, error) {
	type node struct {
		Instance string `json:"instance"`
		Address  string `json:"address"`
		Jolokia  string `json:"jolokia"`
		CQL      string `json:"cql"`
		Folder   string `json:"folder"`
		Start    string `json:"start"`
		PidFile  string `json:"pid_file"`
		Spare    bool   `json:"spare,omitempty"`
	}
	var nodes []node
	add := func(n *lab.Node, spare bool) {
		nodes = append(nodes, node{n.Instance, n.Address, n.JolokiaURL, n.CQLAddress, n.Folder, n.StartCommand, n.PidFile, spare})
	}
	for _, n := range ring.Nodes() {
		add(n, false)
	}
	for _, n := range ring.Spares() {
		add(n, true)
	}
	// JSON is YAML too.
	return json.MarshalIndent(map[string]any{
		"data":   data,
		"listen": listen,
		"policies": map[string]any{"demo": map[string]any{
			"mode": "act", "look_every": "1s", "look_soon": "500ms", "down_for": "0s", "restart_after": "2s",
			"hold_for": "6s", "gone_apart": "3s",
		}},
		"resources": []any{map[string]any{
			"resource": resource.String(), "policy": "demo", "labels": map[string]string{"cluster": ring.Name},
			"setup": map[string]any{"nodes": nodes},
		}},
	}, "", "  ")
}

// start runs galen serve and returns when it says that it is ready; what it printed until then is returned.
func (e *engine) start(ctx context.Context, ring *lab.Ring) (said string, took time.Duration, err error) {
	logFile, err := os.OpenFile(e.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, fmt.Errorf("engine log: %w", err)
	}
	defer func() { err = errors.Join(err, logFile.Close()) }()
	e.cmd = exec.Command(e.binary, "serve", "--config", e.config)
	e.cmd.Stderr = logFile
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C comes to it from us, once
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return "", 0, fmt.Errorf("engine output: %w", err)
	}
	began := time.Now()
	if err := e.cmd.Start(); err != nil {
		return "", 0, fmt.Errorf("start the engine: %w", err)
	}
	if err := ring.Guard(e.cmd.Process.Pid); err != nil {
		return "", 0, err
	}
	type line struct {
		text string
		ok   bool
	}
	lines := make(chan line)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case lines <- line{s.Text(), true}:
			case <-time.After(time.Minute): // nobody reads any more; keep the pipe empty
			}
		}
	}()
	var text strings.Builder
	for {
		select {
		case <-ctx.Done():
			return text.String(), 0, ctx.Err()
		case l := <-lines:
			if !l.ok {
				return text.String(), 0, fmt.Errorf("the engine ended at its start; its log ends with:\n%s", tail(e.log, 10))
			}
			text.WriteString(l.text + "\n")
			if strings.HasPrefix(l.text, "ready") {
				go func() {
					for range lines { // drain
					}
				}()
				return text.String(), time.Since(began), nil
			}
		}
	}
}

// kill is kill -9.
func (e *engine) kill() error {
	if err := e.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill the engine: %w", err)
	}
	_ = e.cmd.Wait() // "signal: killed" is what we wanted
	return nil
}

// galen runs a command of the CLI and returns what it printed.
func (e *engine) galen(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, e.binary, args...)
	cmd.Env = append(os.Environ(), "GALEN_TOKEN_FILE="+filepath.Join(e.data, "token"), "GALEN_SERVER="+e.server)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("galen %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// client is the generated client with the engine's token.
func (e *engine) client() (*api.ClientWithResponses, error) {
	token, err := os.ReadFile(filepath.Join(e.data, "token"))
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	return api.NewClientWithResponses(e.server, api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		return nil
	}))
}

// runs lists all runs of the demo's ring, oldest first.
func (e *engine) runs(ctx context.Context) ([]galen.Run, error) {
	c, err := e.client()
	if err != nil {
		return nil, err
	}
	res, err := c.ListRunsWithResponse(ctx, &api.ListRunsParams{})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("list runs: %s", res.Status())
	}
	out := make([]galen.Run, 0, len(res.JSON200.Runs))
	for i := len(res.JSON200.Runs) - 1; i >= 0; i-- {
		out = append(out, res.JSON200.Runs[i])
	}
	return out, nil
}

// detail is one run with its intents.
func (e *engine) detail(ctx context.Context, id string) (*api.RunDetail, error) {
	c, err := e.client()
	if err != nil {
		return nil, err
	}
	res, err := c.GetRunWithResponse(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", id, err)
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("read run %s: %s", id, res.Status())
	}
	return res.JSON200, nil
}

// members are the ring's members as the engine sees them.
func (e *engine) members(ctx context.Context) ([]galen.Member, error) {
	c, err := e.client()
	if err != nil {
		return nil, err
	}
	res, err := c.GetResourceWithResponse(ctx, resource.Kind, resource.Name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", resource, err)
	}
	if res.JSON200 == nil {
		return nil, fmt.Errorf("read %s: %s", resource, res.Status())
	}
	return res.JSON200.Members, nil
}

func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
