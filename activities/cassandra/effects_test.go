package cassandra_test

import (
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// TestEffects reads what became of a call from States in which its reply was lost. The intent is of 12:00:00; the look
// is a minute later, after every settle time, unless the case says otherwise.
func TestEffects(t *testing.T) {
	r := seen(at(0), killed)
	n := node(t, r, id(3))
	i := func(change func(*cassandra.Instance)) func([]cassandra.View, []cassandra.Instance) {
		return func(views []cassandra.View, instances []cassandra.Instance) {
			killed(views, instances)
			change(&instances[2])
		}
	}
	starting := func(intent string) func(*cassandra.Instance) {
		return func(i *cassandra.Instance) {
			i.Attempts, i.Process, i.PID, i.Intent, i.Started = []string{"in"}, cassandra.Running, 4711, intent, at(1)
		}
	}
	stuck := cassandra.Instance{Name: "n3", PID: 1003, Started: noon().Add(-time.Hour)}
	running := i(func(i *cassandra.Instance) { i.Process, i.PID, i.Started = cassandra.Running, 1003, stuck.Started })
	cases := map[string]struct {
		step  galen.Step
		after func([]cassandra.View, []cassandra.Instance)
		late  int // seconds, 0 is 60
		want  galen.EffectStatus
	}{
		"start: nothing happened":           {cassandra.Start(n), killed, 0, galen.EffectAbsent},
		"start: its process boots":          {cassandra.Start(n), i(starting("in")), 0, galen.EffectUnderWay},
		"start: its process boots, early":   {cassandra.Start(n), i(starting("in")), 1, galen.EffectUnderWay},
		"start: its process died":           {cassandra.Start(n), i(func(i *cassandra.Instance) { i.Attempts = []string{"in"} }), 0, galen.EffectFailed},
		"start: the marker is there, early": {cassandra.Start(n), i(func(i *cassandra.Instance) { i.Attempts = []string{"in"} }), 1, galen.EffectUnderWay},
		"start: died, another one runs":     {cassandra.Start(n), i(starting("other")), 0, galen.EffectFailed},
		"start: somebody else was faster": {cassandra.Start(n), i(func(i *cassandra.Instance) {
			starting("")(i)
			i.Attempts = nil
		}), 0, galen.EffectAbsent},
		"start: it serves": {cassandra.Start(n), nil, 0, galen.EffectDone},
		"start: up for one peer only": {cassandra.Start(n), func(views []cassandra.View, instances []cassandra.Instance) {
			peer(views, []int{2}, 3, down)
			starting("in")(&instances[2])
		}, 0, galen.EffectUnderWay},
		"start: NORMAL, CQL is not there yet": {cassandra.Start(n), func(views []cassandra.View, instances []cassandra.Instance) {
			views[2].CQL = cassandra.Refused
			starting("in")(&instances[2])
		}, 0, galen.EffectUnderWay},
		"start: the host is silent": {cassandra.Start(n), i(func(i *cassandra.Instance) { i.Error = "timeout" }), 0, galen.EffectUnknown},

		"stop: gone":      {cassandra.Stop(n), killed, 0, galen.EffectDone},
		"stop: runs on":   {cassandra.Stop(n), nil, 0, galen.EffectAbsent},
		"stop: draining":  {cassandra.Stop(n), mode("DRAINING"), 0, galen.EffectUnderWay},
		"stop: drained":   {cassandra.Stop(n), mode("DRAINED"), 30, galen.EffectUnderWay},
		"stop: it stays":  {cassandra.Stop(n), mode("DRAINED"), 90, galen.EffectFailed},
		"stop: it exits":  {cassandra.Stop(n), running, 30, galen.EffectUnderWay},
		"stop: restarted": {cassandra.Stop(n), i(starting("")), 0, galen.EffectDone},

		"kill: gone":        {cassandra.Kill(n, stuck), killed, 0, galen.EffectDone},
		"kill: another one": {cassandra.Kill(n, stuck), i(starting("")), 0, galen.EffectDone},
		"kill: it is there": {cassandra.Kill(n, stuck), running, 0, galen.EffectAbsent},
		"kill: the clock drifted": {cassandra.Kill(n, stuck), i(func(i *cassandra.Instance) {
			i.Process, i.PID, i.Started = cassandra.Running, 1003, stuck.Started.Add(time.Second)
		}), 0, galen.EffectAbsent},

		"fence: done":                {cassandra.Fence(n), i(func(i *cassandra.Instance) { i.Fenced = "in" }), 0, galen.EffectDone},
		"fence: by another":          {cassandra.Fence(n), i(func(i *cassandra.Instance) { i.Fenced = "other" }), 0, galen.EffectDone},
		"fence: not yet":             {cassandra.Fence(n), killed, 0, galen.EffectAbsent},
		"remove-joiner: it runs on":  {cassandra.RemoveJoiner(stuck, "replace-1"), i(starting("replace-1")), 0, galen.EffectAbsent},
		"remove-joiner: another one": {cassandra.RemoveJoiner(stuck, "replace-1"), i(starting("")), 0, galen.EffectFailed},
		"remove-joiner: data stay":   {cassandra.RemoveJoiner(stuck, "replace-1"), killed, 0, galen.EffectAbsent},

		"fence: still alive": {cassandra.Fence(n), i(func(i *cassandra.Instance) { i.Fenced, i.Process = "in", cassandra.Running }), 0, galen.EffectFailed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			late := c.late
			if late == 0 {
				late = 60
			}
			got := settle(c.step, seen(at(late), c.after), at(late))
			if got.Status != c.want {
				t.Errorf("%s (%s), want %s", got.Status, got.Why, c.want)
			}
		})
	}
}

// TestHalfPrepared: a prepare that died half way has failed, so that its undo stays owed, and is taken back; until then
// nothing else is prepared or started there. It leaves the start configuration in any state: here it reads back as wanted.
func TestHalfPrepared(t *testing.T) {
	with := func(seconds int, change func(*cassandra.Instance)) cassandra.Ring {
		views, instances := steady(3, at(seconds))
		killed(views, instances)
		spare := cassandra.Instance{Name: "n4", Address: "127.0.0.4", Spare: true, At: at(seconds), Process: cassandra.Absent, Data: cassandra.DataGone}
		if change != nil {
			change(&spare)
		}
		return fold(seen(at(-5), nil), cassandra.Merge("test", at(seconds), views, append(instances, spare), nil))
	}
	empty := with(0, nil)
	step := cassandra.Prepare(empty, instance(empty, "n4"), node(t, empty, id(3)))
	args, err := galen.Decode[cassandra.PrepareArgs](step.Args)
	if err != nil {
		t.Fatal(err)
	}
	half := func(of string) func(*cassandra.Instance) {
		return func(i *cassandra.Instance) {
			i.Preparing, i.ReplaceFlag = of, args.Replace
			i.Config = cassandra.Config{Cluster: args.Cluster, DC: args.DC, Rack: args.Rack, Seeds: args.Seeds, Listen: i.Address, AutoBootstrap: true}
		}
	}
	for name, c := range map[string]struct {
		change func(*cassandra.Instance)
		after  int // seconds
		want   galen.EffectStatus
	}{
		"it may go on":        {half("in"), 1, galen.EffectUnderWay},
		"it died":             {half("in"), 60, galen.EffectFailed},
		"another's died":      {half("other"), 60, galen.EffectAbsent},
		"nothing was changed": {nil, 60, galen.EffectAbsent},
	} {
		if got := settle(step, with(c.after, c.change), at(c.after)); got.Status != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Status, got.Why, c.want)
		}
	}
	died := with(60, half("in"))
	i := instance(died, "n4")
	check := func(s galen.Step) error {
		k := slices.IndexFunc(cassandra.Verbs(), func(v galen.Verb[cassandra.Ring]) bool { return v.Name == s.Verb })
		return cassandra.Verbs()[k].Check(died, s)
	}
	if err := check(cassandra.Discard(i)); err != nil {
		t.Errorf("it cannot be taken back: %v", err)
	}
	if err := check(step); err == nil || i.Vacant() {
		t.Errorf("it may be prepared for another: vacant %t", i.Vacant())
	}
	if died.Basis(i.Target()) == with(60, func(i *cassandra.Instance) { half("")(i); i.Prepared = "in" }).Basis(i.Target()) {
		t.Error("half prepared and prepared are the same basis")
	}
	if got := settle(cassandra.Discard(i), died, at(60)); got.Status != galen.EffectAbsent {
		t.Errorf("discard: %s while it is there", got.Status)
	}
	if got := settle(cassandra.Discard(i), with(60, nil), at(60)); got.Status != galen.EffectDone {
		t.Errorf("discard: %s when it is as before", got.Status)
	}
}

func mode(m string) func([]cassandra.View, []cassandra.Instance) {
	return func(views []cassandra.View, _ []cassandra.Instance) {
		peer(views, []int{1, 2}, 3, down)
		views[2].Mode, views[2].CQL = m, cassandra.Refused
	}
}

// settle is the effect as the engine would write it.
func settle(step galen.Step, r cassandra.Ring, now time.Time) galen.Effect {
	in := galen.Intent{ID: "in", Step: step, At: noon(), Effect: galen.Effect{Status: galen.EffectUnknown}}
	for _, v := range cassandra.Verbs() {
		if v.Name == step.Verb {
			return galen.SettleEffect(v, r, in, now)
		}
	}
	return galen.Effect{}
}

func TestRepairEffect(t *testing.T) {
	r := seen(at(0), nil)
	step := cassandra.RepairRanges(r, node(t, r, id(3)), "ks")
	for name, c := range map[string]struct {
		repairs []cassandra.Repair
		want    galen.EffectStatus
	}{
		"completed":        {[]cassandra.Repair{{Intent: "in", Command: 3, Status: "COMPLETED"}}, galen.EffectDone},
		"failed":           {[]cassandra.Repair{{Intent: "in", Command: 3, Status: "FAILED", Message: "Endpoint not alive"}}, galen.EffectFailed},
		"running":          {[]cassandra.Repair{{Intent: "in", Command: 3, Status: "IN_PROGRESS"}}, galen.EffectUnderWay},
		"forgotten":        {[]cassandra.Repair{{Intent: "in", Command: 3}}, galen.EffectFailed},
		"nothing is told":  {nil, galen.EffectUnknown},
		"that of another":  {[]cassandra.Repair{{Intent: "other", Command: 3, Status: "COMPLETED"}}, galen.EffectUnknown},
		"no command known": {[]cassandra.Repair{{Intent: "in"}}, galen.EffectAbsent},
	} {
		t.Run(name, func(t *testing.T) {
			later := seen(at(60), nil)
			later.Repairs = c.repairs
			if got := settle(step, later, at(60)); got.Status != c.want {
				t.Errorf("%s (%s), want %s", got.Status, got.Why, c.want)
			}
		})
	}
}

// TestARepairThatItsCoordinatorDiedOver has failed, as soon as no order of its time arrives any more: the node is to be healed. While the
// process is there, or its host tells nothing, it may go on.
func TestARepairThatItsCoordinatorDiedOver(t *testing.T) {
	r := seen(at(0), nil)
	step := cassandra.RepairRanges(r, node(t, r, id(3)), "ks")
	hung := func(views []cassandra.View, _ []cassandra.Instance) {
		peer(views, []int{1, 2}, 3, down)
		views[2].Jolokia, views[2].CQL = cassandra.Hung, cassandra.Hung
	}
	dead := func(views []cassandra.View, hosts []cassandra.Instance) {
		hung(views, hosts)
		hosts[2].Process, hosts[2].PID = cassandra.Absent, 0
	}
	again := func(started time.Time) func([]cassandra.View, []cassandra.Instance) {
		return func(views []cassandra.View, hosts []cassandra.Instance) {
			hung(views, hosts)
			hosts[2].PID, hosts[2].Started = 77, started
		}
	}
	lost := func(views []cassandra.View, hosts []cassandra.Instance) {
		dead(views, hosts)
		hosts[2].Error = "no route"
	}
	for name, c := range map[string]struct {
		late   int
		change func([]cassandra.View, []cassandra.Instance)
		want   galen.EffectStatus
	}{
		"it hangs":                      {600, hung, galen.EffectUnknown},
		"its process has ended":         {60, dead, galen.EffectFailed},
		"its process has just ended":    {1, dead, galen.EffectUnknown},
		"another process comes up":      {600, again(at(300)), galen.EffectFailed},
		"one that may have got it":      {600, again(at(1)), galen.EffectUnknown},
		"its host does not tell":        {60, lost, galen.EffectUnknown},
		"another node's process is not": {60, func(v []cassandra.View, h []cassandra.Instance) { hung(v, h); h[1].Process = cassandra.Absent }, galen.EffectUnknown},
	} {
		if got := settle(step, seen(at(c.late), c.change), at(c.late)); got.Status != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Status, got.Why, c.want)
		}
	}
}

// TestARepairWhoseCoordinatorLeft has failed, though nobody can read its host any more: a node that is removed repairs nothing.
func TestARepairWhoseCoordinatorLeft(t *testing.T) {
	r := seen(at(0), nil)
	step := cassandra.RepairRanges(r, node(t, r, id(3)), "ks")
	for late, want := range map[int]galen.EffectStatus{1: galen.EffectUnknown, 60: galen.EffectFailed} {
		left := seen(at(late), func(views []cassandra.View, hosts []cassandra.Instance) {
			peer(views, []int{1, 2}, 3, down)
			views[2].Jolokia, views[2].CQL, hosts[2].Error = cassandra.Hung, cassandra.Hung, "no route"
		})
		left.Nodes = slices.DeleteFunc(left.Nodes, func(n cassandra.Node) bool { return n.HostID == id(3) }) // as the fold forgets it
		if got := settle(step, left, at(late)); got.Status != want {
			t.Errorf("%d s after the order: %s (%s), want %s", late, got.Status, got.Why, want)
		}
	}
}

// TestReplaceFacts: the repairs are owed from the intent on, and no longer once the joiner failed.
func TestReplaceFacts(t *testing.T) {
	r := seen(at(0), killed)
	n := node(t, r, id(3))
	in := galen.Intent{ID: "in", At: noon(), Step: cassandra.Replace(n, cassandra.Instance{Name: "n4", Prepared: "prep"})}
	var replace galen.Verb[cassandra.Ring]
	for _, v := range cassandra.Verbs() {
		if v.Name == cassandra.VerbReplace {
			replace = v
		}
	}
	for status, want := range map[galen.EffectStatus]map[string]bool{ // key: gone
		galen.EffectUnknown:  {"repair-owed/n4/ks": false},
		galen.EffectUnderWay: {"repair-owed/n4/ks": false},
		galen.EffectFailed:   {"repair-owed/n4/ks": true},
		galen.EffectAbsent:   {"repair-owed/n4/ks": true},
		galen.EffectDone:     {"replaced/dc1": false, "undo-owed/prep": true, "silent-since/" + id(3) + "/ks": true},
	} {
		in.Effect = galen.Effect{Status: status, At: at(60)}
		facts := replace.Facts(r, in, galen.SafePolicy())
		if len(facts) != len(want) {
			t.Errorf("%s: %+v", status, facts)
		}
		for _, f := range facts {
			if gone, known := want[f.Key]; !known || f.Gone != gone {
				t.Errorf("%s: %+v", status, f)
			}
		}
	}
}

// TestChecksRefuse steps that no constructor would have made.
func TestChecksRefuse(t *testing.T) {
	well, dead := seen(at(0), nil), seen(at(0), killed)
	n := node(t, dead, id(3))
	with := func(change func(*cassandra.Instance)) cassandra.Ring {
		return seen(at(0), func(views []cassandra.View, instances []cassandra.Instance) {
			killed(views, instances)
			change(&instances[2])
		})
	}
	elsewhere := n
	elsewhere.Instance = "n1"
	for name, c := range map[string]struct {
		ring cassandra.Ring
		step galen.Step
	}{
		"start of a running node":   {well, cassandra.Start(n)},
		"start of a fenced node":    {with(func(i *cassandra.Instance) { i.Fenced = "x" }), cassandra.Start(n)},
		"start without data":        {with(func(i *cassandra.Instance) { i.Data = cassandra.DataGone }), cassandra.Start(n)},
		"start on another instance": {dead, cassandra.Start(elsewhere)},
		"start of a prepared spare": {with(func(i *cassandra.Instance) { i.Prepared = "x" }), cassandra.Start(n)},
		"stop of a dead node":       {dead, cassandra.Stop(n)},
		"kill of a living node":     {well, cassandra.Kill(n, instance(well, "n3"))},
		"kill of another process":   {with(func(i *cassandra.Instance) { i.Process, i.PID = cassandra.Stopped, 5 }), cassandra.Kill(n, instance(well, "n3"))},
		"fence of a living node":    {well, cassandra.Fence(n)},
		"repair of a dead node":     {dead, cassandra.RepairRanges(dead, n, "ks")},
		"repair of no keyspace":     {well, cassandra.RepairRanges(well, n, "nothing")},
		"preparation of no spare":   {dead, cassandra.Prepare(dead, instance(dead, "n1"), n)},
		"discard of a node":         {well, cassandra.Discard(instance(well, "n3"))},
		"removal of a node":         {well, cassandra.RemoveJoiner(instance(well, "n3"), "x")},
		"clearing of no flag":       {well, cassandra.ClearReplace(n)},
		"replacement by a node":     {dead, cassandra.Replace(n, instance(dead, "n1"))},
	} {
		for _, v := range cassandra.Verbs() {
			if v.Name == c.step.Verb && v.Check(c.ring, c.step) == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	}
}
