package api

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Access is what a token needs for an operation, as x-access of the file says it.
type Access struct {
	// Scope is one of galen's, or any: whatever token there is, or none: not even one.
	Scope string `yaml:"scope"`
	// On is what the scope is needed on: resource, run, hold, alert or schedule of the path, body, all, any, or list.
	On string `yaml:"on"`
}

// Operation is one call of the file.
type Operation struct {
	ID     string `yaml:"operationId"`
	Access Access `yaml:"x-access"`
	// Stream: its answer may take longer than those of other calls.
	Stream bool `yaml:"x-stream"`
	// Query are the names of the parameters of its query, in the order of the file.
	Query []string `yaml:"-"`
}

// parameter of an operation, or the place where it stands: #/components/parameters/limit.
type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

// Operations are all calls of the file, by method and path as http.ServeMux writes a pattern: "GET /v1/runs/{id}".
func Operations() (map[string]Operation, error) {
	var file struct {
		Paths map[string]map[string]struct {
			Operation  `yaml:",inline"`
			Parameters []parameter `yaml:"parameters"`
		} `yaml:"paths"`
		Components struct {
			Parameters map[string]parameter `yaml:"parameters"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(Spec, &file); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	out := map[string]Operation{}
	for path, calls := range file.Paths {
		for method, op := range calls {
			for _, p := range op.Parameters {
				if p.Ref != "" {
					p = file.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
				switch {
				case p.Name == "":
					return nil, fmt.Errorf("read openapi.yaml: a parameter of %s %s has no name", method, path)
				case p.In == "query":
					op.Query = append(op.Query, p.Name)
				}
			}
			out[strings.ToUpper(method)+" "+path] = op.Operation
		}
	}
	return out, nil
}
