package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen/internal/certtest"
)

// TestFilesAreAll: no field of the configuration that names a file is left out.
func TestFilesAreAll(t *testing.T) {
	var c Config
	var fields []string
	var walk func(v reflect.Value, key string)
	walk = func(v reflect.Value, key string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case !f.IsExported():
			case f.Type.Kind() == reflect.Struct:
				walk(v.Field(i), key+name+".")
			case strings.HasSuffix(name, "_file"):
				fields = append(fields, key+name)
				v.Field(i).SetString(key + name)
			}
		}
	}
	walk(reflect.ValueOf(&c).Elem(), "")
	got := map[string]bool{}
	for _, f := range c.Files() {
		got[f.Key] = true
		if f.Path != f.Key {
			t.Errorf("%s has the path of %s", f.Key, f.Path)
		}
	}
	for _, field := range fields {
		if !got[field] {
			t.Errorf("%s is not in the list of files", field)
		}
	}
	if len(got) != len(fields) || len(fields) == 0 {
		t.Errorf("%d files, and %d fields that name one: %q", len(got), len(fields), fields)
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := certtest.SelfSigned(t, time.Now(), time.Now().Add(time.Hour), "127.0.0.1")
	_, other := certtest.SelfSigned(t, time.Now(), time.Now().Add(time.Hour), "127.0.0.1")
	in := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, none, empty := in("secret", "s3cret\n", 0o600), filepath.Join(dir, "none"), in("empty", " \n", 0o600)
	url, open := in("url", "https://watcher.example/ping/x\n", 0o600), in("open", "host=db password=s3cret\n", 0o644)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		of   Config
		want []string
	}{
		"none named": {Config{}, nil},
		"all well": {Config{TLS: TLS{cert, key, cert}, OIDC: OIDC{CAFile: cert}, Alertmanager: Alertmanager{TokenFile: secret}, DeadMan: DeadMan{URLFile: url},
			Journal: Journal{URLFile: secret}, Temporal: Temporal{CAFile: cert, CertFile: cert, KeyFile: key, APIKeyFile: secret}}, nil},
		"none there": {Config{TLS: TLS{none, none, none}, OIDC: OIDC{CAFile: none}, Alertmanager: Alertmanager{TokenFile: none}, DeadMan: DeadMan{URLFile: none},
			Journal: Journal{URLFile: none}, Temporal: Temporal{CAFile: none, CertFile: none, KeyFile: none, APIKeyFile: none}},
			[]string{"tls.cert_file", "tls.key_file", "tls.client_ca_file", "oidc.ca_file", "alertmanager.token_file", "dead_man.url_file", "journal.url_file", "temporal.ca_file", "temporal.cert_file", "temporal.key_file", "temporal.api_key_file"}},
		"a folder":               {Config{Alertmanager: Alertmanager{TokenFile: dir}}, []string{"alertmanager.token_file: " + dir + " is no file of at most 1048576 bytes; put the token for Alertmanager into"}},
		"a pipe":                 {Config{DeadMan: DeadMan{URLFile: pipe}}, []string{"dead_man.url_file: " + pipe + " is no file"}},
		"an empty one":           {Config{Temporal: Temporal{APIKeyFile: empty}}, []string{"temporal.api_key_file: " + empty + " is empty; put the key for Temporal into"}},
		"the key of another":     {Config{TLS: TLS{CertFile: cert, KeyFile: other}}, []string{"tls.cert_file: tls: private key does not match"}},
		"a key without its half": {Config{TLS: TLS{CertFile: cert, KeyFile: none}}, []string{"tls.key_file: open " + none}},
		"half a pair":            {Config{Temporal: Temporal{CertFile: cert}}, []string{"temporal.cert_file: "}},
		"no certificate":         {Config{OIDC: OIDC{CAFile: secret}}, []string{"oidc.ca_file: there is no certificate in " + secret}},
		"no URL":                 {Config{DeadMan: DeadMan{URLFile: secret}}, []string{"dead_man.url_file: " + secret + " holds no URL"}},
		"everybody's password":   {Config{Journal: Journal{URLFile: open}}, []string{"journal.url_file: " + open + " has mode 0644"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.of.CheckFiles()
			for i, err := range got {
				if i >= len(c.want) || !strings.HasPrefix(err.Error(), c.want[i]) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("fault %d: %v", i, err)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%d faults, want %d: %v", len(got), len(c.want), got)
			}
		})
	}
}
