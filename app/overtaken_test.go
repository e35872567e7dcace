package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/galenhq/galen"
)

// memory is a journal that knows some intents.
type memory struct {
	known    []string
	disarmed string
	err      error
}

func (m *memory) HasIntent(_ context.Context, id string) (bool, error) {
	return strings.Contains(strings.Join(m.known, " "), id), m.err
}

func (m *memory) Disarm(_ context.Context, why string) error { m.disarmed = why; return nil }

// TestATargetThatKnowsMoreThanTheJournal: only a change that the journal does not know puts it in doubt.
func TestATargetThatKnowsMoreThanTheJournal(t *testing.T) {
	away := errors.New("the journal is away")
	for _, c := range []struct {
		name     string
		said     error
		journal  memory
		disarmed bool
	}{
		{name: "another journal's", said: &galen.OvertakenError{By: "i9", Why: "no"}, journal: memory{known: []string{"i1"}}, disarmed: true},
		{name: "a later one of ours", said: &galen.OvertakenError{By: "i1", Why: "no"}, journal: memory{known: []string{"i1"}}},
		{name: "another refusal", said: errors.New("disk full")},
		{name: "the journal does not answer", said: &galen.OvertakenError{By: "i9", Why: "no"}, journal: memory{err: away}},
		{name: "well"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kinds := attentive(map[string]galen.ListedKind{"fake": {Do: func(context.Context, galen.Intent) (string, error) {
				if c.said == nil {
					return "done", nil
				}
				return "", fmt.Errorf("host a: %w", c.said)
			}}}, &c.journal)
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // the call's time is over
			_, err := kinds["fake"].Do(ctx, galen.Intent{ID: "i2", Resource: demoDB(), Step: galen.Step{Target: galen.Target{ID: "db-1"}}})
			if !errors.Is(err, c.said) || c.journal.err != nil && !errors.Is(err, away) {
				t.Errorf("got %v", err)
			}
			if got := c.journal.disarmed; (got != "") != c.disarmed || c.disarmed && !strings.Contains(got, "db-1 of fake/demo was changed by intent i9") {
				t.Errorf("disarmed: %q", got)
			}
		})
	}
}
