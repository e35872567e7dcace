package main

import (
	"context"
	"fmt"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// wholeResource is a resource with all its members, which come in pages where there are many.
func wholeResource(ctx context.Context, client *api.ClientWithResponses, r galen.Resource) (*api.GetResourceResponse, error) {
	out, err := client.GetResourceWithResponse(ctx, r.Kind, r.Name)
	if err != nil || out.JSON200 == nil || !valueOf(out.JSON200.MoreMembers) {
		return out, err
	}
	res, err := paged(0, nil, func(limit int, cursor *string) (*api.ListMembersResponse, error) {
		return client.ListMembersWithResponse(ctx, r.Kind, r.Name, &api.ListMembersParams{Limit: &limit, Cursor: cursor})
	}, func(res *api.ListMembersResponse) (*[]galen.Member, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Members, &res.JSON200.Next, true
	})
	if err == nil && res.JSON200 == nil {
		err = notWhole(res)
	}
	if err != nil {
		return out, err
	}
	out.JSON200.Members, out.JSON200.MoreMembers = res.JSON200.Members, nil
	return out, nil
}

// notWhole is why the rest of what comes in pages is not shown: a part would pass for all.
func notWhole(r reply) error {
	return fmt.Errorf("read the rest of it: the engine said %s", r.Status())
}

// wholeStatus is the status with all resources.
func wholeStatus(ctx context.Context, client *api.ClientWithResponses) (*api.GetStatusResponse, error) {
	out, err := client.GetStatusWithResponse(ctx)
	if err != nil || out.JSON200 == nil || !valueOf(out.JSON200.MoreResources) {
		return out, err
	}
	res, err := allResources(ctx, client)
	if err == nil && res.JSON200 == nil {
		err = notWhole(res)
	}
	if err != nil {
		return out, err
	}
	out.JSON200.Resources, out.JSON200.MoreResources = res.JSON200.Resources, nil
	return out, nil
}
