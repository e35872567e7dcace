package journal_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func (w world) token(name string) galen.Token {
	return galen.Token{
		Name: name, Grants: []galen.Grant{{Scope: galen.ScopePropose, Resource: "cassandra/*"}}, By: "ann", Expires: w.clock.read().Add(time.Hour),
	}
}

func testTokens(t *testing.T, w world) {
	ctx := t.Context()
	made, err := w.CreateToken(ctx, w.token("ci"), "hash-1")
	must(t, err)
	got, now, err := w.Token(ctx, "hash-1")
	must(t, err)
	if got.Name != "ci" || !got.May(galen.ScopePropose, ring()) || !got.Counts(now) || got.At.IsZero() || !got.At.Equal(made.At) {
		t.Errorf("%+v at %s", got, now)
	}
	if _, _, err := w.Token(ctx, "hash-2"); !errors.Is(err, galen.ErrNotFound) {
		t.Errorf("a token that nobody made: %v", err)
	}
	if _, err := w.CreateToken(ctx, w.token("ci"), "hash-2"); !errors.Is(err, journal.ErrTokenName) {
		t.Errorf("a name twice: %v", err)
	}
	if _, err := w.CreateToken(ctx, w.token("No"), "hash-3"); err == nil {
		t.Error("a name that is none")
	}
	hashes := func(when, want string) {
		t.Helper()
		got, err := w.TokenHashes(ctx)
		must(t, err)
		equal(t, when, strings.Join(got, " "), want)
	}
	hashes("one counts", "hash-1")
	must(t, w.RevokeToken(ctx, "ci", "bob"))
	must(t, w.RevokeToken(ctx, "ci", "again"))
	hashes("it was revoked", "")
	got, now, err = w.Token(ctx, "hash-1")
	must(t, err)
	if got.Counts(now) || got.RevokedBy != "bob" {
		t.Errorf("revoked: %+v", got)
	}
	if err := w.RevokeToken(ctx, "nobody", "bob"); !errors.Is(err, galen.ErrNotFound) {
		t.Errorf("revoke one that is not there: %v", err)
	}
	_, err = w.CreateToken(ctx, w.token("ci"), "hash-4")
	must(t, err)
	if _, _, err := w.Token(ctx, "hash-1"); !errors.Is(err, galen.ErrNotFound) {
		t.Errorf("the secret of before: %v", err)
	}
	hashes("made anew", "hash-4")
	w.clock.skip(2 * time.Hour)
	hashes("it has ended", "")
	if got, now, err := w.Token(ctx, "hash-4"); err != nil || got.Counts(now) {
		t.Errorf("past its end: %+v, %v", got, err)
	}
	_, err = w.CreateToken(ctx, w.token("ci"), "hash-5")
	must(t, err)
	all, err := w.Tokens(ctx)
	must(t, err)
	equal(t, "tokens", len(all), 1)
	events, err := w.Events(ctx, journal.EventFilter{Kind: galen.EventToken})
	must(t, err)
	equal(t, "told", len(events), 4)
	equal(t, "by", events[0].By+" "+events[1].By, "ann bob")
	for _, e := range events {
		if strings.Contains(string(e.Body), "hash-") {
			t.Errorf("an event tells the hash: %s", e.Body)
		}
	}
}

// testRaceToken: of several who give one name at once one does.
func testRaceToken(t *testing.T, w world) {
	var made atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			_, err := w.CreateToken(t.Context(), w.token("ci"), fmt.Sprint("hash-", i))
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, journal.ErrTokenName):
				t.Error(err)
			}
		})
	}
	all.Wait()
	equal(t, "made", made.Load(), 1)
}
