// Package config reads the engine's configuration: one YAML file, read strictly. Unknown, duplicate, other-case, null,
// empty and missing required fields are errors that name their place.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/galenhq/galen"
)

// maxSize of a configuration file, in bytes.
const maxSize = 4 << 20

// DefaultListen is loopback only; another address is a decision.
const DefaultListen = "127.0.0.1:7170"

// defaultNamespace is that of [Temporal].
const defaultNamespace = "galen"

// Config is a whole, valid configuration.
type Config struct {
	// Path it was read from, "" if it was not a file.
	Path string `json:"-"`
	// Data is the directory of the journal and the embedded Temporal, absolute.
	Data   string `json:"data"`
	Listen string `json:"listen,omitempty"`
	// PlainHTTP lets the API be reached from other machines without TLS.
	PlainHTTP bool   `json:"plain_http,omitempty"`
	TLS       TLS    `json:"tls,omitzero"`
	Limits    Limits `json:"limits,omitzero"`
	// OIDC is by whom people log in, beside named tokens.
	OIDC OIDC `json:"oidc,omitzero"`
	// Temporal is an external server; without an address the embedded one is used.
	Temporal Temporal `json:"temporal,omitzero"`
	// Journal says where the journal is; by default in a file of the data directory.
	Journal   Journal     `json:"journal,omitzero"`
	Resources []Resource  `json:"resources"`
	Alerts    []AlertRule `json:"alerts,omitempty"`
	// Inbox bounds what is taken in.
	Inbox Inbox `json:"inbox,omitzero"`
	// Alertmanager is told to be silent about what a run works on.
	Alertmanager Alertmanager `json:"alertmanager,omitzero"`
	// DeadMan is told that the engine works, for as long as it does.
	DeadMan DeadMan `json:"dead_man,omitzero"`
	// PolicyTexts are the policies as written, each over the safe defaults; "default" is that of a resource that names
	// none.
	PolicyTexts map[string]json.RawMessage `json:"policies,omitempty"`
	// PolicyFor gives policies to resources by pattern; the first that matches counts, a resource's own goes before all.
	PolicyFor []Pattern `json:"policy_for,omitempty"`
	// DependsOn are the resources that the engine itself cannot do without: where its Temporal or its journal lives.
	DependsOn []galen.Resource `json:"depends_on,omitempty"`

	policies map[string]galen.Policy
	of       map[galen.Resource]galen.Policy
}

// Journal says where the journal is.
type Journal struct {
	// URLFile holds the connection string of a PostgreSQL database, such as host=db.example dbname=galen user=galen password=….
	// A file of its own, because it may hold a password; absolute after [Load].
	URLFile string `json:"url_file,omitempty"`
}

// Temporal says how to reach an external Temporal server.
type Temporal struct {
	Address   string `json:"address,omitempty"`   // host:port
	Namespace string `json:"namespace,omitempty"` // absent: "galen"; of the embedded server, too
	// The files are absolute after [Load].
	CAFile   string `json:"ca_file,omitempty"`
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	// APIKeyFile holds the key. It is read at each call, so that the key can be changed.
	APIKeyFile string `json:"api_key_file,omitempty"`
}

func (t Temporal) check() error {
	if t.Address == "" {
		return t.checkEmbedded()
	}
	var errs []error
	if err := endpoint(t.Address, false); err != nil {
		errs = append(errs, fmt.Errorf("temporal.address: %w, such as 127.0.0.1:7233", err))
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		errs = append(errs, errors.New("temporal: want cert_file and key_file, or neither"))
	}
	return errors.Join(errs...)
}

// checkEmbedded refuses what only another server has a use for: whoever wrote it did not mean the embedded one.
func (t Temporal) checkEmbedded() error {
	var errs []error
	for _, f := range []struct{ name, file string }{{"ca_file", t.CAFile}, {"cert_file", t.CertFile}, {"key_file", t.KeyFile}, {"api_key_file", t.APIKeyFile}} {
		if f.file != "" {
			errs = append(errs, fmt.Errorf("temporal.%s: the embedded Temporal has no use for it: name a server as temporal.address, or leave the field out", f.name))
		}
	}
	return errors.Join(errs...)
}

// Resource is one thing to look after.
type Resource struct {
	Resource galen.Resource `json:"resource"`
	Policy   string         `json:"policy,omitempty"`
	// DependsOn are the resources that this one cannot do without.
	DependsOn []galen.Resource `json:"depends_on,omitempty"`
	// Labels by which alerts name it, all must match; Matchers, too, such as env=~"prod|live".
	Labels   map[string]string `json:"labels,omitempty"`
	Matchers []Matcher         `json:"matchers,omitempty"`
	// Setup is read strictly by the kind.
	Setup json.RawMessage `json:"setup"`
}

// Load reads a file. Relative paths in it are relative to its folder. With an error comes what of it could be read, if any,
// so that the rest can be checked too.
func Load(path string) (*Config, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; name one with --config", err)
	}
	if st.Size() > maxSize {
		return nil, fmt.Errorf("configuration %s: %d bytes, more than %d", path, st.Size(), maxSize)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c, err := Parse(b)
	if c != nil {
		c.Path = path
		err = errors.Join(err, c.absolute(filepath.Dir(path)))
	}
	if err != nil {
		err = fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, err
}

// absolute makes every relative path of the file one below its folder.
func (c *Config) absolute(folder string) error {
	paths := []*string{&c.Data}
	for _, f := range c.Files() {
		paths = append(paths, f.at)
	}
	for _, p := range paths {
		if *p == "" || filepath.IsAbs(*p) {
			continue
		}
		var err error
		if *p, err = filepath.Abs(filepath.Join(folder, *p)); err != nil {
			return fmt.Errorf("where is %s: %w", *p, err)
		}
	}
	return nil
}

// Parse reads a configuration from YAML and tells every fault of its contents at once. With an error comes what could be
// read, nil if nothing.
func Parse(b []byte) (*Config, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	asJSON, err := toJSON(b)
	if err != nil {
		return nil, err
	}
	c, err := galen.Decode[Config](asJSON)
	blank := blanks[Config](asJSON)
	if err != nil {
		some := tolerant(asJSON)
		if some == nil {
			return nil, err
		}
		some.defaults()
		return some, errors.Join(err, blank, some.check())
	}
	c.defaults()
	return &c, errors.Join(blank, c.empty(), c.check())
}

// tolerant is what can be read of a configuration with faults, nil if what is wrong hides the rest.
func tolerant(asJSON []byte) *Config {
	var some Config
	var wrongType *json.UnmarshalTypeError // the others are filled in all the same
	if err := json.Unmarshal(asJSON, &some); err != nil && !errors.As(err, &wrongType) {
		return nil
	}
	return &some
}

func (c *Config) defaults() {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	for limit, usual := range map[**float64]float64{&c.Limits.PerToken: DefaultPerToken, &c.Limits.PerAddress: DefaultPerAddress} {
		if *limit == nil {
			*limit = &usual
		}
	}
	c.OIDC.defaults()
	if c.Temporal.Namespace == "" {
		c.Temporal.Namespace = defaultNamespace
	}
}

// toJSON turns one YAML document into JSON. The YAML library refuses duplicate keys.
func toJSON(b []byte) ([]byte, error) {
	var tree any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	if tree == nil {
		return nil, errors.New("it is empty; see docs/configuration.md for an example")
	}
	out, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("it holds what JSON cannot (keys must be text): %w", err)
	}
	return out, nil
}

// empty tells what is there and holds nothing.
func (c *Config) empty() error {
	var errs []error
	if c.Data == "" {
		errs = append(errs, errors.New("data: empty; name the directory for journal and Temporal"))
	}
	if len(c.Resources) == 0 {
		errs = append(errs, errors.New("resources: empty; there is nothing to look after"))
	}
	for i, r := range c.Alerts {
		if strings.TrimSpace(r.MemberLabel) == "" {
			errs = append(errs, fmt.Errorf("alerts[%d].member_label: empty; name the label that names the member, such as instance", i))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) check() error {
	errs := append(c.checkAlerts(), c.checkListen(), c.DeadMan.check(), c.OIDC.check(), c.Temporal.check())
	seen := map[galen.Resource]bool{}
	for i, r := range c.Resources {
		if seen[r.Resource] {
			errs = append(errs, fmt.Errorf("resources[%d]: %s stands twice", i, r.Resource))
		}
		seen[r.Resource] = true
	}
	return errors.Join(append(errs, c.checkPolicies()...)...)
}

// OfKind are the resources of one kind with their setups.
func (c *Config) OfKind(kind string) map[galen.Resource]json.RawMessage {
	out := map[galen.Resource]json.RawMessage{}
	for _, r := range c.Resources {
		if r.Resource.Kind == kind {
			out[r.Resource] = r.Setup
		}
	}
	return out
}

// Difference is one field of a policy that differs from the safe default.
type Difference struct {
	Field string `json:"field"`
	Safe  string `json:"safe"`
	Here  string `json:"here"`
	// Weak names the invariant that promises more than this; empty: none does.
	Weak string `json:"weaker_than,omitempty"`
}

// Differences lists where a policy leaves the safe defaults, by field.
func Differences(p galen.Policy) ([]Difference, error) {
	safe, err := fieldTexts(galen.SafePolicy())
	if err != nil {
		return nil, err
	}
	here, err := fieldTexts(p)
	if err != nil {
		return nil, err
	}
	var out []Difference
	weak := p.Weak()
	for field, text := range here {
		if safe[field] != text {
			out = append(out, Difference{Field: field, Safe: safe[field], Here: text, Weak: weak[field]})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return strings.Compare(a.Field, b.Field) })
	return out, nil
}

func fieldTexts(p galen.Policy) (map[string]string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode policy: %w", err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("read policy back: %w", err)
	}
	out := make(map[string]string, len(raw))
	for k, v := range raw {
		out[k] = strings.Trim(string(v), `"`)
	}
	return out, nil
}
