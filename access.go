package galen

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Scope is what the holder of a token may do. Each of view, propose, approve, operate and admin includes those before it; alerts
// stands apart, and admin includes it.
type Scope string

// The scopes.
const (
	ScopeView    Scope = "view"    // read
	ScopePropose Scope = "propose" // ask for runs and plans
	ScopeApprove Scope = "approve" // approve and reject them
	ScopeOperate Scope = "operate" // cancel, hold, release, acknowledge, clear a quarantine
	ScopeAdmin   Scope = "admin"   // tokens, and re-arm
	ScopeAlerts  Scope = "alerts"  // send alerts, nothing else
)

// Scopes are all of them, the ladder first.
func Scopes() []Scope {
	return []Scope{ScopeView, ScopePropose, ScopeApprove, ScopeOperate, ScopeAdmin, ScopeAlerts}
}

// Includes tells whether whoever has s may do what needs the other one.
func (s Scope) Includes(other Scope) bool {
	if s == other || s == ScopeAdmin {
		return slices.Contains(Scopes(), other)
	}
	ladder := []Scope{ScopeView, ScopePropose, ScopeApprove, ScopeOperate}
	have, wants := slices.Index(ladder, s), slices.Index(ladder, other)
	return wants >= 0 && have >= wants
}

// Everything is the pattern of every resource, and of what is of no resource or of all.
const Everything Pattern = "*/*"

// Grant is a scope on the resources that a pattern means, later ones too.
type Grant struct {
	Scope    Scope   `json:"scope"`
	Resource Pattern `json:"resource"`
}

// Check refuses a grant that would mean less than it says.
func (g Grant) Check() error {
	if !slices.Contains(Scopes(), g.Scope) {
		return fmt.Errorf("scope %q: want one of %v", g.Scope, Scopes())
	}
	if (g.Scope == ScopeAdmin || g.Scope == ScopeAlerts) && g.Resource != Everything {
		return fmt.Errorf("scope %s on %q: it is for everything (%s); operate is the widest one for some resources", g.Scope, string(g.Resource), Everything)
	}
	return g.Resource.Check()
}

// Token is a name that calls of the API are made under, and what they may do. Its secret is known to its holder only.
type Token struct {
	Name   string  `json:"name"`
	Grants []Grant `json:"grants"`
	By     string  `json:"by"` // who made it
	// ByPerson is who made it by a name that they cannot change, "" for a named token.
	ByPerson string `json:"by_person,omitempty"`
	// Makers are who made it, the token of who made it, and so on, as they were when it was made, each by name and by the name that they cannot
	// change, if they have one: what becomes of those names later changes nothing. Empty: an older release made it.
	Makers  []string  `json:"makers,omitempty"`
	At      time.Time `json:"at"`
	Expires time.Time `json:"expires"`
	// Revoked is when it was, zero: it was not.
	Revoked   time.Time `json:"revoked,omitzero"`
	RevokedBy string    `json:"revoked_by,omitempty"`
	// Person is who holds it by a name that they cannot change, "" for a named token.
	Person string `json:"person,omitempty"`
}

// Operator is the name of whoever has the token of the file that an engine makes at its first start.
const Operator = "operator"

// grantLimit is the most grants of one token.
const grantLimit = 64

var tokenForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// Check refuses a token that cannot be used, or whose name would be taken for somebody else.
func (t Token) Check(now time.Time) error {
	switch {
	case !tokenForm.MatchString(t.Name):
		return fmt.Errorf("name %q: want 1 to 63 characters of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit", t.Name)
	case t.Name == Operator || t.Name == "galen":
		return fmt.Errorf("name %q is taken: the journal calls the engine and the holder of its token file so", t.Name)
	case len(t.Grants) == 0 || len(t.Grants) > grantLimit:
		return fmt.Errorf("grants: want 1 to %d, each a scope and a resource or pattern", grantLimit)
	case t.Expires.IsZero():
		return errors.New("expires: want when the token ends")
	case !t.Expires.After(now):
		return fmt.Errorf("expires %s is past, it is %s", t.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	for i, g := range t.Grants {
		if err := g.Check(); err != nil {
			return fmt.Errorf("grants[%d]: %w", i, err)
		}
	}
	return nil
}

// Counts tells whether calls may be made with it at that time.
func (t Token) Counts(now time.Time) bool { return t.Revoked.IsZero() && now.Before(t.Expires) }

// May tells whether it grants the scope on a resource; on the zero one, which stands for everything, only a grant of everything does.
func (t Token) May(s Scope, r Resource) bool {
	return slices.ContainsFunc(t.Grants, func(g Grant) bool {
		return g.Scope.Includes(s) && (g.Resource == Everything || r != (Resource{}) && g.Resource.Matches(r))
	})
}

// MayAll tells whether it grants the scope on all that a pattern means.
func (t Token) MayAll(s Scope, p Pattern) bool {
	return slices.ContainsFunc(t.Grants, func(g Grant) bool { return g.Scope.Includes(s) && g.Resource.Covers(p) })
}

// MayAny tells whether it grants the scope on anything at all.
func (t Token) MayAny(s Scope) bool {
	return slices.ContainsFunc(t.Grants, func(g Grant) bool { return g.Scope.Includes(s) })
}

// Covers tells whether a pattern means all that another one means. Where that is not plain it says no: a pattern of stars covers one of
// stars and question marks that it matches as text, since nothing but a star takes in the other's signs.
func (p Pattern) Covers(other Pattern) bool {
	if p == other || p == Everything {
		return other.Check() == nil
	}
	if strings.ContainsAny(string(p), `?[\`) && other.Wild() || strings.ContainsAny(string(other), `[\`) || other.Check() != nil {
		return false
	}
	is, err := path.Match(string(p), string(other))
	return is && err == nil
}
