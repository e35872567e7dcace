package ring

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// Sight is a ring reduced to its visible form: what each node, each host and each observer shows, with instances for
// addresses and without whatever differs from one real ring to the next (tokens, host IDs, generations, sizes). Keys are
// elements: "n1 mode", "n1 says n3", "n1 owners". A real ring and a simulated one are compared by it.
type Sight map[string]string

// Reduce gives the visible form of what a look showed.
func Reduce(r cassandra.Ring) Sight {
	s := Sight{}
	names := map[string]string{}
	for _, i := range r.Instances {
		names[i.Address] = i.Name
		s.set(i.Name+" process", string(i.Process))
		s.set(i.Name+" data", string(i.Data))
		s.set(i.Name+" holds hints for", s.hinted(i, r))
	}
	for _, v := range r.Views {
		s.set(v.Instance+" mode", strings.TrimSpace(string(v.Jolokia)+" "+v.Mode))
		s.set(v.Instance+" cql", string(v.CQL))
		if v.Live() {
			s.observe(v, names, r)
		}
	}
	for _, p := range r.Repairs {
		s.set("repair", p.Status)
	}
	return s
}

func (s Sight) set(element, value string) {
	if value != "" {
		s[element] = value
	}
}

// hinted are the instances of the nodes for which hint files wait.
func (s Sight) hinted(i cassandra.Instance, r cassandra.Ring) string {
	var of []string
	for id, files := range i.Hints {
		if n, found := r.Node(id); found && files > 0 {
			of = append(of, n.Instance)
		}
	}
	slices.Sort(of)
	return strings.Join(of, " ")
}

// observe is what a live node says of the others.
func (s Sight) observe(v cassandra.View, names map[string]string, r cassandra.Ring) {
	list := func(addresses []string) string {
		var out []string
		for _, a := range addresses {
			out = append(out, cmp.Or(names[a], a))
		}
		slices.Sort(out)
		return strings.Join(slices.Compact(out), " ")
	}
	for _, e := range v.Peers {
		up := "DOWN"
		if e.Up {
			up = "UP"
		}
		s.set(v.Instance+" says "+cmp.Or(names[e.Address], e.Address), strings.TrimSpace(up+" "+e.Status))
	}
	s.set(v.Instance+" lists joining", list(v.Joining))
	s.set(v.Instance+" lists leaving", list(v.Leaving))
	s.set(v.Instance+" owners", list(v.Owners))
	pending := map[string]bool{}
	for _, p := range v.Pending {
		pending[p.Address] = true
	}
	s.set(v.Instance+" pending at", list(slices.Collect(maps.Keys(pending))))
	s.set(v.Instance+" tokens", s.tokens(v, names, r))
}

// tokens counts the token map of a view by instance. Merge leaves it out where it is the consensus's.
func (s Sight) tokens(v cassandra.View, names map[string]string, r cassandra.Ring) string {
	for _, other := range r.Views {
		if len(v.Tokens) == 0 && other.TokenHash == v.TokenHash {
			v.Tokens = other.Tokens
		}
	}
	count := map[string]int{}
	for _, o := range v.Tokens {
		count[cmp.Or(names[o.Address], o.Address)]++
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(count)) {
		out = append(out, fmt.Sprintf("%s:%d", name, count[name]))
	}
	return strings.Join(out, " ")
}

// Recording is what was seen of transitions of a ring, real or simulated: moments at which something was done to it or
// something in its visible form changed.
type Recording struct {
	About   string   `json:"about"`
	Moments []Moment `json:"moments"`
}

// Moment of a recording. Its times count from the first look.
type Moment struct {
	At galen.Duration `json:"at"`
	// Did: what was done to the ring.
	Did *Happening `json:"did,omitempty"`
	// Sees are the elements that changed; "" is one that is gone.
	Sees Sight `json:"sees,omitempty"`
}

// Recorder makes a recording. The zero value is ready.
type Recorder struct {
	Recording
	start time.Time
	last  Sight
}

// Did notes what is done to the ring right now.
func (r *Recorder) Did(now time.Time, h Happening) {
	r.begin(now)
	r.Moments = append(r.Moments, Moment{At: r.since(now), Did: &h})
}

// Saw notes what a look showed, as far as it differs from the last one.
func (r *Recorder) Saw(now time.Time, s Sight) {
	r.begin(now)
	changed := Sight{}
	for k, v := range s {
		if r.last[k] != v {
			changed[k] = v
		}
	}
	for k := range r.last {
		if _, still := s[k]; !still {
			changed[k] = ""
		}
	}
	r.last = s
	if len(changed) > 0 {
		r.Moments = append(r.Moments, Moment{At: r.since(now), Sees: changed})
	}
}

func (r *Recorder) begin(now time.Time) {
	if r.start.IsZero() {
		r.start, r.last = now, Sight{}
	}
}

func (r *Recorder) since(now time.Time) galen.Duration {
	return galen.Duration(now.Sub(r.start).Round(10 * time.Millisecond))
}
