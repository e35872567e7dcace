package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"
)

// File is one that the configuration names.
type File struct {
	// Key of the configuration, such as tls.cert_file.
	Key  string
	Path string

	what string       // belongs there
	sane func() error // what else must be true of it; nil: that it is not empty
	at   *string      // in the configuration
}

// files are all that a configuration can name, in the order in which its page lists them.
func (c *Config) files() []File {
	l, t := &c.TLS, &c.Temporal
	all := []File{
		{Key: "tls.cert_file", at: &l.CertFile, what: "the certificate of the API", sane: func() error { return pair(l.CertFile, l.KeyFile) }},
		{Key: "tls.key_file", at: &l.KeyFile, what: "the key of the API's certificate"},
		{Key: "tls.client_ca_file", at: &l.ClientCAFile, what: "the certificate of the authority of the clients", sane: func() error { return authority(l.ClientCAFile) }},
		{Key: "oidc.ca_file", at: &c.OIDC.CAFile, what: "the certificate of the authority of the provider", sane: func() error { return authority(c.OIDC.CAFile) }},
		{Key: "alertmanager.token_file", at: &c.Alertmanager.TokenFile, what: "the token for Alertmanager"},
		{Key: "dead_man.url_file", at: &c.DeadMan.URLFile, what: "the URL of the watcher", sane: func() error { _, err := c.DeadMan.line(); return err }},
		{Key: "journal.url_file", at: &c.Journal.URLFile, what: "the connection string of the database", sane: func() error { _, err := ConnectionString(c.Journal.URLFile); return err }},
		{Key: "temporal.ca_file", at: &t.CAFile, what: "the certificate of the authority of Temporal", sane: func() error { return authority(t.CAFile) }},
		{Key: "temporal.cert_file", at: &t.CertFile, what: "the engine's certificate for Temporal", sane: func() error { return pair(t.CertFile, t.KeyFile) }},
		{Key: "temporal.key_file", at: &t.KeyFile, what: "the key of the engine's certificate for Temporal"},
		{Key: "temporal.api_key_file", at: &t.APIKeyFile, what: "the key for Temporal"},
	}
	for i := range all {
		all[i].Path = *all[i].at
	}
	return all
}

// Files are those that the configuration names.
func (c *Config) Files() []File {
	return slices.DeleteFunc(c.files(), func(f File) bool { return f.Path == "" })
}

// fileMost is more than any certificate, key or token takes.
const fileMost = 1 << 20

// Fault tells why the engine, as this user, cannot use the file, and nil if it can.
func (f File) Fault() error {
	if st, err := os.Stat(f.Path); err == nil && (!st.Mode().IsRegular() || st.Size() > fileMost) { // a pipe would be waited for
		return fmt.Errorf("%s: %s is no file of at most %d bytes", f.Key, f.Path, fileMost)
	}
	text, err := os.ReadFile(f.Path)
	switch {
	case err != nil:
	case strings.TrimSpace(string(text)) == "":
		err = fmt.Errorf("%s is empty", f.Path)
	case f.sane != nil:
		err = f.sane()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Key, err)
	}
	return nil
}

// Do is what to do about a fault.
func (f File) Do() string {
	return "put " + f.what + " into " + f.Path + ", readable for the user that the engine runs as, or name another file"
}

// CheckFiles tells every file that the engine would miss, with what to do.
func (c *Config) CheckFiles() []error {
	var errs []error
	for _, f := range c.Files() {
		if err := f.Fault(); err != nil {
			errs = append(errs, fmt.Errorf("%w; %s", err, f.Do()))
		}
	}
	return errs
}

// pair tells why a certificate and its key do not belong together. A key that is not there has a line of its own.
func pair(cert, key string) error {
	if _, err := os.Stat(key); err != nil && key != "" {
		return nil
	}
	_, err := tls.LoadX509KeyPair(cert, key)
	return err
}

// authority tells whether a file has certificates.
func authority(file string) error {
	text, err := os.ReadFile(file)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		err = fmt.Errorf("there is no certificate in %s", file)
	}
	return err
}

// ConnectionString reads a file with the connection string of a database. It may hold a password, so that it is refused where everybody
// can read it; a group may, as a file of root's that the engine's group is given.
func ConnectionString(file string) (string, error) {
	st, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if mode := st.Mode().Perm(); mode&0o007 != 0 {
		return "", fmt.Errorf("%s has mode %04o: everybody on this machine may have read the password in it; change the password, and chmod 600 it", file, mode)
	}
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}
