package gym

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/galenhq/galen"
)

// Kept is an incident that once broke an invariant, as a permanent test plays it: the value itself, for its seed stands for it
// only as long as nothing else is drawn.
type Kept struct {
	// Was is what was wrong.
	Was string `json:"was"`
	// Shows are regular expressions that its story must match, or it is no longer about that.
	Shows []string `json:"shows,omitempty"`
	// Without names the guard, or another rule that the tests can leave out, without which Breaks is broken.
	Without string `json:"without,omitempty"`
	Breaks  string `json:"breaks,omitempty"`
	// Incident, of which only what is not zero is written, and of its policy what is not [galen.SafePolicy].
	Incident Incident `json:"incident"`
}

// Keep writes a failure to a file of its own in a directory, and gives its name. The tests of this package play what is in
// testdata/kept.
func (p Played) Keep(dir string) (string, error) {
	told := make([]string, 0, len(p.Violations))
	for _, v := range p.Violations {
		told = append(told, v.String())
	}
	body, err := Kept{Was: strings.Join(told, "; "), Incident: p.Incident}.encode()
	if err != nil {
		return "", fmt.Errorf("keep seed %d: %w", p.Incident.Seed, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep seed %d: %w", p.Incident.Seed, err)
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%d.json", p.Incident.Sort, p.Incident.Seed))
	if err := os.WriteFile(name, body, 0o644); err != nil {
		return "", fmt.Errorf("keep seed %d: %w", p.Incident.Seed, err)
	}
	return name, nil
}

func (k Kept) encode() ([]byte, error) {
	policy, err := sparse(k.Incident.Policy, galen.SafePolicy())
	if err != nil {
		return nil, err
	}
	in, err := sparse(k.Incident, Incident{})
	if err != nil {
		return nil, err
	}
	in["Policy"] = policy
	all, err := sparse(k, Kept{})
	if err != nil {
		return nil, err
	}
	all["incident"] = in
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(all); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// sparse are the fields of a value that differ from another one's.
func sparse(v, from any) (map[string]any, error) {
	has, err := fields(v)
	if err != nil {
		return nil, err
	}
	usual, err := fields(from)
	if err != nil {
		return nil, err
	}
	for name, value := range has {
		if reflect.DeepEqual(value, usual[name]) {
			delete(has, name)
			continue
		}
		has[name] = pruned(value)
	}
	return has, nil
}

func fields(v any) (map[string]any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	return out, json.Unmarshal(b, &out)
}

// pruned is a value without what is zero in it.
func pruned(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
	case map[string]any:
		for name, value := range v {
			if value == nil || value == "" || value == false || value == 0.0 {
				delete(v, name)
				continue
			}
			v[name] = pruned(value)
		}
	}
	return v
}

// ReadKept reads such a file.
func ReadKept(name string) (Kept, error) {
	body, err := os.ReadFile(name)
	if err != nil {
		return Kept{}, fmt.Errorf("kept incident: %w", err)
	}
	k := Kept{Incident: Incident{Policy: galen.SafePolicy()}}
	if err := galen.DecodeOver(body, &k); err != nil {
		return Kept{}, fmt.Errorf("kept incident %s: %w", name, err)
	}
	return k, nil
}
