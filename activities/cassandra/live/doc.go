// Package live drives real Cassandra rings: it looks at every node from three sides (Jolokia, CQL and the host plane)
// and makes the calls of the verbs. It holds no judgement: what was told goes as views and instances to
// [cassandra.Merge]. jolokia, cql and process are the only places that touch a node.
package live
