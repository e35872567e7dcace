package app

import (
	"context"
	"encoding/json"
	"fmt"
)

// policies tells the journal which resources are looked after under which policy; a change of a policy is an event with
// its difference.
func (e *Engine) policies(ctx context.Context) error {
	author := "configuration " + e.o.Config.Path
	for _, r := range e.o.Config.Resources {
		body, err := json.Marshal(e.o.Config.Policy(r.Resource))
		if err != nil {
			return fmt.Errorf("encode the policy of %s: %w", r.Resource, err)
		}
		if err := e.journal.SetResource(ctx, r.Resource, body, author); err != nil {
			return fmt.Errorf("store the policy of %s: %w", r.Resource, err)
		}
	}
	return nil
}
