package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// findJava returns the absolute path of a Java 17, from JAVA_HOME or the PATH. Cassandra 5.0 does not start on a newer one.
func findJava(ctx context.Context) (string, error) {
	const help = "install it: apt-get install openjdk-17-jdk-headless, or set JAVA_HOME to one"
	name := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		name = filepath.Join(home, "bin", "java")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find Java 17: %w; %s", err, help)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("find Java 17: %w", err)
	}
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w; %s", path, err, help)
	}
	if !regexp.MustCompile(`version "17[."]`).Match(out) {
		return "", fmt.Errorf("%s is not Java 17 but says %q; %s", path, lastLines(out, 3), help)
	}
	return path, nil
}
