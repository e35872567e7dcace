package http

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// TestWaitForAChange: a call is answered when the run has an event that its caller does not know, has ended, or the time is over.
func TestWaitForAChange(t *testing.T) {
	l := newLiving()
	l.append(followed, galen.EventOpened, nil)
	l.append("run-other", galen.EventOpened, nil)
	s := New(l.options())
	s.WriteTimeout = brief
	address := serveOn(t, s)
	read := func(query string) (api.RunDetail, int, time.Duration) {
		began := time.Now()
		got := get(t, address, "/v1/runs/"+followed+query)
		d, err := galen.Decode[api.RunDetail](got.body)
		if err != nil && got.status == http.StatusOK {
			t.Fatal(err)
		}
		return d, got.status, time.Since(began)
	}
	if d, _, took := read("?wait=30s"); d.Seq != 1 || took > 5*time.Second {
		t.Errorf("who knows nothing waits: %d after %s", d.Seq, took)
	}
	if d, _, took := read("?after=1"); d.Seq != 1 || took > 5*time.Second {
		t.Errorf("without wait: %d after %s", d.Seq, took)
	}
	if d, _, took := read("?wait=600ms&after=1"); d.Seq != 1 || took < 2*brief {
		t.Errorf("nothing happened: %d after %s", d.Seq, took)
	}
	go func() {
		awaitStreams(t, address, 0, 1)
		l.append("run-other", galen.EventDecided, nil)
		l.append(followed, galen.EventDecided, nil)
	}()
	if d, _, took := read("?wait=10s&after=1"); d.Seq != 4 || took > 5*time.Second {
		t.Errorf("it was decided: %d after %s", d.Seq, took)
	}
	l.append(followed, galen.EventEnded, func() { l.ended = true })
	if d, _, took := read("?wait=10s&after=5"); d.Seq != 5 || took > 5*time.Second {
		t.Errorf("it has ended: %d after %s", d.Seq, took)
	}
	for query, status := range map[string]int{
		"?wait=31s&after=1": 422, "?wait=0000ms000ms000ms000ms": 400, "?wait=1.5s&after=1": 400, "?wait=10s&after=6": 422, "?wait=soon&after=1": 400, "?wait=-1s&after=1": 400, "?after=-1": 400, "?wait=1s&after=x": 400,
		"/events?after=6": 422, "/events?after=-1": 400,
	} {
		if _, got, _ := read(query); got != status {
			t.Errorf("%s: %d, want %d", query, got, status)
		}
	}
	if again := open(t, address, testToken, "x"); again.res.StatusCode != http.StatusBadRequest {
		t.Errorf("Last-Event-ID x: %s", again.res.Status)
	}
}

// TestHowManyFollow: one token has so many streams, and takes none away from another one; no stream reads the journal for what is not of its
// run.
func TestHowManyFollow(t *testing.T) {
	l := newLiving()
	l.append(followed, galen.EventOpened, nil)
	l.tokens[hashOf(secretOf("me"))] = galen.Token{Name: "me", Grants: []galen.Grant{{Scope: galen.ScopeView, Resource: "fake/demo"}}, Expires: time.Now().Add(time.Hour)}
	address := serve(t, l.options())
	var all []*reading
	for range streamsPerToken {
		o := open(t, address, testToken, "")
		o.want("1", "")
		all = append(all, o)
	}
	if o := open(t, address, testToken, ""); o.res.StatusCode != http.StatusTooManyRequests || o.res.Header.Get("Retry-After") != "5" {
		t.Errorf("one more: %s", o.res.Status)
	}
	if got := get(t, address, "/v1/runs/"+followed+"?wait=1s&after=1"); got.status != http.StatusTooManyRequests {
		t.Errorf("one that waits: %d %s", got.status, got.body)
	}
	mine := open(t, address, secretOf("me"), "")
	mine.want("1", "")
	before := l.reads.Load()
	for range 50 {
		l.append("run-other", galen.EventDecided, nil)
	}
	l.append(followed, galen.EventDecided, nil)
	for _, o := range append(all, mine) {
		o.want("52", "")
	}
	if reads := l.reads.Load() - before; reads > 2*(streamsPerToken+1) {
		t.Errorf("%d streams of one new event read the journal %d times", streamsPerToken+1, reads)
	}
	_ = all[0].res.Body.Close()
	awaitStreams(t, address, streamsPerToken, 0)
	open(t, address, testToken, "52")
	awaitStreams(t, address, streamsPerToken+1, 0)
}

// TestWhoReadsNothingIsCutOff: what is sent to a caller who does not read is bounded in time, and kept nowhere.
func TestWhoReadsNothingIsCutOff(t *testing.T) {
	l := newLiving()
	l.ahead.Store(int64(brief - writeWithin)) // a write that begins now must end soon
	address := serve(t, l.options())
	for range 20_000 {
		l.append(followed, galen.EventDecided, func() { l.all[len(l.all)-1].By = strings.Repeat("x", 1000) })
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /v1/runs/%s/events HTTP/1.1\r\nHost: galen\r\nAuthorization: Bearer %s\r\n\r\n", followed, testToken); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	awaitStreams(t, address, 0, 0)
}
