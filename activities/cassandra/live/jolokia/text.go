package jolokia

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Address reads the address out of the text of an endpoint, without its port. One and the same node writes
// "127.0.0.2:7000", "/127.0.0.2:7000" and, once anything resolved the name, "localhost/127.0.0.1:7000"; an IPv6
// endpoint is "[2001:db8::1]:7000", or written out in full without brackets by old releases.
func Address(endpoint string) (string, error) {
	s := endpoint[strings.LastIndexByte(endpoint, '/')+1:]
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().String(), nil
	}
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		return a.Unmap().String(), nil
	}
	// Eight groups and a port, no brackets.
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		if a, err := netip.ParseAddr(s[:i]); err == nil && a.Is6() {
			if _, err := strconv.ParseUint(s[i+1:], 10, 16); err == nil {
				return a.Unmap().String(), nil
			}
		}
	}
	return "", fmt.Errorf("endpoint %q: no IP address after the last '/'", endpoint)
}

// Addresses reads a list of endpoints; one that cannot be read costs the list.
func Addresses(endpoints []string) ([]string, error) {
	out := make([]string, 0, len(endpoints))
	for _, e := range endpoints {
		a, err := Address(e)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// Range is a token range (Start, End]; Start ≥ End wraps around the end of the ring.
type Range struct{ Start, End int64 }

// String is the form "[start, end]".
func (r Range) String() string { return fmt.Sprintf("[%d, %d]", r.Start, r.End) }

// ParseRange reads "[start, end]", which is how a list that is a map key arrives, and "(start,end]".
func ParseRange(s string) (Range, error) {
	bad := fmt.Errorf("token range %q: want \"[start, end]\"", s)
	if len(s) < 2 || (s[0] != '[' && s[0] != '(') || s[len(s)-1] != ']' {
		return Range{}, bad
	}
	from, to, found := strings.Cut(s[1:len(s)-1], ",")
	if !found {
		return Range{}, bad
	}
	var r Range
	var err error
	if r.Start, err = strconv.ParseInt(strings.TrimSpace(from), 10, 64); err != nil {
		return Range{}, bad
	}
	if r.End, err = strconv.ParseInt(strings.TrimSpace(to), 10, 64); err != nil {
		return Range{}, bad
	}
	return r, nil
}

// Endpoint is what a node's gossip tells of one endpoint.
type Endpoint struct {
	Address    string
	Generation int64
	Heartbeat  int64
	// Status is the first word of the status: NORMAL, BOOT, BOOT_REPLACE, hibernate, shutdown, LEAVING, LEFT, removing,
	// removed, or "" while the endpoint has none.
	Status  string
	DC      string
	Rack    string
	HostID  string
	Release string
	Schema  string
	// RPCReady: the endpoint says that its native transport serves.
	RPCReady bool
	// LoadBytes is the size of its live data.
	LoadBytes int64
}

// ParseGossip reads FailureDetector.AllEndpointStatesWithPort: per endpoint a line with its name and indented lines
// "KEY:version:value". Keys that are not needed are passed over; a line that fits no form is an error.
func ParseGossip(text string) ([]Endpoint, error) {
	var out []Endpoint
	for n, line := range strings.Split(text, "\n") {
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case !indented:
			a, err := Address(line)
			if err != nil {
				return nil, fmt.Errorf("gossip line %d: %w", n+1, err)
			}
			out = append(out, Endpoint{Address: a})
		case len(out) == 0:
			return nil, fmt.Errorf("gossip line %d: %q stands before any endpoint", n+1, short(line))
		default:
			if err := out[len(out)-1].set(line); err != nil {
				return nil, fmt.Errorf("gossip line %d of %s: %w", n+1, out[len(out)-1].Address, err)
			}
		}
	}
	return out, nil
}

func (e *Endpoint) set(line string) (err error) {
	key, rest, found := strings.Cut(line, ":")
	if !found {
		return nil // a continued value of a key that we do not use
	}
	switch key {
	case "generation":
		e.Generation, err = strconv.ParseInt(rest, 10, 64)
		return err
	case "heartbeat":
		e.Heartbeat, err = strconv.ParseInt(rest, 10, 64)
		return err
	}
	_, value, _ := strings.Cut(rest, ":")
	return e.field(key, value)
}

func (e *Endpoint) field(key, value string) error {
	if text, known := map[string]*string{"DC": &e.DC, "RACK": &e.Rack, "HOST_ID": &e.HostID, "RELEASE_VERSION": &e.Release, "SCHEMA": &e.Schema}[key]; known {
		*text = value
		return nil
	}
	switch key {
	case "STATUS_WITH_PORT":
		e.Status, _, _ = strings.Cut(value, ",")
	case "STATUS":
		if e.Status == "" {
			e.Status, _, _ = strings.Cut(value, ",")
		}
	case "RPC_READY":
		e.RPCReady = value == "true"
	case "LOAD":
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || f != f || f < 0 || f > 1<<62 {
			return fmt.Errorf("LOAD %q: want a number of bytes", value)
		}
		e.LoadBytes = int64(f)
	}
	return nil
}
