package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
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

// policies tells the journal which resources are looked after under which policy: from now on that counts. A change of a policy is an event with
// its difference.
func (e *Engine) policies(ctx context.Context) error {
	author := starter() + ", configuration " + e.o.Config.Path
	mine := journal.Configuration{}
	for _, r := range e.o.Config.Resources {
		body, err := json.Marshal(e.o.Config.Policy(r.Resource))
		if err != nil {
			return fmt.Errorf("encode the policy of %s: %w", r.Resource, err)
		}
		if err := e.journal.SetResource(ctx, r.Resource, body, author); err != nil {
			return fmt.Errorf("store the policy of %s: %w", r.Resource, err)
		}
		mine[r.Resource.String()] = galen.HashJSON(json.RawMessage(body))
	}
	e.told, e.toldHash = mine, mine.Hash()
	return e.journal.Configure(ctx, mine, author)
}

// overruledOn says why this engine does not act on a resource while the configuration with that hash counts, "" if it may.
func (e *Engine) overruledOn(r galen.Resource, counts string) string {
	switch why := e.outdated(counts); {
	case why != "":
		return why
	case counts != "" && !e.lookedAfter(r):
		return fmt.Sprintf("%s is not in the configuration of this engine: put it there, or cancel its runs", r)
	}
	return ""
}

// outdated says why this engine decides nothing while the configuration with that hash counts, "" if it may. A journal in a file has no other engine.
func (e *Engine) outdated(counts string) string {
	if counts == "" || e.told == nil || counts == e.toldHash || !e.shared() {
		return ""
	}
	return "another engine, which started later, has another configuration: start this one again with the same"
}

// overruled says that another configuration counts than that of this engine, and where they differ; nil: its own does.
func (e *Engine) overruled(ctx context.Context) error {
	if !e.shared() {
		return nil
	}
	newest, err := e.journal.Configuration(ctx)
	if err != nil {
		return fmt.Errorf("it cannot read its journal: %w", err)
	}
	if newest == nil || e.outdated(newest.Hash()) == "" {
		return nil
	}
	return errors.New("it stands aside: another engine, which started later, has another configuration (" + apart(e.told, newest) + "): start this one again with the same")
}

// apart says in which resources a newer configuration differs from an older one.
func apart(old, newer journal.Configuration) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(newer)) {
		switch was, has := old[name]; {
		case !has:
			out = append(out, name+" besides")
		case was != newer[name]:
			out = append(out, "another policy for "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, has := newer[name]; !has {
			out = append(out, "not "+name)
		}
	}
	const most = 3
	if more := len(out) - most; more > 0 {
		out = append(out[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}
