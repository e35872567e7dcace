package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
	"github.com/galenhq/galen/internal/pgtest"
)

// cut is where a proxy breaks a connection, once.
type cut int32

const (
	cutNever  cut = iota
	cutBefore     // the commit does not reach the server
	cutAfter      // the server commits, its answer does not come back
	cutAmid       // the commit is passed on and both ends are closed at once: either may be
)

// proxy passes connections on to a cluster and breaks one at the next COMMIT.
type proxy struct {
	listener net.Listener
	to       string
	next     atomic.Int32 // a cut
	conns    sync.WaitGroup
}

func startProxy(t *testing.T, c *pgtest.Cluster) (p *proxy, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "galen-cut-")
	must(t, err)
	p = &proxy{to: c.Socket()}
	p.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, ".s.PGSQL.5432"))
	must(t, err)
	p.conns.Go(p.serve)
	t.Cleanup(func() {
		if err := errors.Join(p.listener.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		p.conns.Wait()
	})
	return p, dir
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.conns.Go(func() { p.pass(client) })
	}
}

// pass ends when either side does; both are closed then.
func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{}).DialContext(context.Background(), "unix", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var deaf atomic.Bool
	back := make(chan struct{})
	go func() {
		defer close(back)
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil || deaf.Load() {
				return // the answer to the commit has come, and is dropped
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	p.forth(client, server, &deaf)
	server.Close()
	<-back
}

func (p *proxy) forth(client io.Reader, server io.Writer, deaf *atomic.Bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		how := cutNever
		if bytes.Contains(buffer[:n], []byte("COMMIT\x00")) {
			how = cut(p.next.Swap(int32(cutNever)))
		}
		if how == cutBefore {
			return
		}
		deaf.Store(how == cutAfter)
		if _, err := server.Write(buffer[:n]); err != nil || how == cutAmid {
			return
		}
	}
}

// TestPostgresCutInACommit: whatever the journal says of a commit whose connection broke is true, and nothing is done twice.
func TestPostgresCutInACommit(t *testing.T) {
	c := pgtest.Start(t)
	proxy, dir := startProxy(t, c)
	direct := c.URL("cut")
	s := openPG(t, c.Through(dir, "cut"), journal.Options{})
	said := map[cut][2]int{}
	for i := range 90 {
		how := cut(i % 4)
		proxy.next.Store(int32(how))
		key := fmt.Sprintf("k%d", i)
		_, _, err := s.OpenRun(t.Context(), galen.Run{Key: key, Resource: ring(), Runbook: "x", Version: 1})
		runs, readErr := s.Runs(t.Context(), journal.RunFilter{Key: key})
		must(t, readErr)
		if is := len(runs) == 1; is != (err == nil) || len(runs) > 1 {
			t.Fatalf("%s, cut %d: told %v, there are %d", key, how, err, len(runs))
		}
		count := said[how]
		count[len(runs)]++
		said[how] = count
	}
	t.Logf("written, per cut: %v", said)
	if said[cutBefore][1] > 0 || said[cutAfter][0] > 0 || said[cutNever][0] > 0 || said[cutAfter][1] == 0 || said[cutBefore][0] == 0 {
		t.Errorf("the cuts were not where they should be: %v", said)
	}
	soundPG(t, direct)
}

// TestPostgresFailover: the primary is killed while two engines write, its standby promoted. Whatever was acknowledged is
// there, what was refused is not, and both go on by themselves.
func TestPostgresFailover(t *testing.T) {
	primary := pgtest.Start(t)
	primary.URL("galen")
	standby := primary.Standby()
	url := pgtest.URLs("galen", primary, standby)
	engines := []*journal.Store{openPG(t, url, journal.Options{}), openPG(t, url, journal.Options{})}
	type answer struct {
		key string
		err error
	}
	var mu sync.Mutex
	var answers []answer
	var after atomic.Int64 // acknowledged since the promotion
	var promoted atomic.Bool
	done := make(chan struct{})
	var wg sync.WaitGroup
	for e, s := range engines {
		for w := range 3 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					default:
					}
					key := fmt.Sprintf("e%d-w%d-%d", e, w, i)
					_, _, err := s.OpenRun(context.Background(), galen.Run{Key: key, Resource: ring(), Runbook: "x", Version: 1})
					if err == nil && promoted.Load() {
						after.Add(1)
					}
					mu.Lock()
					answers = append(answers, answer{key, err})
					mu.Unlock()
				}
			})
		}
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(answers) }
	wait(t, "writes before the failover", func() bool { return count() > 50 })
	refusesAStandby(t, standby)
	primary.Kill()
	refusesAStandby(t, standby)
	standby.Promote()
	promoted.Store(true)
	wait(t, "writes after the failover", func() bool { return after.Load() > 50 })
	close(done)
	wg.Wait()
	lost, ghosts, unknown := 0, 0, 0
	for _, a := range answers {
		runs, err := engines[0].Runs(t.Context(), journal.RunFilter{Key: a.key})
		must(t, err)
		switch {
		case errors.Is(a.err, journal.ErrUnknown):
			unknown++
		case a.err == nil && len(runs) != 1:
			lost++
		case a.err != nil && len(runs) != 0:
			ghosts++
		}
	}
	t.Logf("%d answers, %d unknown", len(answers), unknown)
	if lost+ghosts > 0 {
		t.Errorf("%d acknowledged are lost, %d refused are there", lost, ghosts)
	}
	soundPG(t, "host="+filepath.Dir(standby.Socket())+" user=galen dbname=postgres sslmode=disable search_path=galen")
}

// refusesAStandby: what a standby shows may be older than what guards have to see (I-33), whether its primary lives or not. Named alone
// it is no journal.
func refusesAStandby(t *testing.T, standby *pgtest.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := journal.OpenPostgres(ctx, pgtest.URLs("galen", standby), journal.Options{Engine: "another"})
	if err == nil {
		must(t, s.Close())
		t.Fatal("a standby was opened")
	}
	if !errors.Is(err, journal.ErrReadOnly) || !strings.Contains(err.Error(), "the server is a standby: name the primary") {
		t.Errorf("a standby is refused with: %v", err)
	}
}

// wait polls until it is so.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
