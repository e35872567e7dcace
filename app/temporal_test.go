package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galenhq/galen/internal/config"
)

func TestExternalIsWhatTheConfigurationNames(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("first\n")
	c := config.Temporal{Address: "127.0.0.1:7233", Namespace: "night", CAFile: "ca", CertFile: "cert", KeyFile: "pem", APIKeyFile: key}
	s, err := External(c)(t.Context(), "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o := s.dialOptions("e1", slog.New(slog.DiscardHandler))
	if o.Address != c.Address || o.Namespace != c.Namespace || o.TLS == nil || o.TLS.CAFile != "ca" || o.TLS.CertFile != "cert" || o.TLS.KeyFile != "pem" || s.Stop != nil {
		t.Errorf("dials %+v with TLS %+v", o, o.TLS)
	}
	for _, want := range []string{"first", "second"} { // read at each call, so that a key can be rotated
		put(want + "\n")
		if got, err := o.APIKey(t.Context()); err != nil || got != want {
			t.Errorf("key %q (%v), want %q", got, err, want)
		}
	}
	c.APIKeyFile = key + "-missing"
	if _, err := External(c)(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "temporal.api_key_file") {
		t.Errorf("a key file that is not there: %v", err)
	}
}
