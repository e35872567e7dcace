// Package alertmanager keeps silences in an Alertmanager by its API v2: three calls, small types, tolerant of fields that we do not use.
package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Matcher is one of a silence.
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// Silence is one of Alertmanager's; ID is empty for a new one.
type Silence struct {
	ID        string    `json:"id,omitempty"`
	Matchers  []Matcher `json:"matchers"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
}

// Client calls one Alertmanager.
type Client struct {
	// URL as a browser would open it, with the path of a prefix if it has one.
	URL string
	// TokenFile holds a bearer token, read at each call; empty: none.
	TokenFile string
	HTTP      *http.Client
}

// answerLimit of one answer, in bytes.
const answerLimit = 16 << 20

// Silences lists those that have not expired.
func (c *Client) Silences(ctx context.Context) ([]Silence, error) {
	b, err := c.call(ctx, http.MethodGet, "/api/v2/silences", nil)
	if err != nil {
		return nil, fmt.Errorf("list the silences: %w", err)
	}
	return parse(b)
}

// parse reads a list of silences and leaves out those that have expired.
func parse(b []byte) ([]Silence, error) {
	var all []struct {
		Silence
		Status struct {
			State string `json:"state"`
		} `json:"status"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("list the silences: what answers is no Alertmanager of API v2: %w", err)
	}
	var out []Silence
	for _, one := range all {
		if one.ID != "" && one.Status.State != "expired" {
			out = append(out, one.Silence)
		}
	}
	return out, nil
}

// Put makes a silence, or with an ID moves its end.
func (c *Client) Put(ctx context.Context, s Silence) error {
	body, err := json.Marshal(s)
	if err == nil {
		_, err = c.call(ctx, http.MethodPost, "/api/v2/silences", body)
	}
	if err != nil {
		return fmt.Errorf("set a silence: %w", err)
	}
	return nil
}

// Lift ends a silence.
func (c *Client) Lift(ctx context.Context, id string) error {
	if _, err := c.call(ctx, http.MethodDelete, "/api/v2/silence/"+url.PathEscape(id), nil); err != nil {
		return fmt.Errorf("lift silence %s: %w", id, err)
	}
	return nil
}

func (c *Client) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("alertmanager.url: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("alertmanager.token_file: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	res, err := c.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, answerLimit))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.200q", method, path, res.Status, b)
	}
	return b, nil
}
