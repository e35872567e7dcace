package detectors_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/detectors"
)

// watch looks at a simulated ring every second, as the engine does.
type watch struct {
	*ring.Cluster
	t      *testing.T
	now    time.Time
	folded cassandra.Ring
}

func newWatch(t *testing.T) *watch {
	w := &watch{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	cluster, err := ring.New(ring.Three(func() time.Time { return w.now }))
	if err != nil {
		t.Fatal(err)
	}
	w.Cluster = cluster
	w.pass(time.Second)
	return w
}

func demo() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

func (w *watch) pass(d time.Duration) *watch {
	w.t.Helper()
	for ; d > 0; d -= time.Second {
		w.now = w.now.Add(time.Second)
		seen, err := w.Look(w.t.Context(), demo(), nil, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		w.folded = cassandra.Fold(w.folded, seen)
	}
	return w
}

func (w *watch) hurt(instance string, troubles ...ring.Trouble) *watch {
	w.t.Helper()
	for _, trouble := range troubles {
		if err := w.Make(trouble, instance); err != nil {
			w.t.Fatal(err)
		}
	}
	return w
}

// blind takes nodes and their hosts out of the engine's sight.
func (w *watch) blind(instances ...string) *watch {
	w.t.Helper()
	for _, i := range instances {
		w.hurt(i, ring.Cut, ring.HideHost)
	}
	return w
}

// flap lets n3 go down and come back so often.
func (w *watch) flap(times int) *watch {
	w.t.Helper()
	for range times {
		w.hurt("n3", ring.Freeze).pass(20*time.Second).hurt("n3", ring.Thaw).pass(10 * time.Second)
	}
	return w
}

func (w *watch) do(step galen.Step) *watch {
	w.t.Helper()
	if _, err := w.Do(w.t.Context(), galen.Intent{ID: step.Verb, Resource: demo(), Step: step, At: w.now, Fence: int64(len(w.Calls()) + 1)}); err != nil {
		w.t.Fatal(err)
	}
	return w.pass(2 * time.Second)
}

// replaced lets n4 take the place of n3.
func (w *watch) replaced() *watch {
	w.hurt("n3", ring.Kill).pass(20 * time.Second)
	dead, _ := w.folded.NodeOf("n3")
	w.do(cassandra.Fence(dead))
	i, _ := w.folded.Instance("n4")
	w.do(cassandra.Prepare(w.folded, i, dead))
	i, _ = w.folded.Instance("n4")
	return w.do(cassandra.Replace(dead, i)).pass(time.Minute)
}

func (w *watch) findings() []galen.Finding {
	var out []galen.Finding
	for _, d := range detectors.All() {
		for _, f := range d.Detect(w.now, w.folded, galen.SafePolicy()) {
			if !slices.Contains(d.Codes, f.Code) {
				w.t.Errorf("detector %s finds %s, which it does not name", d.Name, f.Code)
			}
			if len(f.Targets) == 0 || f.Why == "" || f.Domain == "" || f.Resource != demo() || f.Since.IsZero() {
				w.t.Errorf("an incomplete finding: %+v", f)
			}
			out = append(out, f)
		}
	}
	return out
}

func TestDetectors(t *testing.T) {
	for name, c := range map[string]struct {
		play func(*watch)
		want []string // code domain urgency
	}{
		"steady":           {func(*watch) {}, nil},
		"killed, just now": {func(w *watch) { w.hurt("n3", ring.Kill).pass(15 * time.Second) }, nil},
		"killed":           {func(w *watch) { w.hurt("n3", ring.Kill).pass(time.Minute) }, []string{"node-down dc1/r3 80"}},
		"killed, came back": {func(w *watch) {
			w.hurt("n3", ring.Kill).pass(time.Minute).hurt("n3", ring.Start).pass(10 * time.Second)
		}, nil},
		"two of three": {func(w *watch) { w.hurt("n3", ring.Kill).hurt("n2", ring.Kill).pass(time.Minute) },
			[]string{"node-down dc1/r2 100", "node-down dc1/r3 100"}},
		"all of three": {func(w *watch) { w.hurt("n3", ring.Kill).hurt("n2", ring.Kill).hurt("n1", ring.Kill).pass(time.Minute) },
			[]string{"node-down dc1/r1 100", "node-down dc1/r2 100", "node-down dc1/r3 100"}},
		"all frozen": {func(w *watch) {
			w.hurt("n1", ring.Freeze).hurt("n2", ring.Freeze).hurt("n3", ring.Freeze).pass(time.Minute)
		}, []string{"node-frozen dc1/r1 100", "node-frozen dc1/r2 100", "node-frozen dc1/r3 100"}},
		"all out of sight": {func(w *watch) { w.blind("n1", "n2", "n3").pass(time.Minute) },
			[]string{"unreachable dc1/r1 note", "unreachable dc1/r2 note", "unreachable dc1/r3 note"}},
		"all out of sight, for a moment": {func(w *watch) { w.blind("n1", "n2", "n3").pass(10 * time.Second) }, nil},
		"all out of sight, and back": {func(w *watch) {
			w.blind("n1", "n2", "n3").pass(time.Minute).hurt("n1", ring.Mend).hurt("n2", ring.Mend).hurt("n3", ring.Mend).pass(5 * time.Second)
		}, nil},
		"never seen at all": {func(w *watch) { w.folded = cassandra.Ring{}; w.blind("n1", "n2", "n3").pass(5 * time.Second) }, []string{"unreachable unknown note"}},
		"frozen":            {func(w *watch) { w.hurt("n3", ring.Freeze).pass(time.Minute) }, []string{"node-frozen dc1/r3 80"}},
		"frozen and killed": {func(w *watch) {
			w.hurt("n3", ring.Freeze).pass(time.Minute).hurt("n3", ring.Kill).pass(10 * time.Second)
		}, []string{"node-frozen dc1/r3 80"}},
		"frozen and thawed": {func(w *watch) {
			w.hurt("n3", ring.Freeze).pass(time.Minute).hurt("n3", ring.Thaw).pass(10 * time.Second)
		}, nil},
		"booting for longer than a look": {func(w *watch) { w.hurt("n3", ring.Kill).pass(time.Minute).hurt("n3", ring.Start).pass(3 * time.Second) },
			[]string{"node-down dc1/r3 80"}},
		"the engine is cut off from one node": {func(w *watch) { w.hurt("n3", ring.Cut).pass(time.Minute) }, []string{"observers-disagree dc1/r3 note"}},
		"a node is cut off from its peers":    {func(w *watch) { w.hurt("n3", ring.Isolate).pass(time.Minute) }, []string{"observers-disagree dc1/r1 note", "observers-disagree dc1/r2 note", "observers-disagree dc1/r3 note"}},
		"its data are gone while it serves":   {func(w *watch) { w.hurt("n3", ring.LoseData).pass(time.Minute) }, []string{"data-gone dc1/r3 note"}},
		"it is frozen, and its data are gone": {func(w *watch) { w.hurt("n3", ring.LoseData, ring.Freeze).pass(2 * time.Minute) }, []string{"node-frozen dc1/r3 80", "data-gone dc1/r3 note"}},
		"replaced: its address stays DOWN":    {func(w *watch) { w.replaced() }, []string{"stale-seed dc1/r1 note", "stale-seed dc1/r2 note"}},
		"the corpse came back": {func(w *watch) { w.replaced().hurt("n3", ring.Start).pass(time.Minute) },
			[]string{"stolen-ring dc1/r3 100"}},
		"flapping, up":              {func(w *watch) { w.flap(3).pass(time.Minute) }, []string{"node-flapping dc1/r3 50"}},
		"flapping, down":            {func(w *watch) { w.flap(3).hurt("n3", ring.Freeze).pass(time.Minute) }, []string{"node-flapping dc1/r3 50"}},
		"flapped, and quiet since":  {func(w *watch) { w.flap(3).pass(11 * time.Minute) }, nil},
		"flapped, and down since":   {func(w *watch) { w.flap(3).hurt("n3", ring.Kill).pass(11 * time.Minute) }, []string{"node-down dc1/r3 80"}},
		"down twice in ten minutes": {func(w *watch) { w.flap(2).pass(time.Minute) }, nil},
		"left, and UP for ever": {func(w *watch) {
			w.hurt("n4", ring.ForeignAdd).pass(time.Minute).hurt("n4", ring.Leave).pass(2 * time.Minute)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWatch(t)
			c.play(w)
			var got []string
			for _, f := range w.findings() {
				grade := "note"
				if !f.Note {
					grade = map[galen.Urgency]string{galen.Medium: "50", galen.High: "80", galen.Critical: "100"}[f.Urgency]
				}
				got = append(got, string(f.Code)+" "+f.Domain+" "+grade)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
				for _, f := range w.findings() {
					t.Logf("%s: %s", f.Key(), f.Why)
				}
			}
		})
	}
}

// TestFlappingCountsWithinItsWindow: what is told beside the window is what happened in it, not all that ever did.
func TestFlappingCountsWithinItsWindow(t *testing.T) {
	w := newWatch(t).flap(3).pass(time.Hour).flap(4).pass(time.Minute)
	if f := w.findings()[0]; !strings.Contains(f.Why, "came back 8 times within 10m0s, last at ") || !strings.Contains(f.Why, "from 6 times on") {
		t.Error(f.Why)
	}
}

// TestNodeDownNamesItsEvidence: who says so, since when, and by two kinds of observers.
func TestNodeDownNamesItsEvidence(t *testing.T) {
	w := newWatch(t).hurt("n3", ring.Kill).pass(time.Minute)
	f := w.findings()[0]
	kinds := map[galen.ObserverKind]bool{}
	for _, o := range f.Evidence {
		kinds[o.Kind] = true
	}
	n, _ := w.folded.NodeOf("n3")
	if len(kinds) < 3 || !f.Since.Equal(n.DownSince) || f.Targets[0] != n.Target() {
		t.Errorf("%+v", f)
	}
	for _, word := range []string{"n3 (127.0.0.3)", "host n3", "jolokia n3", "n1", "n2"} {
		if !strings.Contains(f.Why, word) {
			t.Errorf("%q does not name %s", f.Why, word)
		}
	}
}

// TestEachTargetHasItsOwnBeginning: what a person cancelled on one node of a rack must not be taken for what its neighbour has since.
func TestEachTargetHasItsOwnBeginning(t *testing.T) {
	r := cassandra.Ring{Nodes: []cassandra.Node{
		{HostID: "h1", DC: "dc1", Rack: "r1", Down: true, DownSince: time.Unix(100, 0)}, {HostID: "h2", DC: "dc1", Rack: "r1"},
		{HostID: "h3", DC: "dc1", Rack: "r1", Down: true, DownSince: time.Unix(50, 0)},
	}}
	found := detectors.CassandraNodeDown().Detect(time.Unix(1000, 0), r, galen.SafePolicy())
	if want := map[string]time.Time{"h1": time.Unix(100, 0), "h3": time.Unix(50, 0)}; len(found) != 1 || !maps.Equal(found[0].Began, want) || !found[0].Since.Equal(time.Unix(50, 0)) {
		t.Errorf("%+v", found)
	}
	f := newWatch(t).flap(4).pass(time.Minute).findings()[0]
	if f.Code != cassandra.CodeNodeFlapping || len(f.Began) != 1 || !f.BeganAt(f.Targets[0].ID).Equal(f.Since) {
		t.Errorf("%+v", f)
	}
}

// TestNoTargetTwice: of one State, one target has one finding that a run could start for.
func TestNoTargetTwice(t *testing.T) {
	for _, trouble := range []ring.Trouble{ring.Kill, ring.Freeze, ring.Stop, ring.Isolate, ring.Cut, ring.Leave} {
		w := newWatch(t).hurt("n3", trouble)
		for range 90 {
			w.pass(time.Second)
			seen := map[string]galen.Code{}
			for _, f := range w.findings() {
				for _, target := range f.Targets {
					if other, twice := seen[target.ID]; twice && !f.Note {
						t.Fatalf("%s: %s has %s and %s", trouble, target.ID, other, f.Code)
					}
					if !f.Note {
						seen[target.ID] = f.Code
					}
				}
			}
		}
	}
}

// TestDisagreeNamesAllWhoDo: a cut that one look saw half of is told whole; a note whose targets stay the same is told once only.
func TestDisagreeNamesAllWhoDo(t *testing.T) {
	cut := time.Unix(1000, 0)
	r := cassandra.Ring{Nodes: []cassandra.Node{{HostID: "h1", Instance: "n1"}, {HostID: "h2", Instance: "n2"}}, Dissents: []cassandra.Dissent{
		{Observer: "cql n2", About: "h2", Says: "bad", Since: cut.Add(time.Second)}, {Observer: "jolokia n2", About: "h2", Says: "bad", Since: cut},
		{Observer: "n3", About: "h1", Says: "bad", Since: cut.Add(time.Second)},
	}}
	for after, want := range map[time.Duration][]string{29 * time.Second: nil, 30 * time.Second: {"cql n2", "jolokia n2"}, 31 * time.Second: {"cql n2", "jolokia n2", "n3 says"}} {
		found := detectors.CassandraDisagree().Detect(cut.Add(after), r, galen.SafePolicy())
		if (len(found) > 0) != (len(want) > 0) || len(found) > 0 && !found[0].Since.Equal(cut) {
			t.Fatalf("after %s: %+v", after, found)
		}
		for _, who := range want {
			if !strings.Contains(found[0].Why, who) {
				t.Errorf("after %s: %q does not name %s", after, found[0].Why, who)
			}
		}
		if after == 30*time.Second && strings.Contains(found[0].Why, "n3 says") {
			t.Errorf("%q tells of a node on which the others have not been apart for long enough", found[0].Why)
		}
	}
}
