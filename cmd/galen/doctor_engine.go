package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/app"
)

const (
	lowRetention = 24 * time.Hour
	polledFor    = 90 * time.Second // a worker asks for work at least that often
)

// locked tells whether an engine has the data directory, or surely none. It makes nothing that is not there.
func (d *doctor) locked() (runs, free bool) {
	f, err := os.Open(filepath.Join(d.cfg.Data, "lock"))
	if err != nil {
		return false, errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) // let go with the file
	return errors.Is(err, unix.EWOULDBLOCK), err == nil
}

// journal tells whether the journal can be read and believed.
func (d *doctor) journal(context.Context) []symptom {
	about := journalAt(d.cfg)
	switch {
	case errors.Is(d.unseen, fs.ErrNotExist) && d.place.URL == "" && d.place.Path != "":
		return []symptom{{"journal", about, isWarn, "there is no journal yet", "galen serve begins one; if there should be one: galen journal restore, and look at data in the configuration"}}
	case d.unseen != nil:
		return []symptom{{"journal", about, isBad, d.unseen.Error(), "galen journal verify; galen journal restore from a backup if the file is damaged; for PostgreSQL look at the server, its log and the connection string"}}
	case !d.seen.Epoch.Armed:
		return []symptom{{"journal", about, isBad, d.seen.Epoch.Observe(), "look at what happened, then galen rearm"}}
	}
	return []symptom{{"journal", about, isOK, some(int(d.seen.Events), "event"), ""}}
}

// clock compares this machine's clock with others.
func (d *doctor) clock(context.Context) []symptom {
	now := d.now()
	most := galen.SafePolicy().ClockSkew.D()
	for _, r := range d.cfg.Resources {
		most = min(most, d.cfg.Policy(r.Resource).ClockSkew.D())
	}
	var out []symptom
	if d.unseen == nil && d.seen.Newest.Sub(now) > most {
		out = append(out, symptom{"clock", "this machine", isBad, fmt.Sprintf("the newest event of the journal is %s in the future: this clock is behind, or was ahead", d.seen.Newest.Sub(now).Round(time.Second)), "set the clock right (NTP) before the engine starts"})
	}
	if !d.seen.Now.IsZero() {
		off := galen.Ledger{Now: d.seen.Now}.ReadBetween(d.seen.Asked, d.seen.Got).ClockOff()
		if off.Abs() > most {
			out = append(out, symptom{"clock", "PostgreSQL", isBad, fmt.Sprintf("its clock is %s off this one, at most %s is allowed: the engine looks at nothing and decides nothing", off.Round(time.Millisecond), most), "run NTP on both machines"})
		}
	}
	shared := d.cfg.Journal.URLFile != "" || d.cfg.Temporal.Address != ""
	if shared && d.on.adrift() {
		out = append(out, symptom{"clock", "this machine", isWarn, "the kernel says that nothing keeps its clock in time, and other machines are worked with", "run NTP (chrony, systemd-timesyncd)"})
	}
	if len(out) == 0 {
		out = []symptom{{"clock", "this machine", isOK, now.UTC().Format(time.DateTime) + " UTC, not before the newest event", ""}}
	}
	return out
}

// engine asks the API, if an engine should be there.
func (d *doctor) engine(ctx context.Context) []symptom {
	if firstOf(d.server, d.env(envServer)) == "" {
		d.server = d.listens()
	}
	out := d.certificate()
	client, err := d.clientWith(nil) // health needs no token, and who knows what answers there
	if err != nil {
		return append(out, symptom{"engine", d.address(), isWarn, err.Error(), "the other examinations need no engine"})
	}
	res, err := client.GetHealthWithResponse(ctx)
	at := d.address()
	switch {
	case err != nil:
		return append(out, d.unanswered(err))
	case res.JSON200 == nil && res.JSON503 == nil:
		return append(out, symptom{"engine", at, isBad, "what answers there is not the API of galen: " + res.Status(), "look who has the port, or set listen to another one"})
	case res.JSON503 != nil && res.JSON503.Why != nil:
		return append(out, symptom{"engine", at, isBad, *res.JSON503.Why, "mend that; the engine goes on by itself"})
	case elsewhere(ctx, at, d.listens()):
		return append(out, symptom{"engine", at, isWarn, "answers, version " + res.JSON200.Version + "; whether it is the engine of this configuration, which listens at " + d.listens() + ", is not known",
			"leave out --server and " + envServer + " to examine the engine of this configuration"})
	case d.free:
		return append(out, symptom{"engine", at, isBad, "answers, version " + res.JSON200.Version + ", and no engine has the data directory " + d.cfg.Data + ": it is the engine of another configuration",
			"look which galen serve has the port, and with which --config; end the one that should not be there, or name its configuration"})
	}
	return append(out, d.readiness(ctx, client, symptom{"engine", at, isOK, "answers, version " + res.JSON200.Version, ""}))
}

// readiness is how an engine that answers does, if it could not record and carry on what it is asked for.
func (d *doctor) readiness(ctx context.Context, client *api.ClientWithResponses, answers symptom) symptom {
	res, err := client.GetReadyWithResponse(ctx)
	switch {
	case err != nil:
		return d.unanswered(err)
	case res.ApplicationproblemJSONDefault != nil:
		answers.Is, answers.What, answers.Do = isBad, "answers, and can do nothing: "+res.ApplicationproblemJSONDefault.Detail, "mend that; unless it says otherwise the engine goes on by itself then"
	}
	return answers
}

// elsewhere tells whether one address is of another engine than the other, as far as names, this machine's addresses and ports tell.
func elsewhere(ctx context.Context, one, other string) bool {
	a, errA := url.Parse(one)
	b, errB := url.Parse(other)
	if errA != nil || errB != nil {
		return one != other
	}
	same := strings.EqualFold(a.Hostname(), b.Hostname()) || ofThisMachine(ctx, a.Hostname()) && ofThisMachine(ctx, b.Hostname())
	return a.Port() != b.Port() || !same
}

// ofThisMachine tells whether a name or address is one of this machine.
func ofThisMachine(ctx context.Context, name string) bool {
	found, err := net.DefaultResolver.LookupIPAddr(ctx, name)
	if err != nil {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(found, func(a net.IPAddr) bool {
		return a.IP.IsLoopback() || slices.ContainsFunc(own, func(o net.Addr) bool {
			n, is := o.(*net.IPNet)
			return is && n.IP.Equal(a.IP)
		})
	})
}

// unanswered is what it means that the engine did not answer.
func (d *doctor) unanswered(err error) symptom {
	switch {
	case distrusted(err):
		return symptom{"engine", d.address(), isWarn, "something answers there, and the two do not trust each other: " + err.Error(), "name --ca-file, --cert-file and --key-file, and --server with a name that is in the certificate, as clients do"}
	case !d.runs:
		return symptom{"engine", d.address(), isWarn, "no engine runs on the data directory " + d.cfg.Data, "start it: galen serve --config " + d.cfg.Path}
	}
	return symptom{"engine", d.address(), isBad, "a process has the data directory, and does not answer here: " + err.Error() + "; it may listen elsewhere, if the configuration was changed since it started",
		"look at its log, which tells where it listens, and ask it there with --server; only if it is stuck, end it and start it again: open runs go on"}
}

// listens is the address of the API as the configuration has it, as one calls it from this machine.
func (d *doctor) listens() string {
	scheme := "http"
	if d.cfg.TLS.On() {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(d.cfg.Listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return scheme + "://" + net.JoinHostPort("localhost", port)
	}
	return scheme + "://" + d.cfg.Listen
}

// temporal examines an external server; the embedded one lives and dies with the engine.
func (d *doctor) temporal(ctx context.Context) []symptom {
	at := d.cfg.Temporal.Address
	if at == "" {
		return []symptom{{"temporal", "embedded", isOK, "starts and ends with the engine", ""}}
	}
	x, err := app.ExamineTemporal(ctx, d.cfg, d.can, d.seen.Identity)
	about := at + "/" + d.cfg.Temporal.Namespace
	switch {
	case err != nil:
		return []symptom{{"temporal", about, isBad, err.Error(), "start it, or mend temporal.address, its files or its key: without Temporal no run goes on"}}
	case x.Missing:
		return []symptom{{"temporal", about, isWarn, "the namespace is not there", "the engine makes it at its start, if the server lets it; else make it with a retention of some days"}}
	}
	out := []symptom{{"temporal", about, isOK, fmt.Sprintf("answers, keeps closed workflows for %s", x.Retention), ""}}
	if x.Retention > 0 && x.Retention < lowRetention {
		out = []symptom{{"temporal", about, isWarn, fmt.Sprintf("closed workflows are kept for %s only", x.Retention), "raise the retention of the namespace to some days: what is gone cannot be looked at"}}
	}
	return append(out, d.pollers(about, x.Polled)...)
}

func (d *doctor) pollers(about string, polled map[string]time.Time) []symptom {
	var silent []string
	now := d.now()
	for need, at := range polled {
		if now.Sub(at) > polledFor {
			silent = append(silent, need)
		}
	}
	slices.Sort(silent)
	switch {
	case len(silent) == 0:
		return nil
	case d.runs:
		return []symptom{{"temporal", about, isBad, fmt.Sprintf("nobody asks for the work of %q, though the engine runs", silent), "look at the log of the engine, and start it again; clocks that differ look alike"}}
	}
	return []symptom{{"temporal", about, isWarn, fmt.Sprintf("nobody asks for the work of %q: no engine runs", silent), "start it"}}
}

// people examines the provider by which people log in.
func (d *doctor) people(ctx context.Context) []symptom {
	if !d.cfg.OIDC.On() {
		return nil
	}
	if err := app.ExamineLogin(ctx, d.cfg); err != nil {
		return []symptom{{"login", d.cfg.OIDC.Issuer, isBad, err.Error(), "look at the provider, and at oidc.issuer and oidc.ca_file: people cannot log in, named tokens work on"}}
	}
	return []symptom{{"login", d.cfg.OIDC.Issuer, isOK, "the provider answers, and its keys can be read", ""}}
}
