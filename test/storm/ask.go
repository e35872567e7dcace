package storm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
)

// Measure is the sum of a metric of the engine over its labels.
func (s *Stage) Measure(ctx context.Context, name string) (sum float64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Engine.Server()+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("metrics: %s: %w", res.Status, err)
	}
	found := false
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, name); is && (rest[0] == ' ' || rest[0] == '{') {
			fields := strings.Fields(line)
			value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				return 0, fmt.Errorf("metric %s: %w", name, err)
			}
			sum, found = sum+value, true
		}
	}
	if !found {
		return 0, fmt.Errorf("no metric %s", name)
	}
	return sum, nil
}

// Runs are all runs, newest first.
func (s *Stage) Runs(ctx context.Context) ([]galen.Run, error) {
	c, err := s.Engine.Client()
	if err != nil {
		return nil, err
	}
	const page = 1000
	limit := page
	var all []galen.Run
	for o := (&api.ListRunsParams{Limit: &limit}); ; {
		res, err := c.ListRunsWithResponse(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		if res.JSON200 == nil {
			return nil, fmt.Errorf("list runs: %s", res.Status())
		}
		all = append(all, res.JSON200.Runs...)
		if res.JSON200.Next == nil {
			return all, nil
		}
		o.Cursor = res.JSON200.Next
	}
}

// Alerts are all alerts of the journal, oldest first. The engine must not be alive.
func (s *Stage) Alerts(ctx context.Context) (all []journal.Alert, err error) {
	store, err := journal.Open(ctx, s.JournalFile(), journal.Options{Now: time.Now})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for before := int64(0); ; {
		const page = 1000
		some, err := store.Alerts(ctx, journal.AlertFilter{Before: before, Limit: page})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < page {
			return all, nil
		}
		before = some[len(some)-1].N
	}
}
