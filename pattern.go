package galen

import (
	"fmt"
	"path"
	"strings"
)

// Pattern means resources: kind/name with the wildcards of [path.Match], such as "cassandra/*-eu". No wildcard matches the slash.
type Pattern string

// Check refuses what can match nothing.
func (p Pattern) Check() error {
	if _, err := path.Match(string(p), ""); err != nil || strings.Count(string(p), "/") != 1 {
		return fmt.Errorf("%q is no pattern: want kind/name with *, ? or [a-z], such as cassandra/*-eu", string(p))
	}
	return nil
}

// Matches tells whether it means the resource. A pattern that [Pattern.Check] refuses means none.
func (p Pattern) Matches(r Resource) bool {
	is, err := path.Match(string(p), r.String())
	return is && err == nil && p.Check() == nil
}

// Wild tells whether it may mean more than one resource.
func (p Pattern) Wild() bool { return strings.ContainsAny(string(p), `*?[\`) }
