// Package ring is a simulated Cassandra ring in virtual time: the driver for tests, drills and the gym. It shows what
// real nodes showed in the laboratory, lies included: peers that believe in a dead node until their failure detector
// gives up, a joiner that nobody lists for most of its way, a token map that shows a dead node's tokens under who
// replaces it, a replaced address that stays DOWN until it is forgotten, a corpse that takes all tokens back, two orders to
// move at once that are both accepted, a repair that leaves a replica out and calls itself complete. TestReality holds it
// against recorded transitions of a real ring.
//
// A [Spec] says what the ring looks like when it starts ([Three] is the demo's, [Shape] any other), [New] starts it. It
// is then a [galen.Driver]: Look and Do are what the engine gets. Everything else is for who plays the world:
// [Cluster.Happen] lets trouble happen to a node, its host or the ways to it, [Cluster.Strike] lets calls meet a
// fault, [Cluster.Calls] are the calls as they arrived, [Cluster.Harms] what went wrong in the ring itself,
// [Cluster.Truth] the hosts and members as they are, whatever anybody sees, [Cluster.Ranges] who really holds
// what, [Cluster.Short] and [Cluster.Lost] which ranges lack a quorum or have no copy left, [Cluster.Partial] which repairs lie.
//
// Nothing runs by itself: time is a function that the caller gives, and every look or call first lets happen what was
// due until then; [Cluster.Next] is when something is due. The same calls at the same times give the same ring.
package ring
