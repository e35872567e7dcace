package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// view is what one node says of the ring.
type view struct {
	Mode    string   `json:"OperationMode"`
	Live    []string `json:"LiveNodesWithPort"`
	Joining []string `json:"JoiningNodesWithPort"`
}

const viewRequest = `{"type":"read","mbean":"org.apache.cassandra.db:type=StorageService",
"attribute":["OperationMode","LiveNodesWithPort","JoiningNodesWithPort"],"config":{"ignoreErrors":true}}`

// look asks the node at a Jolokia URL.
func look(ctx context.Context, url string) (view, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return askFor[view](ctx, url, []byte(viewRequest))
}

// askFor makes one request. It takes no connection over from an earlier call: that one may lead to a dead process.
func askFor[T any](ctx context.Context, url string, request []byte) (value T, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(request))
	if err != nil {
		return value, fmt.Errorf("ask Jolokia: %w", err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return value, fmt.Errorf("ask Jolokia: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return value, fmt.Errorf("read Jolokia's answer: %w", err)
	}
	var answer struct {
		Status int
		Error  string
		Value  T
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return value, fmt.Errorf("read Jolokia's answer: %w", err)
	}
	if answer.Status != http.StatusOK {
		return value, fmt.Errorf("jolokia answers %d: %s", answer.Status, answer.Error)
	}
	return answer.Value, nil
}

// Order lets the node do an operation of its StorageService, as nodetool would, and waits until it is done.
func (n *Node) Order(ctx context.Context, operation string, args ...any) error {
	if err := n.service(ctx, map[string]any{"type": "exec", "operation": operation, "arguments": args}); err != nil {
		return fmt.Errorf("order %s at %s: %w", operation, n.Instance, err)
	}
	return nil
}

// Throttle limits what the node's compactions read, in MiB/s; 0 is no limit.
func (n *Node) Throttle(ctx context.Context, mib int) error {
	if err := n.service(ctx, map[string]any{"type": "write", "attribute": "CompactionThroughputMbPerSec", "value": mib}); err != nil {
		return fmt.Errorf("throttle the compactions of %s: %w", n.Instance, err)
	}
	return nil
}

func (n *Node) service(ctx context.Context, request map[string]any) error {
	request["mbean"] = "org.apache.cassandra.db:type=StorageService"
	raw, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	_, err = askFor[any](ctx, n.JolokiaURL, raw)
	return err
}
