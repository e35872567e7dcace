package journal_test

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// testEventSpan: the bounds of a filter are exact, from both ends, and a time beyond all time is no other one.
func testEventSpan(t *testing.T, w world) {
	for range 5 {
		must(t, w.Append(t.Context(), galen.Event{Kind: galen.EventEngine}))
	}
	all, err := w.Events(t.Context(), journal.EventFilter{Kind: galen.EventEngine})
	must(t, err)
	equal(t, "events", len(all), 5)
	for name, c := range map[string]struct {
		f    journal.EventFilter
		want []galen.Event
	}{
		"before":            {journal.EventFilter{Before: all[2].Seq}, all[:2]},
		"newest before":     {journal.EventFilter{Before: all[2].Seq, Newest: true, Limit: 1}, all[1:2]},
		"after and before":  {journal.EventFilter{After: all[0].Seq, Before: all[3].Seq}, all[1:3]},
		"from":              {journal.EventFilter{From: all[3].At}, all[3:]},
		"to":                {journal.EventFilter{To: all[3].At}, all[:3]},
		"until the year 1":  {journal.EventFilter{To: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)}, nil},
		"since the year 1":  {journal.EventFilter{From: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)}, all},
		"to the year 9000":  {journal.EventFilter{To: time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)}, all},
		"from the far year": {journal.EventFilter{From: time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)}, nil},
	} {
		c.f.Kind = galen.EventEngine
		got, err := w.Events(t.Context(), c.f)
		must(t, err)
		equal(t, name, len(got), len(c.want))
		for i := range min(len(got), len(c.want)) {
			equal(t, name, got[i].Seq, c.want[i].Seq)
		}
	}
}
