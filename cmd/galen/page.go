package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// When colours are used.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

// terminal is what an output is shown on; nil: on none, it goes to a file or a program.
type terminal struct {
	// columns of a line, 0 if nobody knows.
	columns int
	rows    int
	// dumb: it understands no escape sequences.
	dumb bool
}

// page is where an answer is printed. What it is told appears as it is, without what could move a cursor: see [hidden].
type page struct {
	to    io.Writer
	color bool
	wide  bool
	// width in columns, to which tables are fitted; 0: they are as wide as they are.
	width int
}

// terminalOf finds out about a file, such as standard output.
func terminalOf(f *os.File, env func(string) string) *terminal {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	t := &terminal{dumb: env("TERM") == "dumb"}
	if columns, rows, err := term.GetSize(int(f.Fd())); err == nil {
		t.columns, t.rows = columns, rows
	}
	return t
}

// screen is the terminal of standard output, nil if there is none.
func (c *cli) screen() *terminal {
	if c.terminal == nil {
		return nil
	}
	return c.terminal()
}

// page for an answer to people.
func (c *cli) page() *page {
	p := &page{to: c.out, wide: c.output == formWide}
	on := c.screen()
	if on != nil && !p.wide {
		p.width = on.columns
	}
	switch c.color {
	case colorAlways:
		p.color = true
	case colorNever:
	default:
		p.color = on != nil && !on.dumb && c.env("NO_COLOR") == ""
	}
	return p
}

func (c *cli) checkColor() error {
	switch c.color {
	case "", colorAuto, colorAlways, colorNever:
		return nil
	}
	return usage("--color %q: want auto, always or never", c.color)
}

// shape is what a writer knows of the page behind it; a plain one has no width and no colours.
func shape(w io.Writer) page {
	if p, is := w.(*page); is {
		return *p
	}
	return page{to: w}
}

// ink is a colour of a text.
type ink rune

// The inks are runes of a private use area: foreign text cannot bring them, since they are [hidden].
const (
	inkOff ink = 0xF0000 + iota
	inkBold
	inkDim
	inkGood
	inkWarn
	inkBad
)

// paint puts a text, foreign or not, into an ink, which a page shows if it has colours.
func paint(i ink, s string) string {
	if s == "" || i == inkOff {
		return s
	}
	return string(rune(i)) + s + string(rune(inkOff))
}

// sequence is how a terminal is told an ink: the eight colours, which every palette keeps legible.
func (i ink) sequence() string {
	switch i {
	case inkBold:
		return "\x1b[1m"
	case inkDim:
		return "\x1b[2m"
	case inkGood:
		return "\x1b[32m"
	case inkWarn:
		return "\x1b[33m"
	case inkBad:
		return "\x1b[1;31m"
	default:
		return "\x1b[0m"
	}
}

func isInk(r rune) bool { return r >= rune(inkOff) && r <= rune(inkBad) }

// Write shows a text: inks as colours or not at all, all else that is hidden written out.
func (p *page) Write(b []byte) (int, error) {
	var out strings.Builder
	text := string(b)
	for text != "" {
		plain, rest := text, ""
		if i := strings.IndexFunc(text, isInk); i >= 0 {
			r, n := utf8.DecodeRuneInString(text[i:])
			plain, rest = text[:i], text[i+n:]
			out.WriteString(shown(plain))
			if p.color {
				out.WriteString(ink(r).sequence())
			}
		} else {
			out.WriteString(shown(plain))
		}
		text = rest
	}
	if _, err := io.WriteString(p.to, out.String()); err != nil {
		return 0, fmt.Errorf("write the answer: %w", err)
	}
	return len(b), nil
}
