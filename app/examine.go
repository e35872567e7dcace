package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/temporal"
)

// ExamineTemporal looks at the external server that a configuration names, as an engine of the journal of that identity would use it. It
// changes nothing there.
func ExamineTemporal(ctx context.Context, c *config.Config, can Catalogue, journal string) (temporal.Examined, error) {
	quiet := slog.New(slog.DiscardHandler)
	server, err := External(c.Temporal)(ctx, c.Data, quiet)
	if err != nil {
		return temporal.Examined{}, err
	}
	var needs []string
	if journal != "" { // else no engine has ever polled
		for _, rb := range can.Runbooks {
			needs = append(needs, activities.Needs(rb.Name, rb.Version))
		}
	}
	slices.Sort(needs)
	return temporal.Examine(ctx, server.dialOptions(journal, quiet), needs)
}

// ExamineResource looks at a resource once, as the watch does, and changes nothing.
func ExamineResource(ctx context.Context, c *config.Config, can Catalogue, r galen.Resource) (galen.State, error) {
	i := slices.IndexFunc(can.Kinds, func(k Kind) bool { return k.Name == r.Kind })
	if i < 0 {
		return nil, fmt.Errorf("look at %s: this galen does not know the kind %q", r, r.Kind)
	}
	kind, err := can.Kinds[i].Open(map[galen.Resource]json.RawMessage{r: c.OfKind(r.Kind)[r]}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", r, err)
	}
	defer kind.Close()
	return kind.Look(ctx, r, nil, nil)
}
