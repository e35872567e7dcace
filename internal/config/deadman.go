package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// DeadMan is a watcher outside, which pages when it hears nothing any more; without a file there is none.
type DeadMan struct {
	// URLFile holds the URL to post to. A file of its own, for such a URL is a secret; absolute after [Load].
	URLFile string `json:"url_file,omitempty"`
	// Every is how often; absent: [DefaultDeadManEvery].
	Every *galen.Duration `json:"every,omitempty"`
}

// DefaultDeadManEvery is half of what L-3 allows.
const DefaultDeadManEvery = 30 * time.Second

// The bounds of [DeadMan.Every].
const (
	minDeadManEvery = time.Second
	maxDeadManEvery = time.Hour
)

// Pause is [DeadMan.Every], or the default.
func (d DeadMan) Pause() time.Duration { return or(d.Every, galen.Duration(DefaultDeadManEvery)).D() }

func (d DeadMan) check() error {
	switch every := d.Pause(); {
	case d.URLFile == "" && d.Every != nil:
		return errors.New("dead_man.every: there is nobody to tell: name the file with the URL as dead_man.url_file")
	case every < minDeadManEvery || every > maxDeadManEvery:
		return fmt.Errorf("dead_man.every: %s: want %s to %s", every, minDeadManEvery, maxDeadManEvery)
	}
	return nil
}

// URL reads it from the file. No error holds it.
func (d DeadMan) URL() (string, error) {
	line, err := d.line()
	if err != nil {
		return "", fmt.Errorf("dead_man.url_file: %w", err)
	}
	return line, nil
}

func (d DeadMan) line() (string, error) {
	text, err := os.ReadFile(d.URLFile)
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(text))
	u, err := url.Parse(line)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("%s holds no URL: want one line such as https://watcher.example/ping/…", d.URLFile)
	}
	if err := reachable(u); err != nil {
		return "", fmt.Errorf("%s: %w", d.URLFile, err)
	}
	return line, nil
}
