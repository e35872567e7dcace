package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/live/cql"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
	"github.com/galenhq/galen/activities/cassandra/live/process"
)

// Setup is the configuration of one ring: where its nodes are. Data centres, racks and seeds are not in it: they come
// from the live ring.
type Setup struct {
	Nodes []NodeSetup `json:"nodes"`
}

// NodeSetup is one instance: a node of the ring, or a spare that may be prepared as one.
type NodeSetup struct {
	Instance string `json:"instance"` // its name on the host plane
	Address  string `json:"address"`  // the IP address that other nodes know it by, without port
	Jolokia  string `json:"jolokia"`  // URL
	CQL      string `json:"cql"`      // IP address and port
	Folder   string `json:"folder"`   // absolute, see package process
	Start    string `json:"start,omitempty"`
	PIDFile  string `json:"pid_file,omitempty"`
	Spare    bool   `json:"spare,omitempty"`
}

// SparesOnly tells whether there are instances, and no node of the ring among them.
func (s Setup) SparesOnly() bool {
	return len(s.Nodes) > 0 && !slices.ContainsFunc(s.Nodes, func(n NodeSetup) bool { return !n.Spare })
}

var instanceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// check names every fault at once.
func (s Setup) check() error {
	if len(s.Nodes) == 0 {
		return errors.New("nodes: at least one is required")
	}
	var errs []error
	used := map[string]int{}
	for i, n := range s.Nodes {
		if !instanceForm.MatchString(n.Instance) {
			errs = append(errs, fmt.Errorf("nodes[%d].instance %q: want 1 to 63 letters, digits, '.', '_' or '-'", i, n.Instance))
		}
		if a, err := netip.ParseAddr(n.Address); err != nil || a.Unmap().String() != n.Address {
			errs = append(errs, fmt.Errorf("nodes[%d].address %q: want an IP address in its short form, without port", i, n.Address))
		}
		for field, value := range map[string]string{"instance": n.Instance, "address": n.Address, "jolokia": oneURL(n.Jolokia), "cql": oneEndpoint(n.CQL)} {
			if other, twice := used[field+" "+value]; twice {
				errs = append(errs, fmt.Errorf("nodes[%d].%s %q: nodes[%d] has the same %s", i, field, value, other, field))
			}
			used[field+" "+value] = i
		}
	}
	return errors.Join(append(errs, apart(s.Nodes))...)
}

// oneURL is an agent's URL as all its spellings mean it. What cannot be read is refused by the adapter.
func oneURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	u.Host, u.Path = strings.ToLower(u.Host), strings.TrimSuffix(u.Path, "/")
	return u.String()
}

// oneEndpoint is an address and port as all its spellings mean it.
func oneEndpoint(raw string) string {
	a, err := netip.ParseAddrPort(raw)
	if err != nil {
		return raw
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

// apart refuses folders that are the same one or lie in each other, however they are written: what is done to one
// instance, deleting its data included, would be done to the other.
func apart(nodes []NodeSetup) error {
	var errs []error
	for i, n := range nodes {
		folder := filepath.Clean(n.Folder)
		for _, other := range nodes[:i] {
			if a := filepath.Clean(other.Folder); within(folder, a) || within(a, folder) {
				errs = append(errs, fmt.Errorf("folder %q of instance %s and %q of instance %s: want two folders of which none holds the other",
					other.Folder, other.Instance, n.Folder, n.Instance))
			}
		}
	}
	return errors.Join(errs...)
}

// within tells whether a clean path is another one or lies below it.
func within(path, above string) bool {
	return path == above || strings.HasPrefix(path, strings.TrimSuffix(above, "/")+"/")
}

// open makes the adapters of one ring; nothing is touched.
func (s Setup) open(limit time.Duration, now func() time.Time) ([]*node, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	var out []*node
	var errs []error
	for _, n := range s.Nodes {
		agent, err := jolokia.New(n.Jolokia, limit, execLimit)
		if err != nil {
			errs = append(errs, fmt.Errorf("instance %s: %w", n.Instance, err))
		}
		native, err := cql.New(n.CQL, limit, cql.Login{})
		if err != nil {
			errs = append(errs, fmt.Errorf("instance %s: %w", n.Instance, err))
		}
		host, err := process.New(process.Setup{Name: n.Instance, Address: n.Address, Folder: n.Folder, Start: n.Start, PIDFile: n.PIDFile}, now)
		if err != nil {
			errs = append(errs, err)
		}
		out = append(out, &node{name: n.Instance, address: n.Address, spare: n.Spare, agent: agent, native: native, host: host, slot: host, now: now, looking: make(chan struct{}, 1)})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

// Open makes the driver of the configured rings. Their setups are read strictly; nothing is touched yet. now is the
// clock.
func Open(setups map[galen.Resource]json.RawMessage, now func() time.Time) (*Driver, error) {
	d := &Driver{now: now, limit: lookLimit, rings: map[galen.Resource]*ring{}}
	var all []NodeSetup
	for r, raw := range setups {
		s, err := galen.Decode[Setup](raw)
		if err != nil {
			return nil, fmt.Errorf("setup of %s: %w", r, err)
		}
		nodes, err := s.open(d.limit, now)
		if err != nil {
			return nil, fmt.Errorf("setup of %s: %w", r, err)
		}
		d.rings[r] = &ring{nodes: nodes}
		all = append(all, s.Nodes...)
	}
	if err := apart(all); err != nil {
		return nil, fmt.Errorf("setups of all rings: %w", err)
	}
	return d, nil
}
