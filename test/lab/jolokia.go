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

// look asks the node at a Jolokia URL. It takes no connection over from an earlier call: that one may lead to a dead process.
func look(ctx context.Context, url string) (v view, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(viewRequest)))
	if err != nil {
		return view{}, fmt.Errorf("ask Jolokia: %w", err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return view{}, fmt.Errorf("ask Jolokia: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return view{}, fmt.Errorf("read Jolokia's answer: %w", err)
	}
	var answer struct {
		Status int
		Error  string
		Value  view
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return view{}, fmt.Errorf("read Jolokia's answer: %w", err)
	}
	if answer.Status != http.StatusOK {
		return view{}, fmt.Errorf("jolokia answers %d: %s", answer.Status, answer.Error)
	}
	return answer.Value, nil
}
