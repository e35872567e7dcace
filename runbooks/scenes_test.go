package runbooks_test

import (
	"encoding/json"
	"path/filepath"
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
		{heal, "silent-again-unrepaired", "It served for a moment, unrepaired, and died: deleted rows would come back with its data.", "",
			`{"hint_window":"10s","gc_grace":"13m","replace_after":"2m"}`,
			func(s *tale) {
				s.hurt(ring.Kill).until("start").act().after(15 * time.Second).hurt(ring.Kill).after(150 * time.Second)
			}},
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
		{heal, "lame", "Its process is gone, and its start command is missing.", "", "", func(s *tale) { s.hurt(ring.Kill).after(2 * time.Minute).lame("n3") }},
		{heal, "frozen", "The process is stopped by a signal: ports are open, nothing answers.", "", "", func(s *tale) { s.hurt(ring.Freeze).after(2 * time.Minute) }},
		{heal, "frozen-lame", "It is frozen, and its start command is missing.", "", "", func(s *tale) { s.hurt(ring.Freeze).after(2 * time.Minute).lame("n3") }},
		{heal, "frozen-data-gone", "It is frozen, and its data are gone.", "", "", func(s *tale) { s.hurt(ring.LoseData, ring.Freeze).after(2 * time.Minute).after(time.Minute) }},
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
		{heal, "spare-lame", "The only empty instance has no start command.", "", "",
			func(s *tale) { s.hurt(lost...).after(time.Minute).lame("n4") }},
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
		{heal, "fenced-before-joined", "A cancelled run had fenced it; the new node is NORMAL.", "", "", func(s *tale) { s.fencedBefore().until("repair") }},
		{heal, "repaired-one", "One keyspace is repaired.", "", "", func(s *tale) { s.hurt(lost...).until("repair").act().until("repair") }},
		{heal, "repaired", "All keyspaces are repaired.", "", "", func(s *tale) { s.hurt(lost...).until("clear-replace") }},
		{heal, "replaced", "The replacement is complete.", "", "", func(s *tale) { s.hurt(lost...).until("clear-replace").act().after(20 * time.Second) }},

		{replace, "dead", "A dead node, a fitting spare.", toReplace, "", func(s *tale) { s.hurt(ring.Kill) }},
		{replace, "alive", "The node lives.", toReplace, "", func(*tale) {}},
		{replace, "unknown", "No such node.", `{"node":"127.0.0.9"}`, "", func(*tale) {}},
		{replace, "nobody", "No node was named.", `{"node":""}`, "", func(*tale) {}},
		{replace, "out-of-scope", "Another node than the run was opened for.", `{"node":"127.0.0.2"}`, "", func(s *tale) { s.hurtNode("n2", ring.Kill) }},
		{replace, "fenced-before-joined", "A cancelled run had fenced it; the new node is NORMAL.", toReplace, "", func(s *tale) { s.fencedBefore().until("repair") }},
		{replace, "joined", "The new node is NORMAL.", toReplace, "", func(s *tale) { s.hurt(ring.Kill).until("repair") }},

		{restart, "well", "The node and the ring are well.", toReplace, "", func(*tale) {}},
		{restart, "data-gone", "It serves, and its data are gone from its disk.", toReplace, "", func(s *tale) { s.hurt(ring.LoseData).after(time.Minute) }},
		{restart, "stopping", "It is draining.", toReplace, "", func(s *tale) { s.until("stop").act().after(time.Second) }},
		{restart, "stopped", "Its process is gone.", toReplace, "", func(s *tale) { s.until("start") }},
		{restart, "lame", "Its process is gone, and so is its start command.", toReplace, "", func(s *tale) { s.until("start").lame("n3") }},
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
