// Package temporal is the client side of Temporal: it reaches an embedded or an external server, starts and wakes runs,
// makes their worker, and clears what a killed process left behind. Authority is in the journal; Temporal only carries
// the run's ID and a signal without content.
package temporal

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
)

// Names that workflow code, worker and client share.
const (
	// Workflow is the type of the one workflow; its first argument is the run's ID, a string.
	Workflow = "Run"
	// LocalWorkflow is the same, but decides first in its own task.
	LocalWorkflow = "RunLocal"
	// WakeSignal tells a run to read the journal again. It has no content.
	WakeSignal = "wake"
	// DefaultNamespace holds unless options say otherwise.
	DefaultNamespace = "galen"
	// queueName begins the names of the task queues, see [Client.Queue].
	queueName = "galen"

	defaultRetention = 7 * 24 * time.Hour
)

// ErrNotFound means that no open workflow has the ID.
var ErrNotFound = errors.New("no open workflow has this ID")

// Options says which server to use and how to prove who we are.
type Options struct {
	// Address is host:port of the frontend.
	Address string
	// Namespace, empty means DefaultNamespace. It is made if it is missing and the server permits.
	Namespace string
	// Retention of closed workflows for a namespace that has to be made; zero means 7 days.
	Retention time.Duration
	// Journal is the identity that tells the engines of this journal from others in the namespace. Their task queues begin
	// with "galen-<journal>", and their workflow IDs are "<journal>/<key>". Empty: they are alone there, the queues begin
	// with "galen" and the key is the ID.
	Journal string
	// Headers are put on each call; the embedded server's token comes this way.
	Headers func(context.Context) (map[string]string, error)
	// APIKey gives the key of Temporal Cloud for each call, so that it can be rotated. It implies TLS.
	APIKey func(context.Context) (string, error)
	// TLS, nil for plain text.
	TLS *TLS
	// Identity names this process in histories and among the engines of the journal; empty means pid@host.
	Identity string
	// Codecs encrypt or compress what Temporal stores. Old histories are not encoded again, so a codec stays listed.
	Codecs []converter.PayloadCodec
	// Interceptors stand before each call to the server, and around workflows and activities.
	Interceptors []interceptor.ClientInterceptor
	// Logger gets what the SDK logs.
	Logger *slog.Logger
}

// TLS names the files of a TLS connection. An empty CAFile means the system's authorities; CertFile and KeyFile, both or
// none, prove who we are; ServerName is set where the certificate has another name than the address.
type TLS struct {
	CAFile, CertFile, KeyFile, ServerName string
}

// Client talks to one namespace. It is safe for concurrent use. Close it after its workers have stopped.
type Client struct {
	sdk       client.Client
	namespace string
	journal   string
	place     string
}

// Dial reaches the server and makes sure that the namespace can be used.
func Dial(ctx context.Context, o Options) (*Client, error) {
	if o.Address == "" || o.Logger == nil {
		return nil, errors.New("connect to Temporal: Address and Logger must be given")
	}
	o = o.withDefaults()
	so, err := o.sdk()
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s: %w", o.Address, err)
	}
	c, err := client.DialContext(ctx, so)
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s (is it running, and are TLS and credentials right?): %w", o.Address, err)
	}
	id, err := ensureNamespace(ctx, c.WorkflowService(), o.Namespace, o.Retention)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to Temporal at %s: %w", o.Address, err)
	}
	return &Client{sdk: c, namespace: o.Namespace, journal: o.Journal, place: cmp.Or(id, o.Address+"/"+o.Namespace)}, nil
}

// Place names the namespace of the server, whatever the address that it was reached by.
func (c *Client) Place() string { return c.place }

// WorkflowID is the ID of the workflow that has a key, in a namespace that several journals may share.
func WorkflowID(journal, key string) string {
	if journal == "" {
		return key
	}
	return journal + "/" + key
}

func (c *Client) workflowID(key string) string { return WorkflowID(c.journal, key) }

// Queue is the task queue of the workflows that need something that not every release of the engine has, a version of a
// runbook: a release that lacks it does not poll there. What needs nothing is in the engine's own queue.
func (c *Client) Queue(needs string) string {
	queue := queueName
	if c.journal != "" {
		queue += "-" + c.journal
	}
	if needs != "" {
		queue += "/" + needs
	}
	return queue
}

// Close drops the connection.
func (c *Client) Close() { c.sdk.Close() }

func (o Options) withDefaults() Options {
	if o.Namespace == "" {
		o.Namespace = DefaultNamespace
	}
	if o.Retention == 0 {
		o.Retention = defaultRetention
	}
	return o
}

func (o Options) sdk() (client.Options, error) {
	so := client.Options{
		HostPort:         o.Address,
		Namespace:        o.Namespace,
		Identity:         o.Identity,
		Logger:           sdklog.NewStructuredLogger(o.Logger.With(slog.String("component", "temporal_sdk"))),
		DataConverter:    dataConverter(o.Codecs),
		FailureConverter: failureConverter(o.Codecs),
		Interceptors:     o.Interceptors,
	}
	if o.Headers != nil {
		so.HeadersProvider = headers(o.Headers)
	}
	if o.APIKey != nil {
		so.Credentials = client.NewAPIKeyDynamicCredentials(o.APIKey)
		if o.TLS == nil {
			o.TLS = &TLS{}
		}
	}
	if o.TLS != nil {
		config, err := o.TLS.config()
		if err != nil {
			return client.Options{}, err
		}
		so.ConnectionOptions.TLS = config
	}
	return so, nil
}

// headers makes a function the interface that the SDK wants.
type headers func(context.Context) (map[string]string, error)

// GetHeaders is called by the SDK for each call.
func (h headers) GetHeaders(ctx context.Context) (map[string]string, error) { return h(ctx) }

func (t TLS) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate authority of Temporal: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no PEM certificate; give the file of the authority that signed Temporal's certificate", t.CAFile)
		}
	}
	if t.CertFile == "" && t.KeyFile == "" {
		return c, nil
	}
	first, err := t.pair()
	if err != nil {
		return nil, err
	}
	// Read at each connection, for it is renewed while the engine runs; between its two files the one of before counts.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if now, err := t.pair(); err == nil {
			return now, nil
		}
		return first, nil
	}
	return c, nil
}

func (t TLS) pair() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read our certificate %q with key %q (give both or none): %w", t.CertFile, t.KeyFile, err)
	}
	return &pair, nil
}
