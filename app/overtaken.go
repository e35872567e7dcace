package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// knows is what is asked of the journal when a target refuses a call, see [journal.Store].
type knows interface {
	HasIntent(ctx context.Context, id string) (bool, error)
	Disarm(ctx context.Context, why string) error
}

// overtakenLimit bounds what is done about a refusal; the call's own deadline may be over.
const overtakenLimit = 5 * time.Second

// attentive are the kinds, attentive to a target that was changed by an intent which the journal does not know. Then the journal is
// older than the world (a machine that was set back to a snapshot, its witness too), or an engine with another journal works
// there: from now on the engine observes only. A refusal for a later intent of the same journal means nothing.
func attentive(kinds map[string]galen.ListedKind, journal knows) map[string]galen.ListedKind {
	out := make(map[string]galen.ListedKind, len(kinds))
	for name, kind := range kinds {
		do := kind.Do
		kind.Do = func(ctx context.Context, in galen.Intent) (string, error) {
			reply, err := do(ctx, in)
			var overtaken *galen.OvertakenError
			if errors.As(err, &overtaken) {
				err = errors.Join(err, doubtful(context.WithoutCancel(ctx), journal, in, overtaken.By))
			}
			return reply, err
		}
		out[name] = kind
	}
	return out
}

func doubtful(ctx context.Context, journal knows, in galen.Intent, by string) error {
	ctx, cancel := context.WithTimeout(ctx, overtakenLimit)
	defer cancel()
	known, err := journal.HasIntent(ctx, by)
	if err == nil && !known {
		err = journal.Disarm(ctx, fmt.Sprintf("%s of %s was changed by intent %s, which this journal does not know: the journal is older than the world, or an engine with another journal works there",
			in.Step.Target.ID, in.Resource, by))
	}
	if err != nil {
		return fmt.Errorf("find out who has acted on %s: %w", in.Step.Target.ID, err)
	}
	return nil
}
