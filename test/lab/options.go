package lab

import (
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"time"
)

// Profile is a set of timings of a ring.
type Profile string

// The two profiles of a ring.
const (
	// Fast shortens ring delay and broadcast interval: a ring in 13 s, a replacement in 26 s. Not for safety claims.
	Fast Profile = "fast"
	// Honest has all of Cassandra's default delays: a ring in 24 s, a replacement in 2 minutes.
	Honest Profile = "honest"
)

const (
	portInternode, portCQL, portJolokia = "7000", "9042", "8778"
	tokensPerNode                       = 8
	// DC is the name of the one data centre of every ring.
	DC = "dc1"
)

// Options says what ring to start. The zero value is a fast ring of three nodes on a network of its own.
type Options struct {
	Home     string                        // folder of the ring, empty or missing, REMOVED at the end; "" makes a temporary one
	Lib      string                        // folder of jars as returned by Fetch; "" fetches into the default cache
	Name     string                        // cluster name; "" is "lab"
	Net      string                        // first three parts of a 127.a.b.0/24; "" takes a free one
	Nodes    int                           // nodes that are started; 0 is 3
	Spares   int                           // more hosts, with a start command and a base configuration, not started
	Profile  Profile                       // "" is Fast
	Heap     string                        // of each JVM; "" is "384M"
	Phi      float64                       // phi_convict_threshold, at least 5; 0 is 12 (fast) or 8 (honest)
	Batch    bool                          // commitlog_sync: batch. Without it, as by default, kill -9 costs that node some rows that it acknowledged
	JVM      func(address string) []string // more JVM options of the node at an address, in its start command; may be nil
	Keep     bool                          // leave the files (never the processes) at the end
	Limit    time.Duration                 // the ring ends after this time, whatever happens; 0 is 1 h
	Progress func(string)                  // told what happens, a line at a time; may be nil
}

// filled returns o with its defaults, or every fault of it at once.
func (o Options) filled() (Options, error) {
	if o.Name == "" {
		o.Name = "lab"
	}
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Profile == "" {
		o.Profile = Fast
	}
	if o.Heap == "" {
		o.Heap = "384M"
	}
	if o.Phi == 0 {
		o.Phi = map[Profile]float64{Fast: 12, Honest: 8}[o.Profile]
	}
	if o.Limit == 0 {
		o.Limit = time.Hour
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o, o.faults()
}

func (o Options) faults() error {
	var faults []error
	if o.Profile != Fast && o.Profile != Honest {
		faults = append(faults, fmt.Errorf("lab option Profile is %q: use %q or %q", o.Profile, Fast, Honest))
	}
	if o.Nodes < 1 || o.Spares < 0 || o.Nodes+o.Spares > 9 {
		faults = append(faults, fmt.Errorf("lab options Nodes %d and Spares %d: at least 1 node, at most 9 in all", o.Nodes, o.Spares))
	}
	if o.Phi != 0 && o.Phi < 5 {
		faults = append(faults, fmt.Errorf("lab option Phi is %v: Cassandra's configuration takes 5 or more", o.Phi))
	}
	if ip := net.ParseIP(o.Net + ".1"); o.Net != "" && (ip == nil || !ip.IsLoopback()) {
		faults = append(faults, fmt.Errorf("lab option Net is %q: give three parts of a loopback network, like 127.0.0", o.Net))
	}
	return errors.Join(faults...)
}

// address of host n, counted from 1.
func address(network string, n int) string { return network + "." + strconv.Itoa(n) }

// rack of host n, counted from 1: r1, r2, r3, r1 and so on.
func rack(n int) string { return "r" + strconv.Itoa((n-1)%3+1) }

// tokens returns the fixed tokens of node n of all, evenly interleaved. Fixed tokens and no bootstrap let all nodes of a new ring
// start at once. The minimum token of the partitioner (-2^63) is kept clear of.
func tokens(n, all int) []int64 {
	step := int64(math.MaxUint64 / uint64(tokensPerNode*all))
	out := make([]int64, tokensPerNode)
	for i := range out {
		out[i] = -9223372036854770000 + int64(i*all+n-1)*step
	}
	return out
}
