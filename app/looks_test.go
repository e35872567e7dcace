package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

func TestLooksAreCounted(t *testing.T) {
	var l looks
	var trouble error
	kinds := l.counted(map[string]galen.ListedKind{"fake": {
		Name: "fake",
		Look: func(context.Context, galen.Resource, []galen.Target, []galen.Intent) (galen.State, error) {
			return nil, trouble
		},
	}})
	for range 2 {
		if _, err := kinds["fake"].Look(t.Context(), demoDB(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	trouble = errors.New("unreachable")
	if _, err := kinds["fake"].Look(t.Context(), demoDB(), nil, nil); !errors.Is(err, trouble) {
		t.Fatalf("the error is lost: %v", err)
	}
	got := l.now()[demoDB()]
	if got.Total != 3 || got.Errors != 1 || got.Took <= 0 || got.Within[10*time.Second] != 3 {
		t.Errorf("counted %+v", got)
	}
	l.add(demoDB(), 700*time.Millisecond, nil)
	slow := l.now()[demoDB()]
	if slow.Within[500*time.Millisecond] != got.Within[500*time.Millisecond] || slow.Within[time.Second] != got.Within[time.Second]+1 {
		t.Errorf("700 ms were counted as %+v", slow.Within)
	}
}

func TestAPulseIsAskedNowAndThen(t *testing.T) {
	asked, trouble := 0, error(nil)
	p := newPulse(func(ctx context.Context) error {
		asked++
		if ctx.Err() != nil {
			t.Error("who asked has left; the next one must not hear of it")
		}
		if left, ok := ctx.Deadline(); !ok || time.Until(left) > pulseLimit {
			t.Error("asked without a deadline")
		}
		return trouble
	})
	gone, leave := context.WithCancel(t.Context())
	leave()
	now := time.Now()
	for _, c := range []struct {
		after   time.Duration
		trouble error
		asked   int
		bad     bool
	}{
		{0, nil, 1, false}, {pulseEvery - 1, errors.New("down"), 1, false}, {pulseEvery, errors.New("down"), 2, true},
		{pulseEvery + 1, nil, 2, true}, {2 * pulseEvery, nil, 3, false},
	} {
		trouble = c.trouble
		if err := p.beats(gone, now.Add(c.after)); (err != nil) != c.bad || asked != c.asked {
			t.Errorf("after %s: %v, asked %d times; want trouble %v, %d times", c.after, err, asked, c.bad, c.asked)
		}
	}
}
