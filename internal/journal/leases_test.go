package journal_test

import (
	"strings"
	"testing"
	"time"
)

// testLeases: no shard has two holders, none is left alone, and the dead lose theirs by the store's clock.
func testLeases(t *testing.T, w world) {
	shards := []string{"a", "b", "c", "d", "e"}
	lease := func(engine string) string {
		t.Helper()
		held, err := w.Lease(t.Context(), engine, shards, time.Minute)
		must(t, err)
		return strings.Join(held, "")
	}
	equal(t, "alone", lease("e1"), "abcde")
	equal(t, "the second waits", lease("e2"), "")
	equal(t, "the first lets go", lease("e1"), "abc")
	equal(t, "the second takes", lease("e2"), "de")
	equal(t, "nothing moves", lease("e1")+" "+lease("e2"), "abc de")
	equal(t, "the third waits, and lives", lease("e3"), "")
	equal(t, "shares of two", lease("e1")+" "+lease("e2")+" "+lease("e3"), "ab de c")
	w.clock.skip(30 * time.Second)
	equal(t, "renewed", lease("e1")+" "+lease("e3"), "ab c")
	w.clock.skip(40 * time.Second) // e2 is dead
	equal(t, "the dead one's", lease("e1")+" "+lease("e3"), "abd ce")
	equal(t, "it comes back", lease("e2"), "")
	if _, err := w.Lease(t.Context(), "", shards, time.Minute); err == nil {
		t.Error("leased to nobody")
	}
}
