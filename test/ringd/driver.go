package ringd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// Driver reaches a ring process; any number of engines may, one after the other or at once.
type Driver struct {
	url    string
	client *http.Client
}

var _ galen.Driver[cassandra.Ring] = (*Driver)(nil)

// Connect makes the driver of the ring process at a URL such as http://127.0.0.1:1234. It does not call it yet.
func Connect(url string) *Driver {
	return &Driver{url: url, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

// Look as the simulated ring does.
func (d *Driver) Look(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (cassandra.Ring, error) {
	if scope == nil {
		scope = []galen.Target{}
	}
	if open == nil {
		open = []galen.Intent{}
	}
	return call[cassandra.Ring](ctx, d, "look", lookRequest{Resource: r, Scope: scope, Open: open})
}

// Do as the simulated ring does.
func (d *Driver) Do(ctx context.Context, in galen.Intent) (string, error) {
	a, err := call[doAnswer](ctx, d, "do", in)
	if err != nil {
		return "", err
	}
	if a.Overtaken != "" {
		return "", &galen.OvertakenError{By: a.Overtaken, Why: a.Error}
	}
	if a.Error != "" {
		return "", errors.New(a.Error)
	}
	return a.Reply, nil
}

// Make trouble for an instance.
func (d *Driver) Make(ctx context.Context, t ring.Trouble, instance string) error {
	_, err := call[struct{}](ctx, d, "fault", faultRequest{Trouble: t, Instance: instance})
	return err
}

// Strike lets the next calls of a verb meet a fault.
func (d *Driver) Strike(ctx context.Context, f ring.Fault) error {
	_, err := call[struct{}](ctx, d, "fault", faultRequest{Strike: &f})
	return err
}

// Calls are all calls that arrived, refused ones included, oldest first.
func (d *Driver) Calls(ctx context.Context) ([]ring.Call, error) {
	return call[[]ring.Call](ctx, d, "calls", struct{}{})
}

// Harms are what went wrong in the ring itself.
func (d *Driver) Harms(ctx context.Context) ([]ring.Harm, error) {
	return call[[]ring.Harm](ctx, d, "harms", struct{}{})
}

func call[A any](ctx context.Context, d *Driver, path string, question any) (A, error) {
	var none A
	body, err := json.Marshal(question)
	if err != nil {
		return none, fmt.Errorf("ring process, %s: %w", path, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/"+path, bytes.NewReader(body))
	if err != nil {
		return none, fmt.Errorf("ring process, %s: %w", path, err)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return none, fmt.Errorf("ring process, %s: %w", path, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		return none, fmt.Errorf("ring process, %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		failed, err := galen.Decode[errorAnswer](body)
		if err != nil {
			failed.Error = string(body)
		}
		return none, fmt.Errorf("ring process, %s: %s", path, failed.Error)
	}
	a, err := galen.Decode[A](body)
	if err != nil {
		return none, fmt.Errorf("ring process, %s: answer: %w", path, err)
	}
	return a, nil
}
