package journal

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// planDoc is a decision as it is stored, with what people were shown of the same plan before: whoever says yes to that is told what moved.
type planDoc struct {
	galen.Decision
	Earlier []earlierShown `json:"earlier,omitempty"`
}

type earlierShown struct {
	Shown   string        `json:"shown"` // hash of [galen.Decision.Shown]
	Grounds galen.Grounds `json:"grounds"`
}

// earlierKept is how many ways in which the targets of a plan were shown are kept, the newest of them.
const earlierKept = 16

// earlier is what was shown of a plan before this decision, newest last, each once.
func (t *tx) earlier(ctx context.Context, d galen.Decision) ([]earlierShown, error) {
	if d.Count <= 1 {
		return nil, nil
	}
	was, found, err := doc[planDoc](ctx, t, "SELECT doc FROM plans WHERE run = ? AND number = ?", d.Run, d.Number)
	if err != nil || !found {
		return nil, err
	}
	is, before := galen.HashJSON(d.Shown), galen.HashJSON(was.Shown)
	if is == before {
		return was.Earlier, nil
	}
	out := slices.DeleteFunc(slices.Clone(was.Earlier), func(e earlierShown) bool { return e.Shown == is || e.Shown == before })
	out = append(out, earlierShown{before, was.Grounds})
	return out[max(0, len(out)-earlierKept):], nil
}

// Shown is a plan of a run with the grounds of its targets as they were shown when the hash of that began so; "" is as they were shown last.
// [galen.ErrNotFound]: there is no such plan, or nobody knows any more what was shown.
func (s *Store) Shown(ctx context.Context, runID string, number int, shown string) (galen.Decision, error) {
	var out galen.Decision
	err := s.read(ctx, "read a plan as it was shown", func(ctx context.Context, q querier) error {
		d, found, err := doc[planDoc](ctx, q, "SELECT doc FROM plans WHERE run = ? AND number = ?", runID, number)
		if err != nil {
			return err
		}
		out = d.Decision
		if found && strings.HasPrefix(galen.HashJSON(d.Shown), shown) {
			return nil
		}
		i := slices.IndexFunc(d.Earlier, func(e earlierShown) bool { return strings.HasPrefix(e.Shown, shown) })
		if i < 0 {
			return fmt.Errorf("plan %d of run %q as %q: %w", number, runID, shown, galen.ErrNotFound)
		}
		out.Shown, out.Grounds = nil, d.Earlier[i].Grounds
		return nil
	})
	return out, err
}
