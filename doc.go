// Package galen holds the words of Galen, the physician for data infrastructure: resources, states, findings,
// runbooks, plans, steps, verbs, guards, claims, intents, runs, approvals, facts and events.
//
// It is plain data and pure functions: no I/O, no clock, standard library only. Everything else in the module speaks
// in these words. JSON forms are stable and read strictly, see [Decode].
package galen
