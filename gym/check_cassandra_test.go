package gym

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// threeAndSpares: n1 to n3 of dc1 are in service, n4 of dc1 and n5 of dc2 are empty.
func threeAndSpares(change func(h []ring.TrueHost)) ring.Truth {
	t := ring.Truth{At: epoch().Add(time.Minute)}
	for i := range 5 {
		h := ring.TrueHost{Name: fmt.Sprintf("n%d", i+1), Address: fmt.Sprintf("127.0.0.%d", i+1), DC: "dc1", Spare: i > 2}
		if i == 4 {
			h.DC = "dc2"
		}
		h.Config.DC = h.DC
		if !h.Spare {
			h.Running, h.Mode, h.Data, h.Up = true, "NORMAL", true, []string{"a", "b"}
			t.Members = append(t.Members, ring.TrueMember{HostID: fmt.Sprintf("id%d", i+1), Host: h.Name, Status: cassandra.Normal})
		}
		t.Hosts = append(t.Hosts, h)
	}
	if change != nil {
		change(t.Hosts)
	}
	return t
}

// Each rule about a verb can be broken, and the nearest thing that may be done breaks none.
func TestVerbRules(t *testing.T) {
	dead := func(h *ring.TrueHost) { h.Running, h.Mode, h.Up, h.Down = false, "", nil, []string{"n1", "n2"} }
	third := func(change func(h *ring.TrueHost)) func([]ring.TrueHost) {
		return func(h []ring.TrueHost) { dead(&h[2]); change(&h[2]) }
	}
	n3 := cassandra.Node{HostID: "id3", Instance: "n3", Address: "127.0.0.3"}
	start, stop, kill, fence := cassandra.Start(n3), cassandra.Stop(n3), cassandra.Kill(n3, cassandra.Instance{Name: "n3"}), cassandra.Fence(n3)
	prepare := func(name string) galen.Step {
		return cassandra.Prepare(cassandra.Ring{}, cassandra.Instance{Name: name}, n3)
	}
	replace := func(name string) galen.Step { return cassandra.Replace(n3, cassandra.Instance{Name: name}) }
	remove := cassandra.RemoveJoiner(cassandra.Instance{Name: "n4"}, "x")
	fenced := third(func(h *ring.TrueHost) { h.Fenced = "f" })
	for name, c := range map[string]struct {
		step  galen.Step
		where string
		world func([]ring.TrueHost)
		broke string
	}{
		"a dead node starts":                     {start, "n3", third(func(*ring.TrueHost) {}), ""},
		"a fenced node starts":                   {start, "n3", fenced, "corpse"},
		"it starts while it is replaced":         {start, "n3", func(h []ring.TrueHost) { dead(&h[2]); h[3].Takes = "127.0.0.3" }, "corpse"},
		"another one is replaced":                {start, "n3", func(h []ring.TrueHost) { dead(&h[2]); h[3].Takes = "127.0.0.2" }, ""},
		"nobody can see that it is":              {start, "n3", func(h []ring.TrueHost) { dead(&h[2]); h[3].Takes, h[3].Hidden = "127.0.0.3", true }, ""},
		"a fenced node is replaced":              {replace("n4"), "n4", fenced, ""},
		"a free node is replaced":                {replace("n4"), "n4", third(func(*ring.TrueHost) {}), "fence first"},
		"from another data centre":               {replace("n5"), "n5", fenced, "I-16"},
		"a spare is prepared":                    {prepare("n4"), "n4", fenced, ""},
		"one of another data centre":             {prepare("n5"), "n5", fenced, "I-16"},
		"a frozen process is killed":             {kill, "n3", third(func(h *ring.TrueHost) { h.Running, h.Frozen = true, true }), ""},
		"a process that serves":                  {kill, "n3", nil, "stuck only"},
		"a process that starts":                  {kill, "n3", third(func(h *ring.TrueHost) { h.Running, h.Mode = true, "STARTING" }), "stuck only"},
		"a process that nobody hears":            {kill, "n3", third(func(h *ring.TrueHost) { h.Running, h.Mode, h.Cut = true, "STARTING", true }), ""},
		"a working node is stopped":              {stop, "n3", nil, ""},
		"a starting one":                         {stop, "n3", third(func(h *ring.TrueHost) { h.Running, h.Mode = true, "STARTING" }), "orderly stop"},
		"one that drains":                        {stop, "n3", func(h []ring.TrueHost) { h[2].Mode = "DRAINED" }, ""},
		"while another one is loaded":            {stop, "n3", func(h []ring.TrueHost) { h[0].Streams = 1 }, "I-32 streams"},
		"while another one is read for a repair": {stop, "n3", func(h []ring.TrueHost) { h[0].Tasks = map[string]int{"validation": 1} }, "I-32 streams"},
		"while another one cleans up":            {stop, "n3", func(h []ring.TrueHost) { h[0].Tasks = map[string]int{"cleanup": 1} }, "I-30 load"},
		"a start while another one repairs":      {start, "n3", func(h []ring.TrueHost) { dead(&h[2]); h[0].Tasks = map[string]int{"validation": 1, "cleanup": 1} }, ""},
		"while a joiner is":                      {stop, "n3", func(h []ring.TrueHost) { h[3].Running, h[3].Mode, h[3].Streams = true, "JOINING", 1 }, ""},
		"while requests wait":                    {stop, "n3", func(h []ring.TrueHost) { h[0].Waiting = 1001 }, "I-30 load"},
		"while as many wait as may":              {stop, "n3", func(h []ring.TrueHost) { h[0].Waiting = 1000 }, ""},
		"a start while requests wait":            {start, "n3", func(h []ring.TrueHost) { dead(&h[2]); h[0].Waiting = 1001 }, ""},
		"a dead node is fenced":                  {fence, "n3", third(func(*ring.TrueHost) {}), ""},
		"one that starts":                        {fence, "n3", third(func(h *ring.TrueHost) { h.Running, h.Mode = true, "STARTING" }), "N4 alive"},
		"a joiner is taken back":                 {remove, "n4", func(h []ring.TrueHost) { h[3].HalfData = true }, ""},
		"a node in service is taken back":        {remove, "n4", func(h []ring.TrueHost) { h[3].Data = true }, "joiner only"},
	} {
		broken := checkerOf(&act{Intent: galen.Intent{Step: c.step}, Seen: threeAndSpares(c.world), Accepted: []accepted{{Instance: c.where, Truth: threeAndSpares(c.world)}}})
		if got := invariants(broken); got != c.broke {
			t.Errorf("%s: broke %q, want %q", name, got, c.broke)
		}
		over := checkerOf(&act{Intent: galen.Intent{Step: c.step}, Seen: threeAndSpares(c.world), Accepted: []accepted{{Instance: c.where, Truth: threeAndSpares(fenced)}}})
		switch got := invariants(over); got {
		case "I-32 streams", "I-30 load", "N4 alive", "stuck only", "orderly stop":
			t.Errorf("%s: broke %q, which was over when the call arrived", name, got)
		}
	}
}

func checkerOf(acts ...*act) *checker {
	c := &checker{trace: newTrace(Incident{Policy: galen.SafePolicy()}, epoch), runs: map[string]galen.Run{}}
	c.acts = acts
	return c
}

func invariants(c *checker) string {
	c.verbs()
	c.dataCentre()
	var out []string
	for _, v := range c.found {
		out = append(out, v.Invariant)
	}
	return strings.Join(out, ", ")
}

// What names nothing, everything or no end is blamed, and what was done although a guard failed.
func TestNamedAndFailing(t *testing.T) {
	step := func(verb, id string, within time.Duration) *act {
		return &act{Intent: galen.Intent{Step: galen.Step{Verb: verb, Target: galen.Target{ID: id}, Within: galen.Duration(within)}}}
	}
	for broke, acts := range map[string][]*act{
		"":     {step("start", "id3", time.Minute)},
		"I-08": {step("start", "", time.Minute), step("start", "*", time.Minute), step("start", "id1,id2", time.Minute), step("start", "id3", 0), step("", "id3", time.Minute)},
	} {
		for _, a := range acts {
			c := checkerOf(a)
			c.named()
			if c.failing(); broke == "" && len(c.found) > 0 || broke != "" && (len(c.found) != 1 || c.found[0].Invariant != broke) {
				t.Errorf("%v: broke %v, want %q", a.Step, c.found, broke)
			}
		}
	}
	c := checkerOf(step("start", "id3", time.Minute))
	c.spoilt = "I-07 identity"
	if c.failing(); len(c.found) != 1 || c.found[0].Invariant != "I-29" {
		t.Errorf("a guard failed on it, and nobody minds: %v", c.found)
	}
}
