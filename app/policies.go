package app

import (
	"context"
	"encoding/json"
	"errors"
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

// overruledOn says why this engine does not act on a resource whose newest policy has that hash, "" if it may.
func (e *Engine) overruledOn(r galen.Resource, newest string) string {
	switch told, mine := e.told[r]; {
	case newest == "" || newest == told:
		return ""
	case !mine:
		return fmt.Sprintf("%s is not in the configuration of this engine: put it there, or cancel its runs", r)
	default:
		return fmt.Sprintf("another engine, which started later, has another policy for %s: start this one again with the same configuration", r)
	}
}

// overruled says on which of its resources this engine does not act; nil: on none.
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
		if why := e.overruledOn(w.Resource, galen.HashJSON(w.Policy)); why != "" && e.lookedAfter(w.Resource) {
			on = append(on, why)
		}
	}
	switch len(on) {
	case 0:
		return nil
	case 1:
		return errors.New("it does not act: " + on[0])
	}
	return fmt.Errorf("it does not act: %s; and so %d more resources", on[0], len(on)-1)
}
