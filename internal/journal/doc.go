// Package journal is the state of record: runs, plans, intents, claims, fences, budgets, approvals, holds, facts,
// findings, vitals, the alert inbox, the outbox towards the workflow engine, and the hash-chained events. Section 5 of
// the design.
//
// It lives in one SQLite file (WAL, synchronous FULL), which one engine has for itself; in a PostgreSQL database, which several
// engines share; or in memory, for the gym. The same contract test holds all three. One connection of an engine writes, and commits
// together what waits, a few read. Whatever a method acknowledged is durable, save in memory. The authority to act is here:
// [Store.Commit] checks everything that a call depends on inside the transaction that records the intent.
//
// Every row that safety rests on (run, plan, intent, approval, hold, fact, spend, fence, claim, acknowledgement) is cited by
// hash in the event that last changed it, so that [Verify] finds an edited row as well as an edited event.
package journal
