package lab

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRingsTakeDifferentNetworks(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	first, lock, err := takeNet("", 3)
	if err != nil {
		t.Fatal(err)
	}
	second, other, err := takeNet("", 3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if first == second || !strings.HasPrefix(first, "127.") || first == "127.0.0" {
		t.Errorf("took %s and %s", first, second)
	}
	if _, _, err := takeNet(first, 3); !errors.Is(err, errTaken) {
		t.Errorf("taking %s again: %v, want taken", first, err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, lock, err := takeNet(first, 3)
	if err != nil || again != first {
		t.Fatalf("after its release: %s, %v", again, err)
	}
	_ = lock.Close()
}

func TestANetworkInUseIsNotTaken(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	network, lock, err := takeNet("", 3)
	if err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
	l, err := net.Listen("tcp", net.JoinHostPort(address(network, 2), portCQL))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, _, err := takeNet(network, 3); err == nil || !strings.Contains(err.Error(), "stop the other ring") {
		t.Errorf("a network with a listener: %v", err)
	}
	other, lock, err := takeNet("", 3)
	if err != nil || other == network {
		t.Fatalf("took %s, %v; want another than %s", other, err, network)
	}
	_ = lock.Close()
}

func TestWaitLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 1)
	go func() {
		<-told
		_ = held.Close()
	}()
	f, err := waitLock(t.Context(), path, func(line string) { told <- line })
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestOptions(t *testing.T) {
	o, err := Options{}.filled()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(o.Name, o.Nodes, o.Profile, o.Heap, o.Phi, o.Limit)
	if want := fmt.Sprint("lab", 3, Fast, "384M", 12.0, time.Hour); got != want {
		t.Errorf("defaults %s, want %s", got, want)
	}
	for want, o := range map[string]Options{
		"Profile": {Profile: "slow"}, "Nodes": {Nodes: 9, Spares: 1}, "Phi": {Phi: 3}, "Net": {Net: "10.0.0"},
	} {
		if _, err := o.filled(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want a fault of %s", o, err, want)
		}
	}
}
