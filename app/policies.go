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

// policies tells the journal which resources are looked after under which policy. A change of a policy is an event with its difference.
func (e *Engine) policies(ctx context.Context) error {
	mine := journal.Configuration{}
	for _, r := range e.o.Config.Resources {
		body, err := json.Marshal(e.o.Config.Policy(r.Resource))
		if err != nil {
			return fmt.Errorf("encode the policy of %s: %w", r.Resource, err)
		}
		if err := e.journal.SetResource(ctx, r.Resource, body, e.author()); err != nil {
			return fmt.Errorf("store the policy of %s: %w", r.Resource, err)
		}
		mine[r.Resource.String()] = galen.HashJSON(json.RawMessage(body))
	}
	if o := e.o.Config.OIDC; o.On() { // whose yes is a person's hangs on it
		mine["oidc"] = galen.HashJSON([]any{o.Issuer, o.ClientID, o.Groups})
	}
	e.told, e.toldHash = mine, mine.Hash()
	return nil
}

func (e *Engine) author() string { return starter() + ", configuration " + e.o.Config.Path }

// configure makes this engine's configuration the one that counts.
func (e *Engine) configure(ctx context.Context) error {
	return e.journal.Configure(ctx, e.told, e.author())
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
	if err := e.aside.err(); err != nil {
		return err.Error()
	}
	if counts == "" || counts == e.toldHash || !e.shared() {
		return ""
	}
	return "another engine, which started later, has another configuration: start this one again with the same"
}

// overruled says that another configuration counts than that of this engine; nil: its own does.
func (e *Engine) overruled(ctx context.Context) error {
	if err := e.aside.err(); err != nil {
		return err
	}
	why, err := e.differs(ctx)
	if err != nil {
		return fmt.Errorf("it cannot read its journal: %w", err)
	}
	if why != "" {
		return errors.New(why)
	}
	return nil
}

// differs says where the configuration that counts is another one than this engine's, "" if it is not.
func (e *Engine) differs(ctx context.Context) (string, error) {
	if !e.shared() {
		return "", nil
	}
	counts, err := e.journal.Counts(ctx)
	if err != nil || e.outdated(counts) == "" {
		return "", err
	}
	newest, err := e.journal.Configuration(ctx)
	return "it stands aside: another engine, which started later, has another configuration (" + apart(e.told, newest) + "): start this one again with the same", err
}

// apart says in which resources a newer configuration differs from an older one.
func apart(old, newer journal.Configuration) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(newer)) {
		switch was, has := old[name]; {
		case !has:
			out = append(out, name+" besides")
		case was != newer[name]:
			out = append(out, "another "+wordFor(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, has := newer[name]; !has {
			out = append(out, "not "+name)
		}
	}
	const most = 3 // are told
	if more := len(out) - most; more > 0 {
		out = append(out[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

// wordFor is what of a configuration goes by a name: the policy of a resource, or a part of the engine's own.
func wordFor(name string) string {
	if strings.Contains(name, "/") {
		return "policy for " + name
	}
	return name
}
