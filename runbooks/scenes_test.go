package runbooks_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// scene makes the situation of one golden case: what happens on the simulated ring until the runbook is asked.
type scene struct {
	runbook, name, about string
	params               string
	policy               string // over the safe one
	play                 func(*tale)
}

func (s scene) dir() string { return filepath.Join(filepath.FromSlash(s.runbook), s.name) }

const (
	heal    = "cassandra/heal-node"
	replace = "cassandra/replace-node"
	restart = "cassandra/restart-node"
	payUndo = "cassandra/pay-undo"
	tune    = "cassandra/tune-streaming"

	back = cassandra.VerbRestoreStream
	// outlasting is how many bytes each node holds so that a join outlasts two raises.
	outlasting = 4 << 30
)

// scenes are the rungs and refusals of every runbook. Add one, run TestGolden with -update, and read the plan.
func scenes() []scene {
	lost := []ring.Trouble{ring.Kill, ring.LoseData}
	toReplace := `{"node":"127.0.0.3"}`
	toTune := `{"nodes":["127.0.0.1","n2"],"to":100}`
	return []scene{
		{heal, "well", "The node is well: an alert was wrong, or it came back.", "", "", func(*tale) {}},
		{heal, "missed-writes", "The node is well, and other nodes have hints for it.", "", "", func(s *tale) { s.hint("n1") }},
		{heal, "down-just-now", "Killed a moment ago: most nodes come back by themselves.", "", "", func(s *tale) { s.hurt(ring.Kill) }},
		{heal, "down", "Its process is gone, its data are there.", "", "", func(s *tale) { s.hurt(ring.Kill).after(2 * time.Minute) }},
		{heal, "start-under-way", "The restart is under way.", "", "", func(s *tale) { s.hurt(ring.Kill).until("start").act().after(2 * time.Second) }},
		{heal, "booting", "Somebody else has started it.", "", "", func(s *tale) { s.hurt(ring.Kill).after(time.Minute).hurt(ring.Start).after(1500 * time.Millisecond) }},
		{heal, "start-failed", "The restarted process died.", "", "", func(s *tale) { s.hurt(ring.Kill).until("start").act().hurt(ring.Kill).after(time.Minute) }},
		{heal, "starts-exhausted", "Restarts do not help, and it is too soon for more.", "", `{"restarts_per_run":1}`,
			func(s *tale) { s.hurt(ring.Kill).until("start").act().hurt(ring.Kill).after(time.Minute) }},
		{heal, "starts-exhausted-long", "Restarts do not help, for longer than a restart takes.", "", `{"restarts_per_run":1}`,
			func(s *tale) { s.hurt(ring.Kill).until("start").act().hurt(ring.Kill).after(11 * time.Minute) }},
		{heal, "silent-too-long-for-hints", "It serves again, and hints were kept for less long than it was silent.", "", `{"hint_window":"10s"}`,
			func(s *tale) { s.hurt(ring.Kill).until("start").act().after(time.Minute) }},
		{heal, "silent-too-long-for-tombstones", "Deleted rows would come back with its data.", "", `{"hint_window":"10s","gc_grace":"11m","replace_after":"2m"}`,
			func(s *tale) { s.hurt(ring.Kill).after(3 * time.Minute) }},
		{heal, "start-never-arrived", "The host plane takes no call.", "", "", func(s *tale) {
			s.hurt(ring.Kill).drop("start", 9).until("start").act().until("start").act().until("start").act().after(time.Minute)
		}},
		{heal, "start-never-arrived-approved", "The host plane took no call, and a person has said yes to going on since.", "", "", func(s *tale) {
			s.hurt(ring.Kill).drop("start", 3).until("start").act().until("start").act().until("start").act().after(time.Minute).approve()
		}},
		{heal, "start-lost-after-yes", "The host plane takes no call, after a person's yes either.", "", "", func(s *tale) {
			s.hurt(ring.Kill).drop("start", 9).until("start").act().until("start").act().until("start").act().after(time.Minute).approve()
			s.until("start").act().until("start").act().until("start").act().after(time.Minute)
		}},
		{heal, "start-overtaken", "Its host refuses the start: it has seen a higher fence.", "", "", func(s *tale) {
			s.overtake().hurt(ring.Kill).until("start").act().until("start").act().until("start").act().after(time.Minute)
		}},
		{heal, "asked-for", "A person asks for a node that is down.", toReplace, "", func(s *tale) { s.hurt(ring.Kill).after(2 * time.Minute) }},
		{heal, "asked-for-well", "A person asks for a node that is well.", toReplace, "", func(*tale) {}},
		{heal, "frozen", "The process is stopped by a signal: ports are open, nothing answers.", "", "", func(s *tale) { s.hurt(ring.Freeze).after(2 * time.Minute) }},
		{heal, "frozen-killed", "The stuck process was killed.", "", "", func(s *tale) { s.hurt(ring.Freeze).until("kill").act().after(time.Second) }},
		{heal, "data-gone-first-look", "Its data are gone, on one look.", "", "", func(s *tale) { s.hurt(ring.Kill).after(time.Minute).hurt(ring.LoseData).after(time.Second) }},
		{heal, "data-gone", "Its data are gone, on two looks apart.", "", "", func(s *tale) { s.hurt(lost...).until("fence") }},
		{heal, "other-device", "The data folder is empty and on another device: unmounted, not lost.", "", "", func(s *tale) { s.hurt(ring.Kill, ring.Unmount).after(time.Minute) }},
		{heal, "host-silent", "Its host does not answer.", "", "", func(s *tale) { s.hurt(ring.Kill, ring.HideHost).after(2 * time.Minute) }},
		{heal, "no-spare", "Its data are gone, and no empty instance is left.", `{"spare":"n9"}`, "", func(s *tale) { s.hurt(lost...).after(time.Minute) }},
		{heal, "two-racks-restart", "Nodes of two racks are down; this one can be restarted.", "", "", func(s *tale) { s.hurtNode("n2", lost...).hurt(ring.Kill).after(2 * time.Minute) }},
		{heal, "two-racks-data-gone", "Nodes of two racks are down; this one cannot be restarted.", "", "", func(s *tale) { s.hurtNode("n2", ring.Kill).hurt(lost...).after(2 * time.Minute) }},
		{heal, "cut-off", "The engine alone does not reach it; peers and host see it well.", "", "", func(s *tale) { s.hurt(ring.Cut).after(2 * time.Minute) }},
		{heal, "flapping", "It goes down and comes back, and is up now.", "", "", func(s *tale) { s.flap(3) }},
		{heal, "flapping-down", "It goes down and comes back, and is down now.", "", "", func(s *tale) { s.flap(3).hurt(ring.Freeze).after(90 * time.Second) }},
		{heal, "flapping-long", "It has flapped for longer than the window.", "", "", func(s *tale) { s.flap(18) }},
		{heal, "flapping-cancelled", "Cancelled while it flaps.", "", "", func(s *tale) { s.flap(3).stop(galen.StopCancel) }},
		{heal, "flapping-over", "It flapped, and has been quiet and well for the window.", "", "", func(s *tale) { s.flap(3).after(11 * time.Minute) }},
		{heal, "flapping-died", "It flapped, and has been down since for the window.", "", "", func(s *tale) { s.flap(3).hurt(ring.Kill).after(11 * time.Minute) }},
		{heal, "flapping-data-gone", "It flapped, and lost its data.", "", "", func(s *tale) { s.flap(3).hurt(lost...).after(time.Minute) }},
		{heal, "stopped-before", "Cancelled before anything was done.", "", "", func(s *tale) { s.hurt(lost...).after(time.Minute).stop(galen.StopCancel) }},

		{heal, "fenced", "The dead node is fenced.", "", "", func(s *tale) { s.hurt(lost...).until("fence").act().until("prepare") }},
		{heal, "fenced-second-rack", "The dead node is fenced, and a node of another rack dies.", "", "",
			func(s *tale) {
				s.hurt(lost...).until("fence").act().until("prepare").hurtNode("n2", ring.Kill).after(time.Second)
			}},
		{heal, "spare-full", "Its data are gone, and the only empty instance has no room.", "", "",
			func(s *tale) { s.hurt(lost...).hurtNode("n4", ring.FillDisk).after(time.Minute) }},
		{heal, "spare-full-another", "The first empty instance has no room, the second one has.", "", "",
			func(s *tale) { s.hurt(lost...).hurtNode("n4", ring.FillDisk).after(time.Minute).second(1 << 30) }},
		{heal, "spare-silent", "The host of the only empty instance does not tell how much is free.", "", "",
			func(s *tale) { s.hurt(lost...).after(time.Minute).untold("n4") }},
		{heal, "spare-full-fenced", "The only empty instance was filled since the fence.", "", "",
			func(s *tale) { s.hurt(lost...).until("prepare").hurtNode("n4", ring.FillDisk).after(time.Minute) }},
		{heal, "prepared", "The spare reads back as prepared.", "", "", func(s *tale) { s.hurt(lost...).until("replace") }},
		{heal, "prepared-wrong", "The spare reads back otherwise than prepared.", "", "",
			func(s *tale) {
				s.hurt(lost...).until("prepare").act().hurtNode("n4", ring.BadConfig).after(time.Second)
			}},
		{heal, "prepared-wrong-discarded", "The wrong preparation was taken back.", "", "",
			func(s *tale) {
				s.hurt(lost...).until("prepare").act().hurtNode("n4", ring.BadConfig).until("discard").act().after(time.Second)
			}},
		{heal, "prepared-stopped", "Cancelled between preparation and replacement.", "", "", func(s *tale) { s.hurt(lost...).until("replace").stop(galen.StopCancel) }},
		{heal, "fenced-stopped", "Cancelled after the fence.", "", "", func(s *tale) { s.hurt(lost...).until("prepare").stop(galen.StopCancel) }},
		{heal, "joining", "The new node joins.", "", "", func(s *tale) { s.hurt(lost...).until("replace").act().after(10 * time.Second) }},
		{heal, "joining-stopped", "Cancelled while the new node joins: there is no way back but through the end.", "", "",
			func(s *tale) { s.hurt(lost...).until("replace").act().after(10 * time.Second).stop(galen.StopCancel) }},
		{heal, "joiner-failed", "The joiner died.", "", "",
			func(s *tale) {
				s.hurt(lost...).until("replace").act().after(5*time.Second).hurtNode("n4", ring.Kill).after(10 * time.Second)
			}},
		{heal, "joiner-removed", "The failed joiner was taken back.", "", "",
			func(s *tale) {
				s.hurt(lost...).until("replace").act().after(5*time.Second).hurtNode("n4", ring.Kill).until("remove-joiner").act().until("replace")
			}},
		{heal, "joiner-failed-too-often", "The last try to join failed and was taken back.", "", `{"joiner_retries_per_run":0}`,
			func(s *tale) {
				s.hurt(lost...).until("replace").act().after(5*time.Second).hurtNode("n4", ring.Kill).until("remove-joiner").act().after(time.Minute)
			}},
		{heal, "joiner-given-up", "No try is left, the spare is clean.", "", `{"joiner_retries_per_run":0}`,
			func(s *tale) {
				s.hurt(lost...).until("replace").act().after(5*time.Second).hurtNode("n4", ring.Kill).until("discard").act().after(time.Minute)
			}},
		{heal, "joined", "The new node is NORMAL; it streamed from one replica each.", "", "", func(s *tale) { s.hurt(lost...).until("repair") }},
		{heal, "joined-stopped", "Cancelled after the join: the repair is owed.", "", "", func(s *tale) { s.hurt(lost...).until("repair").stop(galen.StopCancel) }},
		{heal, "joined-replica-down", "The repair needs a replica that is down.", "", "", func(s *tale) { s.hurt(lost...).until("repair").hurtNode("n2", ring.Kill).after(time.Second) }},
		{heal, "joined-died", "The new node died after it joined.", "", "", func(s *tale) { s.hurt(lost...).until("repair").hurtNode("n4", ring.Kill).after(time.Minute) }},
		{heal, "repaired-one", "One keyspace is repaired.", "", "", func(s *tale) { s.hurt(lost...).until("repair").act().until("repair") }},
		{heal, "repaired", "All keyspaces are repaired.", "", "", func(s *tale) { s.hurt(lost...).until("clear-replace") }},
		{heal, "replaced", "The replacement is complete.", "", "", func(s *tale) { s.hurt(lost...).until("clear-replace").act().after(20 * time.Second) }},

		{replace, "dead", "A dead node, a fitting spare.", toReplace, "", func(s *tale) { s.hurt(ring.Kill) }},
		{replace, "alive", "The node lives.", toReplace, "", func(*tale) {}},
		{replace, "unknown", "No such node.", `{"node":"127.0.0.9"}`, "", func(*tale) {}},
		{replace, "nobody", "No node was named.", `{"node":""}`, "", func(*tale) {}},
		{replace, "out-of-scope", "Another node than the run was opened for.", `{"node":"127.0.0.2"}`, "", func(s *tale) { s.hurtNode("n2", ring.Kill) }},
		{replace, "joined", "The new node is NORMAL.", toReplace, "", func(s *tale) { s.hurt(ring.Kill).until("repair") }},

		{restart, "well", "The node and the ring are well.", toReplace, "", func(*tale) {}},
		{restart, "stopping", "It is draining.", toReplace, "", func(s *tale) { s.until("stop").act().after(time.Second) }},
		{restart, "stopped", "Its process is gone.", toReplace, "", func(s *tale) { s.until("start") }},
		{restart, "stopped-cancel", "Cancelled while the node is stopped: it is started all the same.", toReplace, "", func(s *tale) { s.until("start").stop(galen.StopCancel) }},
		{restart, "started", "It serves again.", toReplace, "", func(s *tale) { s.until("start").act().after(30 * time.Second) }},
		{restart, "start-failed", "The start failed too often.", toReplace, `{"restarts_per_run":1}`, func(s *tale) { s.until("start").act().hurt(ring.Kill).after(time.Minute) }},
		{restart, "stuck", "It was told to stop, and its process hangs.", toReplace, "", func(s *tale) { s.until("stop").act().hurt(ring.Freeze).after(5 * time.Minute) }},
		{restart, "down", "The node is down already.", toReplace, "", func(s *tale) { s.hurt(ring.Kill) }},
		{restart, "unrest", "A foreign node joins.", toReplace, "", func(s *tale) { s.hurtNode("n4", ring.ForeignAdd) }},
		{restart, "unknown", "No such node.", `{"node":"nobody"}`, "", func(*tale) {}},

		{tune, "streams", "A node joins: both senders are slower than asked for.", toTune, "", func(s *tale) { s.join() }},
		{tune, "raising", "The first sender is raised; the call may arrive once more.", toTune, "", func(s *tale) { s.join().act().after(time.Second) }},
		{tune, "raised-one", "The first sender is raised.", toTune, "", func(s *tale) { s.join().raise() }},
		{tune, "raised", "Both are raised, and the node still joins.", toTune, "", func(s *tale) { s.join().raise().raise() }},
		{tune, "streams-over", "The streams are over: the newest raise is put back first.", toTune, "", func(s *tale) { s.join().raise().raise().until(back) }},
		{tune, "put-back", "Both have their own throttle again.", toTune, "", func(s *tale) {
			s.join().raise().raise().until(back).act().until(back).act().after(20 * time.Second)
		}},
		{tune, "long-enough", "The time that was asked for is over, and the streams run on.", `{"nodes":["n1"],"to":100,"for":"1s"}`, "",
			func(s *tale) { s.join().raise() }},
		{tune, "cancelled", "Cancelled while a sender is raised.", toTune, "", func(s *tale) { s.join().raise().stop(galen.StopCancel) }},
		{tune, "sender-died", "A raised sender died, and the raise with it: the restore puts that on record.", toTune, "", func(s *tale) {
			s.join().raise().stop(galen.StopCancel).hurtNode("n1", ring.Kill).after(20 * time.Second)
		}},
		{tune, "sender-silent", "Raised senders do not answer, nor do their hosts: on a cancel the raises stay owed.", toTune, "", func(s *tale) {
			s.join().raise().raise().stop(galen.StopCancel)
			s.hurtNode("n1", ring.Cut, ring.HideHost).hurtNode("n2", ring.Cut, ring.HideHost).after(20 * time.Second)
		}},
		{tune, "half", "One of the two limits was set, or somebody else has set them.", toTune, "", func(s *tale) {
			s.join().drop("raise-stream-throughput", 1).act().throttle("n1", 50).after(20 * time.Second)
		}},
		{tune, "fast-enough", "The senders are as fast as asked for.", toTune, "", func(s *tale) { s.join().throttle("n1", 100).throttle("n2", 150).after(time.Second) }},
		{tune, "quiet", "Nothing streams.", toTune, "", func(*tale) {}},
		{tune, "too-fast", "More than the policy allows.", `{"nodes":["n1"],"to":500}`, "", func(s *tale) { s.join() }},
		{tune, "too-long", "Longer than a run may last.", `{"nodes":["n1"],"to":100,"for":"9h"}`, "", func(s *tale) { s.join() }},
		{tune, "nobody", "No node was named.", `{"to":100}`, "", func(s *tale) { s.join() }},
		{tune, "unknown", "No such node.", `{"nodes":["n9"],"to":100}`, "", func(s *tale) { s.join() }},
		{tune, "out-of-scope", "Another node than the run was opened for.", `{"nodes":["n3"],"to":100}`, "", func(s *tale) { s.join() }},

		{payUndo, "throttle-owed", "A run ended with a raised throttle.", "{}", "", func(s *tale) { s.oweThrottle() }},
		{payUndo, "throttle-owner-down", "The node with the raised throttle died, and the raise with it: the restore puts that on record.", "{}", "", func(s *tale) { s.oweThrottle().hurtNode("n2", ring.Kill).after(10 * time.Second) }},
		{payUndo, "throttle-owner-silent", "The node with the raised throttle does not answer: whether its process lives is not known.", "{}", "", func(s *tale) {
			s.oweThrottle().hurtNode("n2", ring.Freeze, ring.HideHost).after(10 * time.Second)
		}},
		{payUndo, "throttle-started-again", "The node was started again, and has its own throttle.", "{}", "", func(s *tale) {
			s.oweThrottle().hurtNode("n2", ring.Kill).after(10*time.Second).hurtNode("n2", ring.Start).after(20 * time.Second).act().after(20 * time.Second)
		}},
		{payUndo, "throttle-set-since", "Somebody has set the throttle since: it stays.", "{}", "", func(s *tale) { s.oweThrottle().throttle("n2", 60).act().after(20 * time.Second) }},
		{payUndo, "owed", "A run ended with its preparation not taken back.", "{}", "", func(s *tale) { s.hurt(lost...).owe() }},
		{payUndo, "paying", "The undo is under way.", "{}", "", func(s *tale) { s.hurt(lost...).owe().drop("discard", 1).act() }},
		{payUndo, "paid", "It is taken back.", "{}", "", func(s *tale) { s.hurt(lost...).owe().act().after(20 * time.Second) }},
		{payUndo, "cancelled", "Cancelled with the undo still owed.", "{}", "", func(s *tale) { s.hurt(lost...).owe().stop(galen.StopCancel) }},
	}
}

// scope are the targets that the scene's run was opened for.
func (s scene) scope() []galen.Target {
	switch s.runbook {
	case payUndo:
		return []galen.Target{{ID: "instance/n4"}, {ID: second}}
	case tune:
		return []galen.Target{{ID: first}, {ID: second}}
	}
	return []galen.Target{{ID: third}}
}

// tale drives a runbook over the simulated ring, as the engine would, until its situation is wanted.
type tale struct {
	sim
	of     scene
	rb     galen.ListedRunbook
	policy galen.Policy
	folded cassandra.Ring
	past   []galen.Intent
	facts  map[string]galen.Fact
	yes    time.Time
	ended  string
}

func newTale(t *testing.T, of scene) *tale {
	now := noon()
	s := sim{t: t, now: &now}
	spec := ring.Three(s.Now)
	spec.VNodes = 2
	if of.runbook == tune {
		spec.Load = outlasting
	}
	cluster, err := ring.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	s.Cluster = cluster
	_, rb := runbookOf(t, of.dir())
	out := &tale{sim: s, of: of, rb: rb, policy: policyOf(t, json.RawMessage(of.policy)), facts: map[string]galen.Fact{}}
	out.look()
	return out
}

func (s *tale) look() {
	s.t.Helper()
	var open []galen.Intent
	for _, in := range s.past {
		if !in.Effect.Settled() {
			open = append(open, in)
		}
	}
	seen, err := s.Look(s.t.Context(), demo(), nil, open)
	if err != nil {
		s.t.Fatal(err)
	}
	s.folded = cassandra.Fold(s.folded, seen)
	for i := range s.past {
		in := &s.past[i]
		was := in.Effect.Status
		if in.Effect = galen.SettleEffect(s.verb(in.Step.Verb), s.folded, *in, s.Now()); in.Effect.Status != was {
			s.record(*in)
		}
	}
}

func (s *tale) verb(name string) galen.Verb[cassandra.Ring] {
	for _, v := range cassandra.Verbs() {
		if v.Name == name {
			return v
		}
	}
	s.t.Fatalf("no verb %q", name)
	return galen.Verb[cassandra.Ring]{}
}

func (s *tale) record(in galen.Intent) {
	facts := galen.Paid(in)
	if v := s.verb(in.Step.Verb); v.Facts != nil {
		facts = append(facts, v.Facts(s.folded, in, s.policy)...)
	}
	for _, f := range facts {
		if f.Gone {
			delete(s.facts, f.Key)
			continue
		}
		s.facts[f.Key] = f
	}
}

// hurt lets troubles happen to n3, hurtNode to another one, and waits until the peers have noticed.
func (s *tale) hurt(troubles ...ring.Trouble) *tale { return s.hurtNode("n3", troubles...) }

func (s *tale) hurtNode(instance string, troubles ...ring.Trouble) *tale {
	s.t.Helper()
	for _, trouble := range troubles {
		if err := s.Make(trouble, instance); err != nil {
			s.t.Fatal(err)
		}
	}
	if slices.Contains([]ring.Trouble{ring.Start, ring.BadConfig, ring.LoseData}, troubles[0]) {
		return s // nobody has to notice
	}
	return s.after(15 * time.Second)
}

func (s *tale) drop(verb string, times int) *tale {
	s.Strike(ring.Fault{Verb: verb, Kind: ring.Dropped, Times: times})
	return s
}

// after lets time pass, looking on as the watch does.
func (s *tale) after(d time.Duration) *tale {
	for ; d > 0; d -= 5 * time.Second {
		s.Advance(min(d, 5*time.Second))
		s.look()
	}
	return s
}

// hint lets a node hold hints for n3, which the simulated ring does not model.
func (s *tale) hint(holder string) {
	for i := range s.folded.Instances {
		if s.folded.Instances[i].Name == holder {
			s.folded.Instances[i].Hints = map[string]int{third: 2}
		}
	}
}

// owe lets another run prepare n4, and end without taking it back.
func (s *tale) owe() *tale {
	s.t.Helper()
	dead, _ := s.folded.Node(third)
	spare, _ := s.folded.Instance("n4")
	return s.owed(cassandra.Prepare(s.folded, spare, dead))
}

// owed lets another run do a step, and end without its undo.
func (s *tale) owed(step galen.Step) *tale {
	s.t.Helper()
	in := galen.Intent{ID: "other-1", Run: "other", Resource: demo(), Step: step, At: s.Now(), Fence: 1}
	if _, err := s.Do(s.t.Context(), in); err != nil {
		s.t.Fatal(err)
	}
	owed, err := galen.Owe(in)
	if err != nil {
		s.t.Fatal(err)
	}
	s.facts[owed.Key] = *owed
	return s.after(time.Second)
}

// join lets a foreign node join, which streams from everybody.
func (s *tale) join() *tale { return s.hurtNode("n4", ring.ForeignAdd) }

// raise does the planned raise, and waits until it cannot arrive again.
func (s *tale) raise() *tale { return s.act().after(s.verb(cassandra.VerbRaiseStream).Settle) }

// flap lets n3 go down and come back so often.
func (s *tale) flap(times int) *tale {
	for range times {
		s.hurt(ring.Freeze).after(5 * time.Second).hurt(ring.Thaw).after(5 * time.Second)
	}
	return s
}

// throttle is set by a person.
func (s *tale) throttle(instance string, mebibytes float64) *tale {
	s.t.Helper()
	r := cassandra.Rate{Value: mebibytes, Unit: cassandra.Mebibytes}
	if err := s.SetThrottle(instance, cassandra.Throttle{Stream: r, InterDC: r}); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// oweThrottle lets another run raise n2, and end without putting it back.
func (s *tale) oweThrottle() *tale {
	s.t.Helper()
	n, _ := s.folded.Node(second)
	v, _ := s.folded.View("n2")
	return s.owed(cassandra.RaiseStream(n, v, 100))
}

// overtake lets another engine, which is far ahead, ask for a start of n3, which runs: its host refuses us from now on.
func (s *tale) overtake() *tale {
	s.t.Helper()
	n, _ := s.folded.Node(third)
	in := galen.Intent{ID: "theirs-7", Run: "theirs", Resource: demo(), Step: cassandra.Start(n), At: s.Now(), Fence: 1000}
	if _, err := s.Do(s.t.Context(), in); err == nil {
		s.t.Fatal("a node that runs was started")
	}
	return s
}

// approve is a person's yes to going on.
func (s *tale) approve() *tale {
	s.yes = s.Now()
	s.Advance(time.Second)
	return s
}

func (s *tale) stop(how string) *tale {
	s.ended = how
	return s
}

func (s *tale) plan() galen.Plan {
	s.t.Helper()
	p, err := s.rb.Decide(galen.Situation[galen.State, json.RawMessage]{
		World: galen.World[galen.State]{Now: s.Now(), State: s.folded, Facts: s.facts},
		Scope: s.of.scope(), Params: json.RawMessage(s.of.params), Policy: s.policy, Past: s.past, LastYes: s.yes, Stop: s.ended,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// until goes on with the runbook until it plans the verb, and leaves that to be done.
func (s *tale) until(verb string) *tale {
	s.t.Helper()
	for range 1000 {
		p := s.plan()
		switch {
		case len(p.Steps) > 0 && p.Steps[0].Verb == verb:
			return s
		case len(p.Steps) > 0:
			s.act()
		case p.End != "":
			s.t.Fatalf("%s: before %s it ends: %s", s.of.dir(), verb, p.Why)
		}
		s.after(2 * time.Second)
	}
	s.t.Fatalf("%s: it never plans %s: %s", s.of.dir(), verb, s.plan().Why)
	return s
}

// act does the planned step.
func (s *tale) act() *tale {
	s.t.Helper()
	p := s.plan()
	if len(p.Steps) == 0 {
		s.t.Fatalf("%s: nothing to do: %s", s.of.dir(), p.Why)
	}
	in := galen.Intent{
		ID: fmt.Sprintf("intent-%d", len(s.past)+1), Run: "run-1", Resource: demo(), Step: p.Steps[0], Class: s.verb(p.Steps[0].Verb).Class,
		Undoes: s.pays(p.Steps[0]), Basis: s.folded.Basis(p.Steps[0].Target), Fence: int64(len(s.past) + 2), At: s.Now(), Sent: galen.SentYes,
		Effect: galen.Effect{Status: galen.EffectUnknown},
	}
	owed, err := galen.Owe(in)
	if err != nil {
		s.t.Fatal(err)
	}
	if owed != nil {
		s.facts[owed.Key] = *owed
	}
	s.record(in)
	if _, err := s.Do(s.t.Context(), in); err != nil {
		in.Sent, in.Reply = galen.SentError, err.Error()
	}
	s.past = append(s.past, in)
	return s
}

// pays is the intent whose owed undo a step is.
func (s *tale) pays(step galen.Step) string {
	debts, err := galen.Debts(s.facts)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range debts {
		if d.Step.Hash() == step.Hash() {
			return d.Intent
		}
	}
	return ""
}

// written plays the scene and is the file of its situation.
func (s scene) written(t *testing.T) []byte {
	t.Helper()
	told := newTale(t, s)
	s.play(told)
	b, err := json.MarshalIndent(situation{
		About: s.about, Now: told.Now(), Scope: s.scope(), Params: json.RawMessage(s.params), Stop: told.ended,
		Policy: json.RawMessage(s.policy), Past: told.past, LastYes: told.yes, Facts: told.facts, State: told.folded,
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}
