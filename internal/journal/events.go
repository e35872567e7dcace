package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// citesField is the field of an event's body that cites the rows which changed with it, by hash; "" says that a row is gone.
const citesField = "cites"

// eventColumns in the order of scanEvent.
const eventColumns = "seq, at, resource, run, kind, by, body, prev, hash"

// Append adds an event that no method of the journal writes by itself (the engine started, a runbook was quarantined). Its
// seq, time and hashes are the journal's; the body is a JSON object or empty.
func (s *Store) Append(ctx context.Context, e galen.Event) error {
	body := map[string]any{}
	if len(e.Body) > 0 {
		dec := json.NewDecoder(bytes.NewReader(e.Body))
		dec.UseNumber()
		if err := dec.Decode(&body); err != nil {
			return fmt.Errorf("append a %s event: its body must be a JSON object: %w", e.Kind, err)
		}
	}
	if _, taken := body[citesField]; taken || e.Kind == "" {
		return fmt.Errorf("append an event of kind %q: want a kind, and a body without the field %q, which is the journal's", e.Kind, citesField)
	}
	return s.write(ctx, "append an event", func(ctx context.Context, t *tx) error {
		return t.event(ctx, e, body)
	})
}

// Events lists events, oldest first unless the filter says otherwise.
func (s *Store) Events(ctx context.Context, f EventFilter) ([]galen.Event, error) {
	where, args := f.where()
	order := "ASC"
	if f.Newest {
		order = "DESC"
	}
	query := "SELECT " + eventColumns + " FROM events WHERE " + where + " ORDER BY seq " + order + " LIMIT ?"
	args = append(args, limitOr(f.Limit))
	var out []galen.Event
	err := s.read(ctx, "list events", func(ctx context.Context, q querier) error {
		return each(ctx, q, func(rows cursor) error {
			row, err := scanEvent(rows)
			if err != nil {
				return err
			}
			e, err := row.event()
			if err != nil {
				return err
			}
			out = append(out, e)
			return nil
		}, query, args...)
	})
	return out, err
}

// where is the condition of it, with what lets the best index serve.
func (f EventFilter) where() (string, []any) {
	var where []string
	var args []any
	add := func(condition string, arg any) { where, args = append(where, condition), append(args, arg) }
	add("seq > ?", f.After)
	if f.Before > 0 {
		add("seq < ?", f.Before)
	}
	if !f.From.IsZero() {
		add("at >= ?", bound(f.From))
	}
	if !f.To.IsZero() {
		add("at < ?", bound(f.To))
	}
	if f.Resource != (galen.Resource{}) {
		add("resource = ?", f.Resource.String())
		if f.Kind == "" { // else that of the kinds is better
			where = append(where, "resource <> ''") // the partial index serves
		}
	}
	if f.Run != "" {
		add("run = ?", f.Run)
		where = append(where, "run <> ''") // as well
	}
	if f.Kind != "" {
		add("kind = ?", string(f.Kind))
	}
	return strings.Join(where, " AND "), args
}

// bound is a time that somebody asks for; beyond the years that nanoseconds can tell it is their end.
func bound(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// limitOr is a list's limit, 100 where none is given.
func limitOr(n int) int {
	const usual = 100
	if n <= 0 {
		return usual
	}
	return n
}

// event appends an event to the chain; it cites all rows that changed since the last one.
func (t *tx) event(ctx context.Context, e galen.Event, body any) error {
	if err := t.loadHead(ctx); err != nil {
		return err
	}
	text, err := t.eventBody(body)
	if err != nil {
		return err
	}
	row := eventRow{
		seq: t.headSeq + 1, at: t.now.UnixNano(), resource: e.Resource.String(), run: valid(e.Run), kind: valid(string(e.Kind)),
		by: valid(e.By), body: text, prev: t.headHash,
	}
	row.hash = row.sum()
	err = t.exec(ctx, "INSERT INTO events ("+eventColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		row.seq, row.at, row.resource, row.run, row.kind, row.by, string(row.body), row.prev, row.hash)
	if err != nil {
		t.headKnown = false
		return fmt.Errorf("append event %d (%s): %w", row.seq, row.kind, err)
	}
	t.headSeq, t.headHash, t.cites = row.seq, row.hash, nil
	return nil
}

func (t *tx) loadHead(ctx context.Context) error {
	if t.headKnown {
		return nil
	}
	found, err := first(ctx, t, []any{&t.headSeq, &t.headHash}, "SELECT events, head FROM chain")
	if err != nil {
		return err
	}
	if !found {
		return errors.New("the journal has lost the head of its chain: keep a copy, look with galen journal verify, restore a backup")
	}
	t.headKnown = true
	return nil
}

// canonical is the body of an event that was made canonical beforehand.
type canonical []byte

// MarshalJSON is the body itself.
func (c canonical) MarshalJSON() ([]byte, error) { return c, nil }

// eventBody is the canonical JSON of a body with the citations.
func (t *tx) eventBody(body any) ([]byte, error) {
	if len(t.cites) == 0 {
		if made, is := body.(canonical); is {
			return made, nil
		}
		return galen.Canonical(body)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write the body of an event: %w", err)
	}
	cites, err := json.Marshal(t.cites)
	if err != nil {
		return nil, fmt.Errorf("write citations: %w", err)
	}
	open, isObject := bytes.CutSuffix(text, []byte("}"))
	if !isObject {
		return nil, errors.New("the body of an event must be an object")
	}
	if len(open) > 1 {
		open = append(open, ',')
	}
	open = append(append(open, `"`+citesField+`":`...), cites...)
	return galen.Canonical(json.RawMessage(append(open, '}')))
}

// eventRow is an event as it is stored; verify reads it without believing it.
type eventRow struct {
	seq, at                 int64
	resource, run, kind, by string
	body                    []byte
	prev, hash              string
}

func scanEvent(rows cursor) (eventRow, error) {
	var r eventRow
	err := rows.Scan(&r.seq, &r.at, &r.resource, &r.run, &r.kind, &r.by, &r.body, &r.prev, &r.hash)
	return r, err
}

func (r eventRow) event() (galen.Event, error) {
	e := galen.Event{
		Seq: r.seq, At: moment(r.at), Run: r.run, Kind: galen.EventKind(r.kind), By: r.by, Body: r.body, Prev: r.prev, Hash: r.hash,
	}
	if r.resource != "" {
		if err := e.Resource.UnmarshalText([]byte(r.resource)); err != nil {
			return e, fmt.Errorf("event %d: %w", r.seq, err)
		}
	}
	return e, nil
}

// sum is the hash of the event: SHA-256 over the canonical JSON of galen.Event with an empty hash, so that anyone can
// check an exported line. The body goes in byte by byte: even added white space shows.
func (r eventRow) sum() string {
	var b bytes.Buffer
	text := func(name, value string, always bool) {
		if value == "" && !always {
			return
		}
		b.WriteString(`,"` + name + `":`)
		if plain(value) { // nearly always
			b.WriteString(`"` + value + `"`)
			return
		}
		quoted, _ := json.Marshal(value) // text is always encodable
		b.Write(quoted)
	}
	b.WriteString(`{"at":"` + moment(r.at).Format(time.RFC3339Nano) + `"`)
	if len(r.body) > 0 {
		b.WriteString(`,"body":`)
		b.Write(r.body)
	}
	text("by", r.by, false)
	text("hash", "", true)
	text("kind", r.kind, true)
	text("prev", r.prev, true)
	text("resource", r.resource, false)
	text("run", r.run, false)
	b.WriteString(`,"seq":` + strconv.FormatInt(r.seq, 10) + `}`)
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}

// plain text is the same in JSON.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// valid is text that JSON can carry as it is.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
