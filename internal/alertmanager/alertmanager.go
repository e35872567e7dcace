// Package alertmanager keeps silences in an Alertmanager, by Alertmanager's own client of its API v2.
package alertmanager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	openapi "github.com/go-openapi/runtime/client"
	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/client/silence"
	"github.com/prometheus/alertmanager/api/v2/models"
)

// Matcher is one of a silence.
type Matcher struct {
	Name, Value      string
	IsRegex, IsEqual bool
}

// Silence is one of Alertmanager's; ID is empty for a new one.
type Silence struct {
	ID               string
	Matchers         []Matcher
	StartsAt, EndsAt time.Time
	CreatedBy        string
	Comment          string
}

// Client calls one Alertmanager.
type Client struct {
	// URL as a browser would open it, with the path of a prefix if it has one.
	URL string
	// TokenFile holds a bearer token, read at each call; empty: none.
	TokenFile string
	HTTP      *http.Client
}

// Silences lists those that have not expired.
func (c *Client) Silences(ctx context.Context) ([]Silence, error) {
	api, err := c.api()
	if err != nil {
		return nil, err
	}
	res, err := api.GetSilences(silence.NewGetSilencesParamsWithContext(ctx))
	if err != nil {
		return nil, c.told("list the silences", err)
	}
	return unexpired(res.Payload), nil
}

// unexpired are those of an answer that have an ID and have not expired; it may lack anything, for the client examines no answer.
func unexpired(all models.GettableSilences) []Silence {
	var out []Silence
	for _, one := range all {
		if one == nil || value(one.ID) == "" || one.Status != nil && value(one.Status.State) == models.SilenceStatusStateExpired {
			continue
		}
		s := Silence{
			ID: value(one.ID), StartsAt: time.Time(value(one.StartsAt)), EndsAt: time.Time(value(one.EndsAt)),
			CreatedBy: value(one.CreatedBy), Comment: value(one.Comment),
		}
		for _, m := range one.Matchers {
			if m != nil {
				s.Matchers = append(s.Matchers, Matcher{Name: value(m.Name), Value: value(m.Value), IsRegex: value(m.IsRegex), IsEqual: m.IsEqual == nil || *m.IsEqual})
			}
		}
		out = append(out, s)
	}
	return out
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// Put makes a silence, or with an ID moves its end.
func (c *Client) Put(ctx context.Context, s Silence) error {
	api, err := c.api()
	if err != nil {
		return err
	}
	body := models.PostableSilence{ID: s.ID, Silence: models.Silence{
		StartsAt: new(strfmt.DateTime(s.StartsAt)), EndsAt: new(strfmt.DateTime(s.EndsAt)), CreatedBy: &s.CreatedBy, Comment: &s.Comment,
	}}
	for _, m := range s.Matchers {
		body.Matchers = append(body.Matchers, &models.Matcher{Name: &m.Name, Value: &m.Value, IsRegex: &m.IsRegex, IsEqual: &m.IsEqual})
	}
	if _, err := api.PostSilences(silence.NewPostSilencesParamsWithContext(ctx).WithSilence(&body)); err != nil {
		return c.told("set a silence", err)
	}
	return nil
}

// Lift ends a silence.
func (c *Client) Lift(ctx context.Context, id string) error {
	api, err := c.api()
	if err != nil {
		return err
	}
	if _, err := api.DeleteSilence(silence.NewDeleteSilenceParamsWithContext(ctx).WithSilenceID(strfmt.UUID(id))); err != nil {
		return c.told(fmt.Sprintf("lift silence %q", id), err)
	}
	return nil
}

// told says what was tried, and, where no answer could be read, what that may mean.
func (c *Client) told(what string, err error) error {
	var broken net.Error
	if errors.As(err, &broken) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", what, printable{err})
	}
	return fmt.Errorf("%s: %w; is it an Alertmanager with API v2 that answers at %s, and may the token do that?", what, printable{err}, c.URL)
}

// api is the client of one call, with the token as it is now.
func (c *Client) api() (silence.ClientService, error) {
	at, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("alertmanager.url: %w", err)
	}
	bounded := *c.HTTP
	bounded.Transport = bound{bounded.Transport}
	transport := openapi.NewWithClient(at.Host, strings.TrimSuffix(at.Path, "/")+"/api/v2", []string{at.Scheme}, &bounded)
	transport.SetDebug(false) // else DEBUG in the environment would print each call, with its token
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("alertmanager.token_file: %w", err)
		}
		transport.DefaultAuthentication = openapi.BearerToken(strings.TrimSpace(string(token)))
	}
	return silence.New(transport, strfmt.Default), nil
}

// answerLimit of one answer, in bytes.
const answerLimit = 16 << 20

// bound reads no more than that of an answer.
type bound struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	res, err := next.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, answerLimit), res.Body}
	}
	return res, err
}

// printable is an error whose text may have what a stranger's server sent: control characters are left out, and it is short.
type printable struct{ error }

// Error implements error.
func (p printable) Error() string {
	const most = 300
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, p.error.Error())
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// Unwrap gives the error itself.
func (p printable) Unwrap() error { return p.error }
