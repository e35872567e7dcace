package jolokia

import (
	"context"
	"net"
	"syscall"
	"time"
)

// quickConn acknowledges at once what arrives. The agent's HTTP server sends head and body of an answer apart and, with
// Nagle's algorithm on, holds the body back until the head is acknowledged; a kept-alive connection delays that by
// 40 ms. Measured: 44 ms per request without, 2 to 6 ms with it.
type quickConn struct {
	net.Conn
	raw syscall.RawConn
}

// Write sends the request and has its answer acknowledged at once.
func (c quickConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	acknowledge(c.raw)
	return n, err
}

// Read keeps that up for long answers.
func (c quickConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	acknowledge(c.raw)
	return n, err
}

// dialer connects within limit.
func dialer(limit time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: limit}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s, ok := c.(syscall.Conn)
		if !ok {
			return c, nil
		}
		raw, err := s.SyscallConn()
		if err != nil {
			return c, nil //nolint:nilerr // slower, not wrong
		}
		return quickConn{Conn: c, raw: raw}, nil
	}
}
