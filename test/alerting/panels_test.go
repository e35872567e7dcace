package alerting

import (
	"os/exec"
	"testing"
)

// TestPanels: what the dashboards show of an engine that is dead or was never scraped, of notes, and of nothing at all.
func TestPanels(t *testing.T) {
	queries := panels(t)
	series := func(name, values string) object { return object{"series": name, "values": values} }
	shows := func(panel string, samples ...object) object {
		query, found := queries["Galen: "+panel]
		if !found {
			t.Fatalf("no panel %s", panel)
		}
		return object{"expr": query, "eval_time": "1h", "exp_samples": samples}
	}
	is := func(labels string, value float64) object { return object{"labels": labels, "value": value} }
	tests := []object{
		{
			"name": "an engine of three is dead, one has no metrics yet", "interval": "10s",
			"input_series": []object{
				series(`up{job="galen", instance="a"}`, "1x400"), series(`up{job="galen", instance="b"}`, "1x350 0x50"), series(`up{job="galen", instance="c"}`, "1x400"),
				series(`galen_working{job="galen", instance="a"}`, "1x400"), series(`galen_working{job="galen", instance="b"}`, "1x400"),
				series(`galen_armed{job="galen", instance="a"}`, "1x400"), series(`galen_findings{job="galen", instance="a", resource="r", code="data-gone", note="true"}`, "1x400"),
				series(`galen_findings{job="galen", instance="a", resource="r", code="node-down", note="false"}`, "2x400"),
				series(`galen_guard_answers_total{guard="I-01", answer="deny"}`, "0+1x400"), series(`galen_guard_answers_total{guard="I-02", answer="deny"}`, "0x400"),
			},
			"promql_expr_test": []object{
				shows("Can look and act A", is(`{instance="a"}`, 1), is(`{instance="b"}`, 0), is(`{instance="c"}`, 0)),
				shows("Wrong now A", is(`{resource="r", code="data-gone", note="true", kind="(note)"}`, 1), is(`{resource="r", code="node-down", note="false"}`, 2)),
			},
		},
		{
			"name": "all is well", "interval": "10s",
			"input_series":     []object{series(`galen_armed{job="galen", instance="a"}`, "1x400"), series(`galen_guard_answers_total{guard="I-02", answer="deny"}`, "0x400")},
			"promql_expr_test": []object{shows("Wrong now A", is(`{code="nothing"}`, 0)), shows("Guards that did not allow, a day A", is(`{guard="none"}`, 0))},
		},
		{
			"name": "nobody tells", "interval": "10s",
			"input_series":     []object{series(`up{job="galen", instance="a"}`, "0x400")},
			"promql_expr_test": []object{shows("Can look and act A", is(`{instance="a"}`, 0)), shows("Wrong now A"), shows("Guards that did not allow, a day A")},
		},
	}
	file := write(t, "panels.test.yml", object{"evaluation_interval": "10s", "tests": tests})
	if out, err := exec.CommandContext(t.Context(), program(t, "promtool"), "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}
