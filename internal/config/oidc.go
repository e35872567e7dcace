package config

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// OIDC is the provider by which people log in; where the section is not written there is none.
type OIDC struct {
	// Issuer is its URL, as its tokens name it.
	Issuer string `json:"issuer"`
	// ClientID is galen's name there: a public client with the redirect http://127.0.0.1/callback on any port.
	ClientID string `json:"client_id"`
	// GroupsClaim is the claim of an ID token with a person's groups; absent: groups.
	GroupsClaim string `json:"groups_claim,omitempty"`
	// Scopes are asked for at the login; absent: openid, email, profile, offline_access.
	Scopes []string `json:"scopes,omitempty"`
	// Groups are what each group may do; one that is not here may do nothing.
	Groups map[string][]galen.Grant `json:"groups"`
	// ClockSkew is how long after its end a token still counts; absent: 30s.
	ClockSkew *galen.Duration `json:"clock_skew,omitempty"`
	// MaxAge is how long after it was issued a token counts, however much later its end is: groups are those of the login; absent: 1h.
	MaxAge *galen.Duration `json:"max_age,omitempty"`
	// CAFile has the authorities that vouch for the provider, in PEM; absent: those of the machine.
	CAFile string `json:"ca_file,omitempty"`
}

// On tells whether people log in by a provider: an empty section is none, and a fault.
func (o OIDC) On() bool { return o.Issuer != "" || o.ClientID != "" || o.Groups != nil }

const (
	defaultOIDCSkew = galen.Duration(30 * time.Second)
	maxOIDCSkew     = galen.Duration(5 * time.Minute)
	defaultOIDCAge  = galen.Duration(time.Hour)
	minOIDCAge      = galen.Duration(time.Minute)
	maxOIDCAge      = galen.Duration(24 * time.Hour)
)

func (o *OIDC) defaults() {
	if !o.On() {
		return
	}
	if o.GroupsClaim == "" {
		o.GroupsClaim = "groups"
	}
	if o.Scopes == nil {
		o.Scopes = []string{"openid", "email", "profile", "offline_access"}
	}
	for limit, usual := range map[**galen.Duration]galen.Duration{&o.ClockSkew: defaultOIDCSkew, &o.MaxAge: defaultOIDCAge} {
		if *limit == nil {
			*limit = &usual
		}
	}
}

// check tells every fault.
func (o OIDC) check() error {
	if !o.On() {
		return nil
	}
	errs := append(o.checkGroups(), o.checkIssuer())
	if o.ClientID == "" {
		errs = append(errs, errors.New("oidc.client_id: required, the name of galen at the provider"))
	}
	if !slices.Contains(o.Scopes, "openid") {
		errs = append(errs, fmt.Errorf("oidc.scopes: %q: openid is required, or there is no ID token", o.Scopes))
	}
	if *o.ClockSkew < 0 || *o.ClockSkew > maxOIDCSkew {
		errs = append(errs, fmt.Errorf("oidc.clock_skew: %s: want 0s to %s", o.ClockSkew, maxOIDCSkew))
	}
	if *o.MaxAge < minOIDCAge || *o.MaxAge > maxOIDCAge {
		errs = append(errs, fmt.Errorf("oidc.max_age: %s: want %s to %s", o.MaxAge, minOIDCAge, maxOIDCAge))
	}
	return errors.Join(errs...)
}

func (o OIDC) checkIssuer() error {
	at, err := url.Parse(o.Issuer)
	switch {
	case err != nil || at.Host == "" || at.RawQuery != "" || at.Fragment != "":
		return fmt.Errorf("oidc.issuer: %q: want the URL of the provider as its tokens name it, such as https://login.example.com", o.Issuer)
	case at.Scheme != "https" && (at.Scheme != "http" || !Loopback(at.Hostname())):
		return fmt.Errorf("oidc.issuer: %s: its keys would come in the clear: want https", o.Issuer)
	}
	if err := reachable(at); err != nil {
		return fmt.Errorf("oidc.issuer: %w", err)
	}
	return nil
}

func (o OIDC) checkGroups() (errs []error) {
	if len(o.Groups) == 0 {
		errs = append(errs, errors.New("oidc.groups: empty: nobody who logs in could do anything; name a group and its grants"))
	}
	for _, group := range slices.Sorted(maps.Keys(o.Groups)) {
		if group == "" || len(o.Groups[group]) == 0 {
			errs = append(errs, fmt.Errorf("oidc.groups.%s: want a name and at least one grant: a scope and a resource or pattern", group))
		}
		for i, g := range o.Groups[group] {
			if err := g.Check(); err != nil {
				errs = append(errs, fmt.Errorf("oidc.groups.%s[%d]: %w", group, i, err))
			}
		}
	}
	return errs
}
