package kindtest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// Sim is a kind's simulated driver in virtual time.
type Sim[S galen.State] interface {
	galen.Driver[S]
	Now() time.Time
	Advance(d time.Duration)
	// LoseReply makes the next call of Do be executed and answered with an error.
	LoseReply()
}

// World is a scene in which a kind is tested.
type World[S galen.State] struct {
	Name     string
	Resource galen.Resource
	// New makes the scene anew, the same each time.
	New func() Sim[S]
	// Steps are made by the kind's constructors on the State that the scene shows. Each is tried alone in a new scene.
	// Over all worlds every verb has one.
	Steps func(S) []galen.Step
}

// observer looks and folds, as the engine does.
type observer[S galen.State] struct {
	t      testing.TB
	kind   galen.Kind[S]
	sim    Sim[S]
	of     galen.Resource
	folded S
}

func (o *observer[S]) look(scope []galen.Target, open []galen.Intent) S {
	o.t.Helper()
	seen, err := o.sim.Look(o.t.Context(), o.of, scope, open)
	if err != nil {
		o.t.Fatalf("look: %v", err)
	}
	o.folded = o.kind.Fold(o.folded, seen)
	return o.folded
}

func (o *observer[S]) verb(name string) galen.Verb[S] {
	o.t.Helper()
	for _, v := range o.kind.Verbs {
		if v.Name == name {
			return v
		}
	}
	o.t.Fatalf("the kind has no verb %q", name)
	return galen.Verb[S]{}
}

// text is a value as JSON, to see whether something has changed it.
func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode %T: %v", v, err)
	}
	return string(b)
}

// quietly runs f and tells what it panicked with, nil if it did not.
func quietly(f func()) (panicked any) {
	defer func() { panicked = recover() }()
	f()
	return nil
}
