package gym

import (
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// TestNobodyIsLeftAlone: a member that everybody calls down, and a spare that is prepared for nobody, have a run, or a person knows.
func TestNobodyIsLeftAlone(t *testing.T) {
	at := func(m int) time.Time { return epoch().Add(time.Duration(m) * time.Minute) }
	down := func(h *ring.TrueHost) {
		h.Running, h.Mode, h.Up, h.Down, h.Silent = false, "", nil, []string{"n1", "n2"}, at(10)
	}
	third := func(change func(h *ring.TrueHost)) func([]ring.TrueHost) {
		return func(h []ring.TrueHost) { down(&h[2]); change(&h[2]) }
	}
	dead := third(func(*ring.TrueHost) {})
	storm := func(h []ring.TrueHost) { down(&h[1]); down(&h[2]); h[1].Config.Rack, h[2].Down = "r2", []string{"n1"} }
	prepared := func(h []ring.TrueHost) { h[3].Prepared = "p-1" }
	run := func(id string, status galen.RunStatus, ended int, target string) galen.Run {
		r := galen.Run{ID: id, Status: status, Scope: []galen.Target{{ID: target}}}
		if !status.Open() {
			r.Ended = at(ended)
		}
		return r
	}
	of := func(r ...galen.Run) []galen.Run { return r }
	preparer := run("p", galen.RunVerified, 5, "id3")
	for name, c := range map[string]struct {
		world  func([]ring.TrueHost)
		runs   []galen.Run
		rounds int // the minute of the first of some
		want   int
	}{
		"all are well":                     {nil, nil, 12, 0},
		"down, and no run":                 {dead, nil, 12, 1},
		"stopped, and no run":              {third(func(h *ring.TrueHost) { h.Running, h.Frozen, h.Mode = true, true, "NORMAL" }), nil, 12, 1},
		"just now":                         {third(func(h *ring.TrueHost) { h.Silent = at(59) }), nil, 12, 0},
		"no engine has looked since":       {dead, nil, 5, 0},
		"one calls it up":                  {third(func(h *ring.TrueHost) { h.Up = []string{"n1"} }), nil, 12, 0},
		"those who know answer no engine":  {func(h []ring.TrueHost) { dead(h); h[0].Hidden, h[1].Cut = true, true }, nil, 12, 0},
		"a storm":                          {storm, nil, 12, 0},
		"its run is open":                  {dead, of(run("r", galen.RunWaiting, 0, "id3")), 12, 0},
		"its run is held":                  {dead, of(run("r", galen.RunHeld, 0, "id3")), 12, 0},
		"the run of its machine asks":      {dead, of(run("r", galen.RunAsking, 0, "instance/n3")), 12, 0},
		"the run of another one is open":   {dead, of(run("r", galen.RunWaiting, 0, "id2")), 12, 1},
		"cancelled since":                  {dead, of(run("r", galen.RunCancelled, 20, "id3")), 12, 0},
		"cancelled by who saw it early":    {dead, of(run("r", galen.RunCancelled, 10, "id3")), 12, 0},
		"cancelled before":                 {dead, of(run("r", galen.RunCancelled, 9, "id3")), 12, 1},
		"called verified since, long ago":  {dead, of(run("r", galen.RunVerified, 20, "id3")), 12, 1},
		"called verified just now":         {dead, of(run("r", galen.RunVerified, 58, "id3")), 12, 0},
		"a spare for nobody":               {prepared, of(preparer), 12, 1},
		"one for a run that is open":       {prepared, of(run("p", galen.RunWaiting, 0, "id3")), 12, 0},
		"one that a run is to take back":   {prepared, of(preparer, run("u", galen.RunHeld, 0, "instance/n4")), 12, 0},
		"one that was prepared and joined": {func(h []ring.TrueHost) { prepared(h); h[3].Running, h[3].Data = true, true }, of(preparer), 12, 0},
	} {
		prepare := &act{Intent: galen.Intent{ID: "p-1", Run: "p", Step: galen.Step{Verb: cassandra.VerbPrepare, Target: galen.Target{ID: "id3"}}}}
		judge := checkerOf(prepare)
		judge.byID[prepare.ID], judge.in.Engines, judge.now = prepare, 1, func() time.Time { return at(60) }
		for _, r := range c.runs {
			judge.runs[r.ID] = r
		}
		for i := range lookedAt {
			judge.rounds = append(judge.rounds, at(c.rounds).Add(time.Duration(i)*15*time.Second))
		}
		judge.final = threeAndSpares(c.world)
		judge.final.At = at(60)
		for i := range judge.final.Members {
			judge.final.Members[i].Tokens = []cassandra.Token{cassandra.Token(i)}
		}
		if judge.leftAlone(); len(judge.found) != c.want {
			t.Errorf("%s: %v, want %d", name, judge.found, c.want)
		}
	}
}

// TestAnEngineThatFindsNothingLeavesAlone: the rule is missed by drawn incidents.
func TestAnEngineThatFindsNothingLeavesAlone(t *testing.T) {
	for seed := uint64(1); seed < 40; seed++ {
		p, err := Play(t.Context(), Draw(seed), Engine{Detectors: []galen.Detector[galen.State]{}})
		if err != nil {
			t.Fatal(err)
		}
		if p.broke("L-2 alone") {
			return
		}
	}
	t.Error("nobody was left alone")
}
