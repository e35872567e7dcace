package cassandra

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// keptFlips of a node are the newest that a State remembers.
const keptFlips = 64

// Under tells a look which steps are in flight: that a node goes which Galen stops, and comes back, is no flapping.
func (r Ring) Under(open []galen.Intent) Ring {
	for _, in := range open {
		if in.Step.Verb == VerbStop {
			r.Stopping = append(r.Stopping, in.Step.Target.ID)
		}
	}
	return r
}

// flips tells whether a change of Down counts as one, and keeps whether the node was taken down on purpose.
func (n *Node) flips(old Node, stopping bool) bool {
	n.Planned = n.Down && (old.Planned || !old.Down && stopping)
	return n.Down != old.Down && !n.Planned && !(old.Planned && !n.Down)
}

// flipped notes a change of Down.
func (n *Node) flipped(at time.Time) {
	n.Flips++
	n.Flipped = append(slices.Clip(n.Flipped), at)
	slices.SortFunc(n.Flipped, time.Time.Compare)
	if over := len(n.Flipped) - keptFlips; over > 0 {
		n.Flipped = n.Flipped[over:]
	}
}

// Flapping tells whether a node goes down and comes back over and over, and since when: it changed that often within
// the window, and has not been quiet for as long since. The quiet time is its cool-down: at the border it would flap itself.
func (n Node) Flapping(now time.Time, often int, window time.Duration) (since time.Time, is bool) {
	often = max(often, 1)
	for i, at := range n.Flipped {
		if i > 0 && at.Sub(n.Flipped[i-1]) > window {
			since, is = time.Time{}, false
		}
		if first := i + 1 - often; !is && first >= 0 && at.Sub(n.Flipped[first]) <= window {
			since, is = at, true
		}
	}
	if !is || now.Sub(n.LastFlip()) > window {
		return time.Time{}, false
	}
	return since, true
}

// LastFlip is when the node went down or came back last, zero if that was never seen.
func (n Node) LastFlip() time.Time {
	if len(n.Flipped) == 0 {
		return time.Time{}
	}
	return n.Flipped[len(n.Flipped)-1]
}

// FlipsWithin counts the changes of the node within a time that ends with the last one.
func (n Node) FlipsWithin(window time.Duration) int {
	begin := n.LastFlip().Add(-window)
	return len(n.Flipped) - slices.IndexFunc(n.Flipped, func(at time.Time) bool { return !at.Before(begin) })
}

// FlipsFull tells whether it has changed so often that the first changes are forgotten.
func (n Node) FlipsFull() bool { return len(n.Flipped) == keptFlips }
