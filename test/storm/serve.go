package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/cmd/galen/embedded"
	"github.com/galenhq/galen/test/engine"
)

// patientsEnv carries the URL of the patients; a process that finds it is an engine over them.
const patientsEnv = "GALEN_STORM"

// MaybeServe turns this process into an engine, or into a yardstick, and does not return, if it was started as one. Call it first in TestMain
// or main.
func MaybeServe() {
	if address, ok := os.LookupEnv(emptyEnv); ok {
		ended(serveEmpty(address))
	}
	if address, ok := os.LookupEnv(leastEnv); ok {
		ended(serveLeast(address))
	}
	if url, ok := os.LookupEnv(patientsEnv); ok {
		ended(serveEngine(url))
	}
}

func ended(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveEngine(url string) error {
	return engine.Serve(app.Options{
		Catalogue: catalogue(url), Version: "storm",
		Temporal: func(ctx context.Context, dir string, logger *slog.Logger) (app.Server, error) {
			s, err := embedded.Start(ctx, embedded.Options{Dir: dir, Logger: logger})
			if err != nil {
				return app.Server{}, err
			}
			out := app.Server{Address: s.Address(), Namespace: s.Namespace(), Headers: s.Headers, Stop: s.Stop}
			return out, serveBare(ctx, out, dir, url)
		},
	})
}

func catalogue(url string) app.Catalogue {
	out := app.Catalogue{
		Kinds: []app.Kind{{Name: fake.KindName, Open: func(map[galen.Resource]json.RawMessage, *slog.Logger) (galen.ListedKind, error) {
			return galen.ListKind(fake.Kind(), galen.Driver[fake.Cluster](newDriver(url))), nil
		}}},
		Runbooks: []galen.ListedRunbook{galen.ListRunbook(fake.Heal())},
	}
	for _, d := range fake.Detectors() {
		out.Detectors = append(out.Detectors, galen.ListDetector(d))
	}
	return out
}

// driver reaches the patients.
type driver struct {
	url    string
	client *http.Client
}

func newDriver(url string) driver {
	return driver{url: url, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// Look at one resource; it always tells of all its instances.
func (d driver) Look(ctx context.Context, r galen.Resource, _ []galen.Target, _ []galen.Intent) (fake.Cluster, error) {
	return ask[fake.Cluster](ctx, d, "look", r)
}

// Do one call.
func (d driver) Do(ctx context.Context, in galen.Intent) (string, error) {
	return ask[string](ctx, d, "do", in)
}

func ask[A any](ctx context.Context, d driver, path string, question any) (a A, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return a, fmt.Errorf("patients, %s: %w", path, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/"+path, bytes.NewReader(body))
	if err != nil {
		return a, fmt.Errorf("patients, %s: %w", path, err)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return a, fmt.Errorf("patients, %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return a, fmt.Errorf("patients, %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return a, fmt.Errorf("patients, %s: %s", path, bytes.TrimSpace(answer))
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return a, fmt.Errorf("patients, %s: answer: %w", path, err)
	}
	return a, nil
}
