package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/galenhq/galen/api"
)

const (
	defaultServer = "http://127.0.0.1:7170"
	envServer     = "GALEN_SERVER"
	envTokenFile  = "GALEN_TOKEN_FILE"
	envCAFile     = "GALEN_CA_FILE"
	envCertFile   = "GALEN_CERT_FILE"
	envKeyFile    = "GALEN_KEY_FILE"
	// callLimit is longer than the engine takes for any answer.
	callLimit = time.Minute
)

// client is the generated client of the engine's API, with the token of a file, or else of a login.
func (c *cli) client() (*api.ClientWithResponses, error) {
	file := firstOf(c.tokenFile, c.env(envTokenFile))
	if file == "" {
		return c.clientWith(c.loggedIn)
	}
	token, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the API's token: %w; galen serve prints the path of its file", err)
	}
	c.warnOfReaders(file)
	words := strings.Fields(string(token))
	if len(words) != 1 {
		return nil, fmt.Errorf("the API's token: %s has %s, and a token is one: it has the secret alone, as galen token create prints it", file, some(len(words), "word"))
	}
	return c.clientWith(func(context.Context) (string, error) { return words[0], nil })
}

// warnOfReaders tells once of a token that everybody on this machine may have read. It works, so that nothing is refused.
func (c *cli) warnOfReaders(file string) {
	st, err := os.Stat(file)
	if err != nil || !st.Mode().IsRegular() || st.Mode().Perm()&0o007 == 0 || c.completing || c.warned {
		return
	}
	c.warned = true
	fmt.Fprintf(c.errs, "warning: %s has mode %04o: everybody on this machine may have read the token in it; make another one, revoke this one, and chmod 600 the file\n", file, st.Mode().Perm())
}

// tlsFiles are what the command line knows for HTTPS, in PEM.
type tlsFiles struct{ ca, cert, key string }

// tlsConfig is what the files come to.
func (c *cli) tlsConfig() (*tls.Config, error) {
	ca, cert, key := firstOf(c.tls.ca, c.env(envCAFile)), firstOf(c.tls.cert, c.env(envCertFile)), firstOf(c.tls.key, c.env(envKeyFile))
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(text) {
			return nil, usage("--ca-file %s: there is no certificate in it", ca)
		}
	}
	if cert == "" && key == "" {
		return out, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("--cert-file %q with --key-file %q: %w", cert, key, err)
	}
	out.Certificates = []tls.Certificate{pair}
	return out, nil
}

// address of the API; a host and port alone are called by HTTPS if there is a --ca-file, as plain HTTP if not.
func (c *cli) address() string {
	address := firstOf(c.server, c.env(envServer), defaultServer)
	switch {
	case strings.Contains(address, "://"):
		return address
	case firstOf(c.tls.ca, c.env(envCAFile)) != "":
		return "https://" + address
	}
	return "http://" + address
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// reply is what every answer of the API has.
type reply interface {
	StatusCode() int
	Status() string
	GetApplicationproblemJSONDefault() *api.Error
}

// saidOf is what the engine says of it; what was tried, or of what, is said by both sides, and left out.
func saidOf(what string, r reply) string {
	said := r.GetApplicationproblemJSONDefault()
	if said == nil || said.Detail == "" {
		return r.Status()
	}
	detail := said.Detail
	if command := listCommand(text(said.List)); command != "" {
		detail = strings.ReplaceAll(detail, "GET "+*said.List, command)
	}
	why := strings.TrimPrefix(oneLine(detail), what+": ")
	if of, rest, both := strings.Cut(why, ": "); both && strings.HasSuffix(what, " "+of) {
		why = rest
	}
	return why
}

// listCommand is what a list of the API is called here, "" if it has no command.
func listCommand(list string) string {
	if resource, is := strings.CutSuffix(strings.TrimPrefix(list, "/v1/resources/"), "/members"); is {
		return "galen resources " + resource
	}
	return listCommands()[list]
}

// listCommands are what lists of the API are called here.
func listCommands() map[string]string {
	return map[string]string{
		"/v1/alerts": "galen alerts list", "/v1/holds": "galen holds", "/v1/quarantines": "galen quarantine list", "/v1/resources": "galen resources",
		"/v1/runbooks": "galen runbooks", "/v1/runs": "galen runs list", "/v1/schedules": "galen schedule list", "/v1/tokens": "galen token list",
	}
}

// timedOut: nobody refused, and nobody answered.
func timedOut(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// fault is why a call did not bring what it should, and nil if ok: the engine could not be asked, or it said no.
func (c *cli) fault(what string, r reply, err error, ok bool) error {
	switch {
	case err != nil && errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: interrupted", what)
	case timedOut(err):
		return unanswered{fmt.Errorf("%s: something is there, and gave no answer in time: look at the log of galen serve, and at its machine: %w", what, err)}
	case err != nil:
		return unanswered{fmt.Errorf("%s: %w; is galen serve running there? name another engine with --server or %s", what, err, envServer)}
	case ok:
		return nil
	}
	why := saidOf(what, r)
	switch r.StatusCode() {
	case http.StatusNotFound, http.StatusConflict, http.StatusForbidden:
		return notDone("%s: %s", what, why)
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return &failure{code: exitUsage, err: fmt.Errorf("%s: %s", what, why), clear: true}
	case http.StatusUnauthorized:
		return fmt.Errorf("%s: %s; here: name that file with --token-file or %s", what, why, envTokenFile)
	case http.StatusOK, http.StatusCreated:
		return fmt.Errorf("%s: what answers at %s is not the API of galen", what, c.address())
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return unanswered{fmt.Errorf("%s: %s", what, why)}
	}
	return fmt.Errorf("%s: %s", what, why)
}
