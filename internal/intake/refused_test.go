package intake

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestARefusedAlertIsFound: by its fingerprint and its name, wherever the fault stands before them.
func TestARefusedAlertIsFound(t *testing.T) {
	for _, raw := range []string{
		`{"status":"firing","labels":{"alertname":"x","a":"1","a":"2"},"startsAt":"2026-11-23T12:00:00Z","fingerprint":"f"}`,
		`{"status":7,"labels":{"alertname":"x"},"fingerprint":"f"}`,
		`{"labels":{"a":1,"alertname":"x","alertname":"x"},"annotations":7,"fingerprint":"f"}`,
	} {
		if got := refusedAlert([]byte(raw), errors.New("why")); got.Fingerprint != "f" || got.Labels["alertname"] != "x" {
			t.Errorf("%s: %+v", raw, got)
		}
	}
}

// TestRefusedAreKept: whoever was answered with 2xx finds every alert of the call again, the refused ones with the reason.
func TestRefusedAreKept(t *testing.T) {
	s := newStore()
	in := inboxOf(s)
	long := `{"status":"firing","fingerprint":"f","labels":{"alertname":"` + strings.Repeat("n", maxLabelValue+1) + `"}}`
	body := []byte(post(one("a"), labels(maxLabels+1, "v"), long, `{"status":"`+strings.Repeat("on fire", 10)+`"}`))
	for range 2 {
		if got, err := in.Alertmanager(t.Context(), body); err != nil || got.Refused != 3 {
			t.Fatalf("%+v %v", got, err)
		}
	}
	var got []string
	for _, id := range s.order {
		if a := s.alerts[id]; a.State == Refused {
			got = append(got, strings.Join([]string{a.Fingerprint[:1], a.Status, fmt.Sprint(len(a.Labels["alertname"])), a.Why}, "/"))
		}
	}
	slices.Sort(got)
	if len(got) != 3 || len(s.taken()) != 1 || !strings.Contains(strings.Join(got, " "), "more than 64 labels") || !strings.Contains(strings.Join(got, " "), "f/firing/256/") {
		t.Errorf("%q", got)
	}
	if got := countsOf(t, in); got.Refused != 6 || got.Stored != 1 {
		t.Errorf("%+v: they are refused each time", got)
	}
}

// TestWhatIsCutOffIsKept: once a day of each group, and counted each time.
func TestWhatIsCutOffIsKept(t *testing.T) {
	s := newStore()
	in := inboxOf(s)
	day := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for i, c := range []struct {
		group string
		after time.Duration
		rows  int
	}{{"{}/a", 0, 1}, {"{}/a", time.Hour, 1}, {"{}/b\n", time.Hour, 2}, {"{}/a", 24 * time.Hour, 3}} {
		in.now = func() time.Time { return day.Add(c.after) }
		body := fmt.Sprintf(`{"version":"4","groupKey":%q,"truncatedAlerts":3,"alerts":[]}`, c.group)
		if _, err := in.Alertmanager(t.Context(), []byte(body)); !errors.Is(err, ErrRefused) || len(s.order) != c.rows {
			t.Errorf("call %d: %v, %d rows, want %d", i, err, len(s.order), c.rows)
		}
		if got := countsOf(t, in); got.Refused != int64(i+1) {
			t.Errorf("call %d: %+v", i, got)
		}
	}
}

// TestACallThatIsAllRefusedIsKept: its sender drops it, so it must be found here, and counted; so must a call that cannot be read.
func TestACallThatIsAllRefusedIsKept(t *testing.T) {
	s := newStore()
	in := inboxOf(s)
	if got, err := in.Alertmanager(t.Context(), []byte(post(labels(maxLabels+1, "v")))); !errors.Is(err, ErrRefused) || got.Refused != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	if len(s.order) != 1 || s.alerts[s.order[0]].State != Refused || !strings.Contains(s.alerts[s.order[0]].Why, "more than 64 labels") {
		t.Errorf("kept: %+v", s.alerts)
	}
	if _, err := in.Alertmanager(t.Context(), []byte("nonsense")); !errors.Is(err, ErrBad) {
		t.Fatal(err)
	}
	if got := countsOf(t, in); got.Refused != 2 || got.Stored != 0 {
		t.Errorf("%+v", got)
	}
}

// TestAHostileCallTakesLittle: whatever is in a call of a megabyte, reading it takes a few times that, see alertBytesAtOnce of package http.
func TestAHostileCallTakesLittle(t *testing.T) {
	const size, most = 1 << 20, 20
	fill := func(before, one, after string) []byte {
		var b strings.Builder
		b.WriteString(before)
		for i := 0; b.Len() < size-len(after)-100; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.ReplaceAll(one, "#", strconv.FormatInt(int64(i), 36)))
		}
		return []byte(b.String() + after)
	}
	for name, body := range map[string][]byte{
		"numbers for alerts":    fill(`{"version":"4","alerts":[`, "0", "]}"),
		"objects for alerts":    fill(`{"version":"4","alerts":[`, "{}", "]}"),
		"names of no use":       fill(`{"version":"4","x":{`, `"#":0`, `},"alerts":[]}`),
		"names in an alert":     fill(`{"version":"4","alerts":[{`, `"#":0`, `}]}`),
		"labels":                fill(`{"version":"4","alerts":[{"labels":{`, `"#":""`, `}}]}`),
		"annotations":           fill(`{"version":"4","alerts":[{"annotations":{`, `"#":""`, `}}]}`),
		"one annotation, often": fill(`{"version":"4","alerts":[{"annotations":{`, `"a":""`, `}}]}`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, _ = parse(body, time.Time{}) // what it takes is asked, not what it says
		runtime.ReadMemStats(&after)
		if times := (after.TotalAlloc - before.TotalAlloc) / size; times > most {
			t.Errorf("%s: reading %d bytes takes %d times that", name, len(body), times)
		}
	}
}
