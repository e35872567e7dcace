package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// settlingInbox is an inbox that gives alerts an end at once where no look is needed, and its matcher.
func settlingInbox(s *store, r *runs, most int) *Matcher {
	m := matcher(s, world{demo(): members()}, r)
	m.o.Inbox = NewInbox(InboxOptions{Store: s, Triage: m.o.Triage, MaxPending: most, Now: noon})
	return m
}

// about is an alert with these labels.
func about(fingerprint, status string, labels ...string) string {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		fmt.Fprintf(&b, `%q:%q,`, labels[i], labels[i+1])
	}
	return fmt.Sprintf(`{"status":%q,"labels":{%s},"startsAt":"2026-11-23T12:00:00Z","fingerprint":%q}`, status, strings.TrimSuffix(b.String(), ","), fingerprint)
}

// TestSettledWhenItComes: what no look can change is stored with its end, and is nothing that waits; it has the same end as from the matcher.
func TestSettledWhenItComes(t *testing.T) {
	node := []string{"alertname", "CassandraDown", "cluster", "demo", "env", "prod", "instance"}
	for _, c := range []struct {
		name, alert string
		state, why  string // "": it waits
		resource    string
	}{
		{"no rule", about("f", firing, "alertname", "Other"), Unmatched, "no rule", ""},
		{"no resource", about("f", firing, "alertname", "CassandraDown", "cluster", "nowhere"), Unmatched, "no resource has these labels", ""},
		{"no label of the member", about("f", firing, node[:6]...), Unmatched, "no label instance", ""},
		{"over", about("f", resolved, append(node, "n2")...), Matched, "resolved: noted", "cassandra/demo"},
		{"of a member", about("f", firing, append(node, "n2")...), "", "", ""},
		{"of nobody that is known", about("f", firing, append(node, "n77")...), "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore()
			m := settlingInbox(s, &runs{}, 0)
			if got, err := m.o.Inbox.Alertmanager(t.Context(), []byte(post(c.alert))); err != nil || got.Stored != 1 {
				t.Fatalf("%+v %v", got, err)
			}
			a := s.alerts[s.order[0]]
			if a.State != c.state || !strings.HasPrefix(a.Why, c.why) || a.Resource.String() != c.resource {
				t.Errorf("stored as %q, %q of %q", a.State, a.Why, a.Resource)
			}
			got := countsOf(t, m.o.Inbox)
			if (got.Pending == 1) != (c.state == "") {
				t.Errorf("%d wait", got.Pending)
			}
			if again, err := m.o.Inbox.Alertmanager(t.Context(), []byte(post(c.alert))); err != nil || again.Duplicates != 1 {
				t.Fatalf("%+v %v", again, err)
			}
			if twice := countsOf(t, m.o.Inbox); (twice.Matched == 2) != (c.state == Matched) || (twice.Unmatched == 2) != (c.state == Unmatched) {
				t.Errorf("sent again, it is counted as %+v", twice)
			}
			if (got.Matched == 1) != (c.state == Matched) || (got.Unmatched == 1) != (c.state == Unmatched) {
				t.Errorf("counted as %+v", got)
			}
			end, err := m.match(t.Context(), a, map[string]End{})
			if want := (End{State: a.State, Why: a.Why, Resource: a.Resource}); err != nil || c.state != "" && end != want {
				t.Errorf("the matcher says %+v, %v; the inbox %+v", end, err, want)
			}
			deal(t, m)
			if s.settled() != 1 || c.state != "" && s.writes != 0 {
				t.Errorf("%d done, %d writes of the matcher", s.settled(), s.writes)
			}
		})
	}
}

// TestStrangersFillNoInbox: alerts about nothing of ours keep none of ours out, however many they are.
func TestStrangersFillNoInbox(t *testing.T) {
	s := newStore()
	in := settlingInbox(s, &runs{}, 2).o.Inbox
	ours := func(f string) string {
		return about(f, firing, "alertname", "CassandraDown", "cluster", "demo", "env", "prod", "instance", "n1")
	}
	strangers := many(100, func(i int) string { return one(fmt.Sprint(i)) })
	for i, c := range []struct {
		alerts []string
		full   bool
	}{{strangers, false}, {[]string{ours("a"), one("stranger")}, false}, {[]string{ours("b")}, false}, {[]string{ours("c")}, true}, {strangers[:3], false}} {
		if _, err := in.Alertmanager(t.Context(), []byte(post(c.alerts...))); errors.Is(err, ErrFull) != c.full || err != nil && !c.full {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if got := countsOf(t, in); got.Pending != 2 {
		t.Errorf("%+v", got)
	}
}

// safeLog is written and read at the same time.
type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *safeLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}
func (l *safeLog) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

// TestSettledAreTold: the log has a line at once for the first, and one a second for all that come after it.
func TestSettledAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log safeLog
		s := newStore()
		m := settlingInbox(s, &runs{}, 0)
		m.o.Now, m.o.Logger = time.Now, slog.New(slog.NewTextHandler(&log, nil))
		ctx, stop := context.WithCancel(t.Context())
		go m.Run(ctx)
		time.Sleep(2 * tellEvery)
		synctest.Wait()
		reads := s.windows()
		lines := func() int { synctest.Wait(); return strings.Count(log.String(), "no rule") }
		for i := range 100 {
			send(t, m.o.Inbox, fmt.Sprint(i))
			if got := lines(); got != 1 {
				t.Fatalf("%d lines after %d alerts", got, i+1)
			}
		}
		time.Sleep(tellEvery + time.Millisecond)
		if got := lines(); got != 2 || !strings.Contains(log.String(), "alerts=99") {
			t.Errorf("the log has %d lines:\n%s", got, log.String())
		}
		if s.writes != 0 || s.windows() != reads {
			t.Errorf("the matcher has written %d times, and read %d times", s.writes, s.windows()-reads)
		}
		send(t, m.o.Inbox, "last", "last but one")
		stop()
		if got := lines(); got != 3 || !strings.Contains(log.String(), "alerts=2") {
			t.Errorf("what was not told yet is not told at the end:\n%s", log.String())
		}
	})
}

// TestASettledDuplicateLeavesWhatWaits: the same alert with other labels, or by another configuration, takes nothing out of the inbox.
func TestASettledDuplicateLeavesWhatWaits(t *testing.T) {
	ours := about("f", firing, "alertname", "CassandraDown", "cluster", "demo", "env", "prod", "instance", "n1")
	s, r := newStore(), &runs{}
	m := settlingInbox(s, r, 0)
	for _, alert := range []string{ours, one("f")} {
		if _, err := m.o.Inbox.Alertmanager(t.Context(), []byte(post(alert))); err != nil {
			t.Fatal(err)
		}
	}
	deal(t, m)
	if len(r.asked) != 1 || s.states[s.order[0]] != Matched {
		t.Errorf("asked for %q, became %q", r.asked, s.done)
	}
}
