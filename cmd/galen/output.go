package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"
)

// The forms of output.
const (
	formTable = "table"
	formJSON  = "json"
	formYAML  = "yaml"
)

func (c *cli) checkForm() error {
	switch c.output {
	case formTable, formJSON, formYAML:
		return nil
	}
	return usage("--output %q: want table, json or yaml", c.output)
}

// print writes an answer in the form that was asked for: value as JSON or YAML, or what table makes of it.
func (c *cli) print(value any, table func(io.Writer) error) error {
	switch c.output {
	case formJSON:
		return printJSON(c.out, value)
	case formYAML:
		return printYAML(c.out, value)
	}
	return table(c.out)
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
	if strings.ContainsFunc(n.Value, hiddenIn) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		inBlocks(child)
	}
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

// table writes rows aligned, the heads in capitals. Cells lose what would break a line.
func table(w io.Writer, heads []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	lines := append([][]string{upper(heads)}, rows...)
	for _, row := range lines {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = firstOf(oneLine(cell), "-")
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

func upper(words []string) []string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = strings.ToUpper(word)
	}
	return out
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

// age is a time as people say it: how long ago.
func age(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return span(now.Sub(at)) + " ago"
}

// span is a duration in at most two units.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// some is a number with its noun.
func some(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
