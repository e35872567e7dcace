package watch_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/watch"
)

// TestReckonedOnceForEachLook: however many ask about one State, at once or one after the other, what their answers rest on is reckoned
// once; the next look is another State. A kind that panics leaves nothing behind, and the next question asks it again.
func TestReckonedOnceForEachLook(t *testing.T) {
	kind := fake.Kind()
	var made atomic.Int64
	var broken atomic.Bool
	by := *kind.ByHand
	by.Reckon = func(c fake.Cluster, p galen.Policy) galen.Reckoning[fake.Cluster] {
		made.Add(1)
		if broken.Load() {
			panic("out of range")
		}
		return kind.ByHand.Reckon(c, p)
	}
	counted := kind
	counted.ByHand = &by
	w := watch.NewWorld(map[string]galen.ListedKind{fake.KindName: galen.ListKind(counted, fake.NewCloud("billing", 3, noon))}, &shelf{}, quiet())
	if _, has := w.Newest(billing()); has {
		t.Fatal("there is a State before the first look")
	}
	for look := int64(1); look <= 3; look++ {
		seen(t, w)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				last, has := w.Newest(billing())
				if !has || last.Reckoned(galen.SafePolicy()).Margin(nil) == "" {
					t.Error("nothing is reckoned")
				}
			})
		}
		all.Wait()
		if n := made.Load(); n != look {
			t.Fatalf("reckoned %d times after %d looks", n, look)
		}
	}
	other := galen.SafePolicy()
	other.Levels = []string{"ALL"}
	last, _ := w.Newest(billing())
	last.Reckoned(other)
	if n := made.Load(); n != 4 {
		t.Errorf("another policy: reckoned %d times", n)
	}
	seen(t, w)
	broken.Store(true)
	last, _ = w.Newest(billing())
	func() {
		defer func() { _ = recover() }()
		last.Reckoned(other)
	}()
	broken.Store(false)
	if last.Reckoned(other).Margin(nil) == "" {
		t.Error("nothing is reckoned after a panic")
	}
}
