package fake

import (
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// Role is what an instance does.
type Role string

// The roles.
const (
	Writer Role = "writer"
	Reader Role = "reader"
)

// Status is what the provider's API says of an instance, late.
type Status string

// The statuses.
const (
	Available   Status = "available"
	Rebooting   Status = "rebooting"
	FailingOver Status = "failing-over"
	Modifying   Status = "modifying"
	Creating    Status = "creating"
	Broken      Status = "failed"
)

// Cluster is the State: what the API, the probes and the replication peers tell.
type Cluster struct {
	Name   string    `json:"name"`
	Looked time.Time `json:"looked"` // start of the newest look
	// Instances by ID.
	Instances []Instance `json:"instances"`
	// Deleted are the IDs that the API says were deleted.
	Deleted []string `json:"deleted,omitempty"`
	// Missing are the observers that were not heard.
	Missing []string `json:"missing,omitempty"`
	// Connections is a gauge.
	Connections float64 `json:"connections"`
}

// Instance is one database server.
type Instance struct {
	ID       string            `json:"id"`
	Boots    int64             `json:"boots"` // changes at every start
	Zone     string            `json:"zone"`
	Role     Role              `json:"role"`
	Status   Status            `json:"status"`
	Settings map[string]string `json:"settings"`
	// Token is the client token of the call that created it: an intent's ID.
	Token        string              `json:"token,omitempty"`
	Looked       time.Time           `json:"looked,omitzero"` // zero: this look did not ask for it
	Observations []galen.Observation `json:"observations"`

	// Carried by Fold.
	Unlisted bool      `json:"unlisted,omitempty"`
	BadSince time.Time `json:"bad_since,omitzero"`
	Flips    int       `json:"flips,omitempty"`
}

var _ galen.State = Cluster{}

// Resource is fake/<name>.
func (c Cluster) Resource() galen.Resource { return galen.Resource{Kind: KindName, Name: c.Name} }

// Target is the instance as the target of a step.
func (i Instance) Target() galen.Target { return galen.Target{ID: i.ID, Generation: i.Boots} }

// Bad tells whether at least two observers say so, and none says that it is well.
func (i Instance) Bad() bool {
	bad := 0
	for _, o := range i.Observations {
		switch o.Says {
		case galen.Good:
			return false
		case galen.Bad:
			bad++
		case galen.Unknown:
		}
	}
	return bad >= 2
}

// Instance of that ID.
func (c Cluster) Instance(id string) (Instance, bool) {
	i := slices.IndexFunc(c.Instances, func(i Instance) bool { return i.ID == id })
	if i < 0 {
		return Instance{}, false
	}
	return c.Instances[i], true
}

// Members are all instances; a zone is a failure domain.
func (c Cluster) Members() []galen.Member {
	out := make([]galen.Member, 0, len(c.Instances))
	for _, i := range c.Instances {
		out = append(out, galen.Member{
			Target: i.Target(), Name: i.ID, Group: c.Name, Domain: c.Name + "/" + i.Zone, Bad: i.Bad(), Unlisted: i.Unlisted,
			Observations: i.Observations,
		})
	}
	return out
}

// Seen is the oldest look at the instances in scope, and the observers that were not heard, those in scope left out.
func (c Cluster) Seen(scope ...galen.Target) (oldest time.Time, missing []string) {
	oldest = c.Looked
	for _, i := range c.Instances {
		if inScope(scope, i.ID) && i.Looked.Before(oldest) {
			oldest = i.Looked
		}
	}
	for _, m := range c.Missing {
		if len(scope) == 0 || !inScope(scope, m) {
			missing = append(missing, m)
		}
	}
	return oldest, missing
}

// grounds are what a step rests on.
type grounds struct {
	ID, Zone      string
	Boots         int64
	Role          Role
	Status        Status
	Settings      map[string]string
	Bad, Unlisted bool
}

func (i Instance) grounds() grounds {
	return grounds{i.ID, i.Zone, i.Boots, i.Role, i.Status, i.Settings, i.Bad(), i.Unlisted}
}

// Grounds are the facts of Basis for people.
func (c Cluster) Grounds(scope ...galen.Target) map[string]string {
	out := map[string]string{}
	for _, i := range c.Instances {
		if inScope(scope, i.ID) {
			name := i.ID
			if len(scope) == 1 {
				name = ""
			}
			if err := galen.AddGrounds(out, name, i.grounds()); err != nil {
				out[name] = err.Error()
			}
		}
	}
	return out
}

// Basis hashes roles, boots, statuses and settings, and who is bad.
func (c Cluster) Basis(scope ...galen.Target) string {
	var out []grounds
	for _, i := range c.Instances {
		if inScope(scope, i.ID) {
			out = append(out, i.grounds())
		}
	}
	return galen.HashJSON(out)
}

func inScope(scope []galen.Target, id string) bool {
	return len(scope) == 0 || slices.ContainsFunc(scope, func(t galen.Target) bool { return t.ID == id })
}

// Fold keeps what a scoped look did not ask for, those that vanished from the listing without being deleted, and since
// when an instance is bad.
func Fold(prev, seen Cluster) Cluster {
	out := seen
	out.Instances = make([]Instance, 0, len(seen.Instances))
	for _, i := range seen.Instances {
		old, known := prev.Instance(i.ID)
		if i.Looked.IsZero() {
			i.Looked, i.Observations = old.Looked, old.Observations
		}
		i.BadSince, i.Flips = old.BadSince, old.Flips
		switch bad := i.Bad(); {
		case bad && i.BadSince.IsZero():
			i.BadSince = i.Looked
		case !bad:
			i.BadSince = time.Time{}
		}
		if known && old.Bad() != i.Bad() {
			i.Flips++
		}
		out.Instances = append(out.Instances, i)
	}
	for _, old := range prev.Instances {
		if _, listed := seen.Instance(old.ID); !listed && !slices.Contains(seen.Deleted, old.ID) {
			old.Unlisted = true
			out.Instances = append(out.Instances, old)
		}
	}
	slices.SortFunc(out.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	return out
}
