package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

func (c *cli) metricsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "metrics [NAME]",
		Short: "The engine's numbers, as Prometheus reads them",
		Long: `Shows the numbers that the engine gives to Prometheus at GET /metrics, those whose name begins with NAME; without it, all
that are Galen's own. Histograms are shown by their count and sum. Exit code 3 if no name begins so.`,
		Example: "  galen metrics\n  galen metrics go_\n  galen metrics galen_open_runs -o json",
		Args:    takes(0, 1, "the beginning of a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.metrics(cmd.Context(), append(args, "galen_")[0])
		},
	}
}

// number is one sample.
type number struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}

func (c *cli) metrics(ctx context.Context, begins string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.GetMetricsWithResponse(ctx)
	if err := c.fault("read the metrics", res, err, res != nil && res.StatusCode() == 200); err != nil {
		return err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(res.Body))
	if err != nil {
		return fmt.Errorf("read the metrics: they are not in Prometheus' text form: %w; is this galen serve?", err)
	}
	all := []number{}
	for name, f := range families {
		if strings.HasPrefix(name, begins) {
			all = append(all, numbers(f)...)
		}
	}
	if len(all) == 0 {
		return notDone("no metric begins with %q: galen metrics lists those of Galen", begins)
	}
	slices.SortFunc(all, func(a, b number) int { return strings.Compare(a.String(), b.String()) })
	return c.print(all, func(w io.Writer) error {
		rows := make([][]string, 0, len(all))
		for _, n := range all {
			rows = append(rows, []string{n.String(), fmt.Sprint(n.Value)})
		}
		return table(w, []string{"metric", "value"}, rows)
	})
}

func numbers(f *dto.MetricFamily) []number {
	var out []number
	for _, m := range f.GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		add := func(suffix string, v float64) { out = append(out, number{f.GetName() + suffix, labels, v}) }
		switch f.GetType() {
		case dto.MetricType_COUNTER:
			add("", m.GetCounter().GetValue())
		case dto.MetricType_GAUGE:
			add("", m.GetGauge().GetValue())
		case dto.MetricType_SUMMARY:
			add("_count", float64(m.GetSummary().GetSampleCount()))
			add("_sum", m.GetSummary().GetSampleSum())
		case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
			add("_count", float64(m.GetHistogram().GetSampleCount()))
			add("_sum", m.GetHistogram().GetSampleSum())
		default:
			add("", m.GetUntyped().GetValue())
		}
	}
	return out
}

// String is the sample's name as Prometheus writes it.
func (n number) String() string {
	var words []string
	for name, value := range n.Labels {
		words = append(words, fmt.Sprintf("%s=%q", name, value))
	}
	if len(words) == 0 {
		return n.Name
	}
	slices.Sort(words)
	return n.Name + "{" + strings.Join(words, ",") + "}"
}
