package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDeadMan(t *testing.T) {
	for name, c := range map[string]struct{ text, file, says string }{
		"an engine's":   {"dead_man: {url_file: watcher.url, every: 1m}", " https://watcher.example/ping/s3cret\n", ""},
		"by default":    {"dead_man: {url_file: watcher.url}", "https://watcher.example/ping/s3cret", ""},
		"too often":     {"dead_man: {url_file: watcher.url, every: 1ms}", "", "dead_man.every: 1ms: want 1s to 1h"},
		"never":         {"dead_man: {url_file: watcher.url, every: 0s}", "", "dead_man.every: 0s: want 1s to 1h"},
		"never, nobody": {"dead_man: {every: 0s}", "", "name the file with the URL"},
		"too seldom":    {"dead_man: {url_file: watcher.url, every: 2h}", "", "dead_man.every: 2h"},
		"of nobody":     {"dead_man: {every: 1m}", "", "name the file with the URL"},
		"no such file":  {"dead_man: {url_file: nowhere.url}", "", "dead_man.url_file: "},
		"no URL in it":  {"dead_man: {url_file: watcher.url}", "s3cret", "holds no URL"},
		"no port in it": {"dead_man: {url_file: watcher.url}", "https://x.example:70000/s3cret", "port 70000: want a number"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := "data: data\nresources: [{resource: fake/demo, setup: {}}]\n" + c.text
			for file, body := range map[string]string{"galen.yaml": text, "watcher.url": c.file} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(body), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cfg, err := Load(filepath.Join(dir, "galen.yaml"))
			url := ""
			if err == nil {
				url, err = cfg.DeadMan.URL()
			}
			switch {
			case c.says == "" && (err != nil || url != "https://watcher.example/ping/s3cret"):
				t.Error(url, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret")):
				t.Errorf("%v, want %q and no secret", err, c.says)
			}
		})
	}
}

func TestDeadMansPause(t *testing.T) {
	for text, want := range map[string]time.Duration{"{url_file: x}": DefaultDeadManEvery, "{url_file: x, every: 1s}": time.Second, "{url_file: x, every: 1h}": time.Hour} {
		c, err := Parse([]byte(good + "dead_man: " + text + "\n"))
		if err != nil || c.DeadMan.Pause() != want {
			t.Errorf("%s: %s %v, want %s", text, c.DeadMan.Pause(), err, want)
		}
	}
}
