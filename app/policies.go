package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
)

// starter is who started the engine, for the journal.
func starter() string {
	name := fmt.Sprint("uid ", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// policies tells the journal which resources are looked after under which policy; a change of a policy is an event with
// its difference.
func (e *Engine) policies(ctx context.Context) error {
	author := starter() + ", configuration " + e.o.Config.Path
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
