// Package kindtest is the contract that every kind and every runbook passes, as tests that its author calls: [Kind]
// takes a kind and simulated worlds, [Runbook] a runbook and drills. It looks for what the engine relies on and cannot
// check itself: purity, effects that are right when a reply was lost, and plans that come to an end.
package kindtest
