package cassandra

import (
	"slices"
	"time"
)

// Over says why the raise that a restore takes back is over without it, "" where that is not proved: a throttle dies with its process, and
// who has left the ring sends nothing. What was seen before since proves nothing.
func (a RestoreArgs) Over(r Ring, hostID string, since time.Time) string {
	n, there := r.Node(hostID)
	if hostID == "" || there && n.Instance != a.Instance {
		return ""
	}
	if r.stopped(a.Instance, since) {
		return a.Instance + " has no process, and a throttle dies with it"
	}
	if v, _ := r.View(a.Instance); v.Jolokia == Answered && v.Generation == a.Generation {
		return ""
	}
	if r.left(hostID, since) {
		return hostID + " has left the ring"
	}
	return ""
}

// left: somebody who lives was asked since, and no member goes by that host ID.
func (r Ring) left(hostID string, since time.Time) bool {
	_, there := r.Node(hostID)
	return !there && slices.ContainsFunc(r.Live(), func(v View) bool { return !v.At.Before(since) })
}

// stopped: its host was read since, and has no process of it.
func (r Ring) stopped(instance string, since time.Time) bool {
	i, known := r.Instance(instance)
	return known && i.Error == "" && i.Process == Absent && !i.At.Before(since)
}
