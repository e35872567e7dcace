package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echo is a server that answers each line with itself.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// freeAddress returns an address that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func openRelay(t *testing.T, to string) (*Relay, string) {
	t.Helper()
	from := freeAddress(t)
	r, err := newRelay(map[string]string{from: to})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, from
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends a line and wants it back within d.
func ask(c net.Conn, d time.Duration) error {
	if err := c.SetDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c, "hello"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && line != "hello\n" {
		return fmt.Errorf("got %q", line)
	}
	return err
}

func TestRelayRefuses(t *testing.T) {
	r, addr := openRelay(t, echo(t))
	c := dial(t, addr)
	if err := ask(c, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := r.Cut(Refuse); err != nil {
		t.Fatal(err)
	}
	if err := ask(c, time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an open connection after the cut: %v, want closed", err)
	}
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection after the cut: %v, want refused", err)
	}
	if err := r.Restore(); err != nil {
		t.Fatal(err)
	}
	if err := ask(dial(t, addr), time.Second); err != nil {
		t.Errorf("after Restore: %v", err)
	}
}

func TestRelayRecords(t *testing.T) {
	r, addr := openRelay(t, echo(t))
	c := dial(t, addr)
	for range 2 { // only from then on
		if err := ask(c, time.Second); err != nil {
			t.Fatal(err)
		}
		r.Record()
	}
	if got := string(r.Heard()); got != "hello\n" {
		t.Errorf("heard %q, want one hello", got)
	}
}

func TestRelayHangs(t *testing.T) {
	r, addr := openRelay(t, echo(t))
	before := dial(t, addr)
	if err := ask(before, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := r.Cut(Hang); err != nil {
		t.Fatal(err)
	}
	after := dial(t, addr)
	for name, c := range map[string]net.Conn{"open": before, "new": after} {
		for range 3 { // a closed connection would show at the second write
			if err := ask(c, 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s connection while hanging: %v, want no answer", name, err)
			}
		}
	}
	if err := r.Restore(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]net.Conn{"open": before, "new": after} {
		if err := ask(c, time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s connection after Restore: %v, want closed", name, err)
		}
	}
	if err := ask(dial(t, addr), time.Second); err != nil {
		t.Errorf("after Restore: %v", err)
	}
}

func TestRelayChangesItsMode(t *testing.T) {
	r, addr := openRelay(t, echo(t))
	for _, mode := range []CutMode{Hang, Refuse, Hang, Hang} {
		if err := r.Cut(mode); err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", addr)
		if (err == nil) != (mode == Hang) {
			t.Errorf("mode %s: dial says %v", mode, err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
}

func TestRelayBeforeADeadServer(t *testing.T) {
	_, addr := openRelay(t, freeAddress(t))
	if err := ask(dial(t, addr), time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a closed connection", err)
	}
}
