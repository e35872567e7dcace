// Package ringd runs the simulated ring as a process of its own, on the real clock: it outlives an engine that is
// killed, and keeps in a file which calls had an effect. An engine reaches it over HTTP on loopback through [Driver]; a
// test starts it with [Start], from its own binary.
package ringd
