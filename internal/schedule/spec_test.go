package schedule

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
)

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestNext: by the clock on the wall, and each time once, also on the days on which clocks are set.
func TestNext(t *testing.T) {
	night := []galen.Window{{Name: "night", From: "22:00", For: galen.Duration(6 * time.Hour), Zone: "Europe/Berlin"}}
	for _, c := range []struct {
		name, spec, zone string
		within           []galen.Window
		after            string
		want             []string
	}{
		{"daily, UTC", "@daily", "", nil, "2026-11-23T12:00:00Z", []string{"2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"}},
		{"strictly after", "0 12 * * *", "", nil, "2026-11-23T12:00:00Z", []string{"2026-11-24T12:00:00Z"}},
		{"summer and winter", "0 3 * * *", "Europe/Berlin", nil, "2026-10-24T00:00:00Z", []string{"2026-10-24T01:00:00Z", "2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"}},
		{"a time that the day has twice comes once", "30 2 * * *", "Europe/Berlin", nil, "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"from between the two", "30 2 * * *", "Europe/Berlin", nil, "2026-10-25T01:10:00Z", []string{"2026-10-26T01:30:00Z"}},
		{"a time that the day does not have comes an hour later", "30 2 * * *", "Europe/Berlin", nil, "2026-03-28T12:00:00Z", []string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		{"from after the gap", "30 2 * * *", "Europe/Berlin", nil, "2026-03-29T01:10:00Z", []string{"2026-03-29T01:30:00Z"}},
		{"two that fall on one come once", "0 2,3 * * *", "Europe/Berlin", nil, "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"every hour goes by the time that passes", "15 * * * *", "Europe/Berlin", nil, "2026-10-24T23:30:00Z", []string{"2026-10-25T00:15:00Z", "2026-10-25T01:15:00Z", "2026-10-25T02:15:00Z"}},
		{"every hour over the gap", "15 * * * *", "Europe/Berlin", nil, "2026-03-29T00:00:00Z", []string{"2026-03-29T00:15:00Z", "2026-03-29T01:15:00Z"}},
		{"half an hour of summer time", "15 2 * * *", "Australia/Lord_Howe", nil, "2026-10-03T00:00:00Z", []string{"2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"}},
		{"a day that a zone left out", "0 12 * * *", "Pacific/Apia", nil, "2011-12-29T23:00:00Z", []string{"2011-12-30T22:00:00Z"}},
		{"in a window", "0 */2 * * *", "Europe/Berlin", night, "2026-11-23T12:00:00Z", []string{"2026-11-23T21:00:00Z", "2026-11-23T23:00:00Z", "2026-11-24T01:00:00Z", "2026-11-24T21:00:00Z"}},
		{"the seventh day is Sunday, too", "0 3 * * 7", "", nil, "2026-11-23T12:00:00Z", []string{"2026-11-29T03:00:00Z", "2026-12-06T03:00:00Z"}},
		{"until the seventh day", "0 3 * * 1,6-7", "", nil, "2026-11-23T12:00:00Z", []string{"2026-11-28T03:00:00Z", "2026-11-29T03:00:00Z", "2026-11-30T03:00:00Z", "2026-12-05T03:00:00Z"}},
		{"a leap day", "0 0 29 2 *", "", nil, "2026-01-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			times, err := Parse(galen.Schedule{Spec: c.spec, Zone: c.zone, Within: c.within})
			if err != nil {
				t.Fatal(err)
			}
			at := moment(t, c.after)
			for _, want := range c.want {
				next, err := times.Next(at)
				if err != nil || !next.Equal(moment(t, want)) {
					t.Fatalf("after %s comes %s (%v), want %s", at, next.UTC(), err, want)
				}
				at = next
			}
		})
	}
}

func TestBadSpecs(t *testing.T) {
	for spec, want := range map[string]string{
		"": "five fields", "every day": "five fields", "61 * * * *": "five fields", "0 3 * * 8": "five fields", "* * * * * *": "five fields", "@every 5m": "@every",
		"CRON_TZ=UTC 0 0 * * *": "zone apart", "TZ=UTC 0 0 * * *": "zone apart", strings.Repeat("0", 300): "at most",
	} {
		if _, err := Parse(galen.Schedule{Spec: spec}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", spec, err, want)
		}
	}
	for _, zone := range []string{"Utopia", "Local", "../../etc/passwd"} {
		if _, err := Parse(galen.Schedule{Spec: "@daily", Zone: zone}); err == nil {
			t.Errorf("zone %q", zone)
		}
	}
	never := galen.Schedule{Spec: "0 0 31 2 *"}
	times, err := Parse(never)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := times.Next(moment(t, "2026-01-01T00:00:00Z")); err == nil {
		t.Errorf("the 31st of February is on %s", at)
	}
	never.Spec, never.Within = "0 12 * * *", []galen.Window{{Name: "night", From: "22:00", For: galen.Duration(time.Hour)}}
	if times, err = Parse(never); err != nil {
		t.Fatal(err)
	}
	if at, err := times.Next(moment(t, "2026-01-01T00:00:00Z")); err == nil || !strings.Contains(err.Error(), "window") {
		t.Errorf("noon is at night: %s, %v", at, err)
	}
}

func zones() []string {
	return []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Auckland", "America/St_Johns"}
}

// TestOnceADay: a time of day comes once on each day of a year, in order, at that time wherever the day has it, whatever is done to clocks.
func TestOnceADay(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones()).Draw(r, "zone"))
		if err != nil {
			r.Fatal(err)
		}
		hour, minute := rapid.IntRange(0, 23).Draw(r, "hour"), rapid.IntRange(0, 59).Draw(r, "minute")
		times, err := Parse(galen.Schedule{Spec: spec(minute, hour), Zone: zone.String()})
		if err != nil {
			r.Fatal(err)
		}
		day := time.Date(rapid.IntRange(2015, 2030).Draw(r, "year"), 1, 1, 12, 0, 0, 0, zone)
		at, err := times.Next(day)
		for range 370 {
			if err != nil {
				r.Fatal(err)
			}
			local := at.In(zone)
			if local.Hour() != hour || local.Minute() != minute {
				there := time.Date(local.Year(), local.Month(), local.Day(), hour, minute, 0, 0, zone)
				if there.Hour() == hour && there.Minute() == minute {
					r.Fatalf("%s, and that day has %02d:%02d", local, hour, minute)
				}
			}
			next, nextErr := times.Next(at)
			if gap := next.Sub(at); nextErr == nil && (gap < 22*time.Hour || gap > 26*time.Hour) {
				r.Fatalf("after %s comes %s", local, next.In(zone))
			}
			at, err = next, nextErr
		}
	})
}

func spec(minute, hour int) string {
	return strings.Join([]string{itoa(minute), itoa(hour), "* * *"}, " ")
}

func itoa(n int) string { return strings.TrimSpace(string(rune('0'+n/10)) + string(rune('0'+n%10))) }

// TestNearSetClocks: where no clock is set nearby, the short way finds what the long one does.
func TestNearSetClocks(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		spec := rapid.SampledFrom([]string{"* 0-23 * * *", "30 2 * * *", "0 2,3 * * *", "59 23 * * *", "0 0 1 * *", "*/7 1-5/2 * * sun", "15 12 29 2 *"}).Draw(r, "spec")
		times, err := Parse(galen.Schedule{Spec: spec, Zone: rapid.SampledFrom(append(zones(), "Pacific/Apia")).Draw(r, "zone")})
		if err != nil {
			r.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(moment(t, "2011-01-01T00:00:00Z").Unix(), moment(t, "2031-01-01T00:00:00Z").Unix()).Draw(r, "at"), 0)
		short, err := times.next(at)
		long, longErr := times.around(at)
		if !short.Equal(long) || (err == nil) != (longErr == nil) {
			r.Fatalf("after %s: %s (%v), the long way %s (%v)", at.UTC(), short.UTC(), err, long.UTC(), longErr)
		}
	})
}

// TestWindowsCostLittle: whoever may ask for a schedule cannot keep the engine busy with windows that hardly ever open.
func TestWindowsCostLittle(t *testing.T) {
	for _, spec := range []string{"* 0-23 * * *", "* * * * *", "1-59 0-2,4-23 * * *", "@yearly"} {
		s := galen.Schedule{Spec: spec, Zone: "America/New_York", Next: moment(t, "2024-11-29T10:00:00Z"), Missed: galen.MissedSkip, Late: galen.Duration(time.Minute)}
		for range 16 {
			s.Within = append(s.Within, galen.Window{Name: "x", Days: []string{"sun"}, From: "03:00", For: galen.Duration(time.Minute), Zone: "Europe/Berlin"})
		}
		began := time.Now()
		if _, err := TurnOf(s, moment(t, "2026-11-29T10:00:00Z")); err != nil && !strings.Contains(err.Error(), "windows") {
			t.Errorf("%s: %v", spec, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: one turn took %s", spec, took)
		}
	}
}

// FuzzParse: whatever is given for a spec is refused, or has a next time after any.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "@daily", "0 0 31 2 *", "*/7 1-5/2 * * sun", "@every 1h", "TZ=x 0 0 * * *", "0 24 * * *", "? ? ? ? ?"} {
		f.Add(s, "Europe/Berlin")
	}
	start := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, spec, zone string) {
		times, err := Parse(galen.Schedule{Spec: spec, Zone: zone})
		if err != nil {
			return
		}
		if next, err := times.Next(start); err == nil && !next.After(start) {
			t.Errorf("%q in %q: after %s comes %s", spec, zone, start, next)
		}
	})
}
