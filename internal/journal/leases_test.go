package journal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen/internal/journal"
)

// testLeases: no shard has two holders, none is left alone, and the dead lose theirs by the store's clock.
func testLeases(t *testing.T, w world) {
	shards := []string{"a", "b", "c", "d", "e"}
	lease := func(engine string) string {
		t.Helper()
		held, err := w.Lease(t.Context(), journal.Engine{ID: engine, Boot: "1"}, shards, time.Minute)
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
	must(t, w.Leave(t.Context(), journal.Engine{ID: "e1", Boot: "1"}))
	equal(t, "who stops lets go at once", lease("e2")+" "+lease("e3"), "abd ce")
	if _, err := w.Lease(t.Context(), journal.Engine{}, shards, time.Minute); err == nil {
		t.Error("leased to nobody")
	}
}

// testEngines: engines that share a journal share its name in Temporal and the server; a restarted engine takes the place of
// the process before it, and a process of a copied data directory is seen.
func testEngines(t *testing.T, w world) {
	for _, proposed := range []string{"first", "second"} {
		name, err := w.Identity(t.Context(), proposed)
		must(t, err)
		equal(t, "the journal's name", name, "first")
		must(t, w.CanWrite(t.Context())) // and changes nothing
	}
	join := func(id, boot, temporal string) error {
		return w.Join(t.Context(), journal.Engine{ID: id, Boot: boot, Temporal: temporal}, time.Minute)
	}
	lease := func(boot string) ([]string, error) {
		return w.Lease(t.Context(), journal.Engine{ID: "e1", Boot: boot, Temporal: "here"}, []string{"a"}, time.Minute)
	}
	living := func(want string) {
		t.Helper()
		got, err := w.Engines(t.Context())
		must(t, err)
		equal(t, "living", strings.Join(got, " "), want)
	}
	must(t, join("e1", "1", "here"))
	held, err := lease("1")
	must(t, err)
	equal(t, "held", strings.Join(held, ""), "a")
	refused(t, join("e2", "1", "elsewhere"), journal.ErrTemporal)
	living("e1")
	must(t, join("e2", "1", "here"))
	must(t, join("e1", "2", "here")) // was restarted, and its lease is still its own
	held, err = lease("2")
	must(t, err)
	equal(t, "held", strings.Join(held, ""), "a")
	_, err = lease("1") // it was not dead
	refused(t, err, journal.ErrTwin)
	must(t, w.Leave(t.Context(), journal.Engine{ID: "e1", Boot: "1"}))
	living("e1 e2") // who has lost its place takes nothing away
	w.clock.skip(2 * time.Minute)
	living("")
	must(t, join("e3", "1", "elsewhere"))
	living("e3")
	if join("", "1", "here") == nil || join("e1", "", "here") == nil {
		t.Error("nobody has joined")
	}
}
