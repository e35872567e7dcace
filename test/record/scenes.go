package main

import (
	"strings"
	"time"

	"github.com/galenhq/galen/activities/cassandra/ring"
)

// scene is one recording. Each begins where the one before it ended.
type scene struct {
	name, about string
	acts        []act
}

// act does something, then looks until something is seen, at most so long, and for a while longer.
type act struct {
	do    ring.Happening
	until []string // what elements must say, as "n1 says n3=DOWN NORMAL"; none: look on for that long
	limit time.Duration
	more  time.Duration
}

func do(t ring.Trouble, instance string) ring.Happening {
	return ring.Happening{Trouble: t, Instance: instance}
}

func doOf(t ring.Trouble, instance, of string) ring.Happening {
	return ring.Happening{Trouble: t, Instance: instance, Of: of}
}

const long = 90 * time.Second

func up(n string) []string {
	return []string{n + " mode=answered NORMAL", n + " cql=answered", "n1 says " + n + "=UP NORMAL"}
}

// scenes leave the ring in order until the last one, which spoils it.
func scenes() []scene { return append(lives(), moves()...) }

// lives are nodes that die and come back, in their place or in another one.
func lives() []scene {
	down := []string{"n1 says n3=DOWN NORMAL", "n2 says n3=DOWN NORMAL"}
	return []scene{
		{"kill", "killed, and started again; hints wait for it meanwhile", []act{
			{do(ring.Kill, "n3"), append([]string{"n1 holds hints for=n3"}, down...), long, 4 * time.Second},
			{do(ring.Start, "n3"), append(up("n3"), "n1 holds hints for="), long, 3 * time.Second},
		}},
		{"freeze", "stopped by SIGSTOP, and let go on", []act{
			{do(ring.Freeze, "n2"), []string{"n1 says n2=DOWN NORMAL", "n3 says n2=DOWN NORMAL"}, long, 2 * time.Second},
			{do(ring.Thaw, "n2"), up("n2"), long, 3 * time.Second},
		}},
		{"stop", "drained and stopped, and started again", []act{
			{do(ring.Stop, "n2"), []string{"n2 process=absent", "n1 says n2=DOWN shutdown"}, long, 3 * time.Second},
			{do(ring.Start, "n2"), up("n2"), long, 3 * time.Second},
		}},
		{"empty", "killed, its data lost, and started again as though nothing had happened: it gives up", []act{
			{do(ring.Kill, "n3"), nil, time.Second, 0},
			{do(ring.LoseData, "n3"), []string{"n3 data=gone"}, 5 * time.Second, 0},
			{do(ring.Start, "n3"), []string{"n3 process=absent"}, long, time.Second},
			{do(ring.LoseData, "n3"), down, long, time.Second},
		}},
		{"hibernate", "replaced at its own address", []act{
			{do(ring.Hibernate, "n3"), up("n3"), long, 4 * time.Second},
		}},
		{"repair", "repaired; refused while a replica is down; and called complete with that replica left out", []act{
			{do(ring.ForeignRepair, "n1"), []string{"repair=COMPLETED"}, long, time.Second},
			{do(ring.Kill, "n3"), down, long, time.Second},
			{do(ring.ForeignRepair, "n1"), []string{"repair=FAILED"}, long, time.Second},
			{doOf(ring.ForeignRepair, "n1", "n2"), []string{"repair=COMPLETED"}, long, time.Second},
		}},
		{"replace", "replaced at another address", []act{
			{doOf(ring.ForeignReplace, "n4", "n3"), append(up("n4"), "n2 says n4=UP NORMAL"), 2 * long, 45 * time.Second},
		}},
		{"corpse", "the replaced node comes back on its old disk", []act{
			{do(ring.Start, "n3"), []string{"n1 owners=n1 n2 n3", "n2 owners=n1 n2 n3"}, long, 8 * time.Second},
		}},
		{"assassinate", "the robbed node dies and is taken out of gossip", []act{
			{do(ring.Kill, "n4"), []string{"n1 says n4=DOWN NORMAL"}, long, time.Second},
			{doOf(ring.Assassinate, "n1", "n4"), []string{"n1 says n4=DOWN LEFT", "n2 says n4=DOWN LEFT"}, long, 3 * time.Second},
		}},
	}
}

// moves are nodes that join and leave.
func moves() []scene {
	return []scene{
		{"join", "a further node bootstraps", []act{
			{do(ring.ForeignAdd, "n5"), append(up("n5"), "n2 says n5=UP NORMAL"), long, 3 * time.Second},
		}},
		{"decommission", "a node leaves; the second order is accepted, too", []act{
			{do(ring.Leave, "n5"), []string{"n1 lists leaving=n5"}, long, time.Second},
			{do(ring.Leave, "n5"), []string{"n1 says n5=UP LEFT", "n2 says n5=UP LEFT"}, long, 15 * time.Second},
		}},
		{"decommissioned", "the decommissioned node is killed and started again on its disk: it gives up", []act{
			{do(ring.Kill, "n5"), []string{"n5 process=absent"}, long, 15 * time.Second},
			{do(ring.Start, "n5"), []string{"n5 process=absent"}, long, 3 * time.Second},
			{do(ring.LoseData, "n5"), []string{"n5 data=gone"}, long, 0},
		}},
		{"joiner-dies", "a node dies while it bootstraps, and is forgotten", []act{
			{do(ring.ForeignAdd, "n5"), []string{"n1 lists joining=n5"}, long, 0},
			{do(ring.Kill, "n5"), []string{"n1 says n5=", "n2 says n5="}, 2 * long, 2 * time.Second},
			{do(ring.LoseData, "n5"), []string{"n5 data=gone"}, long, 0},
		}},
		{"removenode", "a further node joins, dies and is removed", []act{
			{do(ring.ForeignAdd, "n5"), append(up("n5"), "n2 says n5=UP NORMAL"), long, 3 * time.Second},
			{do(ring.Kill, "n5"), []string{"n1 says n5=DOWN NORMAL", "n2 says n5=DOWN NORMAL"}, long, time.Second},
			{doOf(ring.RemoveNode, "n1", "n5"), []string{"n1 says n5=DOWN removed", "n2 says n5=DOWN removed"}, long, 3 * time.Second},
		}},
		{"two-at-once", "a dead node is removed while another one leaves: both are accepted", []act{
			{do(ring.LoseData, "n4"), []string{"n4 data=gone"}, long, 0},
			{do(ring.ForeignAdd, "n4"), append(up("n4"), "n2 says n4=UP NORMAL"), long, 3 * time.Second},
			{do(ring.Kill, "n4"), []string{"n1 says n4=DOWN NORMAL", "n2 says n4=DOWN NORMAL"}, long, time.Second},
			{do(ring.Leave, "n2"), []string{"n1 lists leaving=n2"}, long, 0},
			{doOf(ring.RemoveNode, "n1", "n4"), []string{"n1 owners=n1 n3"}, 2 * long, 5 * time.Second},
		}},
	}
}

// seen tells whether a sight has all that is wanted.
func seen(s ring.Sight, wanted []string) bool {
	for _, w := range wanted {
		element, value, _ := strings.Cut(w, "=")
		if s[element] != value {
			return false
		}
	}
	return true
}
