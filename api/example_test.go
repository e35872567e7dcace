package api_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/galenhq/galen/api"
)

// A pipeline asks for a restart and waits for its end. The key makes it safe to ask again after a lost answer.
func ExampleNewClientWithResponses() {
	ctx := context.Background()
	token, err := os.ReadFile("/var/lib/galen/token")
	if err != nil {
		log.Fatal(err)
	}
	client, err := api.NewClientWithResponses("http://127.0.0.1:7170", api.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	key, params := "change-4711", map[string]any{"node": "n2"}
	asked, err := client.CreateRunWithResponse(ctx, &api.CreateRunParams{IdempotencyKey: &key},
		api.RunRequest{Runbook: "cassandra/restart-node", Resource: "cassandra/orders", Params: &params})
	if err != nil {
		log.Fatal(err)
	}
	opened := asked.JSON201 // 200: it was open already
	if opened == nil {
		opened = asked.JSON200
	}
	if opened == nil {
		log.Fatal(asked.Status(), ": ", asked.ApplicationproblemJSONDefault.Detail)
	}
	run, wait, after := *opened.Run, "30s", int64(0)
	for run.Status.Open() {
		now, err := client.GetRunWithResponse(ctx, run.ID, &api.GetRunParams{Wait: &wait, After: &after})
		if err != nil {
			log.Fatal(err)
		}
		if now.JSON200 == nil {
			log.Fatal(now.Status(), ": ", now.ApplicationproblemJSONDefault.Detail)
		}
		run, after = now.JSON200.Run, now.JSON200.Seq
		fmt.Println(run.Status, run.Why)
	}
}
