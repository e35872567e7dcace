package process

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/galenhq/galen/activities/cassandra"
)

func TestParseStat(t *testing.T) {
	tail := strings.Repeat("0 ", 18) + "4711 0 0"
	for name, text := range map[string]string{"plain": "1 (java) S ", "parentheses": "1 (a) R (b c) S "} {
		if state, ticks, err := parseStat([]byte(text + tail)); err != nil || state != 'S' || ticks != 4711 {
			t.Errorf("%s: %c, %d, %v", name, state, ticks, err)
		}
	}
	for _, text := range []string{"", "1 java S", "1 (java)", "1 (java) S 0", "1 (java) S " + strings.Repeat("0 ", 18) + "-1 0"} {
		if _, _, err := parseStat([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("1 (a) R (b c) S " + strings.Repeat("0 ", 18) + "4711 0 0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if state, _, err := parseStat(b); err == nil && state == 0 {
			t.Fatalf("%q: no state", b)
		}
	})
}

// Whatever configuration can be read, can be prepared, and then says what was prepared.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(yamlText), []byte("dc=dc0\nrack = r0\r\n"), []byte("-Dx\n#y\n-Dcassandra.replace_address=1.2.3.4"))
	f.Add([]byte("a: &x [1]\nb: *x\n"), []byte("rack\n="), []byte("\n\n"))
	f.Add([]byte("cluster_name: 1\nseed_provider:\n- parameters:\n  - seeds: a,b\n"), []byte(""), []byte(""))
	f.Fuzz(func(t *testing.T, y, rack, options []byte) {
		cfg := prepared()
		if _, err := parseYAML(y); err == nil {
			changed, err := setYAML(y, cfg)
			if err != nil {
				return // no mapping
			}
			got, err := parseYAML(changed)
			want := cassandra.Config{Cluster: cfg.Cluster, Seeds: cfg.Seeds, AutoBootstrap: true}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(cassandra.Config{}, "Listen")); err != nil || diff != "" {
				t.Fatalf("%q became %q: %v\n%s", y, changed, err, diff)
			}
		}
		props := setProperties(rack, [2]string{"dc", cfg.DC}, [2]string{"rack", cfg.Rack})
		if property(props, "dc") != cfg.DC || property(props, "rack") != cfg.Rack {
			t.Fatalf("%q became %q", rack, props)
		}
		set := setReplace(options, cfg.Replace)
		if replaceIn(optionLines(set)) != cfg.Replace || replaceIn(optionLines(setReplace(set, ""))) != "" {
			t.Fatalf("%q became %q", options, set)
		}
	})
}
