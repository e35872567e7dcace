package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/temporal"
)

// dialOptions are those of an engine of the journal of that identity.
func (s Server) dialOptions(journal string, logger *slog.Logger) temporal.Options {
	o := temporal.Options{Address: s.Address, Namespace: s.Namespace, Headers: s.Headers, APIKey: s.APIKey, Journal: journal, Logger: logger}
	if s.TLS != nil {
		o.TLS = &temporal.TLS{CAFile: s.TLS.CAFile, CertFile: s.TLS.CertFile, KeyFile: s.TLS.KeyFile}
	}
	return o
}

// External is the Temporal server that the configuration names. The key file is read at each call, so that a key can be
// rotated.
func External(c config.Temporal) Temporal {
	return func(context.Context, string, *slog.Logger) (Server, error) {
		s := Server{Address: c.Address, Namespace: c.Namespace}
		if c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" {
			s.TLS = &TLS{CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile}
		}
		if c.APIKeyFile != "" {
			if _, err := os.Stat(c.APIKeyFile); err != nil {
				return Server{}, fmt.Errorf("temporal.api_key_file: %w", err)
			}
			s.APIKey = func(context.Context) (string, error) {
				b, err := os.ReadFile(c.APIKeyFile)
				if err != nil {
					return "", fmt.Errorf("read the key of Temporal: %w", err)
				}
				return strings.TrimSpace(string(b)), nil
			}
		}
		return s, nil
	}
}
