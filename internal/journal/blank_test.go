package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestADiskThatIsFullOfACopy: what is said fits a copy, and nothing of it is left.
func TestADiskThatIsFullOfACopy(t *testing.T) {
	s := openTest(t)
	for range 40 {
		if err := s.Append(t.Context(), galen.Event{Kind: galen.EventEngine, Body: fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", 4096))}); err != nil {
			t.Fatal(err)
		}
	}
	v, err := s.backend.view(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tables, err := record(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	to, err := newPartial(t.Context(), filepath.Join(dir, "backup.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if _, err := first(t.Context(), to.file, []any{&n}, "PRAGMA page_count"); err != nil {
		t.Fatal(err)
	}
	if _, err := first(t.Context(), to.file, []any{&n}, fmt.Sprintf("PRAGMA max_page_count = %d", n+10)); err != nil {
		t.Fatal(err)
	}
	_, err = fill(t.Context(), v, to.backend(), filling{tables: tables, tell: func(string, int64) {}})
	if err == nil || !strings.Contains(err.Error(), "nothing of the copy is left") || strings.Contains(err.Error(), "goes on by itself") {
		t.Errorf("told %v", err)
	}
	if err := v.end(); err != nil {
		t.Error(err)
	}
	if err := to.close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
