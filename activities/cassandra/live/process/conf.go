package process

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/galenhq/galen/activities/cassandra"
)

// The files of the start configuration.
const (
	yamlFile   = "cassandra.yaml"
	rackFile   = "cassandra-rackdc.properties"
	optionFile = "jvm-extra.options"
)

// readConfig reads the start configuration back. Files that are not there are empty.
func (h *Host) readConfig() (c cassandra.Config, replace string, err error) {
	text := func(name string) []byte {
		b, e := os.ReadFile(h.path("conf", name))
		err = errors.Join(err, ignoreAbsent(e))
		return b
	}
	y, rack, options := text(yamlFile), text(rackFile), text(optionFile)
	if err != nil {
		return c, "", err
	}
	if len(y) > 0 {
		if c, err = parseYAML(y); err != nil {
			return c, "", fmt.Errorf("%s: %w", yamlFile, err)
		}
	}
	c.DC, c.Rack = property(rack, "dc"), property(rack, "rack")
	return c, replaceIn(optionLines(options)), nil
}

// parseYAML reads the few keys that matter of a cassandra.yaml.
func parseYAML(b []byte) (cassandra.Config, error) {
	var y struct {
		Cluster      string `yaml:"cluster_name"`
		Listen       string `yaml:"listen_address"`
		Bootstrap    *bool  `yaml:"auto_bootstrap"`
		SeedProvider []struct {
			Parameters []struct {
				Seeds string `yaml:"seeds"`
			} `yaml:"parameters"`
		} `yaml:"seed_provider"`
	}
	if err := yaml.Unmarshal(b, &y); err != nil {
		return cassandra.Config{}, err
	}
	c := cassandra.Config{Cluster: y.Cluster, Listen: y.Listen, AutoBootstrap: y.Bootstrap == nil || *y.Bootstrap}
	for _, p := range y.SeedProvider {
		for _, q := range p.Parameters {
			for s := range strings.SplitSeq(q.Seeds, ",") {
				if s = strings.TrimSpace(s); s != "" {
					c.Seeds = append(c.Seeds, seedAddress(s))
				}
			}
		}
	}
	return c, nil
}

// seedAddress takes the port off a seed, where it has one.
func seedAddress(s string) string {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().String()
	}
	return s
}

// setYAML changes keys of a cassandra.yaml and keeps everything else, comments too.
func setYAML(b []byte, cfg Config) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("want one mapping of keys")
	}
	root := doc.Content[0]
	var values yaml.Node
	if err := values.Encode(map[string]any{
		"cluster_name": cfg.Cluster, "auto_bootstrap": true, "num_tokens": cfg.NumTokens,
		"seed_provider": []any{map[string]any{"class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
			"parameters": []any{map[string]string{"seeds": strings.Join(cfg.Seeds, ",")}}}},
	}); err != nil {
		return nil, err
	}
	drop(root, "initial_token")
	for i := 0; i < len(values.Content); i += 2 {
		drop(root, values.Content[i].Value)
		root.Content = append(root.Content, values.Content[i], values.Content[i+1])
	}
	return yaml.Marshal(&doc)
}

func drop(mapping *yaml.Node, key string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content = append(mapping.Content[:i], mapping.Content[i+2:]...)
			return
		}
	}
}

// property is the value of a key in a Java properties file of plain lines.
func property(b []byte, key string) string {
	v := ""
	for line := range strings.Lines(string(b)) {
		if k, rest, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.TrimSpace(k) == key {
			v = strings.TrimSpace(rest)
		}
	}
	return v
}

// setProperties replaces the lines of keys and keeps all others.
func setProperties(b []byte, pairs ...[2]string) []byte {
	var out []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\r\n")
		k, _, _ := strings.Cut(line, "=")
		known := false
		for _, p := range pairs {
			known = known || strings.TrimSpace(k) == p[0]
		}
		if !known {
			out = append(out, line)
		}
	}
	for _, p := range pairs {
		out = append(out, p[0]+"="+p[1])
	}
	return []byte(strings.Join(out, "\n") + "\n")
}

func optionLines(b []byte) []string {
	var out []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// setReplace makes old the one address that the options replace; "" takes every replace flag out. Other lines stay.
func setReplace(b []byte, old string) []byte {
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if replaceIn([]string{strings.TrimSpace(line)}) == "" {
			out.WriteString(strings.TrimRight(line, "\r\n") + "\n")
		}
	}
	if old != "" {
		out.WriteString(replaceFlags()[0] + old + "\n")
	}
	return []byte(out.String())
}
