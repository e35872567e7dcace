package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// What a head of a table may end with.
const (
	// onlyWide is for -o wide only.
	onlyWide = "+"
	// ifRoom is left out of a narrow terminal.
	ifRoom = "?"
)

const (
	gap = 2 // between two columns
	// A column of words is not cut below so much while another one could be left out, and never below the second.
	comfortable = 30
	bearable    = 12
	// longName: a word of that length may be cut, too. An ID is shorter, and cutting it makes it useless.
	longName = 40
	// further lines of a row begin so.
	further = "  "
)

// column of a table, its cells visible and in one line.
type column struct {
	head, mark string
	cells      []string
	width      int
}

// table writes rows aligned, the heads in capitals, and fits them to the terminal if the page has one: what ends with ? is left out
// first, then words are cut, then a row takes several lines. What goes to a file or a program is whole, and so is -o wide. See [onlyWide]
// for what heads may end with.
func table(w io.Writer, heads []string, rows [][]string) error {
	p := shape(w)
	lines := fitted(columnsOf(heads, rows, p.wide), p.width)
	for i := range len(rows) + 1 {
		for j, columns := range lines {
			indent := ""
			if j > 0 {
				indent = further
			}
			if _, err := fmt.Fprintln(w, indent+lineOf(columns, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// lineOf is what columns have of a row, which is 0 for the heads.
func lineOf(columns []column, row int) string {
	var line strings.Builder
	for i, c := range columns {
		cell := c.cells[row]
		if i < len(columns)-1 {
			cell = padded(cell, c.width+gap)
		}
		line.WriteString(inked(c.head, cell, row == 0))
	}
	return line.String()
}

func columnsOf(heads []string, rows [][]string, wide bool) []column {
	var out []column
	for i, head := range heads {
		name := strings.TrimRight(head, onlyWide+ifRoom)
		c := column{head: name, mark: head[len(name):], cells: []string{strings.ToUpper(name)}}
		if c.mark == onlyWide && !wide {
			continue
		}
		for _, row := range rows {
			c.cells = append(c.cells, firstOf(oneLine(row[i]), "-"))
		}
		for _, cell := range c.cells {
			c.width = max(c.width, widthOf(cell))
		}
		out = append(out, c)
	}
	return out
}

// cuttable: it holds words, or names too long to be looked for.
func (c column) cuttable() bool {
	return c.width > longName || slices.ContainsFunc(c.cells, func(cell string) bool { return strings.Contains(cell, " ") })
}

func (c column) least(floor int) int {
	if !c.cuttable() {
		return c.width
	}
	return min(c.width, max(floor, widthOf(c.cells[0])))
}

// fitted are the columns that a terminal of that width shows, cut to it, in as many lines as they need.
func fitted(columns []column, width int) [][]column {
	if width <= 0 {
		return [][]column{columns}
	}
	for needs(columns, comfortable) > width {
		i := len(columns) - 1
		for i >= 0 && columns[i].mark != ifRoom {
			i--
		}
		if i < 0 {
			break
		}
		columns = slices.Delete(columns, i, i+1)
	}
	var lines [][]column
	room := width
	for len(columns) > 0 {
		n := len(columns)
		for n > 1 && needs(columns[:n], bearable) > room {
			n--
		}
		shrink(columns[:n], room)
		lines, columns, room = append(lines, columns[:n]), columns[n:], width-len(further)
	}
	return lines
}

// shrink cuts the columns of one line to a width.
func shrink(columns []column, width int) {
	floor := comfortable
	if needs(columns, floor) > width {
		floor = bearable
	}
	for over := needs(columns, longest) - width; over > 0; over-- {
		i := widest(columns, floor)
		if i < 0 {
			break // the terminal breaks the lines
		}
		columns[i].width--
	}
	for i := range columns {
		c := &columns[i]
		for j := range c.cells {
			c.cells[j] = cut(c.cells[j], c.width)
		}
	}
}

// longest is more than any column is wide.
const longest = 1 << 30

// needs is the least width of a table whose columns are not cut below the floor.
func needs(columns []column, floor int) int {
	sum := gap * (len(columns) - 1)
	for _, c := range columns {
		sum += c.least(floor)
	}
	return sum
}

// widest is the column to cut next, -1 if there is none.
func widest(columns []column, floor int) int {
	at := -1
	for i, c := range columns {
		if c.width > c.least(floor) && (at < 0 || c.width > columns[at].width) {
			at = i
		}
	}
	return at
}

// inked paints a cell by what it says, where its head is one of those that tell how something stands.
func inked(head, cell string, isHead bool) string {
	if isHead {
		return paint(inkDim, cell)
	}
	word, _, _ := strings.Cut(cell, " ")
	switch head {
	case "status", "is", "state", "urgency", "mode", "overdue at", "bad", "unknown", "answer", "ends":
		return paint(inkOf(head, word), cell)
	case "margin":
		if strings.HasPrefix(cell, "0 ") {
			return paint(inkWarn, cell)
		}
		if strings.HasPrefix(cell, "-") && word != "-" {
			return paint(inkBad, cell)
		}
	}
	return cell
}

// inkOf is the ink of a word that tells how something stands.
func inkOf(head, word string) ink {
	switch head + " " + word {
	case "bad 0", "bad -", "unknown 0", "unknown -":
		return inkOff
	case "mode act":
		return inkBold
	}
	switch word {
	case "verified", "good", "matched", "allow", "done":
		return inkGood
	case "asking", "waiting", "high", "medium", "unmatched", "pending", "ask", "look", "under":
		return inkWarn
	case "held", "BAD", "UNKNOWN", "UNLISTED", "OVERDUE", "critical", "refused", "deny", "failed", "expired", "revoked":
		return inkBad
	}
	if head == "bad" || head == "unknown" {
		return inkBad
	}
	return inkOff
}
