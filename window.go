package galen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxWindow is the longest window: what lasts longer is a hold, which a person sets and releases.
const maxWindow = 24 * time.Hour

// Window is a time of the week in which nothing is changed but by a person's yes: maintenance, a backup (I-32).
type Window struct {
	Name string `json:"name"`
	// Days on which it begins, "mon" to "sun"; none: every day.
	Days []string `json:"days,omitempty"`
	// From is the time of day at which it begins, "22:30".
	From string   `json:"from"`
	For  Duration `json:"for"`
	// Zone by its IANA name, "Europe/Berlin"; empty: UTC.
	Zone string `json:"zone,omitempty"`
}

func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// Valid tells every fault, each on a line of its own.
func (w Window) Valid() error { return errors.Join(w.faults()...) }

func (w Window) faults() []error {
	var errs []error
	if strings.TrimSpace(w.Name) == "" {
		errs = append(errs, errors.New("name: empty; say what happens then"))
	}
	if none := slices.DeleteFunc(slices.Clone(w.Days), func(d string) bool { return slices.Contains(weekdays(), d) }); len(none) > 0 {
		errs = append(errs, fmt.Errorf("days: %q: want mon, tue, wed, thu, fri, sat or sun", none))
	}
	if _, err := time.Parse("15:04", w.From); err != nil {
		errs = append(errs, fmt.Errorf("from: %q: want a time of day such as 22:30", w.From))
	}
	if w.For <= 0 || w.For.D() > maxWindow {
		errs = append(errs, fmt.Errorf("for: %s is not more than 0s and at most %s: what lasts longer is a hold", w.For, maxWindow))
	}
	if _, err := w.location(); err != nil {
		errs = append(errs, err)
	}
	return errs
}

func (w Window) location() (*time.Location, error) {
	if w.Zone == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(w.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone: %q is not known on this machine (%w): want an IANA name such as Europe/Berlin", w.Zone, err)
	}
	return zone, nil
}

// Covers tells whether the moment lies in the window, and when that began and ends. A window lasts its whole time on the day
// on which clocks are set, too; one that begins in an hour that the day does not have begins an hour later, in one that it
// has twice with the first and ends with the second.
func (w Window) Covers(t time.Time) (from, until time.Time, in bool, err error) {
	zone, err := w.location()
	if err != nil {
		return from, until, false, err
	}
	clock, err := time.Parse("15:04", w.From)
	if err != nil {
		return from, until, false, fmt.Errorf("from: %w", err)
	}
	local := t.In(zone)
	for back := range 3 { // today's, yesterday's that is still on, and one more before a day of 23 hours
		from = time.Date(local.Year(), local.Month(), local.Day()-back, clock.Hour(), clock.Minute(), 0, 0, zone)
		day := weekdays()[time.Date(local.Year(), local.Month(), local.Day()-back, 12, 0, 0, 0, zone).Weekday()]
		from, until = bothHours(from, w.For.D())
		if (len(w.Days) == 0 || slices.Contains(w.Days, day)) && !t.Before(from) && t.Before(until) {
			return from, until, true, nil
		}
	}
	return time.Time{}, time.Time{}, false, nil
}

// Begins is when the window begins next, after that moment; zero if it never does.
func (w Window) Begins(after time.Time) (time.Time, error) {
	zone, err := w.location()
	if err != nil {
		return time.Time{}, err
	}
	clock, err := time.Parse("15:04", w.From)
	if err != nil {
		return time.Time{}, fmt.Errorf("from: %w", err)
	}
	const week = 7
	local := after.In(zone)
	for ahead := -1; ahead <= week+1; ahead++ { // a week, and what setting clocks adds to it
		noon := time.Date(local.Year(), local.Month(), local.Day()+ahead, 12, 0, 0, 0, zone)
		from, _ := bothHours(time.Date(local.Year(), local.Month(), local.Day()+ahead, clock.Hour(), clock.Minute(), 0, 0, zone), 0)
		if (len(w.Days) == 0 || slices.Contains(w.Days, weekdays()[noon.Weekday()])) && from.After(after) {
			return from, nil
		}
	}
	return time.Time{}, nil
}

// bothHours is the window from the first to the second of two moments of one day with the same time of day.
func bothHours(from time.Time, lasts time.Duration) (first, until time.Time) {
	same := func(t time.Time) bool {
		return t.Day() == from.Day() && t.Hour() == from.Hour() && t.Minute() == from.Minute()
	}
	first, last := from, from
	if before := from.Add(-time.Hour); same(before) {
		first = before
	}
	if after := from.Add(time.Hour); same(after) {
		last = after
	}
	return first, last.Add(lasts)
}
