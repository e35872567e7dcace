package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// pageWidth is where text is wrapped, in columns, and where a narrower terminal ends.
const pageWidth = 128

func lineWidth(w io.Writer) int {
	if width := shape(w).width; width > 0 {
		return min(width, pageWidth)
	}
	return pageWidth
}

// writeStory writes a story aligned: clock, time since the run was opened, label, text; details below their line.
func writeStory(w io.Writer, lines []line, opened time.Time) {
	labels, offsets := 0, 0
	for _, l := range lines {
		labels = max(labels, widthOf(l.label))
		offsets = max(offsets, len(offset(l.at.Sub(opened))))
	}
	day := lines[0].at.UTC().Format(time.DateOnly)
	for _, l := range lines {
		if today := l.at.UTC().Format(time.DateOnly); today != day {
			day = today
			fmt.Fprintf(w, "  %s\n", day)
		}
		head := fmt.Sprintf("  %s  %*s  %-*s  ", l.at.UTC().Format("15:04:05.000"), offsets, offset(l.at.Sub(opened)), labels, l.label)
		text := l.text
		if l.again > 0 {
			text += fmt.Sprintf(" (and %s more, until %s)", some(l.again, "time"), clock(l.until))
		}
		indent := strings.Repeat(" ", widthOf(head))
		writeWrapped(w, head, indent, text)
		writeDetails(w, indent+"  ", l.more)
	}
}

// offset is the time since the run was opened, negative for what was seen before.
func offset(d time.Duration) string {
	sign := "+"
	if d <= -50*time.Millisecond { // less is shown as nothing
		sign = "-"
	}
	d = d.Abs()
	switch {
	case d < 100*time.Second:
		return fmt.Sprintf("%s%.1fs", sign, d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%s%dm%02ds", sign, int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%s%dh%02dm", sign, int(d.Hours()), int(d.Minutes())%60)
	}
}

// writeDetails writes names and texts in two columns.
func writeDetails(w io.Writer, indent string, all []detail) {
	names := 0
	for _, d := range all {
		names = max(names, widthOf(d.name))
	}
	for _, d := range all {
		if d.text == "" {
			continue
		}
		head := indent + padded(oneLine(d.name), names+gap)
		writeWrapped(w, head, indent+strings.Repeat(" ", names+gap), oneLine(d.text))
	}
}

// writeWrapped writes a text behind its head, wrapped at words; further lines get the indent.
func writeWrapped(w io.Writer, head, indent, text string) {
	room := max(lineWidth(w)-widthOf(indent), 24)
	for _, part := range wrap(text, room) {
		fmt.Fprintln(w, strings.TrimRight(head+part, " "))
		head = indent
	}
}

// writeLine writes a line: whole for a file or a program, wrapped at words on a terminal.
func writeLine(w io.Writer, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	width := shape(w).width
	if width > 0 && widthOf(text) > width {
		text = strings.Join(wrap(text, width-len(further)), "\n"+further)
	}
	fmt.Fprintln(w, text)
}

// wrap cuts a text at spaces into parts of at most width columns; a longer word stays whole.
func wrap(text string, width int) []string {
	var parts []string
	var part string
	for _, word := range strings.Fields(text) {
		switch {
		case part == "":
			part = word
		case widthOf(part)+1+widthOf(word) > width:
			parts, part = append(parts, part), word
		default:
			part += " " + word
		}
	}
	return append(parts, part)
}
