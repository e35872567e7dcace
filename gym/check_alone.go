package gym

import (
	"slices"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// L-2 alone: nothing is left alone. What is wrong in the end, and was to be seen for long enough, has a run that is open, one that waits
// for a person too, or one that a person cancelled; one that just ended may yet be followed by another.
func (c *checker) leftAlone() {
	if c.others || c.in.adrift() {
		return
	}
	c.downAlone()
	c.preparedForNobody()
}

func (c *checker) downAlone() {
	for _, m := range c.final.Members {
		since, down := c.downSince(m)
		h, _ := c.final.Host(m.Host)
		if down && c.watched(since) && !c.attended(h.Silent, m.HostID, m.Host) {
			c.blame("L-2 alone", c.now(), "%s (%s) is down since %s, and there is no run for it", m.Host, m.HostID, since.Sub(epoch()))
		}
	}
}

func (c *checker) preparedForNobody() {
	for _, h := range c.final.Hosts {
		by := c.byID[h.Prepared]
		if by == nil || !h.Spare || h.Running || h.Data || h.HalfData {
			continue
		}
		run, ended := c.runs[by.Run], c.runs[by.Run].Ended
		if !run.Status.Open() && c.watched(ended) && !c.attended(ended, "", h.Name) {
			c.blame("L-2 alone", c.now(), "%s is prepared by %s, whose run %s ended at %s, and there is no run that takes it back", h.Name, by.ID, run.ID, ended.Sub(epoch()))
		}
	}
}

// downSince is since when at the latest a member is seen down: all who work call it so, one of whom answers an engine. In a storm nobody is seen to.
func (c *checker) downSince(m ring.TrueMember) (time.Time, bool) {
	h, found := c.final.Host(m.Host)
	if !found || m.Status != cassandra.Normal || len(m.Tokens) == 0 || h.Silent.IsZero() || len(h.Up) > 0 || c.stormIn(h.DC) {
		return time.Time{}, false
	}
	told := slices.ContainsFunc(h.Down, func(name string) bool {
		by, _ := c.final.Host(name)
		return !by.Hidden && !by.Cut
	})
	return h.Silent.Add(slowest(c.in) + c.in.Policy.DownFor.D()), told
}

// stormIn: too many are down in a data centre, or were a moment ago.
func (c *checker) stormIn(dc string) bool {
	t := c.final
	t.Hosts = slices.Clone(t.Hosts)
	for i := range t.Hosts {
		if h := &t.Hosts[i]; h.Running && t.At.Sub(h.Started) < reopened {
			h.Running = false
		}
	}
	s := tallies(t)[dc]
	return s != nil && s.bad > s.allowed(c.in.Policy.UnhealthyShare) && len(s.badRacks) > 1
}

// reopened is how long a trouble may be without a run when the one it had has ended, and did not heal it.
const reopened = 3 * time.Minute

// lookedAt are the rounds in which an engine must have seen a trouble.
const lookedAt = 3

// watched tells whether some engine's watch has done enough whole rounds since.
func (c *checker) watched(since time.Time) bool {
	n := 0
	for _, at := range c.rounds {
		if at.After(since) {
			n++
		}
	}
	return n >= lookedAt
}

// attended: a run is about the node or its machine, see [checker.leftAlone]. since is when the trouble began: who sees it early may cancel its run early.
func (c *checker) attended(since time.Time, hostID, host string) bool {
	for _, run := range c.runs {
		about := slices.ContainsFunc(c.treated(run), func(t string) bool { return t == hostID || t == "instance/"+host })
		cancelled := run.Status == galen.RunCancelled && !run.Ended.Before(since)
		if about && (run.Status.Open() || cancelled || c.now().Sub(run.Ended) < reopened) {
			return true
		}
	}
	return false
}
