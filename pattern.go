package galen

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Pattern means resources: kind/name with the wildcards of [path.Match], such as "cassandra/*-eu". No wildcard matches the slash.
type Pattern string

// patternForm is the alphabet of names and wildcards, and twice as long as two names can be.
var patternForm = regexp.MustCompile(`^[a-z0-9._/*?\[\]^\\-]{0,254}$`)

// Check refuses what can match nothing.
func (p Pattern) Check() error {
	if _, err := path.Match(string(p), ""); err != nil || !patternForm.MatchString(string(p)) || strings.Count(string(p), "/") != 1 {
		return fmt.Errorf("%.80q is no pattern: want kind/name of a-z, 0-9, '.', '_' and '-', with *, ? or [a-z], at most 254 characters, such as cassandra/*-eu", string(p))
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
