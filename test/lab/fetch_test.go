package lab

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeMaven puts a mvn first in the PATH that counts its calls and then does what body says; $out is the folder for the jars.
func fakeMaven(t *testing.T, body string) (calls func() int) {
	t.Helper()
	bin, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	write(t, filepath.Join(bin, "mvn"), `#!/bin/sh
echo call >>'`+log+`'
for a in "$@"; do case $a in -DoutputDirectory=*) out=${a#*=};; esac; done
`+body)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return func() int {
		text, _ := os.ReadFile(log) // no file: no call
		return strings.Count(string(text), "call")
	}
}

func TestFetchOnceForAll(t *testing.T) {
	calls := fakeMaven(t, `mkdir -p "$out"; sleep 0.1; echo jar >"$out/a.jar"`)
	t.Setenv("GALEN_CACHE", t.TempDir())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			lib, err := Fetch(t.Context(), "", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(lib, "a.jar")); err != nil || !strings.HasSuffix(lib, "cassandra/5.0.9/lib") {
				t.Errorf("jars in %s: %v", lib, err)
			}
		})
	}
	wg.Wait()
	if calls() != 1 {
		t.Errorf("Maven was called %d times, want once", calls())
	}
}

func TestFetchIsCompleteOrNothing(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "fetch-stale", "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	calls := fakeMaven(t, `mkdir -p "$out"; echo jar >"$out/a.jar"; echo "no route to the registry"; exit 1`)
	_, err := Fetch(t.Context(), home, nil)
	if err == nil || !strings.Contains(err.Error(), "no route to the registry") {
		t.Errorf("a failed fetch: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(home, "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "fetch.lock" {
		t.Errorf("left behind: %v, %v", left, err)
	}
	fakeMaven(t, `mkdir -p "$out"; echo jar >"$out/b.jar"`)
	lib, err := Fetch(t.Context(), home, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Jars of an older list are fetched anew, and replaced as a whole.
	write(t, filepath.Join(lib, "pom.xml"), "older")
	again := fakeMaven(t, `mkdir -p "$out"; echo jar >"$out/c.jar"`)
	if lib, err = Fetch(t.Context(), home, nil); err != nil {
		t.Fatal(err)
	}
	jars, err := filepath.Glob(filepath.Join(lib, "*.jar"))
	if err != nil || len(jars) != 1 || filepath.Base(jars[0]) != "c.jar" || again() != 1 || calls() != 1 {
		t.Errorf("after a newer list: %v, %v; calls %d, %d", jars, err, again(), calls())
	}
}

func TestFetchWithoutMaven(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Fetch(t.Context(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "apt-get install maven") {
		t.Errorf("without Maven: %v", err)
	}
}

func TestFindJava(t *testing.T) {
	for name, tt := range map[string]struct{ says, want string }{
		"17":    {`openjdk version "17.0.15" 2025-04-15`, ""},
		"21":    {`openjdk version "21.0.1"`, "is not Java 17"},
		"old 8": {`java version "1.8.0_17"`, "is not Java 17"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.Mkdir(filepath.Join(home, "bin"), 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(home, "bin", "java"), "#!/bin/sh\necho '"+tt.says+"' >&2\n")
			t.Setenv("JAVA_HOME", home)
			_, err := findJava(t.Context())
			if (tt.want == "" && err != nil) || (tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want))) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Setenv("JAVA_HOME", t.TempDir())
	if _, err := findJava(t.Context()); err == nil || !strings.Contains(err.Error(), "apt-get install openjdk-17") {
		t.Errorf("without Java: %v", err)
	}
}
