package journal

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/galenhq/galen"
)

// slots is the length of the ring of vitals: one row per minute of 24 hours, so it never grows.
const slots = 24 * 60

// series are the samples of a minute by member and name: [nanoseconds, value].
type series map[string]map[string]reading

type reading struct {
	at    int64
	value float64
}

// MarshalJSON keeps a row small: there are many.
func (r reading) MarshalJSON() ([]byte, error) {
	value, err := json.Marshal(r.value)
	b := append(strconv.AppendInt([]byte{'['}, r.at, 10), ',')
	return append(append(b, value...), ']'), err
}

// UnmarshalJSON reads [nanoseconds, value].
func (r *reading) UnmarshalJSON(b []byte) error {
	nanos, number, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(string(b), "["), "]"), ",")
	at, err := strconv.ParseInt(strings.TrimSpace(nanos), 10, 64)
	if err != nil {
		return fmt.Errorf("read a vital: %w", err)
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return fmt.Errorf("read a vital: %w", err)
	}
	*r = reading{at: at, value: value}
	return nil
}

// SaveVitals stores samples of a resource: of each member's number one per minute, the newest, for 24 hours. A value that
// is no number is an error, and nothing of the call is stored.
func (s *Store) SaveVitals(ctx context.Context, r galen.Resource, samples []galen.Sample) error {
	minutes := map[int64]series{}
	for _, sample := range samples {
		if math.IsNaN(sample.Value) || math.IsInf(sample.Value, 0) {
			return fmt.Errorf("save vitals of %s: %s of %s is %v: leave it out", r, sample.Name, sample.Member, sample.Value)
		}
		minute := sample.At.Unix() / 60
		if minutes[minute] == nil {
			minutes[minute] = series{}
		}
		minutes[minute].add(sample)
	}
	if len(minutes) == 0 {
		return nil
	}
	return s.write(ctx, "save vitals of "+r.String(), func(ctx context.Context, t *tx) error {
		for minute, fresh := range minutes {
			if err := t.saveMinute(ctx, r, minute, fresh); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m series) add(s galen.Sample) {
	if m[s.Member] == nil {
		m[s.Member] = map[string]reading{}
	}
	if was, ok := m[s.Member][s.Name]; !ok || was.at <= s.At.UnixNano() {
		m[s.Member][s.Name] = reading{at: s.At.UnixNano(), value: s.Value}
	}
}

func (t *tx) saveMinute(ctx context.Context, r galen.Resource, minute int64, fresh series) error {
	var stored int64
	var body []byte
	slot := minute % slots
	found, err := first(ctx, t, []any{&stored, &body}, "SELECT minute, body FROM vitals WHERE resource = ? AND slot = ?", r.String(), slot)
	if err != nil || found && stored > minute { // older than the ring
		return err
	}
	all := series{}
	if found && stored == minute {
		if all, err = undoc[series](body); err != nil {
			return err
		}
	}
	for member, numbers := range fresh {
		for name, got := range numbers {
			all.add(galen.Sample{At: moment(got.at), Member: member, Name: name, Value: got.value})
		}
	}
	text, err := asDoc(all)
	if err != nil {
		return err
	}
	return t.exec(ctx, `INSERT INTO vitals (resource, slot, minute, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (resource, slot) DO UPDATE SET minute = excluded.minute, body = excluded.body`, r.String(), slot, minute, text)
}

// Vitals are the samples of a resource since a time, at most the last 24 hours, oldest first, then by member and name.
func (s *Store) Vitals(ctx context.Context, r galen.Resource, since time.Time) ([]galen.Sample, error) {
	known, rows := s.vitals.of(r), map[int64]minute{}
	var out []galen.Sample
	err := s.readNow(ctx, "read vitals of "+r.String(), func(ctx context.Context, q querier, now time.Time) error {
		oldest := max(since.Unix()/60, now.Unix()/60-slots+1)
		return each(ctx, q, func(row cursor) error {
			var number int64
			var body []byte
			if err := row.Scan(&number, &body); err != nil {
				return err
			}
			m, err := known[number].as(body)
			if err != nil {
				return err
			}
			rows[number] = m
			for _, sample := range m.samples {
				if !sample.At.Before(since) {
					out = append(out, sample)
				}
			}
			return nil
		}, "SELECT minute, body FROM vitals WHERE resource = ? AND minute >= ? ORDER BY minute", r.String(), oldest)
	})
	if err == nil {
		s.vitals.keep(r, rows)
	}
	return out, err
}

// minutes are the rows of vitals that were read last, by resource: each decision reads the last hour, of which one row is new.
type minutes struct {
	mu   sync.Mutex
	rows map[galen.Resource]map[int64]minute
}

// minute is a row as it was read, with its samples in order.
type minute struct {
	body    []byte
	samples []galen.Sample
}

func (m *minutes) of(r galen.Resource) map[int64]minute {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rows[r]
}

func (m *minutes) keep(r galen.Resource, rows map[int64]minute) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = map[galen.Resource]map[int64]minute{}
	}
	m.rows[r] = rows
}

// as is the row with this body.
func (m minute) as(body []byte) (minute, error) {
	if len(body) > 0 && bytes.Equal(m.body, body) {
		return m, nil
	}
	all, err := undoc[series](body)
	if err != nil {
		return minute{}, err
	}
	m = minute{body: body}
	for member, numbers := range all {
		for name, got := range numbers {
			m.samples = append(m.samples, galen.Sample{At: moment(got.at), Member: member, Name: name, Value: got.value})
		}
	}
	slices.SortFunc(m.samples, func(a, b galen.Sample) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Member, b.Member), cmp.Compare(a.Name, b.Name))
	})
	return m, nil
}
