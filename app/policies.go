package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"

	"github.com/galenhq/galen"
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
	e.told = map[galen.Resource]string{}
	for _, r := range e.o.Config.Resources {
		body, err := json.Marshal(e.o.Config.Policy(r.Resource))
		if err != nil {
			return fmt.Errorf("encode the policy of %s: %w", r.Resource, err)
		}
		if err := e.journal.SetResource(ctx, r.Resource, body, author); err != nil {
			return fmt.Errorf("store the policy of %s: %w", r.Resource, err)
		}
		e.told[r.Resource] = galen.HashJSON(json.RawMessage(body))
	}
	return nil
}

// overruled says on which resources this engine may not act, for one that started later has told another policy for them; nil: on none.
func (e *Engine) overruled(ctx context.Context) error {
	if !e.shared() {
		return nil
	}
	stored, err := e.journal.Resources(ctx)
	if err != nil {
		return fmt.Errorf("it cannot read its journal: %w", err)
	}
	var on []string
	for _, w := range stored {
		if told, mine := e.told[w.Resource]; mine && told != galen.HashJSON(w.Policy) {
			on = append(on, w.Resource.String())
		}
	}
	if len(on) == 0 {
		return nil
	}
	more := ""
	if len(on) > 1 {
		more = fmt.Sprintf(" and %d more", len(on)-1)
	}
	return fmt.Errorf("it does not act on %s%s: an engine that started later has another policy there: start this one again with the same configuration", on[0], more)
}
