package http

import (
	"cmp"
	"context"
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
	on := map[galen.Resource]*api.Orphan{}
	of := func(r galen.Resource) *api.Orphan {
		if r == (galen.Resource{}) || !is(r) || !seesOf(ctx).resource(r) {
			return &api.Orphan{} // nobody reads it
		}
		if on[r] == nil {
			on[r] = &api.Orphan{Resource: r.String()}
		}
		return on[r]
	}
	for _, run := range open {
		of(run.Resource).OpenRuns++
	}
	for _, one := range schedules {
		of(one.Resource).Schedules++
	}
	for _, h := range holds {
		of(h.Resource).Holds++
	}
	if len(on) == 0 {
		return nil, nil
	}
	out := make([]api.Orphan, 0, len(on))
	for _, one := range on {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b api.Orphan) int { return cmp.Compare(a.Resource, b.Resource) })
	return &out, nil
}
