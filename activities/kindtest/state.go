package kindtest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// state tests what the engine relies on in a State: a strict JSON form, a Basis of facts alone, a Fold that may be
// repeated, and members with identities.
func state[S galen.State](t *testing.T, k galen.Kind[S], w World[S]) {
	o := &observer[S]{t: t, kind: k, sim: w.New(), of: w.Resource}
	first := o.look(nil, nil)
	if got := first.Resource(); got != w.Resource {
		t.Errorf("the State is one of %s, want %s", got, w.Resource)
	}
	roundTrip(t, first)
	members(t, first)

	o.sim.Advance(time.Second)
	seen, err := o.sim.Look(t.Context(), w.Resource, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := text(t, first) + text(t, seen)
	once := k.Fold(first, seen)
	twice := k.Fold(once, seen)
	if text(t, first)+text(t, seen) != before {
		t.Error("Fold changed its arguments")
	}
	if once.Basis() != twice.Basis() || text(t, once) != text(t, twice) {
		t.Errorf("the same look folded twice is not the same:\n%s\n%s", text(t, once), text(t, twice))
	}
	basis(t, first, once)
	scoped(t, o, once)
}

func roundTrip[S galen.State](t *testing.T, s S) {
	t.Helper()
	back, err := galen.Decode[S]([]byte(text(t, s)))
	if err != nil {
		t.Errorf("its JSON cannot be read back strictly: %v", err)
		return
	}
	if text(t, back) != text(t, s) || back.Basis() != s.Basis() {
		t.Error("its JSON reads back as another State")
	}
}

// basis: two looks a second apart, with nothing happening between, rest on the same facts; so do a target and a target
// named by its ID alone.
func basis[S galen.State](t *testing.T, first, second S) {
	t.Helper()
	if first.Basis() != second.Basis() {
		t.Error("a second without events changes the Basis: it holds a time or a gauge")
	}
	differs := false
	for _, m := range first.Members() {
		if first.Basis(m.Target) != second.Basis(m.Target) || first.Basis(m.Target) != first.Basis(galen.Target{ID: m.Target.ID}) {
			t.Errorf("the Basis of %s holds a time or a gauge, or depends on how the target is named", m.Target)
		}
		differs = differs || first.Basis(m.Target) != first.Basis()
	}
	grounded(t, first, second)
	if len(first.Members()) > 1 && !differs {
		t.Error("the Basis does not depend on its scope")
	}
}

func members[S galen.State](t *testing.T, s S) {
	t.Helper()
	all, again := s.Members(), s.Members()
	if len(all) == 0 {
		t.Error("no members")
	}
	if text(t, all) != text(t, again) {
		t.Error("Members are not the same twice")
	}
	ids := map[string]bool{}
	for _, m := range all {
		if m.Target.ID == "" || ids[m.Target.ID] {
			t.Errorf("member %q: no ID, or twice", m.Target.ID)
		}
		ids[m.Target.ID] = true
		if !m.Spare && (m.Name == "" || m.Domain == "") {
			t.Errorf("member %s: name %q and failure domain %q are required", m.Target, m.Name, m.Domain)
		}
		observations(t, m)
	}
}

func observations(t *testing.T, m galen.Member) {
	t.Helper()
	kinds := []galen.ObserverKind{galen.Peer, galen.Probe, galen.Host, galen.Cloud}
	words := []galen.Says{galen.Good, galen.Bad, galen.Unknown}
	for _, o := range m.Observations {
		if o.Observer == "" || o.At.IsZero() || !slices.Contains(kinds, o.Kind) || !slices.Contains(words, o.Says) {
			t.Errorf("member %s: an observation without observer, kind, word or time: %+v", m.Target, o)
		}
	}
}

// scoped: a look at one member forgets no other, makes the evidence on that one new, and leaves the rest as old as it
// was.
func scoped[S galen.State](t *testing.T, o *observer[S], before S) {
	t.Helper()
	if len(before.Members()) == 0 {
		return
	}
	target := before.Members()[0].Target
	was := o.sim.Now()
	whole, _ := before.Seen()
	o.folded = before
	o.sim.Advance(time.Second)
	after := o.look([]galen.Target{target}, nil)
	if got, want := len(after.Members()), len(before.Members()); got < want {
		t.Errorf("after a look at %s alone %d of %d members are left", target, got, want)
	}
	if oldest, _ := after.Seen(target); !oldest.After(was) {
		t.Errorf("after a look at %s the evidence on it is of %s, not newer than %s", target, oldest, was)
	}
	if oldest, _ := after.Seen(); oldest.After(o.sim.Now()) || oldest.Before(whole) {
		t.Errorf("after a look at %s all evidence is of %s on; before it was of %s on, now it is %s", target, oldest, whole, o.sim.Now())
	}
	if after.Basis() != before.Basis() {
		t.Error("a scoped look without events changes the Basis")
	}
}

// grounded: people are told the facts under a Basis, the same ones while nothing happens, and others where the Basis is another.
func grounded[S galen.State](t *testing.T, first, second S) {
	t.Helper()
	var ids []string
	for _, m := range first.Members() {
		ids = append(ids, m.Target.ID)
	}
	before, after := galen.GroundsOf(first, ids), galen.GroundsOf(second, ids)
	if moved := galen.Moved(before, after); len(moved) > 0 {
		t.Errorf("a second without events changes the grounds: %s", galen.TellMoved(moved))
	}
	for _, id := range ids {
		if len(before[id]) == 0 {
			t.Errorf("%s has no grounds: a person whose yes becomes void could not be told what moved", id)
		}
		for _, other := range ids {
			same := first.Basis(galen.Target{ID: id}) == first.Basis(galen.Target{ID: other})
			if same != maps.Equal(before[id], before[other]) {
				t.Errorf("the grounds of %s and %s are the same (%t), their Basis is (%t)", id, other, !same, same)
			}
		}
	}
}
