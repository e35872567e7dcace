package app

import (
	"time"

	"github.com/galenhq/galen/internal/journal"
)

// laterMost is the longest that a message waits which could not be carried; the first wait is dispatchRetry, then it doubles.
const laterMost = 10 * time.Second

// later are the messages of the outbox that could not be carried, by ID. They wait apart, so that they keep no other message
// back, however many they are.
type later map[int64]retry

type retry struct {
	at    time.Time
	after time.Duration
}

// due are at most a batch of the messages whose time has come, those that nobody has tried yet first. What is in the outbox no
// more is forgotten; more tells that there are others.
func (l later) due(items []journal.OutboxItem, now time.Time) (out []journal.OutboxItem, more bool) {
	there := map[int64]bool{}
	var again []journal.OutboxItem
	for _, item := range items {
		there[item.ID] = true
		switch r, tried := l[item.ID]; {
		case !tried:
			out = append(out, item)
		case !now.Before(r.at):
			again = append(again, item)
		}
	}
	for id := range l {
		if !there[id] {
			delete(l, id)
		}
	}
	out = append(out, again...)
	return out[:min(len(out), batch)], len(out) >= batch
}

// put lets a message wait longer than before.
func (l later) put(id int64, now time.Time) {
	after := min(max(dispatchRetry, 2*l[id].after), laterMost)
	l[id] = retry{at: now.Add(after), after: after}
}

// wait is how long it is until the next message is due, at least dispatchRetry; none when no message waits.
func (l later) wait(now time.Time, none time.Duration) time.Duration {
	for _, r := range l {
		none = min(none, max(r.at.Sub(now), dispatchRetry))
	}
	return none
}
