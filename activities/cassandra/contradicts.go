package cassandra

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// contradicts says in what a ring that was read from a file is not what follows from its own views and instances; "" in nothing. Nodes,
// pending ranges, schemas and dissents follow from them, as one look tells them; keyspaces and what [Fold] carries stand alone. Without a
// live view that tells a token map no node follows: who writes a ring by hand is believed, but where a view or a machine speaks against a node.
func contradicts(r Ring) string {
	views := whole(r.Views)
	for _, v := range views {
		if why := r.odd(v); why != "" {
			return fmt.Sprintf("the view of %s %s", v.Instance, why)
		}
	}
	if why := r.belated(); why != "" {
		return why
	}
	if !slices.ContainsFunc(liveViews(views, r.At), func(v *View) bool { return len(v.Tokens) > 0 }) {
		return r.concealed()
	}
	listed := slices.DeleteFunc(slices.Clone(r.Nodes), func(n Node) bool { return n.Unlisted })
	made := merge(Ring{Name: r.Name, At: r.At, Views: views, Instances: r.Instances, Repairs: r.Repairs, Keyspaces: r.Keyspaces}, listed)
	if why := differ(listed, made.Nodes); why != "" {
		return why
	}
	if unlisted := len(r.Nodes) - len(listed); unlisted != r.Lost {
		return fmt.Sprintf("%d nodes are unlisted, and lost is %d", unlisted, r.Lost)
	}
	for what, of := range map[string][2]any{
		"pending": {r.Pending, made.Pending}, "schemas": {r.Schemas, made.Schemas}, "dissents": {timeless(r.Dissents), timeless(made.Dissents)},
	} {
		if galen.HashJSON(of[0]) != galen.HashJSON(of[1]) {
			return what + " are not what the views tell"
		}
	}
	return ""
}

// belated says which observation is not of the time of the look, in which it has no voice, and which machine was looked at later; "" if none.
func (r Ring) belated() string {
	for _, i := range r.Instances {
		if i.At.After(r.At.Add(ViewLife)) {
			return fmt.Sprintf("the machine %s was looked at at %s, and the ring at %s", i.Name, i.At.UTC().Format(time.RFC3339), r.At.UTC().Format(time.RFC3339))
		}
	}
	for _, n := range r.Nodes {
		for _, o := range n.Observations {
			if o.Says != galen.Unknown && (!fresh(r.At, o.At) || o.At.After(r.At.Add(ViewLife))) {
				return fmt.Sprintf("what %s said of %s at %s is not of the look at %s: it has no voice in it", o.Observer, Title(n), o.At.UTC().Format(time.RFC3339), r.At.UTC().Format(time.RFC3339))
			}
		}
	}
	return ""
}

// concealed says which bad word of a view or a machine about a node does not stand among the node's observations; "" if each does.
func (r Ring) concealed() string {
	m := newMerger(&r)
	m.index(addressesOf(r.Nodes))
	for _, n := range r.Nodes {
		if n.Unlisted {
			continue
		}
		for _, o := range m.ask(n).all {
			if o.Says == galen.Bad && !slices.ContainsFunc(n.Observations, func(is galen.Observation) bool { return is.Observer == o.Observer && is.Says == o.Says }) {
				return fmt.Sprintf("%s tells of %s that it is bad (%s), and its observations do not", o.Observer, Title(n), o.Detail)
			}
		}
	}
	return ""
}

// odd says what a view of the ring cannot be.
func (r Ring) odd(v View) string {
	switch {
	case v.Cluster != "" && r.Cluster != "" && v.Cluster != r.Cluster:
		return fmt.Sprintf("is of the cluster %q, the ring is %q", v.Cluster, r.Cluster)
	case v.At.After(r.At.Add(ViewLife)):
		return "is of a later time than the look"
	case len(v.Tokens) > 0 && HashOwners(v.Tokens) != v.TokenHash:
		return "has a token_hash that is not that of its tokens"
	case len(v.Tokens) == 0 && v.TokenHash != "":
		return "has a token_hash, and no view tells the tokens"
	case fresh(r.At, v.At) && r.twice(v):
		return "is one of two of the address " + v.Address
	}
	return ""
}

// twice tells whether another instance has a view of the same address; an old one may be of an instance that was renamed.
func (r Ring) twice(v View) bool {
	return slices.ContainsFunc(r.Views, func(o View) bool { return o.Address == v.Address && o.Instance != v.Instance && fresh(r.At, o.At) })
}

// differ says in what nodes are not those that were made of the same views.
func differ(are, made []Node) string {
	at := map[string]Node{}
	for _, n := range made {
		at[n.HostID] = n
	}
	for _, n := range are {
		m, known := at[n.HostID]
		if !known {
			return fmt.Sprintf("node %q is in no token map of the views", n.HostID)
		}
		delete(at, n.HostID)
		if fields := fieldsApart(momentary(n), momentary(m)); fields != "" {
			return fmt.Sprintf("node %q: %s: not what the views and instances tell", n.HostID, fields)
		}
	}
	for _, n := range made {
		if _, left := at[n.HostID]; left {
			return fmt.Sprintf("the views tell of a node %q at %s, and nodes do not", n.HostID, n.Address)
		}
	}
	return ""
}

// momentary is what one look tells of a node, without what [Fold] carries.
func momentary(n Node) Node {
	n.Frozen, n.WasDown, n.Heard, n.DownSince, n.UnheardSince, n.Flips, n.Flipped, n.LongestRestart, n.Planned = false, false, Heard{}, time.Time{}, time.Time{}, 0, nil, 0, false
	return n
}

// fieldsApart names the fields, as JSON has them, in which two nodes differ.
func fieldsApart(a, b Node) string {
	if galen.HashJSON(a) == galen.HashJSON(b) {
		return ""
	}
	fields := func(n Node) (out map[string]json.RawMessage) {
		text, err := json.Marshal(n)
		if err == nil {
			err = json.Unmarshal(text, &out)
		}
		if err != nil {
			return nil
		}
		return out
	}
	has, had := fields(a), fields(b)
	var apart []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(sortedKeys(has), sortedKeys(had)...)))) {
		if string(has[name]) != string(had[name]) {
			apart = append(apart, name)
		}
	}
	return joinWords(apart)
}

// timeless are dissents without since when they are there.
func timeless(all []Dissent) []Dissent {
	out := slices.Clone(all)
	for i := range out {
		out[i].Since = time.Time{}
	}
	return out
}
