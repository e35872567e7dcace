package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/galenhq/galen/api"
)

const (
	defaultServer = "http://127.0.0.1:7170"
	envServer     = "GALEN_SERVER"
	envTokenFile  = "GALEN_TOKEN_FILE"
	// callLimit is longer than the engine takes for any answer.
	callLimit = time.Minute
)

// client is the generated client of the engine's API, with the token.
func (c *cli) client() (*api.ClientWithResponses, error) {
	options := []api.ClientOption{api.WithHTTPClient(&http.Client{Timeout: callLimit})}
	if file := firstOf(c.tokenFile, c.env(envTokenFile)); file != "" {
		token, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the API's token: %w; galen serve prints the path of its file", err)
		}
		options = append(options, api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
			return nil
		}))
	}
	client, err := api.NewClientWithResponses(c.address(), options...)
	if err != nil {
		return nil, usage("--server %q: %w", c.address(), err)
	}
	return client, nil
}

// address of the API; a host and port alone are called without TLS, as the engine listens.
func (c *cli) address() string {
	address := firstOf(c.server, c.env(envServer), defaultServer)
	if !strings.Contains(address, "://") {
		return "http://" + address
	}
	return address
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// reply is what every answer of the API has.
type reply interface {
	StatusCode() int
	Status() string
	GetApplicationproblemJSONDefault() *api.Error
}

// saidOf is what the engine says of it; what was tried, or of what, is said by both sides, and left out.
func saidOf(what string, r reply) string {
	said := r.GetApplicationproblemJSONDefault()
	if said == nil || said.Detail == "" {
		return r.Status()
	}
	why := strings.TrimPrefix(oneLine(said.Detail), what+": ")
	if of, rest, both := strings.Cut(why, ": "); both && strings.HasSuffix(what, " "+of) {
		why = rest
	}
	return why
}

// fault is why a call did not bring what it should, and nil if ok: the engine could not be asked, or it said no.
func (c *cli) fault(what string, r reply, err error, ok bool) error {
	switch {
	case err != nil && errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: interrupted", what)
	case err != nil:
		return fmt.Errorf("%s: %w; is galen serve running there? name another engine with --server or %s", what, err, envServer)
	case ok:
		return nil
	}
	why := saidOf(what, r)
	switch r.StatusCode() {
	case http.StatusNotFound, http.StatusConflict:
		return notDone("%s: %s", what, why)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return &failure{code: exitUsage, err: fmt.Errorf("%s: %s", what, why), clear: true}
	case http.StatusUnauthorized:
		return fmt.Errorf("%s: %s; here: name that file with --token-file or %s", what, why, envTokenFile)
	case http.StatusOK, http.StatusCreated:
		return fmt.Errorf("%s: what answers at %s is not the API of galen", what, c.address())
	}
	return fmt.Errorf("%s: %s", what, why)
}
