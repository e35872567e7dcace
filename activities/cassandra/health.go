package cassandra

import (
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

var _ galen.Lasting = Ring{}

// worthAfter bounds by how much a node seems to have been silent for longer than it was, after the engine was away.
const worthAfter = time.Hour

// Worth tells it after an hour: when a node was last heard is needed by who starts it, also where all else stayed as it was.
func (r Ring) Worth(stored galen.State) bool {
	old, is := stored.(Ring)
	return is && r.At.Sub(old.At) >= worthAfter
}

// Ailing says all that a node lacks to be well: NORMAL, owner of tokens, answering itself and as coordinator, UP in the
// view of every live peer. Empty: it is well, positively seen. It is not silence: a node that nobody can tell of ails.
func (r Ring) Ailing(n Node) []string {
	var out []string
	if n.Unlisted {
		out = append(out, "no live node lists it")
	}
	if n.Status != Normal {
		out = append(out, "it is "+string(n.Status))
	}
	if len(n.Tokens) == 0 {
		out = append(out, "it owns no token")
	}
	out = append(out, r.silence(n)...)
	return append(out, r.doubters(n)...)
}

// Emptied tells whether a node serves although its data are gone from its disk: it goes on with the files that it has open, and would not
// start again.
func (r Ring) Emptied(n Node) bool {
	i, known := r.Instance(n.Instance)
	return known && emptied(n, &i)
}

func emptied(n Node, host *Instance) bool {
	return host != nil && n.Status != Joining && host.Error == "" && host.Process != Absent && host.Data == DataGone
}

// Missed says where writes that the node has missed still wait for it: hints on running instances. Until they are
// delivered, some acknowledged rows have one replica less, and the loss of another node could take the last one that a
// quorum must have. Those on a dead instance wait for that instance.
func (r Ring) Missed(n Node) []string {
	var out []string
	for _, i := range r.Instances {
		if files := i.Hints[n.HostID]; files > 0 && i.Process == Running && i.Error == "" {
			out = append(out, fmt.Sprintf("%s has hints for it (%s)", i.Name, countOf(files, "file", "files")))
		}
	}
	return out
}

// doubters are the live peers that do not say that the node is UP.
func (r Ring) doubters(n Node) []string {
	var out []string
	peers := 0
	for _, v := range r.Live() {
		if v.Instance == n.Instance && n.Instance != "" || v.Address == n.Address {
			continue
		}
		peers++
		if e, known := v.peer(n.Address); !known || !e.Up || e.HostID != "" && e.HostID != n.HostID {
			out = append(out, v.Instance+" does not say that it is UP")
		}
	}
	if peers == 0 && len(r.Nodes) > 1 {
		out = append(out, "no live peer can tell of it")
	}
	return out
}

// silence is what our own questions to the node missed.
func (r Ring) silence(n Node) []string {
	v, asked := r.ViewOf(n)
	switch {
	case !asked || !fresh(r.At, v.At):
		return []string{"it was not asked lately"}
	case v.Jolokia != Answered:
		return []string{"Jolokia: " + words(string(v.Jolokia), v.JolokiaError)}
	case v.Mode != string(Normal):
		return []string{"its mode is " + v.Mode}
	case v.CQL != Answered:
		return []string{"CQL: " + words(string(v.CQL), v.CQLError)}
	case v.HostID != "" && v.HostID != n.HostID:
		return []string{"another node answers at its address"}
	}
	return nil
}

// ViewOf is the node's own view.
func (r Ring) ViewOf(n Node) (View, bool) {
	i := slices.IndexFunc(r.Views, func(v View) bool { return v.Instance == n.Instance && n.Instance != "" || v.Address == n.Address })
	if i < 0 {
		return View{}, false
	}
	return r.Views[i], true
}

// Stolen are the NORMAL nodes without any token: a corpse came back and took them.
func (r Ring) Stolen() []Node {
	var out []Node
	for _, n := range r.Nodes {
		if n.Status == Normal && len(n.Tokens) == 0 && !n.Unlisted {
			out = append(out, n)
		}
	}
	return out
}

// Unsettled says why the ring as a whole is not at rest: ranges that move, nodes without ownership, schema versions or
// token maps that differ. Empty: it is.
func (r Ring) Unsettled() []string {
	var out []string
	for _, n := range r.Nodes {
		if n.Status != Normal {
			out = append(out, Title(n)+" is "+string(n.Status))
		}
	}
	for _, n := range r.Stolen() {
		out = append(out, Title(n)+" is NORMAL and owns nothing")
	}
	if len(r.Pending) > 0 {
		out = append(out, countOf(len(r.Pending), "range is pending", "ranges are pending"))
	}
	if len(r.Schemas) > 1 {
		out = append(out, fmt.Sprintf("%d schema versions", len(r.Schemas)))
	}
	for _, d := range r.Dissents {
		if d.About == AboutTokens {
			out = append(out, d.Observer+" has another token map")
		}
	}
	return out
}

// Booting tells whether the instance's process is on its way up and should be left alone: it was started just now, or
// something answers that it is starting or joining.
func (r Ring) Booting(i Instance, young time.Duration) bool {
	if i.Process != Running {
		return false
	}
	v, asked := r.View(i.Name)
	switch {
	case asked && v.Jolokia == Booting:
		return true
	case asked && v.Jolokia == Answered:
		return v.Mode == "STARTING" || v.Mode == string(Joining)
	default:
		return i.At.Sub(i.Started) < young
	}
}

// Frozen tells whether a node that is down has, right now, a process that does nothing: stopped by a signal, or alive and
// silent, unless it said goodbye to its peers: then it was stopped in order, and its process is about to end.
func (r Ring) Frozen(n Node) bool {
	i, found := r.Instance(n.Instance)
	if !n.Down || !found || i.Error != "" {
		return false
	}
	if i.Process == Stopped {
		return true
	}
	v, _ := r.View(i.Name)
	return i.Process == Running && v.Jolokia != Answered && !r.Booting(i, BootTime) && !r.saidGoodbye(i)
}

// saidGoodbye tells whether the process that an instance runs now told a live peer that it shuts down. A generation is
// the second in which gossip began, so that of an earlier process is older than the start of this one.
func (r Ring) saidGoodbye(i Instance) bool {
	return slices.ContainsFunc(r.Live(), func(v View) bool {
		e, known := v.peer(i.Address)
		return known && e.Status == "shutdown" && e.Generation >= i.Started.Unix()
	})
}

// BootTime is how long a process that answers nothing may be one that just starts: the agent answers within 2 s on an
// idle machine.
const BootTime = 30 * time.Second

// SaysBad are the observers that call the node bad, sorted.
func SaysBad(n Node) []string {
	var out []string
	for _, o := range n.Observations {
		if o.Says == galen.Bad {
			out = append(out, o.Observer)
		}
	}
	slices.Sort(out)
	return out
}
