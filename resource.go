package galen

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Resource is what Galen looks after: a kind and a name, written "cassandra/orders-eu".
type Resource struct {
	Kind string
	Name string
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// ParseResource reads "kind/name". Both parts are 1 to 63 characters of a-z, 0-9, '.', '_' and '-', starting with a
// letter or digit.
func ParseResource(s string) (Resource, error) {
	kind, name, found := strings.Cut(s, "/")
	if !found || !nameForm.MatchString(kind) || !nameForm.MatchString(name) {
		return Resource{}, fmt.Errorf("resource %.140q: want kind/name, for example cassandra/orders-eu", s)
	}
	return Resource{Kind: kind, Name: name}, nil
}

// String is the text form kind/name, "" for the zero resource.
func (r Resource) String() string {
	if r == (Resource{}) {
		return ""
	}
	return r.Kind + "/" + r.Name
}

// MarshalText writes kind/name.
func (r Resource) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads kind/name, see [ParseResource].
func (r *Resource) UnmarshalText(b []byte) error {
	got, err := ParseResource(string(b))
	if err != nil {
		return err
	}
	*r = got
	return nil
}

// Schema says its form to programs.
func (Resource) Schema() map[string]any {
	part := strings.Trim(nameForm.String(), "^$")
	return map[string]any{"pattern": "^" + part + "/" + part + "$"}
}

// Target is one thing that a step acts on: an identity (host ID, ARN, "instance/n4" for a node that is not in the
// ring yet) with its start generation, never an address alone.
type Target struct {
	ID string `json:"id"`
	// Generation changes at every start of the target, as its peers tell it; 0 where there is none.
	Generation int64 `json:"generation,omitzero"`
}

// String is the ID, with @generation where there is one.
func (t Target) String() string {
	if t.Generation == 0 {
		return t.ID
	}
	return fmt.Sprintf("%s@%d", t.ID, t.Generation)
}

// Duration is a time.Duration whose JSON form is text such as "1m30s".
type Duration time.Duration

// D is the value as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String is the form of time.Duration.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the form of time.Duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the form of time.ParseDuration; negative durations are refused.
func (d *Duration) UnmarshalText(b []byte) error {
	got, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("duration %q: want a form such as 90s, 10m or 1h30m", b)
	}
	if got < 0 {
		return fmt.Errorf("duration %q: must not be negative", b)
	}
	*d = Duration(got)
	return nil
}

// Schema says its form to programs; that it must not be longer than 292 years no pattern tells.
func (Duration) Schema() map[string]any {
	return map[string]any{"pattern": `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`}
}
