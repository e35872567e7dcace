package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/galenhq/galen/api"
)

// asking is what a runbook was asked for with.
type asking struct {
	what, runbook string
	params        *map[string]any
}

// lacking adds to a refusal which parameters the request lacks, each with what it is and how it is given.
func (c *cli) lacking(ctx context.Context, client *api.ClientWithResponses, of asking, r reply, refusal error) error {
	kind, name, whole := strings.Cut(of.runbook, "/")
	var refused *failure // an engine that cannot be asked is none
	if !errors.As(refusal, &refused) || !whole || !slices.Contains([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity}, r.StatusCode()) {
		return refusal
	}
	res, err := client.GetRunbookWithResponse(ctx, kind, name)
	if err != nil || res.JSON200 == nil {
		return refusal // what the engine said is true, too
	}
	var out []string
	for _, lack := range lacksOf(res.JSON200.Schema, of.params) {
		line := parameterLines(map[string]any{"properties": map[string]any{lack.name: lack.form}, "required": []any{lack.name}})[0]
		out = append(out, fmt.Sprintf("missing %s; for example --param %s", line, lack.example()))
	}
	if len(out) == 0 {
		return refusal
	}
	return &failure{code: refused.code, err: fmt.Errorf("%w\n%s", refusal, strings.Join(out, "\n")), clear: true}
}

// lack is a parameter that is required and was not given.
type lack struct {
	name string
	form map[string]any
}

func lacksOf(schema map[string]any, given *map[string]any) []lack {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	var out []lack
	for _, one := range required {
		name, _ := one.(string)
		has := false
		if given != nil {
			_, has = (*given)[name]
		}
		if form, is := properties[name].(map[string]any); is && !has {
			out = append(out, lack{name, form})
		}
	}
	return out
}

// example is how it could be given on a command line; its value is one of many.
func (l lack) example() string {
	switch sample := sampleOf(l.form).(type) {
	case string:
		return l.name + "=" + sample
	case []any, map[string]any:
		text, _ := json.Marshal(sample) // of what was made here
		return fmt.Sprintf("%s='%s'", l.name, text)
	default:
		return fmt.Sprintf("%s=%v", l.name, sample)
	}
}

func sampleOf(form map[string]any) any {
	if words, has := form["enum"].([]any); has && len(words) > 0 {
		return words[0]
	}
	switch form["type"] {
	case "integer", "number":
		return 10
	case "boolean":
		return true
	case "array":
		items, _ := form["items"].(map[string]any)
		return []any{sampleOf(items)}
	case "string":
		return textOf(form)
	}
	return map[string]any{}
}

// textOf is a text of the form: the name of an instance, a duration, a resource or a time.
func textOf(form map[string]any) string {
	if form["format"] == "date-time" {
		return "2027-09-01T06:00:00Z"
	}
	pattern, _ := form["pattern"].(string)
	for _, text := range []string{"n3", "10m", "cassandra/orders"} {
		if fits, err := regexp.MatchString(pattern, text); fits && err == nil {
			return text
		}
	}
	return "..."
}
