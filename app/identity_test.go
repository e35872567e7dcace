package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIdentity(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	first, err := identity(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := identity(dir)
	if err != nil || again != first {
		t.Errorf("the second start: %q, %v, want %q", again, err, first)
	}
	if st, err := os.Stat(filepath.Join(dir, IdentityFile)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	if next, err := identity(other); err != nil || next == first {
		t.Errorf("another engine: %q, %v", next, err)
	}
	if err := os.WriteFile(filepath.Join(dir, IdentityFile), []byte("a/b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := identity(dir); err == nil || !strings.Contains(err.Error(), "8 to 32 characters") {
		t.Errorf("a spoilt identity: %v", err)
	}
	o := Server{Address: "there"}.dialOptions(first, slog.New(slog.DiscardHandler))
	if o.Journal != first {
		t.Errorf("Temporal is told %q", o.Journal)
	}
}

func TestWhoMayBeAtWork(t *testing.T) {
	self := newSelf("engine01")
	if again := newSelf("engine01"); nameOf(self) == nameOf(again) {
		t.Error("two boots have one name")
	}
	alive := aliveOf(self.ID, []string{"engine01", "engine02"})
	for process, want := range map[string]bool{
		nameOf(newSelf("engine01")): false, // what this engine was before: it has the lock now
		nameOf(newSelf("engine02")): true,
		nameOf(newSelf("engine03")): false, // its lease is over
		"4711@host":                 false, // a release from before
	} {
		if alive(process) != want {
			t.Errorf("%s: alive %v, want %v", process, !want, want)
		}
	}
}
