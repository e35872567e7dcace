// Package journal is the state of record: runs, plans, intents, claims, fences, budgets, approvals, holds, facts,
// findings, vitals, the alert inbox, the outbox towards the workflow engine, and the hash-chained events. Section 5 of
// the design.
//
// It lives in one SQLite file (WAL, synchronous FULL) with one writer connection, which commits what waits together,
// and a few readers. Whatever a method acknowledged is on disk. The authority to act is here: [Store.Commit] checks
// everything that a call depends on inside the transaction that records the intent.
//
// Every row that safety rests on (run, plan, intent, approval, hold, fact, spend, fence, claim, acknowledgement) is cited by
// hash in the event that last changed it, so that [Verify] finds an edited row as well as an edited event.
package journal
