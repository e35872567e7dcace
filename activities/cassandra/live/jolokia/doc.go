// Package jolokia talks to the Jolokia agent inside a Cassandra node: JMX over HTTP, POST only.
//
// It knows what was measured on real nodes: HTTP 200 proves nothing (each element has its own status, and each
// attribute may be an error inside the value), a 200 may carry JSON that is cut off, one and the same node writes an
// endpoint in three ways, and a node that boots answers 404 for its StorageService. No exec is ever repeated.
package jolokia
