package cassandra

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// instancePrefix begins the target ID of an instance that is no node of the ring.
const instancePrefix = "instance/"

var _ galen.State = Ring{}

// Resource is cassandra/<name>.
func (r Ring) Resource() galen.Resource { return galen.Resource{Kind: KindName, Name: r.Name} }

// Node is the member with that host ID.
func (r Ring) Node(hostID string) (Node, bool) {
	i, found := slices.BinarySearchFunc(r.Nodes, hostID, func(n Node, id string) int { return strings.Compare(n.HostID, id) })
	if !found {
		return Node{}, false
	}
	return r.Nodes[i], true
}

// NodeOf is the member that an instance runs.
func (r Ring) NodeOf(instance string) (Node, bool) {
	i := slices.IndexFunc(r.Nodes, func(n Node) bool { return n.Instance == instance && instance != "" && !n.Unlisted })
	if i < 0 {
		return Node{}, false
	}
	return r.Nodes[i], true
}

// Instance of that name.
func (r Ring) Instance(name string) (Instance, bool) {
	i := slices.IndexFunc(r.Instances, func(i Instance) bool { return i.Name == name })
	if i < 0 {
		return Instance{}, false
	}
	return r.Instances[i], true
}

// View of the node that an instance runs.
func (r Ring) View(instance string) (View, bool) {
	i := slices.IndexFunc(r.Views, func(v View) bool { return v.Instance == instance })
	if i < 0 {
		return View{}, false
	}
	return r.Views[i], true
}

// Live are the views with a voice: of NORMAL nodes, and not much older than the newest look.
func (r Ring) Live() []View {
	var out []View
	for v := range r.live() {
		out = append(out, *v)
	}
	return out
}

// live are the same where they are, for a View is large.
func (r Ring) live() iter.Seq[*View] {
	return func(yield func(*View) bool) {
		for i := range r.Views {
			if v := &r.Views[i]; v.Live() && fresh(r.At, v.At) && !yield(v) {
				return
			}
		}
	}
}

// Find resolves a target by its ID, a host ID or instance/<name>, to the member and the instance it means; either may
// be missing.
func (r Ring) Find(id string) (node *Node, instance *Instance) {
	name, isInstance := strings.CutPrefix(id, instancePrefix)
	if !isInstance {
		n, found := r.Node(id)
		if !found {
			return nil, nil
		}
		node, name = &n, n.Instance
	} else if n, found := r.NodeOf(name); found {
		node = &n
	}
	if i, found := r.Instance(name); found {
		instance = &i
	}
	return node, instance
}

// DataGone tells whether the data of the instance are proved gone (I-15): the host answers, it is the device on which
// they were last seen, and at least two looks that lie apart found them missing. why says what is missing for a proof.
func (i Instance) DataGone(apart time.Duration) (proved bool, why string) {
	switch {
	case i.Error != "":
		return false, "the host could not be read: " + i.Error
	case i.Data == DataPresent:
		return false, "the data are present"
	case i.Data != DataGone:
		return false, "the data folder cannot be read"
	case i.RecordedDevice == 0:
		return false, "no record of the device on which the data were"
	case i.Device != i.RecordedDevice:
		return false, "the data folder is on another device than the data were"
	case i.GoneLooks < 2 || i.At.Sub(i.GoneSince) < apart:
		return false, "a second look has to confirm that the data are gone"
	}
	return true, "no system/local sstable on the recorded device, on looks " + i.At.Sub(i.GoneSince).Round(time.Second/10).String() + " apart"
}

// StartsAgain says why the instance would not start once its process has ended, "" if it would. sure: two looks say so; one may be of a
// moment in which a file was replaced, and another one must tell.
func (i Instance) StartsAgain() (why string, sure bool) {
	switch {
	case i.Error != "":
		return "its host cannot be read: " + i.Error, false
	case i.CannotStart != "":
		return i.CannotStart, i.LameLooks > 1
	case i.Data == DataGone:
		return "its data are gone from its disk, and the files that it has open may be the last of them", i.GoneLooks > 1
	case i.Data != DataPresent:
		return "whether its data are there is unknown", false
	}
	return "", true
}

// Vacant tells whether the instance is an unused spare: it may be prepared, and started then, and nothing runs, lies or is
// configured there.
func (i Instance) Vacant() bool {
	return i.Spare && i.Error == "" && i.CannotStart == "" && i.Process == Absent && i.Data == DataGone && i.Fenced == "" && i.preparedBy() == ""
}

// preparedBy is the intent that has prepared the instance, be it in part only; "" if none has.
func (i Instance) preparedBy() string { return cmp.Or(i.Prepared, i.Preparing) }

// bad: down or missing, or nobody calls it good and somebody calls it bad, too few though they may be for a verdict, or it was
// down and nobody can tell of it any more. Of whom nobody says anything Galen is likely cut off.
func (n Node) bad() bool {
	doubted := !n.UnheardSince.IsZero() && slices.ContainsFunc(n.Observations, func(o galen.Observation) bool { return o.Says == galen.Bad })
	return n.Down || n.Unlisted || n.Shunned || n.WasDown || doubted
}

// Members are all nodes, and the instances that are none. A node that has not joined yet goes by its instance.
func (r Ring) Members() []galen.Member {
	out := make([]galen.Member, 0, len(r.Nodes)+len(r.Instances))
	taken := map[string]bool{}
	for _, n := range r.Nodes {
		m := galen.Member{
			Target: n.Target(), Name: n.Address, Group: n.DC, Domain: n.Domain(), Bad: n.bad(),
			Unlisted: n.Unlisted, Observations: n.Observations,
		}
		if n.Instance != "" && !n.Unlisted {
			m.Instance = instancePrefix + n.Instance
			taken[n.Instance] = true
			if n.Status == Joining {
				m.Target = galen.Target{ID: m.Instance}
			}
		}
		out = append(out, m)
	}
	for _, i := range r.Instances {
		if !taken[i.Name] {
			out = append(out, i.member())
		}
	}
	return out
}

func (i Instance) member() galen.Member {
	o := galen.Observation{Observer: "host " + i.Name, Kind: galen.Host, Says: galen.Unknown, At: i.At, Detail: "no node of the ring; process " + string(i.Process) + ", data " + string(i.Data)}
	return galen.Member{
		Target: i.Target(), Instance: instancePrefix + i.Name, Name: i.Address, Group: i.Config.DC,
		Domain: i.Config.DC + "/" + i.Config.Rack, Spare: i.Vacant(), Observations: []galen.Observation{o},
	}
}

// Seen is how old the evidence is on which a step on scope would rest: the looks at the targets' own hosts and nodes,
// and the newest live view of each rack that has a member outside of scope. Missing are the racks from which no live
// node was heard although one of its members there is not down. An empty scope is the whole resource: all views and
// instances.
func (r Ring) Seen(scope ...galen.Target) (oldest time.Time, missing []string) {
	targets := map[string]bool{}
	for _, t := range scope {
		node, instance := r.Find(t.ID)
		if node != nil {
			targets[node.HostID] = true
		}
		if instance != nil {
			targets[instancePrefix+instance.Name] = true
			oldest = older(oldest, instance.At)
			if v, asked := r.View(instance.Name); asked {
				oldest = older(oldest, v.At)
			}
		}
	}
	heard, expected := r.rackViews(targets)
	for _, rack := range sortedKeys(expected) {
		at, ok := heard[rack]
		if ok {
			oldest = older(oldest, at)
		} else if expected[rack] {
			missing = append(missing, "a live node of rack "+rack)
		}
	}
	if len(scope) == 0 {
		oldest = older(oldest, r.oldest())
	}
	return oldest, missing
}

// oldest of all views and looks at hosts, but for those of machines that have left.
func (r Ring) oldest() (out time.Time) {
	for _, v := range r.Views {
		if !r.unasked(v.Instance, v.At) {
			out = older(out, v.At)
		}
	}
	for _, i := range r.Instances {
		if !r.unasked(i.Name, i.At) {
			out = older(out, i.At)
		}
	}
	return out
}

// unaskedAfter is how long nobody has looked at a machine that runs no member before it is thought to have left the configuration.
const unaskedAfter = 10 * ViewLife

// unasked tells whether a machine runs no member and is looked at no more: it has left the configuration, or goes by another name.
func (r Ring) unasked(instance string, seen time.Time) bool {
	if !seen.Before(r.At.Add(-unaskedAfter)) {
		return false
	}
	_, member := r.NodeOf(instance)
	return !member
}

// rackViews is the newest live view of each rack with a member outside of targets, and whether the rack has to be heard:
// one of those members is neither down nor joining.
func (r Ring) rackViews(targets map[string]bool) (heard map[string]time.Time, expected map[string]bool) {
	heard, expected = map[string]time.Time{}, map[string]bool{}
	live := map[string]time.Time{}
	for _, v := range r.Views {
		if v.Live() {
			live[v.Instance] = v.At
			live[v.Address] = v.At
		}
	}
	for _, n := range r.Nodes {
		if targets[n.HostID] || n.Status == Joining {
			continue
		}
		rack := n.Domain()
		expected[rack] = expected[rack] || !n.Down
		at, answered := live[n.Instance]
		if !answered {
			at, answered = live[n.Address]
		}
		if answered && at.After(heard[rack]) {
			heard[rack] = at
		}
	}
	return heard, expected
}

// older of two times, where zero means none.
func older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
