package gym

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// sight is one look on which a run decided, and the truth at that moment.
type sight struct {
	At    time.Time
	Truth ring.Truth
}

// decides notes that a run looks, to decide.
func (t *trace) decides(run string, truth ring.Truth) {
	for _, m := range truth.Members {
		t.places[m.HostID] = m.Tokens
	}
	sights := append(t.sights[run], sight{truth.At, truth})
	t.sights[run] = sights[max(len(sights)-remembered, 0):]
}

// remembered are more looks than any holding time has.
const remembered = 60

// I-21: what is called healed is healed: on each look of the holding time, of which there are enough, every target served. Of one that
// is no member any more its heir did, or all who are left, if it has none: that it vanished heals nothing. And it is called so right after
// the last of them, whoever writes the row, and however often: nobody knows what has become of it since.
func (c *checker) verified() {
	for id, end := range c.ends {
		run := c.runs[id]
		if run.Status != galen.RunVerified {
			continue
		}
		looks := c.holding(id, end)
		for _, look := range looks {
			for _, t := range c.treated(run) {
				if why := c.ill(look.Truth, t); why != "" {
					c.blame("I-21", end, "run %s is verified, and on its look at %s: %s", id, look.At.Sub(epoch()), why)
				}
			}
		}
		if !c.enough(looks) {
			c.blame("I-21", end, "run %s is verified on %d looks that do not last %s", id, len(looks), c.in.Policy.HoldFor)
			continue
		}
		if ago := end.Sub(looks[len(looks)-1].At); ago > galen.DecideWithin { // which began earlier still, by the journal's clock
			c.blame("I-21", end, "run %s is verified %s after its last look", id, ago)
		}
	}
}

// holding are the newest looks of a run that are as many, and last as long, as the policy wants; all, if there are none such.
func (c *checker) holding(run string, end time.Time) []sight {
	looks := slices.DeleteFunc(slices.Clone(c.sights[run]), func(s sight) bool { return s.At.After(end) })
	for first := len(looks) - 1; first > 0; first-- {
		if c.enough(looks[first:]) {
			return looks[first:]
		}
	}
	return looks
}

func (c *checker) enough(looks []sight) bool {
	p := c.in.Policy
	return len(looks) >= max(p.HoldLooks, 1) && looks[len(looks)-1].At.Sub(looks[0].At) >= p.HoldFor.D()-noted(c.in)
}

// noted: a look is dated when it has been thought over. The journal is written and read meanwhile, which takes as long as the awaits of
// this incident, three at most.
func noted(in Incident) time.Duration { return 3 * in.Jitter }

// treated are the targets of a run, and those of its steps.
func (c *checker) treated(run galen.Run) []string {
	var out []string
	for _, t := range run.InScope() {
		out = append(out, t.ID)
	}
	for _, a := range c.acts {
		if a.Run == run.ID {
			out = append(out, a.Step.Target.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ill is what a target lacks, "" if it is well.
func (c *checker) ill(t ring.Truth, id string) string {
	if name, is := strings.CutPrefix(id, "instance/"); is { // an empty one serves nobody
		return firstIll(t, func(m ring.TrueMember) bool { return m.Host == name })
	}
	if _, member := t.Member(id); member {
		return firstIll(t, func(m ring.TrueMember) bool { return m.HostID == id })
	}
	heir := func(m ring.TrueMember) bool {
		return slices.ContainsFunc(m.Tokens, func(o cassandra.Token) bool { return slices.Contains(c.places[id], o) })
	}
	if !slices.ContainsFunc(t.Members, heir) {
		heir = func(ring.TrueMember) bool { return true }
	}
	if why := firstIll(t, heir); why != "" {
		return fmt.Sprintf("%s is no member any more, and %s", id, why)
	}
	return ""
}

func firstIll(t ring.Truth, of func(ring.TrueMember) bool) string {
	for _, m := range t.Members {
		if h, _ := t.Host(m.Host); of(m) && (m.Status != cassandra.Normal || !serves(h)) {
			return fmt.Sprintf("%s does not serve (%s, %s)", h.Name, h.Mode, m.Status)
		}
	}
	return ""
}
