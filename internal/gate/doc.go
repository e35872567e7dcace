// Package gate is the one door to the world: every mutating call passes [Gate.Act] at call time, apart from the planner
// and distrusting it. It looks afresh, asks the guards, commits the intent, and only then makes the call, once. The
// common guards stand in [CommonGuards]; their numbers are the policy, docs/safety.md names them all.
package gate
