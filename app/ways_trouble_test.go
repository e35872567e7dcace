package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen/api"
)

// TestStopEndsTheWays: after Stop the port is free, and nothing of the ways is left running.
func TestStopEndsTheWays(t *testing.T) {
	e := engineWithoutTemporal(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.ways(l, doorOf(t, e))
	hung, err := net.Dial("tcp", l.Addr().String()) // a caller that never says anything
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := hung.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(hung); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
	again, err := net.Listen("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestADoorThatCannotBeOpened: what the API reads of files is examined by itself, before anything looks or acts.
func TestADoorThatCannotBeOpened(t *testing.T) {
	e := engineWithoutTemporal(t)
	file := filepath.Join(e.o.Config.Data, TokenFile)
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.door(); err == nil || !strings.Contains(err.Error(), "is shorter than") {
		t.Errorf("a token that is none: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	e.o.Config.TLS.CertFile, e.o.Config.TLS.KeyFile = file, file
	if _, err := e.door(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a certificate that is none: %v", err)
	}
}

// TestTroubleOfTheJournal: alerts that cannot be stored are not answered with success.
func TestTroubleOfTheJournal(t *testing.T) {
	e := engineWithoutTemporal(t)
	c := served(t, e)
	if err := e.journal.Close(); err != nil {
		t.Fatal(err)
	}
	e.stops[0] = func() error { return nil }
	if status, _ := post(t, c, alertBody("a", "db-1", "firing")); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	health, err := c.GetHealthWithResponse(t.Context())
	want(t, "health", err, health.HTTPResponse, health.Body, 503, `"ok":false`)
	hold, err := c.SetHoldWithResponse(t.Context(), api.HoldRequest{Why: "x", Until: time.Now().Add(time.Hour)})
	want(t, "a hold", err, hold.HTTPResponse, hold.Body, 503, "the journal is closed")
	if after := hold.HTTPResponse.Header.Get("Retry-After"); after == "" {
		t.Error("nobody is told when to ask again")
	}
}

// TestTroubleOfTemporal: health tells it, and does not ask at each call.
func TestTroubleOfTemporal(t *testing.T) {
	e := engineWithoutTemporal(t)
	asked := 0
	e.reach = newPulse(func(context.Context) error { asked++; return errors.New("nobody listens there") })
	c := served(t, e)
	for range 3 {
		health, err := c.GetHealthWithResponse(t.Context())
		want(t, "health", err, health.HTTPResponse, health.Body, 503, "runs do not go on")
		if strings.Contains(string(health.Body), "nobody listens there") {
			t.Errorf("tells everybody why: %s", health.Body)
		}
	}
	if asked != 1 {
		t.Errorf("asked Temporal %d times within seconds, want once", asked)
	}
}
