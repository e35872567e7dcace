// Package schedule tells when schedules fire, and has them fire: each time once, whoever else works on the journal, and never in a burst.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/galenhq/galen"
)

// specLimit is the longest spec, in bytes.
const specLimit = 200

// Times are the times of a schedule.
type Times struct {
	of    galen.Schedule
	cron  *cron.SpecSchedule
	zone  *time.Location
	every bool // each hour: by the time that passes, not by the clock on the wall
}

// Parse reads a schedule's spec and zone.
func Parse(s galen.Schedule) (Times, error) {
	out := Times{of: s, zone: time.UTC}
	if s.Zone == "Local" || len(s.Spec) > specLimit || strings.Contains(s.Spec, "TZ=") {
		return out, fmt.Errorf("spec %.40q, zone %q: want at most %d characters of cron, and the zone apart as an IANA name such as Europe/Berlin", s.Spec, s.Zone, specLimit)
	}
	if s.Zone != "" {
		zone, err := time.LoadLocation(s.Zone)
		if err != nil {
			return out, fmt.Errorf("zone: %q is not known on this machine (%w): want an IANA name such as Europe/Berlin", s.Zone, err)
		}
		out.zone = zone
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor).Parse(sundays(s.Spec))
	if err != nil {
		return out, fmt.Errorf("spec %q: %w: want five fields, minute hour day month weekday, such as \"30 3 * * sun\", or @daily", s.Spec, err)
	}
	spec, is := parsed.(*cron.SpecSchedule)
	if !is {
		return out, fmt.Errorf("spec %q: @every has no times of its own: want five fields, such as \"*/15 * * * *\"", s.Spec)
	}
	spec.Location = time.UTC
	const star = 1 << 63 // what cron notes of a field that is a star
	out.cron, out.every = spec, spec.Hour&star != 0
	return out, nil
}

// sundays is a spec with 0 for each weekday 7, which crontab(5) has for Sunday, too, and the parser does not.
func sundays(spec string) string {
	const weekday = 4
	fields := strings.Fields(spec)
	if len(fields) != weekday+1 {
		return spec
	}
	days := strings.Split(fields[weekday], ",")
	for i, day := range days {
		switch from, until7 := strings.CutSuffix(day, "-7"); {
		case day == "7", until7 && from == "7":
			days[i] = "0"
		case until7 && len(from) == 1 && from >= "0" && from < "7":
			days[i] = from + "-6,0"
		}
	}
	fields[weekday] = strings.Join(days, ",")
	return strings.Join(fields, " ")
}

// errNever: no time of the spec comes.
var errNever = errors.New("no such time comes within five years")

// windowTries is how many windows are looked at for one that has a time of the spec.
const windowTries = 300

// Next is the first time after that one, within the windows.
func (t Times) Next(after time.Time) (time.Time, error) {
	for range windowTries {
		next, err := t.next(after)
		if err != nil {
			return time.Time{}, fmt.Errorf("spec %q: %w", t.of.Spec, err)
		}
		if t.of.Open(next) {
			return next, nil
		}
		begins := t.of.Opens(next) // before that none lies in a window
		if begins.IsZero() {
			break
		}
		after = begins.Add(-time.Nanosecond)
	}
	return time.Time{}, fmt.Errorf("spec %q: none of its times lies in the next %d windows (within)", t.of.Spec, windowTries)
}

// next is the first time of the spec after that one. By the clock on the wall: a time that a day does not have comes an hour later, one that
// it has twice comes with the first.
func (t Times) next(after time.Time) (time.Time, error) {
	if t.every {
		return t.passing(after)
	}
	if t.steady(after) {
		wall := t.cron.Next(wallOf(after, t.zone))
		if wall.IsZero() {
			return wall, errNever
		}
		if at := onTheClock(wall, t.zone); t.steady(at) {
			return at, nil
		}
	}
	return t.around(after)
}

// steady: no clock of the zone is set near that time.
func (t Times) steady(at time.Time) bool {
	const near = 30 * time.Hour
	_, before := at.Add(-near).In(t.zone).Zone()
	_, later := at.Add(near).In(t.zone).Zone()
	return before == later
}

// around is next where clocks are set.
func (t Times) around(after time.Time) (time.Time, error) {
	const before = 3 * time.Hour // more than clocks are set by: what was not there is looked for again
	var best time.Time
	for wall := wallOf(after, t.zone).Add(-before); ; {
		if wall = t.cron.Next(wall); wall.IsZero() {
			if best.IsZero() {
				return best, errNever
			}
			return best, nil
		}
		at := onTheClock(wall, t.zone)
		if at.After(after) && (best.IsZero() || at.Before(best)) {
			best = at
		}
		if !best.IsZero() && wall.Sub(wallOf(best, t.zone)) > before {
			return best, nil
		}
	}
}

// passing is the first time of a spec of every hour: its minutes come as time passes, twice in an hour that a day has twice.
func (t Times) passing(after time.Time) (time.Time, error) {
	spec := *t.cron
	spec.Location = t.zone
	next := spec.Next(after)
	if next.IsZero() {
		return next, errNever
	}
	return next.UTC(), nil
}

// wallOf is what the clock on the wall shows, as if it were in UTC.
func wallOf(t time.Time, zone *time.Location) time.Time {
	l := t.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
}

// onTheClock is when the clock on the wall of a zone first shows that. Where it never does, since it is set forward over it, it is as long
// after the last time before as it would have been.
func onTheClock(wall time.Time, zone *time.Location) time.Time {
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	const apart = 26 * time.Hour // further than any zone is from UTC, and no two changes are so near
	before, later := wall.Add(-offset(wall.Add(-apart))), wall.Add(-offset(wall.Add(apart)))
	first, second := before, later
	if later.Before(before) {
		first, second = later, before
	}
	for _, at := range []time.Time{first, second} {
		if wallOf(at, zone).Equal(wall) {
			return at
		}
	}
	return before
}
