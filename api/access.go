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
	// On is what the scope is needed on: resource, run, hold or schedule of the path, body, all, any, or list.
	On string `yaml:"on"`
}

// Operation is one call of the file.
type Operation struct {
	ID     string `yaml:"operationId"`
	Access Access `yaml:"x-access"`
	// Stream: its answer may take longer than those of other calls.
	Stream bool `yaml:"x-stream"`
}

// Operations are all calls of the file, by method and path as http.ServeMux writes a pattern: "GET /v1/runs/{id}".
func Operations() (map[string]Operation, error) {
	var file struct {
		Paths map[string]map[string]Operation `yaml:"paths"`
	}
	if err := yaml.Unmarshal(Spec, &file); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	out := map[string]Operation{}
	for path, calls := range file.Paths {
		for method, op := range calls {
			out[strings.ToUpper(method)+" "+path] = op
		}
	}
	return out, nil
}
