package cassandra_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// downWithData: n3 is down since half a minute, its data are there.
func downWithData(t *testing.T) *world {
	w := newWorld(t)
	w.make(ring.Kill, "n3")
	w.wait(30 * time.Second)
	return w
}

// ago lets n3 have been heard last so long ago.
func ago(d time.Duration) func(*world) {
	return func(w *world) { w.node("n3").Heard.At = w.now.Add(-d) }
}

// Whoever was silent for longer than the tombstones are kept is not started, and whoever was never heard only with a yes (N12).
func TestWhoIsTooOldIsNotStarted(t *testing.T) {
	const most, takes = 240 * time.Hour, 10 * time.Minute
	const stopped = takes + 6*time.Minute + 5*time.Second // the stop, and a look
	for _, c := range []lonely{
		{"down for half a minute", downWithData, nil, startStep, "", ""},
		{"just long enough ago to be back in time", downWithData, ago(most - takes), startStep, "", ""},
		{"it could serve too late", downWithData, ago(most - takes + time.Second), startStep, "N12", galen.Deny},
		{"for a month", downWithData, ago(720 * time.Hour), startStep, "N12", galen.Deny},
		{"since nobody knows when", downWithData, func(w *world) { w.node("n3").Heard = cassandra.Heard{} }, startStep, "N12", galen.NeedYes},
		{"serves between two silences, and is owed the repair still", downWithData, owedSince(14*24*time.Hour, "n3"), startStep, "N12", galen.Deny},
		{"serves between two silences that are short enough together", downWithData, owedSince(most-takes, "n3"), startStep, "", ""},
		{"was repaired after a silence of old", downWithData, func(w *world) {
			owedSince(14*24*time.Hour, "n3")(w)
			for key, f := range w.facts {
				f.Gone = true
				w.facts[key] = f
			}
		}, startStep, "", ""},
		{"another node owes its repair for too long", downWithData, owedSince(14*24*time.Hour, "n2"), startStep, "", ""},
		{"a keyspace that was dropped is not repaired any more", downWithData, func(w *world) { w.fact("silent-since/"+w.node("n3").HostID+"/gone", nil, 0) }, startStep, "", ""},
		{"the replacement owes the repair, and is no silence", downWithData, func(w *world) { w.fact("repair-owed/n3/orders", nil, 720*time.Hour) }, startStep, "", ""},
		{"since when it owes the repair cannot be read", downWithData, func(w *world) { w.fact("silent-since/"+w.node("n3").HostID+"/orders", "long ago", 0) }, startStep, "N12", galen.NeedYes},
		{"since when it owes the repair nobody knew", downWithData, func(w *world) {
			w.fact("silent-since/"+w.node("n3").HostID+"/orders", cassandra.Silent{}, 0)
		}, startStep, "N12", galen.NeedYes},
		{"it serves, owes no repair, and is stopped", newWorld, nil, stopStep, "", ""},
		{"it serves and could be started again", newWorld, owedSince(most-stopped, "n2"), stopStep, "", ""},
		{"it serves and could not be started again", newWorld, owedSince(most-stopped+time.Second, "n2"), stopStep, "N12", galen.NeedYes},
		{"it serves, and nobody knows since when it owes the repair", newWorld, func(w *world) {
			w.fact("silent-since/"+w.node("n2").HostID+"/orders", cassandra.Silent{}, 0)
		}, stopStep, "N12", galen.NeedYes},
		{"it may be replaced", dead, ago(720 * time.Hour), fenceStep, "", ""},
	} {
		t.Run(c.name, c.judged)
	}
}

// Of who is down nobody is asked for a stop: it serves nobody, and is replaced if it may not be started again.
func TestWhoIsDownMayBeStopped(t *testing.T) {
	w := newWorld(t)
	owedSince(20*24*time.Hour, "n2")(w)
	if got := w.answers(stopStep(w)); got["N12 silence"].Answer != galen.NeedYes {
		t.Errorf("of one that serves: %v", got)
	}
	w.make(ring.Freeze, "n2")
	w.wait(2 * time.Minute)
	if got := w.answers(stopStep(w)); !w.node("n2").Down || got["N12 silence"].Answer == galen.NeedYes {
		t.Errorf("of one that is down (%t): %v", w.node("n2").Down, got)
	}
}

// owedSince: an instance became silent so long ago and was started; what it missed then is not repaired yet.
func owedSince(d time.Duration, instance string) func(*world) {
	return func(w *world) {
		w.fact("silent-since/"+w.node(instance).HostID+"/orders", cassandra.Silent{Since: w.now.Add(-d)}, time.Hour)
	}
}

// What a start leaves tells since when the node lacks what was deleted: when it was last heard, also once it serves again, and not
// what was before. The whole repair takes it away.
func TestStartTellsTheSilence(t *testing.T) {
	w, start := downWithData(t), startVerb(t)
	last := w.now.Add(-9 * 24 * time.Hour)
	ago(w.now.Sub(last))(w)
	in := galen.Intent{ID: "in", At: w.now, Step: startStep(w)}
	told := func(status galen.EffectStatus, want time.Time) []string {
		t.Helper()
		in.Effect = galen.Effect{Status: status, At: w.now}
		var keys []string
		for _, f := range start.Facts(w.state, in, galen.SafePolicy()) {
			if !strings.HasPrefix(f.Key, cassandra.FactSilent) {
				continue
			}
			keys = append(keys, f.Key)
			if got, err := galen.Decode[cassandra.Silent](f.Value); err != nil || !got.Since.Equal(want) || !f.Keep || f.Gone {
				t.Errorf("%s: %+v (%v), want since %s", status, f, err, want)
			}
		}
		return keys
	}
	keys := told(galen.EffectUnknown, last)
	if len(keys) != len(w.state.RepairedKeyspaces("dc1")) {
		t.Errorf("it tells of %q", keys)
	}
	w.make(ring.Start, "n3")
	w.wait(20 * time.Second)
	told(galen.EffectDone, last)
	w.make(ring.Kill, "n3")
	w.wait(30 * time.Second)
	ago(4 * time.Hour)(w)
	told(galen.EffectFailed, w.node("n3").Heard.At) // the journal keeps the older one
	repair := cassandra.RepairRanges(w.state, *w.node("n3"), "orders")
	paid := galen.Intent{ID: "repair", At: w.now, Step: repair, Effect: galen.Effect{Status: galen.EffectDone, At: w.now}}
	for _, v := range cassandra.Verbs() {
		if v.Name == cassandra.VerbRepair && !slices.ContainsFunc(v.Facts(w.state, paid, galen.SafePolicy()), func(f galen.Fact) bool {
			return f.Gone && f.Key == cassandra.FactSilent+w.node("n3").HostID+"/orders"
		}) {
			t.Error("its repair leaves that it is owed since then")
		}
	}
}

// A node that is heard still was not silent when it was last, however long that was.
func TestAStartOfWhoIsHeard(t *testing.T) {
	w, p := newWorld(t), galen.SafePolicy()
	w.node("n3").Heard.Before = w.now.Add(-720 * time.Hour)
	w.node("n3").Heard.Since = w.now.Add(-time.Hour)
	in := galen.Intent{ID: "in", At: w.now, Step: startStep(w)}
	p.HintWindow = 0
	all := startVerb(t).Facts(w.state, in, p)
	for _, f := range all {
		if s, err := galen.Decode[cassandra.Silent](f.Value); strings.HasPrefix(f.Key, cassandra.FactSilent) && (err != nil || s.Since != w.node("n3").Heard.At) {
			t.Errorf("%+v (%v)", f, err)
		}
	}
	if len(all) == 0 {
		t.Error("without hints a start owes the repair")
	}
}

func startVerb(t *testing.T) galen.Verb[cassandra.Ring] {
	t.Helper()
	all := cassandra.Verbs()
	return all[slices.IndexFunc(all, func(v galen.Verb[cassandra.Ring]) bool { return v.Name == cassandra.VerbStart })]
}

// A start owes repairs if the silence was longer than hints are kept, also if it may become so while the node starts: it may serve
// for a moment between two looks. A failed one owes them too, and none takes any away.
func TestStartFacts(t *testing.T) {
	const hints, takes = 3 * time.Hour, 10 * time.Minute
	start, p := startVerb(t), galen.SafePolicy()
	owed := func(w *world, in galen.Intent, status galen.EffectStatus) string {
		in.Effect = galen.Effect{Status: status, At: w.now}
		keys := map[string]bool{}
		for _, f := range start.Facts(w.state, in, p) {
			if keys[f.Key] = strings.HasPrefix(f.Key, cassandra.FactRepairOwed); f.Gone {
				t.Errorf("a start takes %s away", f.Key)
			}
		}
		maps.DeleteFunc(keys, func(_ string, debt bool) bool { return !debt })
		return strings.Join(slices.Sorted(maps.Keys(keys)), " ")
	}
	for name, c := range map[string]struct {
		silent       time.Duration // at the intent
		first, after bool          // whether repairs are owed from the intent on, and when it serves
	}{
		"a minute":                  {time.Minute, false, false},
		"as long as hints are kept": {hints, true, true},
		"longer":                    {hints + time.Second, true, true},
		"it may serve too late":     {hints - takes + time.Second, true, true},
		"just in time":              {hints - takes, false, true}, // and then it took a while
		"in time, by a minute":      {hints - takes - time.Minute, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := downWithData(t)
			ago(c.silent)(w)
			in := galen.Intent{ID: "in", At: w.now, Step: startStep(w)}
			all := "repair-owed/n3/" + strings.Join(w.state.RepairedKeyspaces("dc1"), " repair-owed/n3/")
			want := map[bool]string{true: all}
			for _, status := range []galen.EffectStatus{galen.EffectUnknown, galen.EffectUnderWay, galen.EffectFailed} {
				if got := owed(w, in, status); got != want[c.first] {
					t.Errorf("%s: owes %q, want %q", status, got, want[c.first])
				}
			}
			if got := owed(w, in, galen.EffectAbsent); got != "" {
				t.Errorf("a start that never happened owes %q", got)
			}
			w.make(ring.Start, "n3")
			w.wait(20 * time.Second)
			if got := owed(w, in, galen.EffectDone); got != want[c.after] {
				t.Errorf("done: owes %q, want %q; heard %+v", got, want[c.after], w.node("n3").Heard)
			}
		})
	}
	w := downWithData(t)
	w.node("n3").Heard = cassandra.Heard{}
	if owed(w, galen.Intent{At: w.now, Step: startStep(w)}, galen.EffectUnknown) == "" {
		t.Error("nobody knows how long it was silent, and nothing is owed")
	}
}

// When a node was heard is what its peers say, not what we see of it, and not what an older look saw.
func TestHeard(t *testing.T) {
	w := newWorld(t)
	was := w.node("n3").Heard
	if was.At.IsZero() || was.Since.IsZero() || !was.Before.IsZero() {
		t.Fatalf("a node that works was heard %+v", was)
	}
	older := w.state
	older.At = was.At.Add(-time.Second)
	if got := cassandra.Fold(w.state, older).Nodes; !slices.ContainsFunc(got, func(n cassandra.Node) bool { return n.Instance == "n3" && n.Heard == was }) {
		t.Errorf("an older look changed when it was heard: %+v", got)
	}
	w.make(ring.Mute, "n3")
	w.wait(time.Minute)
	last := w.node("n3").Heard
	if silent, known := w.node("n3").Silence(w.now, w.now); !known || silent < 30*time.Second || last.Since != was.Since {
		t.Errorf("it answers us, no peer hears it: silent for %s (known: %t), heard %+v", silent, known, last)
	}
	w.make(ring.Mend, "n3")
	w.wait(time.Minute)
	if now := w.node("n3").Heard; now.Before != last.At || !now.Since.After(last.At) || now.At.Before(now.Since) {
		t.Errorf("it is heard again: %+v, last heard %+v", now, last)
	}
}

// When nodes were heard survives a restart of the engine, an hour's worth aside, although no Basis tells it.
func TestWorth(t *testing.T) {
	w := newWorld(t)
	later := w.state
	for after, want := range map[time.Duration]bool{59 * time.Minute: false, time.Hour: true} {
		if later.At = w.state.At.Add(after); later.Worth(w.state) != want {
			t.Errorf("after %s it is worth a write: %t", after, !want)
		}
	}
}
