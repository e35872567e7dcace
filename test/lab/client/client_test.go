package client

import (
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	r := Report{Rows: 9, One: []NodeReport{{Host: "a", Missing: 1}, {Host: "b"}}, All: NodeReport{Missing: 2}}
	if r.Missing() != 3 {
		t.Errorf("Missing() = %d, want 3", r.Missing())
	}
	if want := "9 acknowledged rows; missing at ONE by a: 1, at ONE by b: 0, at ALL: 2"; r.String() != want {
		t.Errorf("String() = %q, want %q", r, want)
	}
}

func TestPauseIsCountedWhileItLasts(t *testing.T) {
	c := &Client{last: time.Now().Add(-time.Minute)}
	if got := c.Figures().LongestPause; got < time.Minute {
		t.Errorf("a pause of a minute that goes on is counted as %v", got)
	}
	if got := (&Client{}).Figures().LongestPause; got != 0 {
		t.Errorf("a client that does not run paused %v", got)
	}
}

func TestValuesDiffer(t *testing.T) {
	seen := map[string]int64{}
	for id := range int64(1000) {
		if other, twice := seen[value(id)]; twice {
			t.Fatalf("rows %d and %d hold the same value", other, id)
		}
		seen[value(id)] = id
	}
}
