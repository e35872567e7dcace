package cassandra

import (
	"fmt"
	"strconv"

	"github.com/galenhq/galen"
)

// maxPeers that say the same of a node are listed by name; all are counted. It keeps the State of a ring of 1,000
// nodes small.
const maxPeers = 8

// voices counts what observers of one kind say of one node.
type voices struct{ good, bad, unknown int }

func (t *voices) add(s galen.Says) {
	switch s {
	case galen.Good:
		t.good++
	case galen.Bad:
		t.bad++
	default:
		t.unknown++
	}
}

// heard is the number of observers that were heard, those that do not know included.
func (t voices) heard() int { return t.good + t.bad + t.unknown }

// verdict is [Node.Down]. A node is down if
//   - every live peer says so, there is at least one, and a probe or the host says bad too; or
//   - no live peer is left to ask, and both a probe and the host say bad;
//
// and neither a probe nor the host says good. A peer that does not know the node does not say that it is down.
func verdict(peers, probes, host voices) bool {
	switch {
	case probes.good > 0 || host.good > 0:
		return false
	case peers.heard() > 0:
		return peers.bad == peers.heard() && probes.bad+host.bad > 0
	default:
		return probes.bad > 0 && host.bad > 0
	}
}

// observeAll fills in Observations and Down of every node, and the dissents about it.
func (m *merger) observeAll() {
	for i := range m.ring.Nodes {
		m.observe(&m.ring.Nodes[i])
	}
}

func (m *merger) observe(n *Node) {
	a := m.ask(*n)
	n.Observations = a.all
	n.Down = verdict(a.peers, a.probes, a.host) || n.Unlisted
	n.Shunned = !n.Down && a.peers.bad > 0 && a.peers.bad == a.peers.heard() && m.heeded(*n)
	if n.Status != Joining && !n.Unlisted {
		m.contradictions(*n, voices{
			good: a.peers.good + a.probes.good + a.host.good,
			bad:  a.peers.bad + a.probes.bad + a.host.bad,
		})
	}
}

// testimony is what everybody who was asked says of a node.
type testimony struct {
	all                 []galen.Observation
	peers, probes, host voices
}

func (m *merger) ask(n Node) (a testimony) {
	said, peers := m.askPeers(n)
	probed := m.askProbes(n)
	a.peers, a.probes = peers, count(probed)
	hosted := m.askHost(n, a.peers, a.probes)
	a.host = count(hosted)
	a.all = append(append(said, probed...), hosted...)
	return a
}

// heeded tells whether one of the node's live peers is called UP by another: a node that is cut off calls everybody DOWN.
func (m *merger) heeded(n Node) bool {
	for _, peer := range m.live {
		for _, v := range m.live {
			if peer.Address == v.Address || peer.Address == n.Address || v.Address == n.Address {
				continue
			}
			if e, known := v.peer(peer.Address); known && e.Up {
				return true
			}
		}
	}
	return false
}

func count(of []galen.Observation) voices {
	var t voices
	for _, o := range of {
		t.add(o.Says)
	}
	return t
}

// askPeers is what every other live node says: the first few of those that say the same, and the count of all.
func (m *merger) askPeers(n Node) ([]galen.Observation, voices) {
	out := []galen.Observation{}
	var all voices
	kept := map[galen.Says]int{}
	for k, v := range m.live {
		if v.Instance == n.Instance && n.Instance != "" || v.Address == n.Address {
			continue
		}
		says, detail, status := hearsay(m.saysOf(k, n.Address), n)
		all.add(says)
		if kept[says]++; kept[says] <= maxPeers {
			out = append(out, galen.Observation{Observer: v.Instance, Kind: galen.Peer, Says: says, At: v.At, Detail: words(detail, status)})
		}
	}
	return out, all
}

func hearsay(e *Endpoint, n Node) (says galen.Says, detail, status string) {
	switch {
	case e == nil || e.HostID != "" && e.HostID != n.HostID:
		return galen.Unknown, "does not know it", ""
	case e.Up && e.gone():
		return galen.Unknown, "knows it no more", e.Status
	case e.Up:
		return galen.Good, "UP", e.Status
	default:
		return galen.Bad, "DOWN", e.Status
	}
}

// askProbes is what our own direct questions to the node met.
func (m *merger) askProbes(n Node) []galen.Observation {
	v := m.viewOf(n)
	if v == nil || !fresh(m.ring.At, v.At) {
		return nil
	}
	jolokia := galen.Observation{Observer: "jolokia " + v.Instance, Kind: galen.Probe, At: v.At}
	jolokia.Says, jolokia.Detail = saysJolokia(*v)
	cql := galen.Observation{Observer: "cql " + v.Instance, Kind: galen.Probe, At: v.At}
	cql.Says, cql.Detail = saysAnswer(v.CQL), words(string(v.CQL), v.CQLError)
	return []galen.Observation{jolokia, cql}
}

// saysJolokia: a node that joins, leaves or moves is at work; one that starts or is drained serves nobody.
func saysJolokia(v View) (galen.Says, string) {
	if v.Jolokia != Answered {
		return saysAnswer(v.Jolokia), words(string(v.Jolokia), v.JolokiaError)
	}
	switch NodeStatus(v.Mode) {
	case Normal, Joining, Leaving, Moving:
		return galen.Good, v.Mode
	case "":
		return galen.Unknown, "tells no mode"
	default:
		return galen.Bad, v.Mode
	}
}

func saysAnswer(a Answer) galen.Says {
	switch a {
	case Answered:
		return galen.Good
	case Refused, Hung, Booting:
		return galen.Bad
	default:
		return galen.Unknown
	}
}

// askHost is what the host plane says of the node's process. A process that runs proves little: it is good unless all
// peers call the node down and a probe found it silent.
func (m *merger) askHost(n Node, peers, probes voices) []galen.Observation {
	i := m.hosts[n.Address]
	if i == nil {
		return nil
	}
	o := galen.Observation{Observer: "host " + i.Name, Kind: galen.Host, At: i.At}
	switch {
	case i.Error != "":
		o.Says, o.Detail = galen.Unknown, "not read: "+i.Error
	case !fresh(m.ring.At, i.At):
		o.Says, o.Detail = galen.Unknown, "not looked at lately"
	case i.Process == Absent:
		o.Says, o.Detail = galen.Bad, "no process"
	case i.Process == Stopped:
		o.Says, o.Detail = galen.Bad, "process "+strconv.Itoa(i.PID)+" is stopped"
	case probes.good > 0 || probes.bad == 0:
		o.Says, o.Detail = galen.Good, "process "+strconv.Itoa(i.PID)+" runs"
	case peers.heard() == 0:
		o.Says, o.Detail = galen.Unknown, "process "+strconv.Itoa(i.PID)+" runs and answers nothing"
	case peers.bad == peers.heard():
		o.Says, o.Detail = galen.Bad, "process "+strconv.Itoa(i.PID)+" runs and answers nothing"
	default:
		o.Says, o.Detail = galen.Good, "process "+strconv.Itoa(i.PID)+" runs"
	}
	return []galen.Observation{o}
}

// contradictions names those who stand against the others about one node; at most as many as are listed.
func (m *merger) contradictions(n Node, all voices) {
	if all.good == 0 || all.bad == 0 {
		return
	}
	odd, others := galen.Bad, countOf(all.good, "observer says", "observers say")+" good"
	if all.bad > all.good {
		odd, others = galen.Good, countOf(all.bad, "observer says", "observers say")+" bad"
	}
	for _, o := range n.Observations {
		if o.Says == odd {
			m.dissent(o.Observer, n.HostID, words(string(o.Says), o.Detail), others)
		}
	}
}

func words(head, tail string) string {
	if tail == "" {
		return head
	}
	return head + ": " + tail
}

func countOf(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
