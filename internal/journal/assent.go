package journal

import (
	"context"
	"slices"

	"github.com/galenhq/galen"
)

// join notes whose token says yes, and who said yes before: by the newest approval, if the world has not ended that.
func (t *tx) join(ctx context.Context, a *galen.Approval) (err error) {
	if a.Lineage, err = lineageOf(ctx, t, a.By); err != nil {
		return err
	}
	a.With = nil
	rows, err := approvalsOf(ctx, t, "run = ?", a.Run)
	if err == nil && len(rows) > 0 && rows[0].state == "" {
		a.With = rows[0].Joined(*a, t.now)
	}
	return err
}

// lineageOf is who made the token of that name, and the tokens of its makers. A name can be given again, so that the makers may come
// round in a circle.
func lineageOf(ctx context.Context, q querier, name string) (galen.Lineage, error) {
	var out galen.Lineage
	for next := name; ; {
		t, found, err := doc[galen.Token](ctx, q, "SELECT doc FROM tokens WHERE name = ?", next)
		if err != nil || !found {
			return out, err
		}
		if next == name {
			out.Since = t.At
		}
		if t.By == name || slices.Contains(out.Makers, t.By) {
			return out, nil
		}
		out.Makers = append(out.Makers, t.By)
		next = t.By
	}
}
