package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestStatusShowsTheHolds: which they are, as many as one reads; who may not list them has their number.
func TestStatusShowsTheHolds(t *testing.T) {
	for n, c := range map[int]struct{ shown, beyond int }{0: {}, 1: {1, 0}, holdsShown: {holdsShown, 0}, holdsShown + 2: {holdsShown, 2}} {
		a := cannedAPI()
		status := a.answers["GET /v1/status"].(api.Status)
		var all []api.Held
		for i := range n {
			all = append(all, api.Held{Hold: galen.Hold{ID: fmt.Sprint("hold-", i), Pattern: "cassandra/*", Why: "disks are being swapped", By: "ann", At: noon(), Until: noon().Add(time.Hour)}})
		}
		status.Holds = n
		a.answers["GET /v1/status"], a.answers["GET /v1/holds"] = status, api.HoldList{Holds: all}
		server := a.start(t)
		got := galenCLI(t, server, "status")
		if strings.Count(got.out, "disks are being swapped") != c.shown || contains(got.out, fmt.Sprintf("and %d more: galen holds", c.beyond)) != (c.beyond > 0) {
			t.Errorf("%d holds: %d %s, want %d and %d more", n, got.code, got.out, c.shown, c.beyond)
		}
		a.answers["GET /v1/holds"] = http.StatusForbidden
		if got := galenCLI(t, server, "status"); !contains(got.out, some(n, "hold")) || contains(got.out, "HOLD ") {
			t.Errorf("%d holds that may not be seen: %d %s", n, got.code, got.out)
		}
	}
}
