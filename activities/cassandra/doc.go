// Package cassandra is the pure half of the kind "cassandra": the State ([Ring]), the quorum mathematics, the verbs
// and the guards of an Apache Cassandra cluster. No I/O, no clock. Package live drives real nodes, package ring
// simulates them.
package cassandra

// KindName is the kind part of a cassandra resource.
const KindName = "cassandra"
