package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// CutMode is the way in which a cut path fails.
type CutMode string

// The two ways in which a path fails.
const (
	Refuse CutMode = "refuse" // open connections are closed, new ones refused: a closed port
	Hang   CutMode = "hang"   // connections are accepted and stay open, and nothing is answered: lost packets
)

// Relay stands before one node's Jolokia and CQL, so that this one path can be cut without root while the node's peers, and
// every client that does not use the relay, see the node as it is.
type Relay struct {
	JolokiaURL string // use in place of the node's own
	CQLAddress string // likewise; for a driver that looks up no other addresses

	links []*link
	heard heard
}

// Record keeps a copy of all that clients send from now on.
func (r *Relay) Record() {
	r.heard.mu.Lock()
	defer r.heard.mu.Unlock()
	r.heard.on = true
}

// Heard is what clients have sent since [Relay.Record], on both paths, in pieces as it came.
func (r *Relay) Heard() []byte {
	r.heard.mu.Lock()
	defer r.heard.mu.Unlock()
	return bytes.Clone(r.heard.sent)
}

// heard records what passes.
type heard struct {
	mu   sync.Mutex
	on   bool
	sent []byte
}

// Write never fails.
func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on {
		h.sent = append(h.sent, b...)
	}
	return len(b), nil
}

// Relay returns the relay before host i, counted from 1, and opens it at the first call. It listens on <Net>.(100+i), on the
// same ports as the node.
func (r *Ring) Relay(i int) (*Relay, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if relay, open := r.relays[i]; open {
		return relay, nil
	}
	node, ip := r.Node(i), address(r.Net, 100+i)
	relay, err := newRelay(map[string]string{
		net.JoinHostPort(ip, portJolokia): net.JoinHostPort(node.Address, portJolokia),
		net.JoinHostPort(ip, portCQL):     node.CQLAddress,
	})
	if err != nil {
		return nil, fmt.Errorf("open the relay before %s: %w", node.Instance, err)
	}
	relay.JolokiaURL, relay.CQLAddress = "http://"+net.JoinHostPort(ip, portJolokia)+"/jolokia/", net.JoinHostPort(ip, portCQL)
	r.relays[i] = relay
	return relay, nil
}

// newRelay listens on each key and connects to its value.
func newRelay(paths map[string]string) (*Relay, error) {
	r := &Relay{}
	for from, to := range paths {
		l := &link{from: from, to: to, heard: &r.heard, open: map[net.Conn]bool{}}
		if err := l.restore(); err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.links = append(r.links, l)
	}
	return r, nil
}

// Cut cuts the path until Restore. A path that is cut already changes its mode.
func (r *Relay) Cut(mode CutMode) error {
	var faults []error
	for _, l := range r.links {
		faults = append(faults, l.cut(mode))
	}
	return errors.Join(faults...)
}

// Restore opens the path again. Connections from the time of the cut are closed: their clients connect anew.
func (r *Relay) Restore() error {
	var faults []error
	for _, l := range r.links {
		faults = append(faults, l.restore())
	}
	return errors.Join(faults...)
}

// Close ends the relay.
func (r *Relay) Close() error { return r.Cut(Refuse) }

// link relays one port.
type link struct {
	from, to string
	heard    *heard

	mu       sync.Mutex // over all that follows
	listener net.Listener
	hang     bool
	open     map[net.Conn]bool // every connection of ours, true for the clients' side
}

// restore opens the path, and ends the connections of the time before.
func (l *link) restore() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hang = false
	l.drop()
	return l.listen()
}

// listen needs the lock, like drop.
func (l *link) listen() error {
	if l.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", l.from)
	if err != nil {
		return fmt.Errorf("listen for a relay: %w", err)
	}
	l.listener = listener
	go l.accept(listener)
	return nil
}

func (l *link) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return // closed by a cut
		}
		go l.serve(client)
	}
}

// serve joins one client with the node. While the path hangs it only holds the connection.
func (l *link) serve(client net.Conn) {
	if !l.add(client, true) {
		return
	}
	if l.silent() {
		l.swallow(client)
		return
	}
	server, err := net.Dial("tcp", l.to) //nolint:noctx // loopback: refused or accepted at once
	if err != nil {
		l.forget(client)
		return
	}
	if !l.add(server, false) {
		l.forget(client)
		return
	}
	go func() {
		_, _ = io.Copy(server, io.TeeReader(client, l.heard)) // either side ends both, with or without an error
		l.forget(server)
		if !l.silent() { // else the reader below keeps the client
			l.forget(client)
		}
	}()
	_, _ = io.Copy(client, server) // likewise
	l.forget(server)
	if l.silent() {
		l.swallow(client)
		return
	}
	l.forget(client)
}

// swallow keeps a connection open and reads what comes, so that its client sees neither an end nor an answer.
func (l *link) swallow(client net.Conn) {
	_, _ = io.Copy(io.Discard, client) // ends when the client gives up or the path is restored
	l.forget(client)
}

func (l *link) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hang
}

// add records a connection, or closes it if the path was closed meanwhile.
func (l *link) add(c net.Conn, client bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener == nil {
		_ = c.Close() // it is given up
		return false
	}
	l.open[c] = client
	return true
}

func (l *link) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	_ = c.Close() // it may be closed already
}

// drop closes every connection.
func (l *link) drop() {
	for c := range l.open {
		_ = c.Close() // its copier notices and forgets it
	}
}

func (l *link) cut(mode CutMode) error {
	if mode == Hang {
		return l.silence()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	listener := l.listener
	l.listener, l.hang = nil, false
	l.drop()
	if listener == nil {
		return nil
	}
	if err := listener.Close(); err != nil {
		return fmt.Errorf("close a relay: %w", err)
	}
	return nil
}

// silence cuts the nodes' sides off and keeps the clients' sides open.
func (l *link) silence() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hang = true
	for c, client := range l.open {
		if !client {
			_ = c.Close() // its copier notices and goes silent
		}
	}
	return l.listen()
}
