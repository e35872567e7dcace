package watch_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/watch"
)

// TestAPanicIsAnErrorOfItsResource: a fault in one kind or detector must not end the engine that watches all others.
func TestAPanicIsAnErrorOfItsResource(t *testing.T) {
	bad := map[string]bool{}
	panics := func(what string) {
		if bad[what] {
			panic(what + " is broken")
		}
	}
	cloud := fake.NewCloud("billing", 3, noon)
	listed := kinds(cloud)
	kind := listed[fake.KindName]
	look, fold := kind.Look, kind.Fold
	kind.Look = func(ctx context.Context, r galen.Resource, scope []galen.Target, open []galen.Intent) (galen.State, error) {
		panics("look")
		return look(ctx, r, scope, open)
	}
	kind.Fold = func(prev, seen galen.State) (galen.State, error) {
		panics("fold")
		return fold(prev, seen)
	}
	verb := kind.Verbs[fake.VerbReboot]
	verb.Effect = func(galen.State, galen.Intent) galen.Effect {
		panics("effect")
		return galen.Effect{Status: galen.EffectUnknown}
	}
	kind.Verbs[fake.VerbReboot] = verb
	listed[fake.KindName] = kind
	w := watch.NewWorld(listed, &shelf{}, quiet())
	l := watch.NewLoops(watch.Options{
		World: w, Kinds: listed, Journal: &book{open: []galen.Intent{{ID: "in", Resource: billing(), Step: galen.Step{Verb: fake.VerbReboot}}}},
		Runs: &desk{}, Policy: func(galen.Resource) galen.Policy { return galen.SafePolicy() }, Now: func() time.Time { return noon }, Logger: quiet(),
		Detectors: []galen.Detector[galen.State]{{Name: "test", Detect: func(time.Time, galen.State, galen.Policy) []galen.Finding {
			panics("detector")
			return nil
		}}},
	})
	p := watch.NewPatrol(billing())
	for _, what := range []string{"look", "fold", "detector", "effect"} {
		bad[what] = true
		for range 2 {
			if err := l.Round(t.Context(), p); err == nil || !strings.Contains(err.Error(), what+" is broken") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := w.Look(t.Context(), billing(), nil, nil); (err != nil) != (what == "look" || what == "fold") {
			t.Errorf("a look of the gate, %s: %v", what, err)
		}
		bad[what] = false
		if err := l.Round(t.Context(), p); err != nil {
			t.Errorf("after %s is mended: %v", what, err)
		}
	}
}

func TestAPanicIsToldOnceWithItsPlace(t *testing.T) {
	var told lines
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rounds := 0
	listed := kinds(fake.NewCloud("billing", 3, noon))
	policy := galen.SafePolicy()
	policy.LookEvery = galen.Duration(time.Millisecond)
	watch.NewLoops(watch.Options{
		World: watch.NewWorld(listed, &shelf{}, quiet()), Kinds: listed, Journal: &book{}, Runs: &desk{},
		Policy: func(galen.Resource) galen.Policy { return policy }, Now: func() time.Time { return noon },
		Logger: slog.New(slog.NewTextHandler(&told, nil)),
		Detectors: []galen.Detector[galen.State]{{Name: "test", Detect: func(time.Time, galen.State, galen.Policy) []galen.Finding {
			if rounds++; rounds > 3 {
				cancel()
			}
			panic("the detector is broken")
		}}},
	}).Run(ctx, []galen.Resource{billing()})
	if n, place := told.count("cannot do its round"), told.count("panic_test.go"); n != 1 || place == 0 {
		t.Errorf("told %d times, with its place %d times", n, place)
	}
}
