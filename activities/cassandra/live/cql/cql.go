// Package cql asks one Cassandra node over its native protocol: does it serve, how are keyspaces replicated, what
// became of repairs. It reads constants only: no CQL is built from a string of somebody else, and nothing is created.
package cql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gocql/gocql"

	"github.com/galenhq/galen/activities/cassandra"
)

// Error tells how a node reacted to a question that it did not answer.
type Error struct {
	// Answer is refused, hung (it connects and nothing answers in time, or not even that) or bad-answer.
	Answer cassandra.Answer
	Doing  string
	Err    error
}

// Error is the text for people.
func (e *Error) Error() string { return fmt.Sprintf("cql: %s: %s: %v", e.Doing, e.Answer, e.Err) }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// AnswerOf is what err, from a function of this package, says of the node; answered for nil.
func AnswerOf(err error) cassandra.Answer {
	var e *Error
	switch {
	case err == nil:
		return cassandra.Answered
	case errors.As(err, &e):
		return e.Answer
	default:
		return cassandra.BadAnswer
	}
}

// Node is one node. Its session is made when it is first needed, has one connection to this node only, and is dropped
// at the first failure. Safe for concurrent use.
type Node struct {
	host  string
	port  int
	limit time.Duration
	login Login

	mu      sync.Mutex
	session *gocql.Session
}

// Login is a user of the ring; the zero value: none is needed.
type Login struct{ User, Password string }

// New makes a node from "127.0.0.1:9042". limit is the deadline of each request.
func New(address string, limit time.Duration, login Login) (*Node, error) {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || ap.Port() == 0 {
		return nil, fmt.Errorf("cql address %q: want an IP address and a port, for example 127.0.0.1:9042", address)
	}
	if limit <= 0 {
		return nil, fmt.Errorf("cql %s: a deadline per request is required", address)
	}
	return &Node{host: ap.Addr().String(), port: int(ap.Port()), limit: limit, login: login}, nil
}

// Close drops the session.
func (n *Node) Close() { n.drop(nil) }

// drop closes a session that failed, or any with nil.
func (n *Node) drop(failed *gocql.Session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session != nil && (failed == nil || failed == n.session) {
		go n.session.Close() // it may wait for its connections
		n.session = nil
	}
}

// read runs a query that changes nothing. On a session that went stale it tries once more on a fresh one.
func (n *Node) read(ctx context.Context, doing string, query func(context.Context, *gocql.Session) error) error {
	ctx, cancel := context.WithTimeout(ctx, n.limit)
	defer cancel()
	s, fresh, err := n.open(ctx)
	if err == nil {
		if err = query(ctx, s); err == nil {
			return nil
		}
		n.drop(s)
		if !fresh && !isTimeout(err) && ctx.Err() == nil {
			if s, _, err = n.open(ctx); err == nil {
				if err = query(ctx, s); err == nil {
					return nil
				}
				n.drop(s)
			}
		}
	}
	return &Error{Answer: sort(err), Doing: doing + " at " + n.host, Err: err}
}

func sort(err error) cassandra.Answer {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return cassandra.Refused
	case isTimeout(err):
		return cassandra.Hung
	default:
		return cassandra.BadAnswer
	}
}

// isTimeout: no answer of the node in time. A timeout that the node itself reports as coordinator is an answer.
func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, gocql.ErrTimeoutNoResponse) ||
		(errors.As(err, &network) && network.Timeout())
}

// open is the session, made now if there is none.
func (n *Node) open(ctx context.Context) (s *gocql.Session, fresh bool, err error) {
	n.mu.Lock()
	s = n.session
	n.mu.Unlock()
	if s != nil {
		return s, false, nil
	}
	s, err = n.connect(ctx)
	if err != nil {
		return nil, false, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.session != nil { // somebody else was faster
		go s.Close()
		return n.session, false, nil
	}
	n.session = s
	return s, true, nil
}

// connect makes a session. The driver takes no context and hides why it could not connect, so a plain connection is
// tried first, and the driver is left behind at the deadline; what it still opens then is closed.
func (n *Node) connect(ctx context.Context) (*gocql.Session, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(n.host, strconv.Itoa(n.port)))
	if err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	type made struct {
		s   *gocql.Session
		err error
	}
	done := make(chan made, 1)
	go func() {
		s, err := n.cluster().CreateSession()
		done <- made{s, err}
	}()
	select {
	case m := <-done:
		return m.s, m.err
	case <-ctx.Done():
		go func() {
			if m := <-done; m.s != nil {
				m.s.Close()
			}
		}()
		return nil, fmt.Errorf("open a session: %w", ctx.Err())
	}
}

// cluster keeps the driver to this one node: no look-up of others, no events, no reconnects, no retries.
func (n *Node) cluster() *gocql.ClusterConfig {
	c := gocql.NewCluster(n.host)
	c.Port = n.port
	c.ProtoVersion = 4
	c.NumConns = 1
	c.DisableInitialHostLookup = true
	c.HostFilter = gocql.WhiteListHostFilter(n.host)
	c.Events.DisableNodeStatusEvents, c.Events.DisableTopologyEvents, c.Events.DisableSchemaEvents = true, true, true
	c.ReconnectInterval = 0
	c.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: n.limit}
	// Our own deadline always comes first: the driver tells its timeouts as text only.
	c.Timeout, c.ConnectTimeout, c.WriteTimeout = 2*n.limit, 2*n.limit, 2*n.limit
	c.MaxWaitSchemaAgreement = n.limit // its default blocks for a minute while a node is dead
	c.Consistency = gocql.One
	c.Logger = silent{} // every fault is returned
	if n.login.User != "" {
		c.Authenticator = gocql.PasswordAuthenticator{Username: n.login.User, Password: n.login.Password}
	}
	return c
}

type silent struct{}

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}
