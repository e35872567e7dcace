package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live/cql"
)

func intent(verb, target, args string) galen.Intent {
	return galen.Intent{ID: "i1", Resource: orders(), At: now(), Undoes: "p1", Fence: 3,
		Step: galen.Step{Verb: verb, Target: galen.Target{ID: target}, Args: json.RawMessage(args)}}
}

func TestDoMakesTheOneCall(t *testing.T) {
	const n1 = `{"instance":"n1"}`
	for verb, c := range map[string]struct {
		target, args string
		mode         string
		want         []string
	}{
		cassandra.VerbStart:        {"h", n1, "", []string{"start"}},
		cassandra.VerbStop:         {"h", n1, "", []string{"admit", "terminate"}},
		cassandra.VerbKill:         {"h", `{"instance":"n1","pid":7,"started":"2027-01-15T08:00:00Z"}`, "", []string{"kill 2027-01-15T08:00:00Z"}},
		cassandra.VerbFence:        {"h", n1, "", []string{"fence"}},
		cassandra.VerbPrepare:      {"instance/n1", `{"cluster":"c","dc":"d","rack":"r","seeds":["127.0.0.2"],"replace":"127.0.0.3","num_tokens":8}`, "", []string{"prepare 127.0.0.3"}},
		cassandra.VerbDiscard:      {"instance/n1", n1, "", []string{"discard p1"}},
		cassandra.VerbClearReplace: {"h", n1, "NORMAL", []string{"clear"}},
		cassandra.VerbReplace:      {"h", `{"instance":"n1","address":"127.0.0.3","prepared":"p1","tokens":"t"}`, "", []string{"start"}},
	} {
		d, hosts := given(t, "")
		n := d.rings[orders()].nodes[0]
		n.spare = true
		if c.mode != "" {
			n.agent = says(t, c.mode)
		}
		hosts[0].look = prepared
		if _, err := d.Do(t.Context(), intent(verb, c.target, c.args)); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
		for i := range c.want {
			c.want[i] += " by i1, fence 3 of " + c.target
		}
		if diff := cmp.Diff(c.want, hosts[0].calls); diff != "" {
			t.Errorf("%s (-want +got):\n%s", verb, diff)
		}
	}
}

func prepared(at time.Time) cassandra.Instance {
	return cassandra.Instance{At: at, Data: cassandra.DataGone, Prepared: "p1", ReplaceFlag: "127.0.0.3", Config: cassandra.Config{AutoBootstrap: true}}
}

func says(t *testing.T, mode string) agent {
	return serve(t, func([]request) []byte { return fmt.Appendf(nil, `[{"status":200,"value":{"OperationMode":%q}}]`, mode) })
}

func TestDoRefuses(t *testing.T) {
	d, hosts := given(t, "")
	hosts[0].look = func(at time.Time) cassandra.Instance { i := prepared(at); i.Data = cassandra.DataPresent; return i }
	joining, normal := says(t, "JOINING"), says(t, "NORMAL")
	for name, c := range map[string]struct {
		agent agent
		in    galen.Intent
	}{
		"unknown verb":       {nil, intent("wipe", "h", `{}`)},
		"unknown instance":   {nil, intent(cassandra.VerbStart, "h", `{"instance":"n9"}`)},
		"unknown argument":   {nil, intent(cassandra.VerbStart, "h", `{"instance":"n1","force":true}`)},
		"no arguments":       {nil, intent(cassandra.VerbFence, "h", ``)},
		"no spare":           {nil, intent(cassandra.VerbPrepare, "instance/n1", `{"cluster":"c","dc":"d","rack":"r","seeds":["127.0.0.2"],"replace":"127.0.0.3","num_tokens":8}`)},
		"joiner with data":   {nil, intent(cassandra.VerbReplace, "h", `{"instance":"n1","address":"127.0.0.3","prepared":"p1","tokens":"t"}`)},
		"another's joiner":   {nil, intent(cassandra.VerbReplace, "h", `{"instance":"n1","address":"127.0.0.3","prepared":"p2","tokens":"t"}`)},
		"flag while joining": {joining, intent(cassandra.VerbClearReplace, "h", `{"instance":"n1"}`)},
		"flag of the silent": {nil, intent(cassandra.VerbClearReplace, "h", `{"instance":"n1"}`)},
		"nobody to ask":      {normal, intent(cassandra.VerbRemoveJoiner, "instance/n1", `{"instance":"n1","replace":"r1"}`)},
		"kill without start": {nil, intent(cassandra.VerbKill, "h", `{"instance":"n1","pid":7,"started":"yesterday"}`)},
	} {
		d.rings[orders()].nodes[0].agent = closed(t)
		if c.agent != nil {
			d.rings[orders()].nodes[0].agent = c.agent
		}
		if reply, err := d.Do(t.Context(), c.in); err == nil {
			t.Errorf("%s: was done: %s", name, reply)
		}
	}
	if len(hosts[0].calls) != 0 {
		t.Errorf("calls were made: %v", hosts[0].calls)
	}
	other := intent(cassandra.VerbStart, "h", `{"instance":"n1"}`)
	other.Resource.Name = "billing"
	if _, err := d.Do(t.Context(), other); err == nil {
		t.Error("a step on a ring that is not configured was done")
	}
	if _, err := d.Look(t.Context(), other.Resource, nil, nil); err == nil {
		t.Error("a ring that is not configured was looked at")
	}
}

// TestOnlyAJoinerIsRemoved: the live nodes have to say that it is none of them. n4 is the joiner, n3 the dead node.
func TestOnlyAJoinerIsRemoved(t *testing.T) {
	const pending = "replace-n1-pending.json" // n1 and n2 tell the same
	in := intent(cassandra.VerbRemoveJoiner, "instance/n4", `{"instance":"n4","replace":"r1"}`)
	for name, c := range map[string]struct {
		files []string
		why   string
	}{
		"it joins":                     {[]string{pending, pending, "", "replace-n4-bootstrap.json"}, ""},
		"its process is gone":          {[]string{pending, pending, "", ""}, ""},
		"nobody is heard":              {[]string{"", "", "", ""}, "no live node was heard"},
		"one rack is not heard":        {[]string{pending, "", "", ""}, "no live node of rack dc1/r2"},
		"it joined and died":           {[]string{"replaced-n1.json", "replaced-n2.json", "", ""}, "n4 is a node in service"},
		"one knows that it has joined": {[]string{pending, "replaced-n2.json", "", ""}, "may hold the data of a node in service"},
	} {
		d, hosts := given(t, c.files...)
		_, err := d.Do(t.Context(), in)
		if c.why == "" && (err != nil || len(hosts[3].calls) != 1) {
			t.Errorf("%s: %v, calls %v", name, err, hosts[3].calls)
		}
		if c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why) || len(hosts[3].calls) != 0) {
			t.Errorf("%s: %v, calls %v", name, err, hosts[3].calls)
		}
	}
	d, hosts := given(t, pending, pending, "", "")
	d.rings[orders()].last = cassandra.Ring{Name: "orders", Instances: []cassandra.Instance{{Name: "n4", EverNormal: true}}}
	if _, err := d.Do(t.Context(), in); err == nil || len(hosts[3].calls) != 0 {
		t.Errorf("it was in service once: %v, calls %v", err, hosts[3].calls)
	}
}

const repairArgs = `{"instance":"n1","keyspace":"ks1","ranges":[{"start":-5,"end":7},{"start":7,"end":9}]}`

// coordinator answers like a node that runs repair 3 since generation 100.
func coordinator(t *testing.T, generation int, sent *[]string) agent {
	return serve(t, func(asked []request) []byte {
		var out []string
		for _, r := range asked {
			switch {
			case strings.HasPrefix(r.Operation, "repairAsync"):
				*sent = append(*sent, string(r.Arguments[0])+string(r.Arguments[1]))
				out = append(out, `{"status":200,"value":3}`)
			case strings.HasPrefix(r.Operation, "getParentRepairStatus") && string(r.Arguments[0]) == "3":
				out = append(out, `{"status":200,"value":["COMPLETED","Repair completed successfully"]}`)
			case r.Operation != "":
				out = append(out, `{"status":200,"value":null}`)
			default:
				out = append(out, fmt.Sprintf(`{"status":200,"value":{"CurrentGenerationNumber":%d}}`, generation))
			}
		}
		return []byte("[" + strings.Join(out, ",") + "]")
	})
}

func TestRepairIsStartedAndFoundAgain(t *testing.T) {
	d, _ := given(t, "")
	n := d.rings[orders()].nodes[0]
	var sent []string
	n.agent = coordinator(t, 100, &sent)
	in := intent(cassandra.VerbRepair, "h", repairArgs)
	reply, err := d.Do(t.Context(), in)
	if err != nil || reply != `{"command":3,"generation":100}` {
		t.Fatalf("reply %s, %v", reply, err)
	}
	want := []string{`"ks1"{"incremental":"false","jobThreads":"1","parallelism":"parallel","primaryRange":"false","ranges":"-5:7,7:9"}`}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	began := in.At.Add(time.Second)
	row := cql.Repair{Command: 8, Keyspace: "ks1", Status: "FAILED", Message: "why", Ranges: []string{"(-5,7]", "(7,9]"}, Began: began}
	old := row
	old.Began = in.At.Add(-time.Hour)
	for name, c := range map[string]struct {
		reply      string
		generation int
		rows       []cql.Repair
		want       cassandra.Repair
	}{
		"by its number":   {reply, 100, nil, cassandra.Repair{Command: 3, Status: "COMPLETED", Message: "Repair completed successfully"}},
		"restarted since": {reply, 101, nil, cassandra.Repair{Command: 3, Message: "the coordinator was started again since"}},
		"forgotten":       {`{"command":4,"generation":100}`, 100, nil, cassandra.Repair{Command: 4, Message: "the coordinator does not know it"}},
		"nothing to do":   {`{"command":0,"generation":100}`, 100, nil, cassandra.Repair{Status: "COMPLETED", Message: "nothing to repair"}},
		"reply lost":      {"", 100, []cql.Repair{old, row}, cassandra.Repair{Command: 8, Status: "FAILED", Message: "why"}},
		"never arrived":   {"timeout", 100, []cql.Repair{old}, cassandra.Repair{Message: "the coordinator remembers no such repair"}},
	} {
		n.agent, n.native = coordinator(t, c.generation, &sent), fakeNative{repairs: c.rows}
		in.Reply = c.reply
		got := d.rings[orders()].repair(t.Context(), in)
		c.want.Intent, c.want.Instance = "i1", "n1"
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestWhatIsReadFirstIsAdmittedAgain: an engine that was suspended while it asked the node sends nothing when it wakes up. Its
// intent may be settled, and others at work.
func TestWhatIsReadFirstIsAdmittedAgain(t *testing.T) {
	raise := raiseOf(newThrottledNode().tells(t))
	for _, step := range []galen.Step{
		raise, *raise.Undo,
		{Verb: cassandra.VerbRepair, Target: galen.Target{ID: "h"}, Args: json.RawMessage(repairArgs)},
	} {
		for _, refuses := range []error{nil, context.DeadlineExceeded} {
			d, hosts := given(t, "")
			n := d.rings[orders()].nodes[0]
			hosts[0].refuses = refuses
			throttled := newThrottledNode()
			var sent []string
			switch n.agent = throttled.agent(t); step.Verb {
			case cassandra.VerbRepair:
				n.agent = coordinator(t, 100, &sent)
			case cassandra.VerbRestoreStream:
				throttled.bytes = map[string]float64{"StreamThroughput": 100 << 20, "InterDCStreamThroughput": 100 << 20}
			}
			in := intent(step.Verb, "h", "")
			in.Step = step
			_, err := d.Do(t.Context(), in)
			sent = append(sent, throttled.writes...)
			if !errors.Is(err, refuses) || (len(sent) == 0) != (refuses != nil) {
				t.Errorf("%s, refused with %v: sent %v, %v", step.Verb, refuses, sent, err)
			}
			if refuses == nil && (len(hosts[0].calls) != 1 || !strings.HasPrefix(hosts[0].calls[0], "admit by i1, fence 3 of ")) {
				t.Errorf("%s was not admitted: %v", step.Verb, hosts[0].calls)
			}
		}
	}
}

func TestSetupIsStrict(t *testing.T) {
	const good = `{"nodes":[{"instance":"n1","address":"127.0.0.1","jolokia":"http://127.0.0.1:8778/jolokia/","cql":"127.0.0.1:9042","folder":"/srv/n1"}]}`
	open := func(text string) error {
		d, err := Open(map[galen.Resource]json.RawMessage{orders(): json.RawMessage(text)}, now)
		if err == nil {
			d.Close()
		}
		return err
	}
	if err := open(good); err != nil {
		t.Fatal(err)
	}
	twice := strings.Replace(good, `]}`, `,{"instance":"n1","address":"127.0.0.1","jolokia":"http://a/","cql":"127.0.0.1:9043","folder":"/srv/n2"}]}`, 1)
	for name, text := range map[string]string{
		"empty": `{"nodes":[]}`, "unknown field": strings.Replace(good, `"folder"`, `"dc":"dc1","folder"`, 1), "twice": twice,
		"missing": strings.Replace(good, `"cql":"127.0.0.1:9042",`, "", 1), "port": strings.Replace(good, `"127.0.0.1"`, `"127.0.0.1:7000"`, 1),
		"name": strings.Replace(good, `"n1"`, `"../n1"`, 1), "folder": strings.Replace(good, `"/srv/n1"`, `"srv/n1"`, 1),
		"url": strings.Replace(good, `http:`, `ftp:`, 1), "cql name": strings.Replace(good, `127.0.0.1:9042`, `localhost:9042`, 1),
	} {
		if err := open(text); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// Two instances share neither folder nor way in, however it is written: what is done to one would be done to the other.
func TestSetupsShareNothing(t *testing.T) {
	const first = `{"instance":"n1","address":"127.0.0.1","jolokia":"http://a:1/jolokia","cql":"127.0.0.1:9042","folder":"/srv/cass/n1"}`
	second := func(old, now string) string {
		s := `{"instance":"n2","address":"127.0.0.2","jolokia":"http://b:1/jolokia","cql":"127.0.0.2:9042","folder":"/srv/cass/n2"}`
		return strings.Replace(s, old, now, 1)
	}
	open := func(rings ...string) error {
		setups := map[galen.Resource]json.RawMessage{}
		for i, nodes := range rings {
			setups[galen.Resource{Kind: cassandra.KindName, Name: fmt.Sprintf("r%d", i)}] = json.RawMessage(`{"nodes":[` + nodes + `]}`)
		}
		d, err := Open(setups, now)
		if err == nil {
			d.Close()
		}
		return err
	}
	for name, s := range map[string]string{
		"nothing": second("", ""), "the beginning of a folder's name": second("cass/n2", "cass/n10"), "a folder above both": second("cass/n2", "other/n1"),
	} {
		if err := open(first + "," + s); err != nil {
			t.Errorf("they share %s: %v", name, err)
		}
	}
	for name, s := range map[string]string{
		"folder": second("cass/n2", "cass/n1"), "folder with a slash": second("cass/n2", "cass/n1/"), "folder with dots": second("cass/n2", "cass/x/../n1"),
		"folder inside": second("cass/n2", "cass/n1/data"), "folder around": second("/cass/n2", "//cass/."), "folder of all": second("srv/cass/n2", ""),
		"jolokia with a slash": second("http://b:1/jolokia", "http://a:1/jolokia/"), "jolokia in capitals": second("http://b:1/jolokia", "HTTP://A:1/jolokia"),
		"cql": second("127.0.0.2:9042", "127.0.0.1:9042"), "cql, mapped": second("127.0.0.2:9042", "[::ffff:127.0.0.1]:9042"),
		"address, mapped": second(`"127.0.0.2"`, `"::ffff:127.0.0.1"`),
	} {
		if err := open(first + "," + s); err == nil {
			t.Errorf("they share: %s", name)
		}
	}
	for name, s := range map[string]string{"folder": second("cass/n2", "cass/n1/"), "folder inside": second("cass/n2", "cass/n1/data")} {
		if err := open(first, s); err == nil {
			t.Errorf("two rings share: %s", name)
		}
	}
	if err := open(first, second("", "")); err != nil {
		t.Error(err)
	}
}

// A large ring is not asked as a whole: the target, who shares data with it, and one of each other rack.
func TestScopeIsWidened(t *testing.T) {
	const racks, nodes = 10, 40
	r := &ring{}
	last := cassandra.Ring{Name: "orders", At: now(), Keyspaces: []cassandra.Keyspace{{Name: "ks1", Strategy: "SimpleStrategy", RF: map[string]int{"": 3}}}}
	for i := range nodes {
		name := fmt.Sprintf("n%02d", i)
		r.nodes = append(r.nodes, &node{name: name})
		last.Nodes = append(last.Nodes, cassandra.Node{HostID: "h" + name, Instance: name, Address: name, DC: "dc1", Rack: fmt.Sprintf("r%d", i%racks),
			Status: cassandra.Normal, Tokens: []cassandra.Token{cassandra.Token(i * 1000)}})
		last.Instances = append(last.Instances, cassandra.Instance{Name: name, At: now()})
		last.Views = append(last.Views, cassandra.View{Instance: name, Address: name, At: now(), Jolokia: cassandra.Answered, Mode: "NORMAL"})
	}
	r.last = last
	got := map[string]bool{}
	for _, n := range r.widen([]galen.Target{{ID: "hn20"}}, nil) {
		got[n.name] = true
	}
	for _, name := range []string{"n18", "n19", "n20", "n21", "n22"} {
		if !got[name] {
			t.Errorf("%s shares data with the target and is not asked", name)
		}
	}
	if len(got) != racks {
		t.Errorf("%d nodes are asked, want %d: five that share, one in each of the other five racks: %v", len(got), racks, got)
	}
	if n := len(r.widen([]galen.Target{{ID: "nobody"}}, nil)); n != nodes {
		t.Errorf("a target that is not known: %d are asked, want all", n)
	}
	if n := len(r.widen(nil, nil)); n != nodes {
		t.Errorf("no scope: %d are asked, want all", n)
	}
}
