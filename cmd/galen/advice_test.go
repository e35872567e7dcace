package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/advice"
)

// savedRing writes a file as galen state does, of a ring that was heard whole just before.
func savedRing(t *testing.T, change func(*cassandra.Ring)) (file string, v advice.View) {
	t.Helper()
	r := ring.Large(2, 6)
	r.Name, r.At, r.Instances, r.Views = "orders", noon().Add(-time.Second), []cassandra.Instance{}, []cassandra.View{}
	for i := range r.Nodes {
		n := &r.Nodes[i]
		n.Instance, n.Observations = fmt.Sprintf("n%d", i), []galen.Observation{{Observer: "probe", Kind: galen.Probe, Says: galen.Good, At: r.At}}
		r.Instances = append(r.Instances, cassandra.Instance{Name: n.Instance, Address: n.Address, At: r.At, Process: cassandra.Running, Data: cassandra.DataPresent})
		r.Views = append(r.Views, cassandra.View{Instance: n.Instance, Address: n.Address, At: r.At, Jolokia: cassandra.Answered, CQL: cassandra.Answered, HostID: n.HostID, Mode: "NORMAL"})
	}
	if change != nil {
		change(&r)
	}
	v = advice.View{State: r, Policy: galen.SafePolicy(), Now: noon(), Ledger: galen.Ledger{Run: galen.Run{Resource: r.Resource()}}}
	s, err := advice.Save(v)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "orders.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	v, err = advice.Load(b, savedKind)
	if err != nil {
		t.Fatal(err)
	}
	return file, v
}

func downNode(i int) func(*cassandra.Ring) {
	return func(r *cassandra.Ring) { r.Nodes[i].Down = true }
}

func TestAdviceGoldens(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*cassandra.Ring)
		args   []string
		code   int
	}{
		"can-i-yes":   {nil, []string{"can-i", "stop", "cassandra/orders", "n3"}, exitOK},
		"can-i-no":    {downNode(1), []string{"can-i", "stop", "cassandra/orders", "n3"}, exitNo},
		"can-i-leave": {nil, []string{"can-i", "decommission", "cassandra/orders", "n3"}, exitNo},
		"can-i-unknown": {func(r *cassandra.Ring) {
			for i := range r.Views {
				r.Views[i].At, r.Instances[i].At = noon().Add(-time.Hour), noon().Add(-time.Hour)
			}
			r.At = noon().Add(-time.Hour)
			for i := range r.Nodes {
				for k := range r.Nodes[i].Observations {
					r.Nodes[i].Observations[k].At = r.At
				}
			}
		}, []string{"can-i", "stop", "cassandra/orders", "n3"}, exitUnknown},
		"can-i-told": {func(r *cassandra.Ring) {
			r.Keyspaces = append(r.Keyspaces, cassandra.Keyspace{Name: "logs", Strategy: "NetworkTopologyStrategy", RF: map[string]int{"dc2": 1}})
		}, []string{"can-i", "stop", "cassandra/orders", "n3"}, exitOK},
		"what-if-now": {nil, []string{"what-if", "cassandra/orders"}, exitOK},
		"what-if-one": {nil, []string{"what-if", "cassandra/orders", "--down", "n3"}, exitOK},
		"what-if-two": {nil, []string{"what-if", "cassandra/orders", "--down", "n1,n3"}, exitNo},
		"what-if-doubt": {func(r *cassandra.Ring) {
			r.Nodes[0].Tokens[0] = r.Nodes[1].Tokens[0]
		}, []string{"what-if", "cassandra/orders"}, exitUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			path, v := savedRing(t, c.change)
			got := galenCLI(t, "", append(c.args, "--state", path)...)
			if got.code != c.code || got.errs != "" {
				t.Fatalf("exit %d, want %d: %s%s", got.code, c.code, got.out, got.errs)
			}
			golden(t, file(name), got.out)
			for line := range strings.Lines(got.out) {
				if n := len([]rune(line)); n > 200 {
					t.Errorf("%d characters: %s", n, line)
				}
			}
			for _, columns := range []int{60, 80} {
				narrow := galenOn(t, &terminal{columns: columns, dumb: true}, nil, append(c.args, "--state", path)...)
				for line := range lineSeq(narrow.out) {
					if w := widthOf(strings.TrimSuffix(line, "\n")); w > columns {
						t.Errorf("%d columns on a terminal of %d: %s", w, columns, line)
					}
				}
				if strings.Join(strings.Fields(narrow.out[:20]), " ") != strings.Join(strings.Fields(got.out[:20]), " ") {
					t.Errorf("a terminal of %d columns is told something else:\n%s", columns, narrow.out)
				}
			}
			// Over the API it is the same answer with the same code, but for when it was saved.
			var said strings.Builder
			for line := range strings.Lines(got.out) {
				if !strings.HasPrefix(line, "saved at ") {
					said.WriteString(strings.Replace(line, "before it was saved", "before it was asked", 1))
				}
			}
			got.out = said.String()
			var live galen.Advice
			var err error
			where := "GET /v1/resources/cassandra/orders/what-if"
			if c.args[0] == "can-i" {
				where = "GET /v1/resources/cassandra/orders/can-i"
				live, err = advice.CanI(v, c.args[1], "host-0003")
			} else {
				ids := []string{}
				if len(c.args) > 2 {
					for _, n := range strings.Split(c.args[3], ",") {
						ids = append(ids, strings.Replace(n, "n", "host-000", 1))
					}
				}
				live = advice.WhatIf(v, ids)
			}
			if err != nil {
				t.Fatal(err)
			}
			served := &canned{answers: map[string]any{where: live}}
			if over := galenCLI(t, served.start(t), c.args...); over != got {
				t.Errorf("over the API it is %d\n%s%s", over.code, over.out, over.errs)
			}
		})
	}
}

// TestUnguardedIsSaid: what no guard keeps, for want of replicas, stands beside a yes, not below it.
func TestUnguardedIsSaid(t *testing.T) {
	var out strings.Builder
	a := galen.Advice{Answer: galen.Yes, Why: "nothing guarded is lost", Outlook: galen.Outlook{Unguarded: []string{"sys (RF 1)"}}}
	if err := (&cli{now: time.Now}).printAdvice(&out, a, false); err != nil {
		t.Fatal(err)
	}
	if want := "YES: nothing guarded is lost\nmind: not guarded, for want of replicas: sys (RF 1); "; !strings.HasPrefix(out.String(), want) {
		t.Errorf("%s\nwant it to begin %s", out.String(), want)
	}
}

// TestWhatIfOfTheOnlyOne: a resource that is the only one need not be named.
func TestWhatIfOfTheOnlyOne(t *testing.T) {
	path, _ := savedRing(t, nil)
	named := galenCLI(t, "", "what-if", "cassandra/orders", "--down", "n1", "--state", path)
	if got := galenCLI(t, "", "what-if", "--down", "n1", "--state", path); got != named || named.out == "" {
		t.Errorf("from the file: %+v, want %+v", got, named)
	}
	c := &canned{answers: map[string]any{"GET /v1/resources/cassandra/orders/what-if": galen.Advice{Resource: galen.Resource{Kind: "cassandra", Name: "orders"}, Answer: galen.Yes, Why: "nothing is lost"}}}
	c.answers["GET /v1/resources"] = api.ResourceList{Resources: []api.Resource{{Resource: "cassandra/orders"}}}
	server := c.start(t)
	if got := galenCLI(t, server, "what-if", "--down", "n1"); got.code != exitOK || !strings.Contains(got.out, "nothing is lost") || !strings.Contains(got.errs, "of cassandra/orders, the only one") {
		t.Errorf("over the API: %+v", got)
	}
	c.answers["GET /v1/resources"] = api.ResourceList{Resources: []api.Resource{{Resource: "cassandra/orders"}, {Resource: "cassandra/users"}}}
	if got := galenCLI(t, server, "what-if", "--down", "n1"); got.code != exitNotDone || !strings.Contains(got.errs, "cassandra/users") {
		t.Errorf("of several: %+v", got)
	}
}

// TestLevelsAreAskedBesides, of a file and of the engine; an old file gives no leave.
func TestLevelsAreAskedBesides(t *testing.T) {
	path, _ := savedRing(t, nil)
	ask := []string{"can-i", "stop", "cassandra/orders", "n3"}
	if got := galenCLI(t, "", append(ask, "--state", path, "--level", "ALL")...); got.code != exitNo || !strings.Contains(got.out, "ks, ALL: 5 of 6 replicas up, 6 needed") {
		t.Errorf("of a file: %+v", got)
	}
	c := &canned{answers: map[string]any{"GET /v1/resources/cassandra/orders/can-i": galen.Advice{Resource: galen.Resource{Kind: "cassandra", Name: "orders"}, Answer: galen.No}}}
	if got := galenCLI(t, c.start(t), append(ask, "--level", "ALL,ONE")...); got.code != exitNo || !strings.Contains(c.query, "level=ALL,ONE") {
		t.Errorf("of the engine: %+v, asked %s", got, c.query)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const day = "2026-11-23T1"
	old := strings.ReplaceAll(strings.ReplaceAll(string(b), day+"2:", day+"1:"), day+"1:59:59", day+"0:59:59")
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := galenCLI(t, "", append(ask, "--state", path)...); got.code != exitUnknown || !strings.Contains(got.out, "UNKNOWN: it was yes when it was saved, 1h0m0s ago, and leave is believed for 15m0s") {
		t.Errorf("of an old file: %+v", got)
	}
	if got := galenCLI(t, "", append(ask, "--state", path, "--within", "1d")...); got.code != exitOK {
		t.Errorf("of an old file that is believed: %+v", got)
	}
	if got := galenCLI(t, "", "what-if", "--state", path); got.code != exitUnknown || !strings.Contains(got.out, "leave is believed for 15m") {
		t.Errorf("what if, of an old file: %+v", got)
	}
}

// TestNoAnswerIsNoLeave: whatever goes wrong has a code of its own, which is neither yes, no nor unknown.
func TestNoAnswerIsNoLeave(t *testing.T) {
	good, _ := savedRing(t, nil)
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"form":1,"form":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	nobody := "http://127.0.0.1:1"
	refusing := (&canned{answers: map[string]any{"GET /v1/resources/cassandra/orders/can-i": 401}}).start(t)
	for _, c := range []struct {
		server string
		args   []string
		says   string
	}{
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3"}, "galen serve"},
		{refusing, []string{"can-i", "stop", "cassandra/orders", "n3"}, "said the engine"},
		{refusing, []string{"what-if", "cassandra/orders"}, "not found"},
		{nobody, []string{"can-i", "stop", "cassandra/orders"}, "want a verb"},
		{nobody, []string{"can-i", "stop", "orders", "n3"}, "kind/name"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--colour"}, "--colour"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "-o", "xml"}, "--output"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--state", broken}, "stands twice"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--state", broken + "x"}, "no such file"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--state", "/dev/zero"}, "it is a device"},
		{nobody, []string{"can-i", "stop", "cassandra/other", "n3", "--state", good}, "it is of cassandra/orders"},
		{nobody, []string{"can-i", "erase", "cassandra/orders", "n3", "--state", good}, "want one of stop"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--state", good, "--level", "SOME"}, "--level: level \"SOME\": want one of ALL"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--within", "1h"}, "name it with --state"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--state", good, "--level", ""}, "--level is empty"},
		{nobody, []string{"what-if", "--state", good, "--down", ""}, "--down is empty"},
		{nobody, []string{"what-if", "--state", ""}, "--state is empty"},
		{nobody, []string{"what-if", "cassandra/orders", "--within", "1h"}, "name it with --state"},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n3", "--state", good, "--within", "long"}, "--within \"long\""},
		{nobody, []string{"can-i", "stop", "cassandra/orders", "n9", "--state", good}, "its members are"},
		{nobody, []string{"what-if", "cassandra/orders", "--down", "n9", "--state", good}, "its members are"},
	} {
		if got := galenCLI(t, c.server, c.args...); got.code != exitUnasked || !strings.Contains(got.errs, c.says) {
			t.Errorf("%v: exit %d, want %d with %q: %s%s", c.args, got.code, exitUnasked, c.says, got.out, got.errs)
		}
	}
}

// TestStateIsWhatCanBeAsked: what galen state prints, --state reads.
func TestStateIsWhatCanBeAsked(t *testing.T) {
	path, v := savedRing(t, nil)
	s, err := advice.Save(v)
	if err != nil {
		t.Fatal(err)
	}
	got := galenCLI(t, (&canned{answers: map[string]any{"GET /v1/resources/cassandra/orders/state": s}}).start(t), "state", "cassandra/orders")
	if got.code != exitOK {
		t.Fatal(got.errs)
	}
	if err := os.WriteFile(path, []byte(got.out), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := galenCLI(t, "", "what-if", "cassandra/orders", "--state", path); got.code != exitOK {
		t.Errorf("%d %s%s", got.code, got.out, got.errs)
	}
}
