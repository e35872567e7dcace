package schedule

import (
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// Turn is what a schedule does now.
type Turn struct {
	// Due is the time that it is the turn of, the newest that has come; zero: none has.
	Due time.Time
	// Next is the time after it, later than now.
	Next time.Time
	// Fire: ask for the run. Else the time is missed, and Why says so.
	Fire bool
	Why  string
}

// TurnOf tells what a schedule does at that time. Of all times that have come since the last one only the newest is asked for, if any.
func TurnOf(s galen.Schedule, now time.Time) (Turn, error) {
	if !s.Due(now) {
		return Turn{}, nil
	}
	times, err := Parse(s)
	if err != nil {
		return Turn{}, err
	}
	newest, missed := times.newest(s.Next, now)
	out := Turn{Due: newest}
	if out.Next, err = times.Next(now); err != nil {
		return Turn{}, err
	}
	switch late := now.Sub(newest); {
	case late <= s.Late.D() && s.Open(now):
		out.Fire = true
	case s.Missed == galen.MissedOnce && s.Open(now):
		out.Fire, out.Why = true, fmt.Sprintf("late by %s: nobody was there at its time", late.Round(time.Second))
	case s.Missed == galen.MissedOnce, late <= s.Late.D():
		out.Why = fmt.Sprintf("late by %s, and outside of its windows", late.Round(time.Second))
	default:
		out.Why = fmt.Sprintf("late by %s, at most %s is allowed", late.Round(time.Second), s.Late)
	}
	if missed > 0 {
		out.Why += fmt.Sprintf("; %s before it were missed", count(missed))
	}
	return out, nil
}

// newestTries is how many missed times are counted.
const newestTries = 1000

func count(missed int) string {
	if missed == newestTries {
		return fmt.Sprintf("%d times or more", missed)
	}
	return fmt.Sprintf("%d times", missed)
}

// newest is the last time that is not after now, from one on that is not, and how many lie before it, as far as they are counted.
func (t Times) newest(from, now time.Time) (newest time.Time, before int) {
	for newest = from; before < newestTries; before++ {
		next, err := t.Next(newest)
		if err != nil || next.After(now) {
			return newest, before
		}
		newest = next
	}
	for none := now; none.Sub(newest) > time.Second; { // after newest comes one by now, and none after that
		middle := newest.Add(none.Sub(newest) / 2)
		if next, err := t.Next(middle); err == nil && !next.After(now) {
			newest = next
		} else {
			none = middle
		}
	}
	return newest, before
}
