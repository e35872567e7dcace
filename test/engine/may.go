package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// May is a question that [Engine.AskMay] asks over and over.
type May struct {
	Resource galen.Resource
	Verb     string
	Members  []string // in turns
	Times    int
	Every    time.Duration
}

// AskMay asks over the API whether a person may do something now, and returns how long each answer took. Any answer but yes is an error.
func (e *Engine) AskMay(ctx context.Context, q May) ([]time.Duration, error) {
	c, err := e.Client()
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(q.Every)
	defer tick.Stop()
	took := make([]time.Duration, 0, q.Times)
	for i := range q.Times {
		began := time.Now()
		res, err := c.CanIWithResponse(ctx, q.Resource.Kind, q.Resource.Name, &api.CanIParams{Verb: q.Verb, Member: q.Members[i%len(q.Members)]})
		took = append(took, time.Since(began))
		switch {
		case err != nil:
			return nil, fmt.Errorf("can I %s: %w", q.Verb, err)
		case res.JSON200 == nil:
			return nil, fmt.Errorf("can I %s: status %d: %s", q.Verb, res.StatusCode(), res.Body)
		case res.JSON200.Answer != galen.Yes:
			return nil, fmt.Errorf("can I %s: %s: %s", q.Verb, res.JSON200.Answer, res.JSON200.Why)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("can I %s, question %d: %w", q.Verb, i, ctx.Err())
		}
	}
	return took, nil
}
