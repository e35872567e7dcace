// Package ring is a simulated Cassandra ring in virtual time: the driver for tests, drills and the gym. It shows what
// real nodes showed in the laboratory, lies included: peers that believe in a dead node until their failure detector
// gives up, a joiner that nobody lists for most of its way, a token map that shows a dead node's tokens under who
// replaces it, a replaced address that stays DOWN for ever, a corpse that takes all tokens back.
//
// Nothing runs by itself: time is a function that the caller gives, and every look or call first lets happen what was
// due until then. The same calls at the same times give the same ring.
package ring
