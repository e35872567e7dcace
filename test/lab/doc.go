// Package lab runs real Cassandra 5.0.9 rings as child processes of a test or a demo, without root and without containers.
//
// Each ring lives on its own loopback network (127.a.b.0/24), taken by a file lock, so that rings never meet. A guardian, a
// second process of the same binary, watches a pipe to the process that started the ring: when the pipe breaks, even by
// kill -9, it kills every node of the ring, whoever started it, and removes the ring's files. Every program that starts a
// ring therefore calls MaybeGuardian first thing in main or TestMain.
package lab
