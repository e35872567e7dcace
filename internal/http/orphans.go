package http

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// orphans counts what stands on resources that no engine looks after any more, of what the token may view; nil: nothing.
func (s *server) orphans(ctx context.Context, open []galen.Run, holds []galen.Hold) (*[]api.Orphan, error) {
	if s.o.Orphaned == nil {
		return nil, nil
	}
	is, err := s.o.Orphaned(ctx)
	if err != nil {
		return nil, err
	}
	schedules, err := s.o.Schedules.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	on := map[galen.Resource]api.Orphan{}
	count := func(r galen.Resource, runs, schedules, holds int) {
		if r == (galen.Resource{}) || !is(r) || !seesOf(ctx).resource(r) {
			return
		}
		was := on[r]
		on[r] = api.Orphan{Resource: r.String(), OpenRuns: was.OpenRuns + runs, Schedules: was.Schedules + schedules, Holds: was.Holds + holds}
	}
	for _, run := range open {
		count(run.Resource, 1, 0, 0)
	}
	for _, one := range schedules {
		count(one.Resource, 0, 1, 0)
	}
	for _, h := range holds {
		count(h.Resource, 0, 0, 1)
	}
	if len(on) == 0 {
		return nil, nil
	}
	out := slices.SortedFunc(maps.Values(on), func(a, b api.Orphan) int { return cmp.Compare(a.Resource, b.Resource) })
	return &out, nil
}
