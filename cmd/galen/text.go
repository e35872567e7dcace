package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rivo/uniseg"
)

// shown is a text of one or several lines with what is hidden in it written out, see [hidden].
func shown(s string) string {
	return visible(s, func(r rune) string { return strings.Trim(strconv.QuoteRuneToASCII(r), "'") })
}

// widthOf is how many columns a text takes; inks take none.
func widthOf(s string) int {
	return uniseg.StringWidth(strings.Map(func(r rune) rune {
		if isInk(r) {
			return -1
		}
		return r
	}, s))
}

// padded is a text with spaces behind it, to a width.
func padded(s string, width int) string {
	return s + strings.Repeat(" ", max(width-widthOf(s), 0))
}

// cut shortens a text to so many columns. What a person sees as one character stays whole.
func cut(s string, columns int) string {
	if widthOf(s) <= columns {
		return s
	}
	var out strings.Builder
	room := columns - 1 // for the ellipsis
	for state := -1; s != ""; {
		var cluster string
		var width int
		cluster, s, width, state = uniseg.FirstGraphemeClusterInString(s, state)
		if room -= width; room < 0 {
			break
		}
		out.WriteString(cluster)
	}
	return out.String() + "…"
}

// age is a time as people say it: how long ago.
func age(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return span(now.Sub(at)) + " ago"
}

// span is a duration in at most two units.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d == math.MaxInt64: // what time.Time.Sub gives for all that is longer
		return "more than 290 years"
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// some is a number with its noun.
func some(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
