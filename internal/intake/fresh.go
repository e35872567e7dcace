package intake

import "sync"

// The most that is kept at hand of what has just come: more is read from the journal.
const (
	freshAlerts = 1000
	freshBytes  = 8 << 20 // of bodies, whose size that of the labels is part of
)

// fresh is what came in and nobody has dealt with, as long as it is little: a storm is matched without reading it again.
type fresh struct {
	mu     sync.Mutex
	alerts []Alert
	bytes  int
	more   bool // there is more in the journal
	// Of those that came settled: nobody has been told yet.
	became outcomes
}

// put adds those alerts that are to be dealt with, and those that are to be told of, and says whether there are any.
func (f *fresh) put(kept []Kept) (some bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range kept {
		a := k.Alert
		if !k.Again && (a.State == Unmatched || a.State == Matched) {
			some = true
			a.Body, a.Annotations = nil, nil
			f.became.add(a, End{State: a.State, Why: a.Why})
		}
		if !k.Pending {
			continue
		}
		some = true
		f.bytes += len(a.Body)
		if k.Again || len(f.alerts) == freshAlerts || f.bytes > freshBytes { // a duplicate is not what is stored
			f.more = true
			continue
		}
		a.Body, a.Annotations = nil, nil // nothing is matched by them
		f.alerts = append(f.alerts, a)
	}
	return some
}

// take gives what is at hand away; more: there is more in the journal, which has these, too.
func (f *fresh) take() (alerts []Alert, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alerts, more = f.alerts, f.more
	f.alerts, f.bytes, f.more = nil, 0, false
	return alerts, more
}

// settled gives away what became of those that needed no look.
func (f *fresh) settled() outcomes {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.became
	f.became = outcomes{}
	return out
}

func (f *fresh) untold() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.became.order) > 0
}
