package main

import (
	"errors"
	"regexp"
	"strconv"
	"time"
)

// The ways in which a length of time is counted from now.
const (
	ahead = 1
	ago   = -1
)

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

// moment reads a time, or how long it is from now on or ago, in days too.
func moment(text string, now time.Time, way int) (time.Time, error) {
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		return now.AddDate(0, 0, way*n).UTC(), err
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(time.Duration(way) * d).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New("want a time such as 2026-09-01T06:00:00Z, or a duration such as 4h or 30d")
	}
	return at, nil
}
