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
}

// put adds those alerts that are to be dealt with, and tells whether there are any.
func (f *fresh) put(kept []Kept) (some bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range kept {
		if !k.Pending {
			continue
		}
		a := k.Alert
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
