package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

func (c *cli) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Named tokens: who may ask what of the engine",
		Long: `A named token lets its holder make some calls on some resources until it expires or is revoked. The journal names it as
the author of what its holder did. Give each person and each program its own.

The scopes, each with what those before it may do:
  view      read: status, resources, findings, runs, holds, the journal
  propose   ask for runs and for plans
  approve   approve and reject them
  operate   cancel, hold, extend, release, acknowledge, clear a quarantine
  admin     tokens, and galen rearm; for everything only
and apart from them, for everything only:
  alerts    send alerts, and nothing else: for Alertmanager

Metrics need view on everything. The token of the file in the data directory is an administrator's; the journal calls its
holder operator.`,
	}
	group(cmd)
	cmd.AddCommand(c.tokenCreateCommand(), c.tokenListCommand(), c.tokenRevokeCommand())
	return cmd
}

type tokenFlags struct {
	scope, expires    string
	resources, grants []string
}

func (c *cli) tokenCreateCommand() *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a named token and print its secret once",
		Long: `Makes a token and prints its secret. Galen keeps only a hash of it: nobody can print it again. Write it to a file that only
its user can read, and name that file with --token-file or GALEN_TOKEN_FILE; each command warns of one that everybody can read.

--scope is granted on each --resource: kind/name, or a pattern with *, ? or [a-z], which means later ones too; '*/*', the
default, is everything. What matches no resource now is warned of on stderr. --grant SCOPE:RESOURCE adds another scope on other resources.

An end is required: a token that nobody remembers must not work for ever. The metric galen_token_expires_timestamp_seconds
and the alert GalenTokenExpires tell a week ahead. To change one without a gap, make another under another name, put it
in place, and revoke the first.`,
		Example: `  galen token create alertmanager --scope alerts --expires 365d
  galen token create prometheus --scope view --expires 365d
  galen token create ann --scope approve --resource 'cassandra/*' --expires 90d
  (umask 077; galen token create ci --scope view --grant 'propose:cassandra/orders-*' --expires 30d > ci.token)`,
		Args: takes(1, 1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.createToken(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.scope, "scope", "", "view, propose, approve, operate, admin or alerts (required)")
	flags.StringArrayVar(&f.resources, "resource", []string{string(galen.Everything)}, "what it is granted on: kind/name or a pattern; may be given again")
	flags.StringArrayVar(&f.grants, "grant", nil, "one more scope, as SCOPE:RESOURCE; may be given again")
	flags.StringVar(&f.expires, "expires", "", "when it ends: 90d or 12h from now, or 2027-09-01T06:00:00Z (required)")
	return cmd
}

// request is what the flags ask for.
func (f tokenFlags) request(name string, now time.Time) (api.TokenRequest, error) {
	req := api.TokenRequest{Name: name}
	if f.scope == "" || f.expires == "" {
		return req, usage("--scope and --expires are required: what it may do, and until when")
	}
	for _, r := range f.resources {
		req.Grants = append(req.Grants, galen.Grant{Scope: galen.Scope(f.scope), Resource: galen.Pattern(r)})
	}
	for _, text := range f.grants {
		scope, resource, found := strings.Cut(text, ":")
		if !found {
			return req, usage("--grant %q: want SCOPE:RESOURCE, such as propose:cassandra/orders-*", text)
		}
		req.Grants = append(req.Grants, galen.Grant{Scope: galen.Scope(scope), Resource: galen.Pattern(resource)})
	}
	at, err := moment(f.expires, now, ahead)
	if err != nil {
		return req, usage("--expires %q: %w", f.expires, err)
	}
	req.Expires = at
	if err := (galen.Token{Name: name, Grants: req.Grants, Expires: at}).Check(now); err != nil {
		return req, &failure{code: exitUsage, err: err, clear: true}
	}
	return req, nil
}

func (c *cli) createToken(ctx context.Context, name string, f tokenFlags) error {
	req, err := f.request(name, c.now())
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.CreateTokenWithResponse(ctx, req)
	if err := c.fault("make the token "+name, res, err, res != nil && res.JSON201 != nil); err != nil {
		return err
	}
	c.warnOfNothing(ctx, client, req.Grants)
	return c.print(res.JSON201, func(w io.Writer) error {
		t := res.JSON201.Token
		// The secret alone on stdout, so that it can go into a file.
		fmt.Fprintf(c.errs, "the token %s may %s until %s; its secret, which is not shown again:\n", t.Name, grantsOf(t), t.Expires.UTC().Format(time.RFC3339))
		if _, err := fmt.Fprintln(w, res.JSON201.Secret); err != nil {
			return fmt.Errorf("the token is made, and its secret could not be written: %w; take it back: galen token revoke %s", err, t.Name)
		}
		return nil
	})
}

// warnOfNothing tells of grants on what is not there now. It may come, so that this is no fault.
func (c *cli) warnOfNothing(ctx context.Context, client *api.ClientWithResponses, grants []galen.Grant) {
	res, err := allResources(ctx, client)
	if err != nil || res.JSON200 == nil {
		return // the token is made, and that was the question
	}
	told := map[galen.Pattern]bool{galen.Everything: true}
	for _, g := range grants {
		there := slices.ContainsFunc(res.JSON200.Resources, func(r api.Resource) bool {
			is, err := galen.ParseResource(r.Resource)
			return err == nil && g.Resource.Matches(is)
		})
		if there || told[g.Resource] {
			continue
		}
		told[g.Resource] = true
		fmt.Fprintf(c.errs, "warning: %s matches no resource now, only one that may come: galen resources lists those that there are\n", g.Resource)
	}
}

func grantsOf(t galen.Token) string {
	parts := make([]string, 0, len(t.Grants))
	for _, g := range t.Grants {
		parts = append(parts, string(g.Scope)+" "+string(g.Resource))
	}
	return strings.Join(parts, ", ")
}

func (c *cli) tokenListCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "The named tokens that count",
		Long:    "Lists the named tokens that count, without their secrets; with --all those too that were revoked or have expired.",
		Example: "  galen token list\n  galen token list --all",
		Args:    takes(0, 0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.tokens(cmd.Context(), all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that count no more, too")
	return cmd
}

func (c *cli) tokens(ctx context.Context, all bool) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := paged(0, nil, func(limit int, cursor *string) (*api.ListTokensResponse, error) {
		return client.ListTokensWithResponse(ctx, &api.ListTokensParams{Limit: &limit, Cursor: cursor})
	}, func(res *api.ListTokensResponse) (*[]galen.Token, **string, bool) {
		if res.JSON200 == nil {
			return nil, nil, false
		}
		return &res.JSON200.Tokens, &res.JSON200.Next, true
	})
	if err := c.fault("list the tokens", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	return c.print(res.JSON200, func(w io.Writer) error { return printTokens(w, res.JSON200.Tokens, all, c.now()) })
}

func printTokens(w io.Writer, tokens []galen.Token, all bool, now time.Time) error {
	var rows [][]string
	for _, t := range tokens {
		ends := "in " + span(t.Expires.Sub(now))
		switch {
		case !t.Revoked.IsZero():
			ends = "revoked by " + t.RevokedBy + " " + age(now, t.Revoked)
		case !t.Counts(now):
			ends = "expired " + age(now, t.Expires)
		}
		if all || t.Counts(now) {
			rows = append(rows, []string{t.Name, grantsOf(t), ends, momentOf(t.Expires), t.By, age(now, t.At)})
		}
	}
	if len(rows) == 0 {
		fmt.Fprintln(w, "no named tokens: only that of the file in the data directory counts")
		return nil
	}
	return table(w, []string{"name", "may", "ends", "expires+", "by?", "made?"}, rows)
}

func (c *cli) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke NAME",
		Short:   "End a named token before its time",
		Long:    "Ends a token. The next call with it is refused, by every engine that works on the same journal.",
		Example: "  galen token revoke ci",
		Args:    takes(1, 1, "the name of one token"),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.revokeToken(cmd.Context(), args[0]) },
	}
}

func (c *cli) revokeToken(ctx context.Context, name string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	res, err := client.RevokeTokenWithResponse(ctx, name)
	if err := c.fault("revoke the token "+name, res, err, res != nil && res.StatusCode() == 204); err != nil {
		return err
	}
	return c.print(map[string]string{"revoked": name}, func(w io.Writer) error {
		fmt.Fprintf(w, "revoked %s\n", name)
		return nil
	})
}
