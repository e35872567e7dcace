package journal

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/galenhq/galen"
)

// errAtOdds: a row that cannot be read, or whose columns do not agree with its document.
var errAtOdds = errors.New("the row does not agree with itself")

// citedTable reads a table whose rows events cite by hash. row gives the name under which a row is cited, and its hash.
type citedTable struct {
	name, query string
	row         func(cursor) (name, hash string, err error)
	// late: cited only since some version; a row that no event knows may be an older engine's.
	late bool
	// since: the version of the tables that brought it, 0: the first. A journal of an earlier release has no such table.
	since int64
}

func citedTables() []citedTable {
	return []citedTable{
		{name: "epoch", query: "SELECT number, armed, why, runs, by, at FROM epoch WHERE at > 0", row: epochCited},
		{name: "runs", query: "SELECT id, key, resource, status, open, doc FROM runs ORDER BY n", row: runCited},
		{name: "plans", query: "SELECT run, number, hash, answers, doc FROM plans ORDER BY run, number", row: planCited},
		{name: "intents", query: "SELECT id, run, resource, target, at, sent, settled, doc FROM intents ORDER BY n", row: intentCited},
		{name: "approvals", query: "SELECT id, run, state, ended, doc FROM approvals ORDER BY n", row: approvalCited},
		{name: "holds", query: "SELECT id, released, doc FROM holds ORDER BY n", row: holdCited},
		{name: "facts", query: "SELECT resource, key, doc FROM facts ORDER BY resource, key", row: factCited},
		{name: "findings", query: "SELECT key, resource, doc FROM findings ORDER BY key", row: findingCited},
		{name: "spends", query: "SELECT budget, run, target, resource, at FROM spends ORDER BY budget, run, target", row: spendCited},
		{name: "fences", query: "SELECT resource, target, fence FROM fences ORDER BY resource, target", row: fenceCited},
		{name: "claims", query: "SELECT resource, run, name, shared, since FROM claims ORDER BY resource, name, run", row: claimCited},
		{name: "needs", query: "SELECT intent, name, resource, run FROM needs ORDER BY intent, name", row: needCited},
		{name: "acks", query: "SELECT resource, target, by, at FROM acks ORDER BY resource, target", row: ackCited},
		{name: "tokens", query: "SELECT name, hash, doc FROM tokens ORDER BY name", row: tokenCited, since: 4},
		{name: "schedules", query: "SELECT name, doc FROM schedules ORDER BY name", row: scheduleCited, since: 6},
		{name: "resources", query: "SELECT resource, policy FROM resources ORDER BY resource", row: resourceCited},
		{name: "states", query: "SELECT hash, resource, basis, body FROM states ORDER BY hash", row: stateCited, late: true},
		{name: "approvals", query: "SELECT id, basis FROM approvals ORDER BY n", row: basisCited, late: true},
	}
}

// atOdds is the fault of a row, nil when its columns agree with its document.
func atOdds(err error, agree bool) error {
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errAtOdds, err)
	case !agree:
		return errAtOdds
	default:
		return nil
	}
}

func epochCited(rows cursor) (string, string, error) {
	var e Epoch
	var at int64
	var runs []byte
	if err := rows.Scan(&e.Number, &e.Armed, &e.Why, &runs, &e.By, &at); err != nil {
		return "", "", err
	}
	var err error
	e.At = moment(at)
	e.Runs, err = undoc[[]string](runs)
	return "epoch", galen.HashJSON(e), atOdds(err, true)
}

func runCited(rows cursor) (string, string, error) {
	var id, key, resource, status string
	var open int64
	var text []byte
	if err := rows.Scan(&id, &key, &resource, &status, &open, &text); err != nil {
		return "", "", err
	}
	run, err := undoc[galen.Run](text)
	agree := run.ID == id && run.Key == key && run.Resource.String() == resource && string(run.Status) == status && flag(run.Status.Open()) == open
	return "run/" + id, galen.HashJSON(citedRun(run)), atOdds(err, agree)
}

func planCited(rows cursor) (string, string, error) {
	var run, hash, answers string
	var number int
	var text []byte
	if err := rows.Scan(&run, &number, &hash, &answers, &text); err != nil {
		return "", "", err
	}
	d, err := undoc[galen.Decision](text)
	agree := d.Run == run && d.Number == number && d.Plan.Hash() == hash && d.Hash == hash && answersOf(d.Verdicts...) == answers
	return planRow(galen.Decision{Run: run, Number: number}), galen.HashJSON(citedPlan(d)), atOdds(err, agree)
}

func intentCited(rows cursor) (string, string, error) {
	var id, run, resource, target, sent string
	var at, settled int64
	var text []byte
	if err := rows.Scan(&id, &run, &resource, &target, &at, &sent, &settled, &text); err != nil {
		return "", "", err
	}
	in, err := undoc[galen.Intent](text)
	agree := in.ID == id && in.Run == run && in.Resource.String() == resource && in.Step.Target.ID == target &&
		stamp(in.At) == at && in.Sent == sent && flag(in.Effect.Settled()) == settled
	return "intent/" + id, galen.HashJSON(citedIntent(in)), atOdds(err, agree)
}

func approvalCited(rows cursor) (string, string, error) {
	var id, run string
	var row approvalRow
	var ended int64
	var text []byte
	if err := rows.Scan(&id, &run, &row.state, &ended, &text); err != nil {
		return "", "", err
	}
	var err error
	row.Approval, err = undoc[galen.Approval](text)
	row.ended, row.given = moment(ended), row.Basis
	return "approval/" + id, galen.HashJSON(citedApproval(row)), atOdds(err, row.ID == id && row.Run == run)
}

// stateCited holds a body, as long as it is kept, against the hash by which decisions cite it.
func stateCited(rows cursor) (string, string, error) {
	var hash, resource, basis string
	var body []byte
	if err := rows.Scan(&hash, &resource, &basis, &body); err != nil {
		return "", "", err
	}
	agree := len(body) == 0 || json.Valid(body) && stateHash(body) == hash
	return stateRow(hash), galen.HashJSON(citedState(resource, basis)), atOdds(nil, agree)
}

// basisCited is what an approval's basis was re-based to; the gate relies on it.
func basisCited(rows cursor) (string, string, error) {
	var id string
	var text []byte
	if err := rows.Scan(&id, &text); err != nil {
		return "", "", err
	}
	basis, err := undoc[map[string]string](text)
	return basisRow(id), galen.HashJSON(basis), atOdds(err, true)
}

func holdCited(rows cursor) (string, string, error) {
	var id string
	var released bool
	var text []byte
	if err := rows.Scan(&id, &released, &text); err != nil {
		return "", "", err
	}
	h, err := undoc[galen.Hold](text)
	return "hold/" + id, galen.HashJSON(citedHold(h, released)), atOdds(err, h.ID == id)
}

func tokenCited(rows cursor) (string, string, error) {
	var name, hash string
	var text []byte
	if err := rows.Scan(&name, &hash, &text); err != nil {
		return "", "", err
	}
	token, err := undoc[galen.Token](text)
	return tokenRow(name), galen.HashJSON(citedToken(token, hash)), atOdds(err, token.Name == name)
}

func factCited(rows cursor) (string, string, error) {
	var resource, key string
	var text []byte
	if err := rows.Scan(&resource, &key, &text); err != nil {
		return "", "", err
	}
	f, err := undoc[galen.Fact](text)
	return factRow(resource, key), galen.HashJSON(f), atOdds(err, f.Key == key)
}

func findingCited(rows cursor) (string, string, error) {
	var key, resource string
	var text []byte
	if err := rows.Scan(&key, &resource, &text); err != nil {
		return "", "", err
	}
	f, err := undoc[galen.Finding](text)
	return "finding/" + key, galen.HashJSON(f), atOdds(err, f.Key() == key && f.Resource.String() == resource)
}

func spendCited(rows cursor) (string, string, error) {
	spend, err := scanSpend(rows)
	return spendRow(spend), galen.HashJSON(spend), atOdds(err, true)
}

func fenceCited(rows cursor) (string, string, error) {
	var resource, target string
	var fence int64
	err := rows.Scan(&resource, &target, &fence)
	return fenceRow(resource, target), galen.HashJSON(fence), err
}

func claimCited(rows cursor) (string, string, error) {
	var resource, run, name string
	var shared bool
	var since int64
	err := rows.Scan(&resource, &run, &name, &shared, &since)
	return claimRow(resource, run, name), galen.HashJSON(citedClaim(shared, since)), err
}

func needCited(rows cursor) (string, string, error) {
	var intent, name, resource, run string
	err := rows.Scan(&intent, &name, &resource, &run)
	return needRow(intent, name), galen.HashJSON(citedNeed(resource, run)), err
}

func ackCited(rows cursor) (string, string, error) {
	var resource, target, by string
	var at int64
	err := rows.Scan(&resource, &target, &by, &at)
	return ackRow(resource, target), galen.HashJSON(citedAck(by, at)), err
}

func resourceCited(rows cursor) (string, string, error) {
	var resource string
	var policy []byte
	if err := rows.Scan(&resource, &policy); err != nil {
		return "", "", err
	}
	if !json.Valid(policy) {
		return "resource/" + resource, "", errAtOdds
	}
	return "resource/" + resource, galen.HashJSON(json.RawMessage(policy)), nil
}
