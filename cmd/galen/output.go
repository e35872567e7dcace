package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The forms of output.
const (
	formTable = "table"
	formWide  = "wide"
	formJSON  = "json"
	formYAML  = "yaml"
)

func (c *cli) checkForm() error {
	switch c.output {
	case formTable, formWide, formJSON, formYAML:
		return c.checkColor()
	}
	return usage("--output %q: want table, wide, json or yaml", c.output)
}

// forPeople: the answer is for people, not for programs.
func (c *cli) forPeople() bool { return c.output == formTable || c.output == formWide }

// print writes an answer in the form that was asked for: value as JSON or YAML, or what table makes of it.
func (c *cli) print(value any, table func(io.Writer) error) error {
	switch c.output {
	case formJSON:
		return printJSON(c.out, value)
	case formYAML:
		return printYAML(c.out, value)
	}
	return table(c.page())
}

// printYAML writes the same fields in the same order as JSON, which is YAML too.
func printYAML(w io.Writer, value any) error {
	text, err := jsonText(value)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(narrow(text)), &node); err != nil {
		return fmt.Errorf("turn the answer into YAML: %w", err)
	}
	inBlocks(&node)
	var out strings.Builder
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err = errors.Join(e.Encode(&node), e.Close())
	if err == nil {
		_, err = io.WriteString(w, visibleYAML(out.String()))
	}
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// inBlocks takes the braces and quotes of JSON away where YAML needs none.
func inBlocks(n *yaml.Node) {
	n.Style = 0
	if strings.ContainsFunc(n.Value, hiddenIn) || n.Tag == "!!str" && otherwise(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		inBlocks(child)
	}
}

// otherwise: a reader of YAML 1.1, as most scripts have, takes the text for a truth or, by base 60, for a number.
func otherwise(text string) bool {
	switch strings.ToLower(text) {
	case "y", "yes", "n", "no", "on", "off":
		return true
	}
	return strings.Contains(text, ":") && strings.Trim(text, "+-0123456789_:.") == ""
}

func printJSON(w io.Writer, value any) error {
	text, err := jsonText(value)
	if err == nil {
		_, err = io.WriteString(w, visibleJSON(text))
	}
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// jsonText is JSON that people can read.
func jsonText(value any) (string, error) {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return "", fmt.Errorf("write the answer: %w", err)
	}
	return out.String(), nil
}
