package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// account is the name of the revision of everything that spans resources.
const account = ""

// tx is one request inside the writer's transaction.
type tx struct {
	session session
	newID   func(time.Time) string
	now     time.Time
	// The end of the chain, read once per transaction.
	headKnown bool
	headSeq   int64
	headHash  string
	// cites are rows changed since the last event, with their hash: the next event cites them.
	cites  map[string]string
	nudges bool
	// alerts is how long after now the next alert comes: those of one transaction come one after the other.
	alerts time.Duration
}

func (t *tx) begin() {
	t.cites, t.nudges = nil, false
}

// complete refuses a request that changed a cited row without an event: the chain would not vouch for it.
func (t *tx) complete() error {
	for row := range t.cites {
		return fmt.Errorf("fault in the journal itself: %s was changed without an event", row)
	}
	return nil
}

func (t *tx) cite(row string, content any) {
	if t.cites == nil {
		t.cites = map[string]string{}
	}
	t.cites[row] = galen.HashJSON(content)
}

// citeGone cites that a row is not there any more.
func (t *tx) citeGone(row string) {
	if t.cites == nil {
		t.cites = map[string]string{}
	}
	t.cites[row] = ""
}

func (t *tx) exec(ctx context.Context, text string, args ...any) error {
	_, err := t.execCount(ctx, text, args...)
	return err
}

// execCount is exec, and tells how many rows it changed.
func (t *tx) execCount(ctx context.Context, text string, args ...any) (int64, error) {
	n, err := t.session.exec(ctx, text, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", firstWords(text), ofStore(err))
	}
	return n, nil
}

// query reads inside the transaction.
func (t *tx) query(ctx context.Context, text string, args ...any) (cursor, error) {
	return t.session.query(ctx, text, args...)
}

// raise moves the revision of a resource (or of the account) on.
func (t *tx) raise(ctx context.Context, name string) error {
	return t.exec(ctx, `INSERT INTO revisions (name, revision) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET revision = revisions.revision + 1`, name)
}

// post adds a message to the workflow engine.
func (t *tx) post(ctx context.Context, kind string, run galen.Run) error {
	t.nudges = true
	return t.exec(ctx, `INSERT INTO outbox (kind, run, key, urgency) VALUES (?, ?, ?, ?)`, kind, run.ID, run.Key, int64(run.Urgency))
}

// docs reads a column of JSON documents. They are read tolerantly: a row outlives the version that wrote it, and an edited
// row is found by its hash.
func docs[T any](ctx context.Context, q querier, query string, args ...any) ([]T, error) {
	var out []T
	read := readIn(q)
	err := each(ctx, q, func(rows cursor) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		v, known := read[text].(T)
		if !known {
			var err error
			if v, err = undoc[T]([]byte(text)); err != nil {
				return err
			}
			keepRead(read, text, v)
		}
		out = append(out, v)
		return nil
	}, query, args...)
	return out, err
}

// readIn are the documents that were read from a journal in memory, by their text; nil elsewhere. Whoever reads a document
// has its insides in common with all others who do: nobody changes what a journal gave out.
func readIn(q querier) map[string]any {
	if t, is := q.(*tx); is {
		q = t.session
	}
	if m, is := q.(interface{ documents() map[string]any }); is {
		return m.documents()
	}
	return nil
}

func keepRead(read map[string]any, text string, v any) {
	const most = 256
	if read == nil {
		return
	}
	if len(read) >= most {
		clear(read)
	}
	read[text] = v
}

// doc reads the first JSON document, and tells whether there was one.
func doc[T any](ctx context.Context, q querier, query string, args ...any) (T, bool, error) {
	all, err := docs[T](ctx, q, query, args...)
	if err != nil || len(all) == 0 {
		var none T
		return none, false, err
	}
	return all[0], true, nil
}

func undoc[T any](text []byte) (T, error) {
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("read a stored %T: %w", v, err)
	}
	return v, nil
}

func asDoc(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write a %T: %w", v, err)
	}
	return string(b), nil
}

// stamp is a time as it is stored, 0 for none; moment is the way back.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
