package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
)

const maxPort = 65535

var (
	hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$`)
	// numbersOnly would be taken for a name, and is a slip in an address.
	numbersOnly = regexp.MustCompile(`^[0-9.]+$`)
)

// endpoint tells why text is no host:port. What listens may do so on every address, and on any port (0). The name of a port is
// none: what it means differs by machine.
func endpoint(text string, listens bool) error {
	least := 1
	if listens {
		least = 0
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q: want host:port", text)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < least || n > maxPort {
		return fmt.Errorf("%q: port %q: want a number from %d to %d", text, port, least, maxPort)
	}
	if !isHost(host) && (host != "" || !listens) {
		return fmt.Errorf("%q: %q is neither an IP address nor the name of a host", text, host)
	}
	return nil
}

func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return hostForm.MatchString(host) && !numbersOnly.MatchString(host)
}

// reachable tells why a URL leads to no host and port.
func reachable(u *url.URL) error {
	if !isHost(u.Hostname()) {
		return fmt.Errorf("%q is neither an IP address nor the name of a host", u.Hostname())
	}
	port := u.Port()
	if n, err := strconv.Atoi(port); port != "" && (err != nil || n < 1 || n > maxPort) {
		return fmt.Errorf("port %s: want a number from 1 to %d", port, maxPort)
	}
	return nil
}
