package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/internal/certtest"
	"github.com/galenhq/galen/internal/config"
	"github.com/galenhq/galen/internal/journal"
)

const day = 24 * time.Hour

// TestDoctorDisk: a real directory and real writes, on a disk that has no room, or is slow by a clock that the write moves.
func TestDoctorDisk(t *testing.T) {
	for name, c := range map[string]struct {
		free     uint64
		size     int64 // of the journal's log
		took     time.Duration
		err      error
		is, what string
	}{
		"room":                  {free: lowFree, is: isOK, what: "1024.0 MiB free"},
		"little room":           {free: lowFree - 1, is: isWarn, what: "1024.0 MiB free"},
		"just enough":           {free: leastFree, is: isWarn, what: "256.0 MiB free"},
		"no room":               {free: leastFree - 1, is: isBad, what: "256.0 MiB free"},
		"none at all":           {is: isBad, what: "0.0 MiB free"},
		"none for a backup":     {free: 2 << 30, size: 3 << 30, is: isWarn, what: "the journal takes 3072"},
		"a quick disk":          {free: lowFree, took: slowSync, is: isOK, what: "after 50ms"},
		"a slow disk":           {free: lowFree, took: slowSync + time.Millisecond, is: isWarn, what: "after 51ms"},
		"still slow":            {free: lowFree, took: lameSync, is: isWarn, what: "after 500ms"},
		"a lame disk":           {free: lowFree, took: lameSync + time.Millisecond, is: isBad, what: "after 501ms"},
		"full while it writes":  {free: lowFree, err: syscall.ENOSPC, is: isBad, what: "cannot be written: no space left"},
		"read-only, by failure": {free: lowFree, err: syscall.EROFS, is: isBad, what: "cannot be written: read-only"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var mu sync.Mutex
			now, writes := time.Unix(1e9, 0), 0
			d := &doctor{cli: &cli{now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }}, cfg: &config.Config{Data: dir}}
			d.place = journal.Place{Path: filepath.Join(dir, "journal.db")}
			d.on = machine{
				free: func(string) (uint64, error) { return c.free, nil },
				sync: func(f *os.File) error {
					mu.Lock()
					defer mu.Unlock()
					if writes++; writes == 2 { // the slowest counts, not the mean
						now = now.Add(c.took)
					}
					if c.err != nil {
						return c.err
					}
					return f.Sync()
				},
			}
			if c.size > 0 {
				if err := os.WriteFile(d.place.Path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(d.place.Path, c.size); err != nil { // sparse
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			tells(t, d.disk(t.Context()), c.is, c.what)
			if left, err := filepath.Glob(filepath.Join(dir, ".galen-doctor*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q %v", left, err)
			}
		})
	}
}

// tells wants that the worst of the lines is so and says so, with what to do.
func tells(t *testing.T, all []symptom, is, what string) {
	t.Helper()
	if worst := diagnosed(all).Is; worst != is {
		t.Errorf("%s, want %s: %+v", worst, is, all)
	}
	for _, s := range all {
		if s.Is == is && strings.Contains(s.About+" "+s.What, what) && (s.Do != "") == (is != isOK) {
			return
		}
	}
	t.Errorf("no line %s %q with what to do in %+v", is, what, all)
}

// TestDoctorOnAnotherMachine: what the machine tells reaches the command's answer.
func TestDoctorOnAnotherMachine(t *testing.T) {
	p := newPatient(t)
	on := thisMachine()
	on.free = func(string) (uint64, error) { return 1, nil }
	p.on = &on
	p.says("disk", isBad, "0.0 MiB free")
	on.free = func(string) (uint64, error) { return 0, syscall.EIO }
	p.says("disk", isBad, "its free space cannot be told")
}

// clocks is a resource whose observer's clock is off.
type clocks struct {
	galen.State
	off time.Duration
}

func (c clocks) Clocks() []galen.ClockOffset {
	return []galen.ClockOffset{{Observer: "n1", Offset: c.off}}
}

func TestDoctorClock(t *testing.T) {
	cfg, err := config.Load(written(t, "cassandra/orders", ""))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1e9, 0)
	most := galen.SafePolicy().ClockSkew.D()
	alone, temporal, postgres := *cfg, *cfg, *cfg
	temporal.Temporal.Address, postgres.Journal.URLFile = "127.0.0.1:1", "url"
	asked := func(off time.Duration) journal.Peeked {
		return journal.Peeked{Asked: now, Now: now.Add(off), Got: now.Add(time.Second)}
	}
	for name, c := range map[string]struct {
		cfg      config.Config
		seen     journal.Peeked
		adrift   bool
		is, what string
	}{
		"well":                          {alone, journal.Peeked{Newest: now}, false, isOK, "UTC"},
		"as far as allowed":             {alone, journal.Peeked{Newest: now.Add(most)}, false, isOK, "UTC"},
		"behind":                        {alone, journal.Peeked{Newest: now.Add(most + time.Second)}, false, isBad, "in the future"},
		"no NTP, alone":                 {alone, journal.Peeked{}, true, isOK, "UTC"},
		"no NTP, Temporal elsewhere":    {temporal, journal.Peeked{}, true, isWarn, "nothing keeps its clock in time"},
		"no NTP, PostgreSQL":            {postgres, journal.Peeked{}, true, isWarn, "nothing keeps its clock in time"},
		"NTP, Temporal elsewhere":       {temporal, journal.Peeked{}, false, isOK, "UTC"},
		"PostgreSQL between":            {postgres, asked(time.Second / 2), false, isOK, "UTC"},
		"PostgreSQL ahead, allowed":     {postgres, asked(time.Second + most), false, isOK, "UTC"},
		"PostgreSQL ahead":              {postgres, asked(time.Second + most + time.Millisecond), false, isBad, "PostgreSQL its clock is"},
		"PostgreSQL behind":             {postgres, asked(-most - time.Millisecond), false, isBad, "PostgreSQL its clock is -"},
		"PostgreSQL behind and no NTP":  {postgres, asked(-time.Hour), true, isBad, "PostgreSQL its clock is -1h"},
		"PostgreSQL behind and allowed": {postgres, asked(-most), false, isOK, "UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &doctor{cli: &cli{now: func() time.Time { return now }}, cfg: &c.cfg, seen: c.seen, on: machine{adrift: func() bool { return c.adrift }}}
			tells(t, d.clock(t.Context()), c.is, c.what)
		})
	}
	d := &doctor{cli: &cli{}, cfg: cfg}
	r := cfg.Resources[0].Resource
	for _, off := range []time.Duration{0, most, -most} {
		if got := d.offsets(r, clocks{off: off}); len(got) > 0 {
			t.Errorf("a node %s off: %+v", off, got)
		}
	}
	for _, off := range []time.Duration{most + time.Millisecond, -most - time.Millisecond} {
		tells(t, d.offsets(r, clocks{off: off}), isBad, "cassandra/orders n1 its clock is "+off.String())
	}
	var _ galen.Clocked = cassandra.Ring{} // what a real node tells goes the same way
}

// TestDoctorLooksAtTheStart: a node, or a spare, that Galen could not start is told while all still runs.
func TestDoctorLooksAtTheStart(t *testing.T) {
	ring := cassandra.Ring{
		Instances: []cassandra.Instance{{Name: "n1", CannotStart: "its start command is missing"}, {Name: "n4", Spare: true, CannotStart: "it is a folder"}},
		Views:     []cassandra.View{{Instance: "n1", Jolokia: cassandra.Answered, CQL: cassandra.Answered}},
	}
	got := ofRing(orders(), ring)
	tells(t, got, isBad, "n1 Galen could not start it: its start command is missing")
	tells(t, got, isBad, "n4 Galen could not start it: it is a folder")
}

func TestDoctorCertificate(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	for name, c := range map[string]struct {
		from, until    time.Duration
		names          string
		listen, server string
		is, what       string
	}{
		"well":                     {-day, certWarn, "127.0.0.1", "127.0.0.1:7170", "", isOK, "counts until"},
		"soon":                     {-day, certWarn - time.Second, "127.0.0.1", "127.0.0.1:7170", "", isWarn, "counts until"},
		"at this moment":           {-day, 0, "127.0.0.1", "127.0.0.1:7170", "", isWarn, "counts until"},
		"ended":                    {-day, -time.Second, "127.0.0.1", "127.0.0.1:7170", "", isBad, "the certificate ended"},
		"not yet":                  {time.Hour, 90 * day, "127.0.0.1", "127.0.0.1:7170", "", isBad, "does not count before"},
		"another address":          {-day, 90 * day, "10.0.0.1 galen.example", "127.0.0.1:7170", "", isWarn, "for galen.example, 10.0.0.1, not for 127.0.0.1"},
		"no name":                  {-day, 90 * day, "", "127.0.0.1:7170", "", isBad, "for no name"},
		"no name, every address":   {-day, 90 * day, "", "0.0.0.0:7170", "", isBad, "for no name"},
		"every address":            {-day, 90 * day, "galen.example", "0.0.0.0:7170", "", isOK, "counts until"},
		"every address, unsaid":    {-day, 90 * day, "galen.example", ":7170", "", isOK, "counts until"},
		"the name that is used":    {-day, 90 * day, "*.example", "127.0.0.1:7170", "https://galen.example:7170", isOK, "counts until"},
		"not the name that is":     {-day, 90 * day, "*.example", "0.0.0.0:7170", "https://galen.other:7170", isWarn, "not for galen.other"},
		"HTTP before it, by proxy": {-day, 90 * day, "*.example", "0.0.0.0:7170", "http://galen.other", isOK, "counts until"},
	} {
		t.Run(name, func(t *testing.T) {
			cert, key := certtest.SelfSigned(t, now.Add(c.from), now.Add(c.until), strings.Fields(c.names)...)
			d := &doctor{cli: &cli{now: func() time.Time { return now }, env: func(string) string { return "" }, server: c.server}, asked: c.server}
			d.cfg = &config.Config{Listen: c.listen, TLS: config.TLS{CertFile: cert, KeyFile: key}}
			tells(t, d.certificate(), c.is, c.what)
		})
	}
}

// TestDoctorCertificateChain: an authority in the same file that has ended is told of; some clients need it.
func TestDoctorCertificateChain(t *testing.T) {
	now := time.Now()
	cert, key := certtest.SelfSigned(t, now.Add(-day), now.Add(90*day), "127.0.0.1")
	other, otherKey := certtest.SelfSigned(t, now.Add(-day), now.Add(-time.Hour), "authority")
	both := []byte{}
	for _, file := range []string{cert, other} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	if err := os.WriteFile(cert, both, 0o600); err != nil {
		t.Fatal(err)
	}
	d := &doctor{cli: &cli{now: func() time.Time { return now }, env: func(string) string { return "" }}}
	d.cfg = &config.Config{Listen: "127.0.0.1:7170", TLS: config.TLS{CertFile: cert, KeyFile: key}}
	tells(t, d.certificate(), isWarn, "in the same file counts until")
	d.cfg.TLS.KeyFile = otherKey
	tells(t, d.config(t.Context()), isBad, "private key does not match")
}

// TestDoctorTrust: the certificates by which the engine knows others, and one file that has none.
func TestDoctorTrust(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		until    time.Duration
		is, what string
	}{
		"well": {certWarn + time.Hour, isOK, ""}, "soon": {certWarn - time.Hour, isWarn, "counts until"}, "ended": {-time.Hour, isBad, "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			file, _ := certtest.SelfSigned(t, now.Add(-day), now.Add(c.until), "authority")
			for _, cfg := range []*config.Config{
				{TLS: config.TLS{ClientCAFile: file}}, {Temporal: config.Temporal{CAFile: file}}, {Temporal: config.Temporal{CertFile: file}}, {OIDC: config.OIDC{CAFile: file}},
			} {
				d := &doctor{cli: &cli{now: func() time.Time { return now }}, cfg: cfg}
				if found := d.trusted(t.Context()); c.is == isOK && len(found) > 0 {
					t.Errorf("%+v", found)
				} else if c.is != isOK {
					tells(t, found, c.is, c.what)
				}
			}
		})
	}
	_, key := certtest.SelfSigned(t, now, now, "no certificate")
	d := &doctor{cli: &cli{now: func() time.Time { return now }}, cfg: &config.Config{TLS: config.TLS{ClientCAFile: key}}}
	tells(t, d.config(t.Context()), isBad, "tls.client_ca_file: there is no certificate in")
	d.cfg.TLS.ClientCAFile += ".gone"
	tells(t, d.config(t.Context()), isBad, "no such file")
	if told := d.trusted(t.Context()); len(told) > 0 {
		t.Errorf("one fault is told twice: %+v", told)
	}
}

// TestDoctorOnADeadDisk: an examination that hangs is told of, and keeps no other from its answer.
func TestDoctorOnADeadDisk(t *testing.T) {
	p := newPatient(t)
	hangs := make(chan struct{})
	t.Cleanup(func() { close(hangs) })
	on := thisMachine()
	on.limit = time.Second
	on.free = func(string) (uint64, error) {
		<-hangs
		runtime.Goexit() // else it would go on in a directory that is gone
		return 0, nil
	}
	p.on = &on
	p.says("disk", isBad, "did not end within 1s")
}

// TestDoctorAndTLS: an engine whose certificate this call does not believe, or that wants one, is not called stuck.
func TestDoctorAndTLS(t *testing.T) {
	now := time.Now()
	cert, key := certtest.SelfSigned(t, now.Add(-day), now.Add(90*day), "127.0.0.1")
	for name, c := range map[string]struct {
		args     []string
		want     tls.ClientAuthType
		is, what string
	}{
		"unknown to us":     {nil, tls.NoClientCert, isWarn, "do not trust each other"},
		"known":             {[]string{"--ca-file", cert}, tls.NoClientCert, isOK, "answers, version x"},
		"wants one":         {[]string{"--ca-file", cert}, tls.RequireAnyClientCert, isWarn, "do not trust each other"},
		"wants and has one": {[]string{"--ca-file", cert, "--cert-file", cert, "--key-file", key}, tls.RequireAnyClientCert, isOK, "answers, version x"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			t.Cleanup(p.lock())
			p.edit("data: data", fmt.Sprintf("data: data\ntls: {cert_file: %q, key_file: %q}", cert, key))
			pair, err := tls.LoadX509KeyPair(cert, key)
			p.must(err)
			l, err := net.Listen("tcp", p.listen)
			p.must(err)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"ok":true,"version":"x","started":"2026-01-01T00:00:00Z"}`)
			}))
			s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail here on purpose
			p.must(s.Listener.Close())
			s.Listener, s.TLS = l, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: c.want}
			s.StartTLS()
			t.Cleanup(s.Close)
			p.saysTo("engine", c.is, c.what, c.args...)
		})
	}
}

// TestDoctorTokenEnds: a week is the threshold, and one that was revoked is nobody's trouble.
func TestDoctorTokenEnds(t *testing.T) {
	now := time.Unix(1e9, 0)
	for name, c := range map[string]struct {
		left     time.Duration
		revoked  bool
		is, what string
	}{
		"a week":         {tokenWarn, false, isOK, "ann counts until"},
		"less":           {tokenWarn - time.Nanosecond, false, isWarn, "ann it ends"},
		"its last":       {time.Nanosecond, false, isWarn, "ann it ends"},
		"over":           {0, false, isWarn, "ann it ended"},
		"long over":      {-time.Hour, false, isWarn, "ann it ended"},
		"over, revoked":  {-time.Hour, true, isOK, "other counts"},
		"soon, revoked":  {time.Hour, true, isOK, "other counts"},
		"a year, revoke": {365 * day, true, isOK, "other counts"},
	} {
		t.Run(name, func(t *testing.T) {
			ann := galen.Token{Name: "ann", Expires: now.Add(c.left)}
			if c.revoked {
				ann.Revoked = now
			}
			d := &doctor{cli: &cli{now: func() time.Time { return now }}, cfg: &config.Config{Data: t.TempDir()}}
			d.seen.Tokens = []galen.Token{ann, {Name: "other", Expires: now.Add(30 * day)}}
			tells(t, d.tokens(t.Context()), c.is, c.what)
		})
	}
}
