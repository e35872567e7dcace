// Package fake is a small kind for tests, drills and the gym: a managed database with one writer and some readers, as a
// cloud provider runs it. Its API is slow to tell what has happened, loses answers and hangs. [Cluster] is the State,
// [Kind] its verbs, [Cloud] a provider in memory and virtual time, and two runbooks use them. What works for it and for
// a Cassandra ring smells of neither.
package fake

// KindName is the kind part of a fake resource.
const KindName = "fake"
