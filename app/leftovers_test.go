package app

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

// TestLeftovers: what was found on a resource that was taken out of the configuration ends at the next start, unless another engine may look at it
// still; its open runs are told.
func TestLeftovers(t *testing.T) {
	e := engineWithoutTemporal(t)
	var log bytes.Buffer
	e.o.Logger, e.self = slog.New(slog.NewTextHandler(&log, nil)), newSelf("this")
	old := galen.Resource{Kind: "fake", Name: "old"}
	found := func(r galen.Resource) galen.Finding {
		return galen.Finding{Resource: r, Code: "instance-down", Targets: []galen.Target{{ID: "db-1"}}, Domain: "a", Since: time.Now().UTC()}
	}
	for _, r := range []galen.Resource{old, demoDB()} {
		if _, _, err := e.journal.SaveFindings(t.Context(), r, []galen.Finding{found(r)}); err != nil {
			t.Fatal(err)
		}
	}
	f := found(old)
	run, _, err := e.journal.OpenRun(t.Context(), galen.Run{Runbook: "fake/heal", Version: 1, Resource: old, Key: "k", Params: []byte("{}"), Asked: "detector x", Finding: &f})
	if err != nil {
		t.Fatal(err)
	}
	left := func(want int) {
		t.Helper()
		if err := e.leftovers(t.Context()); err != nil {
			t.Fatal(err)
		}
		stand, err := e.journal.Findings(t.Context(), galen.Resource{})
		if err != nil || len(stand) != want || stand[0].Resource != demoDB() {
			t.Errorf("%v, %v, want %d", stand, err, want)
		}
	}
	other := newSelf("other")
	if held, err := e.journal.Lease(t.Context(), other, []string{old.String()}, time.Minute); err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	left(2)
	if err := e.journal.Leave(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	left(1)
	if gone, err := e.journal.Events(t.Context(), journal.EventFilter{Kind: galen.EventGone}); err != nil || len(gone) != 1 || gone[0].Resource != old {
		t.Errorf("%v, %v", gone, err)
	}
	for _, says := range []string{"its findings end", "fake/old", run.ID} {
		if !strings.Contains(log.String(), says) {
			t.Errorf("the log does not say %q: %s", says, &log)
		}
	}
}
