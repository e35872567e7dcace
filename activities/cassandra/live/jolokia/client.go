package jolokia

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The MBeans that are used in several places.
const (
	StorageService  = "org.apache.cassandra.db:type=StorageService"
	FailureDetector = "org.apache.cassandra.net:type=FailureDetector"
	StreamManager   = "org.apache.cassandra.net:type=StreamManager"
	Gossiper        = "org.apache.cassandra.net:type=Gossiper"
)

// maxBody is the most that one answer may have. 1,000 nodes with 16 tokens each answer with about 1 MiB.
const maxBody = 16 << 20

// Client talks to one node. It is safe for concurrent use. Reads share kept-alive connections; every exec
// has a connection of its own, so that net/http can neither repeat it nor lose it on a connection that went stale.
type Client struct {
	url   string
	reads line
	execs line
}

// line is one way to the agent, with the deadline of each call on it.
type line struct {
	http  *http.Client
	limit time.Duration
}

// New makes a client for a URL such as "http://127.0.0.1:8778/jolokia/". reads is the deadline of a bulk, execs that of
// an exec, each on top of the caller's own.
func New(rawURL string, reads, execs time.Duration) (*Client, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || !hasPort(u) {
		return nil, fmt.Errorf("jolokia url %q: want http://address:port/jolokia/", rawURL)
	}
	if reads <= 0 || execs <= 0 {
		return nil, fmt.Errorf("jolokia %s: a deadline per call is required", rawURL)
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return &Client{url: u.String(), reads: newLine(reads, false), execs: newLine(execs, true)}, nil
}

// hasPort tells whether the port can be one; without a port it is that of the scheme.
func hasPort(u *url.URL) bool {
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && n > 0
}

func newLine(limit time.Duration, oneShot bool) line {
	return line{limit: limit, http: &http.Client{
		// Neither a proxy of the environment nor a redirect may carry a call to another node.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:               nil,
			DialContext:         dialer(limit),
			DisableKeepAlives:   oneShot,
			MaxIdleConns:        2,
			MaxIdleConnsPerHost: 2,
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		},
	}}
}

// Close gives the idle connections back.
func (c *Client) Close() {
	c.reads.http.CloseIdleConnections()
	c.execs.http.CloseIdleConnections()
}

// Request is one element of a bulk request.
type Request struct {
	Type      string          `json:"type"`
	MBean     string          `json:"mbean"`
	Attribute any             `json:"attribute,omitempty"`
	Operation string          `json:"operation,omitempty"`
	Arguments []any           `json:"arguments,omitzero"`
	NewValue  any             `json:"value,omitempty"` // of a write
	Config    map[string]bool `json:"config,omitempty"`
}

func (r Request) doing() string {
	switch {
	case r.Operation != "":
		return r.Type + " " + r.MBean + " " + r.Operation
	case r.Type == "write":
		return fmt.Sprintf("%s %s %v", r.Type, r.MBean, r.Attribute)
	default:
		return r.Type + " " + r.MBean
	}
}

// ReadOf asks for attributes of an MBean. An attribute that the node does not know costs only itself.
func ReadOf(mbean string, attributes ...string) Request {
	return Request{Type: "read", MBean: mbean, Attribute: attributes, Config: map[string]bool{"ignoreErrors": true}}
}

// Query asks for the result of an operation that changes nothing, as part of a bulk of reads. The operation carries
// its signature: "getPendingRangeToEndpointWithPortMap(java.lang.String)".
func Query(mbean, operation string, arguments ...any) Request {
	return Request{Type: "exec", MBean: mbean, Operation: operation, Arguments: arguments}
}

// WriteOf sets one attribute. Attributes are set by a write: an exec of the setter is NoSuchMethodException.
func WriteOf(mbean, attribute string, value any) Request {
	return Request{Type: "write", MBean: mbean, Attribute: attribute, NewValue: value}
}

// Bulk sends reads and queries as one request and answers in the same order. The error is that of the whole call;
// the fault of one element or attribute is found in its [Answer]. A kept-alive connection that breaks says only that
// the node was there before, so the reads are asked once more on a fresh one: that tells a dead node from a bad answer.
func (c *Client) Bulk(ctx context.Context, requests ...Request) ([]Answer, error) {
	answers, err := c.post(ctx, c.reads, requests)
	var e *Error
	if errors.As(err, &e) && e.Kind == BadAnswer && e.broken {
		c.reads.http.CloseIdleConnections()
		return c.post(ctx, c.reads, requests)
	}
	return answers, err
}

// Exec calls an operation that changes something, once. The operation carries its signature. A nil error proves
// only that the node took the call: look for the effect. An error after the connection stood proves nothing either.
func (c *Client) Exec(ctx context.Context, mbean, operation string, arguments ...any) (json.RawMessage, error) {
	if arguments == nil {
		arguments = []any{}
	}
	return c.one(ctx, Request{Type: "exec", MBean: mbean, Operation: operation, Arguments: arguments})
}

// Write sets attributes, in their order and once; it errs if one was not set, and the others may have been. Look for
// the effect.
func (c *Client) Write(ctx context.Context, writes ...Request) error {
	answers, err := c.post(ctx, c.execs, writes)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range answers {
		errs = append(errs, a.Err())
	}
	return errors.Join(errs...)
}

func (c *Client) one(ctx context.Context, r Request) (json.RawMessage, error) {
	answers, err := c.post(ctx, c.execs, []Request{r})
	if err != nil {
		return nil, err
	}
	return answers[0].Value()
}

func (c *Client) post(ctx context.Context, via line, requests []Request) ([]Answer, error) {
	doing := requests[0].doing()
	if len(requests) > 1 {
		doing = fmt.Sprintf("%s and %d more", doing, len(requests)-1)
	}
	body, err := json.Marshal(requests)
	if err != nil {
		return nil, fmt.Errorf("jolokia: %s: encode the request: %w", doing, err)
	}
	ctx, cancel := context.WithTimeout(ctx, via.limit)
	defer cancel()
	var connected, reused atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		connected.Store(true)
		reused.Store(i.Reused)
	}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("jolokia: %s: %w", doing, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if via.http == c.execs.http {
		req.GetBody = nil // without it net/http has nothing to send a second time
	}
	resp, err := via.http.Do(req)
	if err != nil {
		return nil, transportError(doing, err, connected.Load(), reused.Load())
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, transportError(doing, err, true, reused.Load())
	case len(got) > maxBody:
		return nil, &Error{Kind: BadAnswer, Doing: doing, Message: fmt.Sprintf("more than %d bytes", maxBody)}
	case resp.StatusCode != http.StatusOK:
		return nil, &Error{Kind: Failed, Doing: doing, Type: fmt.Sprintf("http %d", resp.StatusCode), Message: short(string(got))}
	}
	return parse(doing, requests, got)
}
