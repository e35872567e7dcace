package real

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// rowCheckFails: the row check that every other test of this package trusts can fail, and names the one node that lost its table.
func rowCheckFails(t *testing.T, ring *lab.Ring, rows *client.Client) {
	hosts := addresses(ring.Nodes())
	report, err := rows.Verify(t.Context(), hosts)
	if err != nil || report.Missing() != 0 || report.Rows != seeded {
		t.Fatalf("before the loss: %v, %v", report, err)
	}
	victim := ring.Node(3)
	if err := victim.LoseTable(client.Keyspace, client.Table); err == nil || !strings.Contains(err.Error(), "is running") {
		t.Errorf("losing a table of a living node: %v, want refused", err)
	}
	kill(t, victim)
	if err := victim.LoseTable(client.Keyspace, client.Table); err != nil {
		t.Fatal(err)
	}
	refusesWithoutItsData(t, victim)
	began := time.Now()
	start(t, ring, victim)
	t.Logf("restart of one node: %.1f s", time.Since(began).Seconds())

	report, err = rows.Verify(t.Context(), hosts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("after the loss: %v", report)
	if report.One[0].Missing != 0 || report.One[1].Missing != 0 || report.One[2].Missing != seeded {
		t.Errorf("got %v, want %d rows missing by %s alone", report, seeded, victim.Address)
	}
	if report.All.Missing != 0 {
		t.Errorf("%d rows missing at ALL, which repairs", report.All.Missing)
	}
	if report, err = rows.Verify(t.Context(), hosts); err != nil || report.Missing() != 0 {
		t.Errorf("after the repair by ALL: %v, %v", report, err)
	}
}

// cutsOnePath cuts the path to one node and sees the relay silent while the node itself answers.
func cutsOnePath(t *testing.T, ring *lab.Ring, i int) {
	t.Helper()
	relay, err := ring.Relay(i)
	if err != nil {
		t.Fatal(err)
	}
	answers := func(url string) bool {
		web := http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := web.Get(url + "version")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}
	if !answers(relay.JolokiaURL) {
		t.Error("no answer through the relay")
	}
	for _, mode := range []lab.CutMode{lab.Hang, lab.Refuse} {
		if err := relay.Cut(mode); err != nil {
			t.Fatal(err)
		}
		if answers(relay.JolokiaURL) || !answers(ring.Node(i).JolokiaURL) {
			t.Errorf("cut by %s: the path answers, or the node does not", mode)
		}
	}
	if err := relay.Restore(); err != nil {
		t.Fatal(err)
	}
	if !answers(relay.JolokiaURL) {
		t.Error("no answer through the restored relay")
	}
}

// refusesWithoutItsData takes everything of a dead node away, sees Cassandra refuse its plain restart, and puts it back.
func refusesWithoutItsData(t *testing.T, victim *lab.Node) {
	t.Helper()
	folders := []string{"data", "commitlog", "hints", "saved_caches"}
	move := func(from, to string) {
		for _, f := range folders {
			if err := os.Rename(filepath.Join(from, f), filepath.Join(to, f)); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	away := filepath.Join(victim.Folder, "away")
	if err := os.Mkdir(away, 0o700); err != nil {
		t.Fatal(err)
	}
	move(victim.Folder, away)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := victim.WaitNormal(ctx)
	if err == nil || !strings.Contains(err.Error(), "already exists, cancelling join") {
		t.Fatalf("restart without data: %v, want refused by Cassandra", err)
	}
	t.Logf("restart without data refused after %.1f s", time.Since(began).Seconds())
	if err := victim.LoseData(); err != nil { // what the refused start left; an error if it is alive
		t.Fatal(err)
	}
	move(away, victim.Folder)
}

// startRing starts the one ring of a test and ends it with the test.
func startRing(t *testing.T, o lab.Options) *lab.Ring {
	t.Helper()
	o.Progress = func(line string) { t.Log(line) }
	if o.Lib == "" {
		lib, err := lab.Fetch(t.Context(), "", o.Progress)
		if err != nil {
			t.Fatal(err)
		}
		o.Lib = lib
	}
	began := time.Now()
	ring, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("ring started in %.1f s", time.Since(began).Seconds())
	for _, n := range ring.Nodes() {
		t.Logf("%s: RSS %d MiB", n.Instance, n.RSS()>>20)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := ring.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return ring
}

// openClient opens a client that knows the ring's first nodes.
func openClient(t *testing.T, ring *lab.Ring) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), client.Options{Hosts: addresses(ring.Nodes())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func addresses(nodes []*lab.Node) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, n.Address)
	}
	return out
}

func kill(t *testing.T, n *lab.Node) {
	t.Helper()
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
}

// start starts a node and waits until it is NORMAL and all others see it.
func start(t *testing.T, ring *lab.Ring, n *lab.Node) {
	t.Helper()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := n.WaitNormal(ctx); err != nil {
		t.Fatal(err)
	}
	if err := ring.Settled(ctx); err != nil {
		t.Fatal(err)
	}
}
