package http

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// target is the ID of the member that a person names by ID, instance (with or without its prefix), name or address. A
// name that means nobody is a galen.ErrNotFound, one that means several an [ErrUnprocessable]; both say whom it could mean.
func (s *server) target(r galen.Resource, name string) (string, error) {
	state, seen := s.o.World.Last(r)
	if !seen {
		return "", senselessf("target %q: %s has not been seen yet, so nobody knows its members; wait for its first look, or hold the whole resource", name, r)
	}
	return MemberID(r, state, name)
}

// MemberIDs are the IDs of the members that a person names, see [MemberID].
func MemberIDs(r galen.Resource, state galen.State, names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	for _, name := range names {
		id, err := MemberID(r, state, name)
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// MemberID is the ID of the member of a State that a person names by ID, instance (with or without its prefix), name or address. A
// name that means nobody is a galen.ErrNotFound, one that means several an [ErrUnprocessable]; both say whom it could mean.
func MemberID(r galen.Resource, state galen.State, name string) (string, error) {
	members := state.Members()
	found := meant(members, name)
	switch len(found) {
	case 1:
		return found[0].Target.ID, nil
	case 0:
		none := markedError{fmt.Errorf("target %q is no member of %s; %s", name, r, galen.Namable(members)), galen.ErrNotFound}
		return "", strangerError{none, r}
	default:
		return "", senselessf("target %q means several members of %s: %s; give the ID of one", name, r, galen.MemberNames(found))
	}
}

// strangerError is of who is no member of a resource.
type strangerError struct {
	error
	of galen.Resource
}

// Unwrap is the error without the resource.
func (e strangerError) Unwrap() error { return e.error }

// meant are the members of that name: an ID means its member only, and who has gone may have left its address to another.
func meant(members []galen.Member, name string) []galen.Member {
	var present, all []galen.Member
	for _, m := range members {
		switch {
		case m.Target.ID == name:
			return []galen.Member{m}
		case !named(m, name):
			continue
		case !m.Unlisted:
			present = append(present, m)
		}
		all = append(all, m)
	}
	if len(present) > 0 {
		return present
	}
	return all
}

// shortID is the length of a UUID's first part.
const shortID = 8

// named tells whether people call the member so: by instance, or by name or address, whatever the port.
func named(m galen.Member, name string) bool {
	if m.Instance != "" && slices.Contains([]string{m.Instance, strings.TrimPrefix(m.Instance, "instance/")}, name) {
		return true
	}
	if id := m.Target.ID; len(id) > shortID && id[shortID] == '-' && id[:shortID] == name { // as the command line prints a UUID
		return true
	}
	given, own := hostOf(name), hostOf(m.Name)
	a, errA := netip.ParseAddr(given)
	b, errB := netip.ParseAddr(own)
	if errA == nil && errB == nil {
		return a.Unmap() == b.Unmap()
	}
	return own != "" && strings.EqualFold(given, own)
}

// hostOf is what stands before the port.
func hostOf(name string) string {
	if h, _, err := net.SplitHostPort(name); err == nil {
		return h
	}
	return strings.Trim(name, "[]")
}
