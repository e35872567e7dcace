package cassandra_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// world is what a guard is asked in.
type world struct {
	t     *testing.T
	now   time.Time
	ring  *ring.Cluster
	state cassandra.Ring
	facts map[string]galen.Fact
	past  []galen.Intent
	open  []galen.Intent
	own   bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), facts: map[string]galen.Fact{}}
	spec := ring.Three(func() time.Time { return w.now })
	spec.Hosts = append(spec.Hosts, ring.HostSpec{Name: "n5", Address: "127.0.0.5", DC: "dc1", Rack: "r2", Spare: true})
	c, err := ring.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	w.ring = c
	w.wait(2 * time.Second)
	return w
}

func (w *world) wait(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(time.Second)
		seen, err := w.ring.Look(w.t.Context(), galen.Resource{Kind: "cassandra", Name: "demo"}, nil, w.open)
		if err != nil {
			w.t.Fatal(err)
		}
		w.state = cassandra.Fold(w.state, seen)
	}
}

func (w *world) make(trouble ring.Trouble, instance string) {
	w.t.Helper()
	if err := w.ring.Make(trouble, instance); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) done(id string, s galen.Step) {
	w.t.Helper()
	in := galen.Intent{ID: id, Run: "run-1", Step: s, At: w.now, Fence: int64(len(w.past) + 1), Effect: galen.Effect{Status: galen.EffectDone, At: w.now}}
	if _, err := w.ring.Do(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
	w.past = append(w.past, in)
	w.wait(2 * time.Second)
}

func (w *world) node(instance string) *cassandra.Node {
	w.t.Helper()
	i := slices.IndexFunc(w.state.Nodes, func(n cassandra.Node) bool { return n.Instance == instance })
	if i < 0 {
		w.t.Fatalf("no node %s", instance)
	}
	return &w.state.Nodes[i]
}

func (w *world) instance(name string) *cassandra.Instance {
	w.t.Helper()
	i := slices.IndexFunc(w.state.Instances, func(i cassandra.Instance) bool { return i.Name == name })
	if i < 0 {
		w.t.Fatalf("no instance %s", name)
	}
	return &w.state.Instances[i]
}

func (w *world) view(name string) *cassandra.View {
	w.t.Helper()
	i := slices.IndexFunc(w.state.Views, func(v cassandra.View) bool { return v.Instance == name })
	if i < 0 {
		w.t.Fatalf("no view of %s", name)
	}
	return &w.state.Views[i]
}

// says lets one node say something else of another one.
func (w *world) says(observer, of string, change func(*cassandra.Endpoint)) {
	w.t.Helper()
	v := w.view(observer)
	v.Peers = slices.Clone(v.Peers)
	address := w.node(of).Address
	for i := range v.Peers {
		if v.Peers[i].Address == address {
			change(&v.Peers[i])
		}
	}
}

// heavy lets everybody know how much data a node held.
func (w *world) heavy(instance string, bytes int64) {
	w.t.Helper()
	for _, v := range []string{"n1", "n2"} {
		w.says(v, instance, func(e *cassandra.Endpoint) { e.Load = bytes })
	}
}

func (w *world) fact(key string, value any, age time.Duration) {
	w.t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		w.t.Fatal(err)
	}
	w.facts[key] = galen.Fact{Key: key, Value: b, Intent: "of-another-run", At: w.now.Add(-age)}
}

// dead: n3 is dead, its data are gone, and n1 and n2 are well.
func dead(t *testing.T) *world {
	w := newWorld(t)
	w.make(ring.Kill, "n3")
	w.make(ring.LoseData, "n3")
	w.wait(30 * time.Second)
	return w
}

// ready: besides, n3 is fenced and n4 prepared.
func ready(t *testing.T) *world {
	w := dead(t)
	w.done("fence-1", cassandra.Fence(*w.node("n3")))
	w.done("prepare-1", cassandra.Prepare(w.state, *w.instance("n4"), *w.node("n3")))
	return w
}

// frozen: n3 hangs and everybody calls it down.
func frozen(t *testing.T) *world {
	w := newWorld(t)
	w.make(ring.Freeze, "n3")
	w.wait(30 * time.Second)
	return w
}

func replaceStep(w *world) galen.Step { return cassandra.Replace(*w.node("n3"), *w.instance("n4")) }
func fenceStep(w *world) galen.Step   { return cassandra.Fence(*w.node("n3")) }
func startStep(w *world) galen.Step   { return cassandra.Start(*w.node("n3")) }
func stopStep(w *world) galen.Step    { return cassandra.Stop(*w.node("n2")) }
func killStep(w *world) galen.Step    { return cassandra.Kill(*w.node("n3"), *w.instance("n3")) }
func removeStep(w *world) galen.Step {
	w.own = true
	return cassandra.RemoveJoiner(*w.instance("n4"), "x")
}
func repairStep(w *world) galen.Step {
	return cassandra.RepairRanges(w.state, *w.node("n1"), "orders")
}

func raiseStep(mebibytes int) func(w *world) galen.Step {
	return func(w *world) galen.Step { return cassandra.RaiseStream(*w.node("n2"), *w.view("n2"), mebibytes) }
}
func restoreStep(w *world) galen.Step { return *raiseStep(100)(w).Undo }

func (w *world) ask(s galen.Step) galen.Ask[cassandra.Ring] {
	w.t.Helper()
	i := slices.IndexFunc(cassandra.Verbs(), func(v galen.Verb[cassandra.Ring]) bool { return v.Name == s.Verb })
	v := cassandra.Verbs()[i]
	return galen.Ask[cassandra.Ring]{
		World: galen.World[cassandra.Ring]{Now: w.now, State: w.state, Facts: w.facts, Open: w.open},
		Step:  s, Class: v.Class, Own: v.Own || w.own, Policy: galen.SafePolicy(),
		Ledger: galen.Ledger{Now: w.now, Run: galen.Run{ID: "run-1"}, Past: w.past},
	}
}

// approved asks for a step to which two people have said yes.
func (w *world) approved(s galen.Step) galen.Ask[cassandra.Ring] {
	w.t.Helper()
	a := w.ask(s)
	steps := []galen.ApprovedStep{{Verb: s.Verb, Target: s.Target.ID, Count: 1}}
	a.Ledger.Approval = &galen.Approval{
		ID: "yes", Run: "run-1", Params: galen.HashJSON(a.Ledger.Run.Params), By: "ada", At: w.now, Expires: w.now.Add(time.Minute),
		Steps: steps, With: []galen.Assent{{By: "bob", At: w.now, Expires: w.now.Add(time.Hour), Steps: steps}},
		Basis: map[string]string{s.Target.ID: w.state.Basis(s.Target)},
	}
	return a
}

// answers are those of all guards that do not allow.
func (w *world) answers(s galen.Step) map[string]galen.Verdict {
	out := map[string]galen.Verdict{}
	for _, g := range cassandra.Guards() {
		if v := g.Check(w.ask(s)); v.Answer != galen.Allow {
			out[g.Name] = v
		}
	}
	return out
}

// lonely is a world in which one guard alone refuses a step.
type lonely struct {
	name   string
	world  func(*testing.T) *world
	change func(*world)
	step   func(*world) galen.Step
	guard  string // "" for none
	answer galen.Answer
}

func (c lonely) judged(t *testing.T) {
	w := c.world(t)
	var s galen.Step
	if c.step == nil {
		s = killStep(w) // made before the world changed
	}
	if c.change != nil {
		c.change(w)
	}
	if c.step != nil {
		s = c.step(w)
	}
	got := w.answers(s)
	if c.guard == "" {
		if len(got) > 0 {
			t.Errorf("refused: %v", got)
		}
		return
	}
	alone := len(got) == 1
	for name, v := range got {
		alone = alone && strings.HasPrefix(name, c.guard) && v.Answer == c.answer && v.Why != ""
	}
	if !alone {
		t.Errorf("%v; want %s alone to say %s", got, c.guard, c.answer)
	}
}

// A guard stands alone in each of these worlds: without it, nothing would refuse the step.
func TestEachGuardStandsAlone(t *testing.T) {
	busy := func(w *world, verb string, target galen.Target, class galen.Class) {
		w.open = append(w.open, galen.Intent{ID: "x", Run: "run-2", Class: class, At: w.now, Step: galen.Step{Verb: verb, Target: target}})
	}
	doing := func(instance, task string) func(*world) {
		return func(w *world) { w.view(instance).Tasks = map[string]int{task: 1} }
	}
	for _, c := range []lonely{
		{"a dead node is fenced", dead, nil, fenceStep, "", ""},
		{"and replaced", ready, nil, replaceStep, "", ""},
		{"a frozen one is killed", frozen, nil, killStep, "", ""},
		{"a dead one started", dead, nil, startStep, "", ""},
		{"a working one stopped", newWorld, nil, stopStep, "", ""},
		{"or repairs", newWorld, nil, repairStep, "", ""},

		{"or streams faster", newWorld, nil, raiseStep(200), "", ""},
		{"and back, as it is owed", newWorld, func(w *world) { w.own = true }, restoreStep, "", ""},

		{"streams faster than the policy allows", newWorld, nil, raiseStep(201), "throttle", galen.Deny},
		{"streams of a node that is down", newWorld, func(w *world) { w.node("n2").Down = true }, raiseStep(100), "throttle", galen.LookAgain},
		{"a throttle of any other value", newWorld, nil, restoreStep, "throttle", galen.Deny},

		{"another replacement runs, and nothing else shows it", ready, func(w *world) {
			i := w.instance("n5")
			i.Process, i.ReplaceFlag, i.EverNormal = cassandra.Running, "127.0.0.9", false
		}, replaceStep, "I-01", galen.LookAgain},
		{"another prepared instance hides", ready, func(w *world) {
			i := w.instance("n5")
			i.Error, i.ReplaceFlag = "no route", "127.0.0.9"
		}, replaceStep, "I-01", galen.LookAgain},
		{"a peer joins", ready, func(w *world) { w.says("n1", "n2", func(e *cassandra.Endpoint) { e.Status = "BOOT" }) }, replaceStep, "I-01", galen.LookAgain},
		{"ranges are pending", newWorld, func(w *world) {
			w.state.Pending = []cassandra.Pending{{Keyspace: "system_traces", Address: "127.0.0.1"}}
		}, stopStep, "I-01", galen.LookAgain},
		{"one node sees another leave", newWorld, func(w *world) { w.view("n1").Leaving = []string{"127.0.0.9"} }, repairStep, "I-01", galen.LookAgain},
		{"another run takes a joiner back", ready, func(w *world) {
			busy(w, cassandra.VerbRemoveJoiner, w.instance("n5").Target(), galen.Destructive)
		}, replaceStep, "I-01", galen.LookAgain},
		{"a hibernating node", newWorld, func(w *world) { w.says("n1", "n3", func(e *cassandra.Endpoint) { e.Status = "hibernate" }) }, stopStep, "I-01", galen.LookAgain},

		{"two schemas", ready, func(w *world) { w.state.Schemas = append(w.state.Schemas, "another") }, replaceStep, "I-32", galen.LookAgain},

		{"one node calls a second one down", ready, func(w *world) { w.says("n1", "n2", func(e *cassandra.Endpoint) { e.Up = false }) }, replaceStep, "I-02 quorum", galen.LookAgain},
		{"nobody can say how a second node is", ready, func(w *world) {
			n := w.node("n2")
			for i := range n.Observations {
				n.Observations[i].Says = galen.Unknown
			}
		}, replaceStep, "I-02 quorum", galen.LookAgain},
		{"nobody speaks of a second node", ready, func(w *world) { w.node("n2").Observations = nil }, replaceStep, "I-02 quorum", galen.LookAgain},
		{"a second node hangs", ready, func(w *world) { w.view("n2").Jolokia = cassandra.Hung }, replaceStep, "I-02 quorum", galen.LookAgain},
		{"a second node is being stopped", ready, func(w *world) {
			busy(w, cassandra.VerbStop, w.node("n2").Target(), galen.Disruptive)
		}, replaceStep, "I-02 quorum", galen.LookAgain},
		{"a second node lost its data, too", ready, func(w *world) {
			w.node("n2").Down, w.instance("n2").Data = true, cassandra.DataGone
			w.state.Views = slices.DeleteFunc(w.state.Views, func(v cassandra.View) bool { return v.Instance == "n2" })
			w.instance("n4").Config.Seeds = []string{"127.0.0.1"}
		}, replaceStep, "I-02 quorum", galen.Deny},
		{"a keyspace nobody can place", ready, func(w *world) { w.state.Keyspaces[0].Strategy = "EverywhereStrategy" }, replaceStep, "I-02 quorum", galen.Deny},
		{"no keyspace was told", ready, func(w *world) { w.state.Keyspaces = nil }, replaceStep, "I-02 quorum", galen.LookAgain},
		{"a stop beside a dead node", dead, nil, stopStep, "I-02 quorum", galen.LookAgain},
		{"a stop of a node that one peer calls down, beside a dead one", dead, func(w *world) { w.says("n1", "n2", func(e *cassandra.Endpoint) { e.Up = false }) }, stopStep, "I-02 quorum", galen.LookAgain},

		{"a repair is owed", ready, func(w *world) { w.fact("repair-owed/n1/orders", nil, time.Hour) }, replaceStep, "I-02 repair owed", galen.LookAgain},
		{"a repair is owed by who has left", ready, func(w *world) { w.fact("repair-owed/n9/orders", nil, time.Hour) }, replaceStep, "I-02 repair owed", galen.NeedYes},
		{"a repair is owed by who is to come", ready, func(w *world) { w.fact("repair-owed/n4/orders", nil, time.Hour) }, fenceStep, "I-02 repair owed", galen.LookAgain},
		{"a repair is owed where nothing is shared", ready, func(w *world) { w.fact("repair-owed/n1/system_auth", nil, time.Hour) }, replaceStep, "", ""},
		{"a repair is owed of a keyspace that was dropped", ready, func(w *world) { w.fact("repair-owed/n9/gone", nil, time.Hour) }, replaceStep, "", ""},
		{"a repair is owed by the dead one", ready, func(w *world) { w.fact("repair-owed/n3/orders", nil, time.Hour) }, replaceStep, "", ""},

		{"one peer calls it UP", ready, func(w *world) { w.says("n1", "n3", func(e *cassandra.Endpoint) { e.Up = true }) }, replaceStep, "N4", galen.LookAgain},
		{"its generation moved", ready, func(w *world) { w.says("n1", "n3", func(e *cassandra.Endpoint) { e.Generation++ }) }, replaceStep, "N4", galen.LookAgain},
		{"it answers", dead, func(w *world) { w.view("n3").Jolokia = cassandra.Booting }, fenceStep, "N4", galen.LookAgain},
		{"it was never down", ready, func(w *world) { n := w.node("n3"); n.Down, n.Flips = false, 0 }, replaceStep, "N4", galen.Deny},
		{"it is back", ready, func(w *world) { w.node("n3").Down = false }, replaceStep, "N4", galen.LookAgain},

		{"not down for long, one look at the data", ready, func(w *world) { w.instance("n3").GoneLooks = 1 }, replaceStep, "I-15", galen.LookAgain},
		{"not down for long, another device", dead, func(w *world) { w.instance("n3").Device++ }, fenceStep, "I-15", galen.LookAgain},
		{"down for long, unreadable", dead, func(w *world) {
			w.instance("n3").Data = cassandra.DataUnknown
			w.node("n3").DownSince = w.now.Add(-time.Hour)
		}, fenceStep, "I-15", galen.NeedYes},
		{"down for long, its data there", dead, func(w *world) {
			w.instance("n3").Data = cassandra.DataPresent
			w.node("n3").DownSince = w.now.Add(-10 * time.Minute)
		}, fenceStep, "", ""},
		{"shorter than its longest restart", dead, func(w *world) {
			w.instance("n3").Data = cassandra.DataPresent
			n := w.node("n3")
			n.DownSince, n.LongestRestart = w.now.Add(-10*time.Minute), galen.Duration(10*time.Minute+time.Second)
		}, fenceStep, "I-15", galen.LookAgain},

		{"replaced minutes ago", ready, func(w *world) { w.fact("replaced/dc1", cassandra.ReplaceArgs{Instance: "n2"}, 14*time.Minute) }, fenceStep, "I-13", galen.LookAgain},
		{"the last one flaps", ready, func(w *world) {
			w.fact("replaced/dc1", cassandra.ReplaceArgs{Instance: "n2"}, time.Hour)
			w.instance("n2").Started = w.now.Add(-5 * time.Minute)
		}, replaceStep, "I-13", galen.LookAgain},
		{"the last one is not NORMAL for everybody", ready, func(w *world) {
			w.fact("replaced/dc1", cassandra.ReplaceArgs{Instance: "n2"}, time.Hour)
			w.says("n1", "n2", func(e *cassandra.Endpoint) { e.Status = "" })
		}, replaceStep, "I-13", galen.LookAgain},
		{"the last one has left", ready, func(w *world) { w.fact("replaced/dc1", cassandra.ReplaceArgs{Instance: "n9"}, 90*24*time.Hour) }, fenceStep, "I-13", galen.NeedYes},
		{"the last one is well", ready, func(w *world) { w.fact("replaced/dc1", cassandra.ReplaceArgs{Instance: "n2"}, time.Hour) }, replaceStep, "", ""},
		{"another data centre", ready, func(w *world) { w.fact("replaced/dc2", cassandra.ReplaceArgs{Instance: "n2"}, time.Minute) }, replaceStep, "", ""},

		{"auto_bootstrap off", ready, func(w *world) { w.instance("n4").Config.AutoBootstrap = false }, replaceStep, "I-31", galen.Deny},
		{"another cluster", ready, func(w *world) { w.instance("n4").Config.Cluster = "else" }, replaceStep, "I-31", galen.Deny},
		{"another rack", ready, func(w *world) { w.instance("n4").Config.Rack = "r1" }, replaceStep, "I-31", galen.Deny},
		{"another data centre's joiner", ready, func(w *world) { w.instance("n4").Config.DC = "dc2" }, replaceStep, "I-31", galen.Deny},
		{"its own seed", ready, func(w *world) { w.instance("n4").Config.Seeds = []string{"127.0.0.1", "127.0.0.4"} }, replaceStep, "I-31", galen.Deny},
		{"a stranger as seed", ready, func(w *world) { w.instance("n4").Config.Seeds = []string{"127.0.0.9"} }, replaceStep, "I-31", galen.Deny},
		{"no seeds", ready, func(w *world) { w.instance("n4").Config.Seeds = nil }, replaceStep, "I-31", galen.Deny},
		{"flag for another one", ready, func(w *world) { w.instance("n4").ReplaceFlag = "127.0.0.2" }, replaceStep, "I-31", galen.Deny},
		{"it holds data", ready, func(w *world) { w.instance("n4").Data = cassandra.DataPresent }, replaceStep, "I-31", galen.Deny},
		{"prepared by another run", ready, func(w *world) { w.past = w.past[:1] }, replaceStep, "I-31", galen.Deny},
		{"not looked at since", ready, func(w *world) { w.instance("n4").At = w.past[1].At }, replaceStep, "I-31", galen.LookAgain},
		{"listens elsewhere", ready, func(w *world) { w.instance("n4").Config.Listen = "0.0.0.0" }, replaceStep, "I-31", galen.Deny},

		{"requests wait at a node", ready, func(w *world) {
			w.view("n1").Gauges = map[string]float64{cassandra.GaugeReads: 600, cassandra.GaugeCQL: 401}
		}, replaceStep, "I-30", galen.LookAgain},
		{"requests wait at a node that would be left", newWorld, func(w *world) {
			w.view("n1").Gauges = map[string]float64{cassandra.GaugeWrites: 1001}
		}, stopStep, "I-30", galen.LookAgain},
		{"a start under load", dead, func(w *world) {
			w.view("n1").Gauges = map[string]float64{cassandra.GaugeReads: 5000}
		}, startStep, "", ""},
		{"as many wait as may", newWorld, func(w *world) {
			w.view("n1").Gauges = map[string]float64{cassandra.GaugeReads: 1000}
		}, stopStep, "", ""},

		{"a repair of somebody else streams", newWorld, func(w *world) { w.view("n1").Streams = 2 }, stopStep, "I-32 streams", galen.LookAgain},
		{"a rebuild streams", dead, func(w *world) { w.view("n1").Streams = 1 }, fenceStep, "I-32 streams", galen.LookAgain},
		{"the last replacement still streams", ready, func(w *world) {
			w.fact("replaced/dc1", cassandra.ReplaceArgs{Instance: "n2"}, time.Hour)
			w.view("n2").Streams = 1
		}, replaceStep, "I-32 streams", galen.LookAgain},
		{"a node is read for a repair of somebody else", newWorld, doing("n1", cassandra.TaskValidation), stopStep, "I-32 streams", galen.LookAgain},
		{"an incremental one is under way", dead, doing("n2", cassandra.TaskAnticompaction), fenceStep, "I-32 streams", galen.LookAgain},
		{"an upgrade is under way", ready, doing("n1", cassandra.TaskUpgrade), replaceStep, "I-32 streams", galen.LookAgain},
		{"a process hangs beside a repair, a bulk load and a cleanup", frozen, func(w *world) {
			v := w.view("n1")
			v.Streams, v.Tasks = 1, map[string]int{cassandra.TaskValidation: 1, cassandra.TaskCleanup: 1}
		}, killStep, "", ""},
		{"a dead node starts beside a repair, a bulk load and a cleanup", dead, func(w *world) {
			v := w.view("n1")
			v.Streams, v.Tasks = 1, map[string]int{cassandra.TaskValidation: 1, cassandra.TaskCleanup: 1}
		}, startStep, "", ""},
		{"a node is repaired beside a repair", dead, doing("n1", cassandra.TaskValidation), repairStep, "", ""},
		{"ordinary compactions", newWorld, doing("n1", "compaction"), stopStep, "", ""},
		{"nodes were added, and another one cleans up", newWorld, doing("n1", cassandra.TaskCleanup), stopStep, "I-30", galen.LookAgain},
		{"the same beside a dead node", ready, doing("n2", cassandra.TaskCleanup), replaceStep, "I-30", galen.LookAgain},

		{"not fenced", ready, func(w *world) { w.instance("n3").Fenced = "" }, replaceStep, "fence first", galen.Deny},
		{"fenced, and a process hangs on", ready, func(w *world) { w.instance("n3").Process = cassandra.Stopped }, replaceStep, "fence first", galen.LookAgain},

		{"a fenced node starts", ready, nil, startStep, "corpse", galen.Deny},
		{"a node starts that is about to be replaced", dead, func(w *world) {
			i := w.instance("n4")
			i.Process, i.ReplaceFlag = cassandra.Running, "127.0.0.3"
		}, startStep, "corpse", galen.LookAgain},
		{"a node starts that a person removes", dead, func(w *world) {
			w.says("n2", "n3", func(e *cassandra.Endpoint) { e.Status = "removing" })
		}, startStep, "corpse", galen.LookAgain},
		{"a node starts that died while it left", dead, func(w *world) {
			w.says("n2", "n3", func(e *cassandra.Endpoint) { e.Status = "LEAVING" })
		}, startStep, "", ""},
		{"a node starts whose address was another one's that left", dead, func(w *world) {
			w.says("n2", "n3", func(e *cassandra.Endpoint) { e.Status, e.HostID = "LEFT", "of-another" })
		}, startStep, "", ""},

		{"a serving process is killed", newWorld, nil, killStep, "stuck only", galen.Deny},
		{"another process is killed", frozen, func(w *world) { w.instance("n3").PID = 1 }, nil, "stuck only", galen.Deny},
		{"a starting process is killed", frozen, func(w *world) { w.view("n3").Jolokia = cassandra.Booting }, killStep, "stuck only", galen.LookAgain},
		{"a hung process is killed that a peer hears", frozen, func(w *world) { w.node("n3").Down = false }, killStep, "stuck only", galen.LookAgain},

		{"one that could not be started again is stopped", newWorld, func(w *world) { w.instance("n2").CannotStart, w.instance("n2").LameLooks = "no start command", 2 }, stopStep, "orderly", galen.Deny},
		{"one that one look found not to start is stopped", newWorld, func(w *world) { w.instance("n2").CannotStart, w.instance("n2").LameLooks = "no start command", 1 }, stopStep, "orderly", galen.LookAgain},
		{"a frozen one that could not be started again is killed", frozen, func(w *world) { w.instance("n3").CannotStart, w.instance("n3").LameLooks = "no start command", 2 }, killStep, "stuck only", galen.Deny},
		{"a frozen one whose data are gone is killed", frozen, func(w *world) { w.instance("n3").Data, w.instance("n3").GoneLooks = cassandra.DataGone, 2 }, killStep, "stuck only", galen.Deny},
		{"one whose data are gone is stopped", newWorld, func(w *world) { w.instance("n2").Data, w.instance("n2").GoneLooks = cassandra.DataGone, 2 }, stopStep, "orderly", galen.Deny},
		{"one whose data one look found gone is stopped", newWorld, func(w *world) { w.instance("n2").Data, w.instance("n2").GoneLooks = cassandra.DataGone, 1 }, stopStep, "orderly", galen.LookAgain},
		{"one whose data nobody knows of is stopped", newWorld, func(w *world) { w.instance("n2").Data = cassandra.DataUnknown }, stopStep, "orderly", galen.LookAgain},
		{"one whose host cannot be read is stopped", newWorld, func(w *world) { w.instance("n2").Error = "no answer" }, stopStep, "orderly", galen.LookAgain},
		{"a stop beside one whose data are gone", newWorld, func(w *world) { w.instance("n1").Data = cassandra.DataGone }, stopStep, "I-02 quorum", galen.LookAgain},
		{"a starting node is stopped", newWorld, func(w *world) { w.view("n2").Mode = "STARTING" }, stopStep, "orderly", galen.LookAgain},
		{"a hung node is stopped", newWorld, func(w *world) { w.view("n2").Jolokia = cassandra.Hung }, stopStep, "orderly", galen.LookAgain},
		{"a joiner is taken back", ready, nil, removeStep, "", ""},
		{"a joiner is taken back that one calls NORMAL", ready, func(w *world) {
			v := w.view("n1")
			v.Peers = append(slices.Clone(v.Peers), cassandra.Endpoint{Address: "127.0.0.4", Status: "NORMAL"})
		}, removeStep, "joiner only", galen.LookAgain},
		{"a joiner is taken back that owns a share for one", ready, func(w *world) {
			w.view("n2").Owners = append(slices.Clone(w.view("n2").Owners), "127.0.0.4")
		}, removeStep, "joiner only", galen.LookAgain},
		{"a joiner is taken back that was in service", ready, func(w *world) { w.instance("n4").EverNormal = true }, removeStep, "joiner only", galen.LookAgain},
		{"a joiner is taken back that was looked at after the others", ready, func(w *world) {
			w.instance("n4").At = w.now.Add(time.Second)
		}, removeStep, "joiner only", galen.LookAgain},
		{"a drained node is stopped", newWorld, func(w *world) { w.view("n2").Mode = "DRAINED" }, stopStep, "", ""},
	} {
		t.Run(c.name, c.judged)
	}
}

// Whatever the world, a dead node may be started, and what this run made may be taken back.
func TestStartAndUndoAreWelcome(t *testing.T) {
	w := dead(t)
	w.node("n2").Down = true
	w.state.Schemas = []string{"a", "b"}
	w.state.Keyspaces = nil
	w.view("n1").Joining = []string{"127.0.0.9"}
	w.fact("repair-owed/n1/orders", nil, time.Hour)
	if got := w.answers(startStep(w)); len(got) > 0 {
		t.Errorf("start refused: %v", got)
	}
	w.own = true
	for _, s := range []galen.Step{
		replaceStep(w), fenceStep(w), stopStep(w), cassandra.Discard(*w.instance("n4")), cassandra.RemoveJoiner(*w.instance("n4"), "x"),
	} {
		if got := w.answers(s); len(got) > 0 {
			t.Errorf("%s of one's own refused: %v", s.Verb, got)
		}
	}
}

func TestApprovalAnswersPatience(t *testing.T) {
	w := dead(t)
	w.instance("n3").Data = cassandra.DataUnknown
	w.node("n3").DownSince = w.now.Add(-time.Hour)
	for _, g := range cassandra.Guards() {
		if v := g.Check(w.approved(fenceStep(w))); v.Answer != galen.Allow {
			t.Errorf("%s: %s, %s", g.Name, v.Answer, v.Why)
		}
	}
}

func TestQuorumGuardTellsTheMargin(t *testing.T) {
	w := dead(t)
	for _, g := range cassandra.Guards() {
		if g.Name != "I-02 quorum" {
			continue
		}
		v := g.Check(w.ask(fenceStep(w)))
		if want := "0 to spare: orders, QUORUM: 2 of 3 replicas up, 2 needed"; v.Margin != want {
			t.Errorf("margin %q, want %q", v.Margin, want)
		}
		if want := "; not guarded, for want of replicas: system_auth (RF 1), system_traces (RF 2)"; !strings.HasSuffix(v.Why, want) {
			t.Errorf("why %q, want it to end with %q", v.Why, want)
		}
	}
}
