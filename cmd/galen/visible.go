package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// hidden characters move the cursor, colour, erase, or turn the reading direction of what a terminal shows; a name that somebody else has
// chosen may hold any of them.
func hidden(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }

// oneLine is foreign text on one line, with what is hidden in it written out: a terminal that shows it does nothing else.
func oneLine(s string) string {
	var out strings.Builder
	for _, r := range s {
		if hidden(r) && !unicode.IsSpace(r) {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			out.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// visibleJSON writes out what is hidden in the texts of JSON; it stays the same JSON.
func visibleJSON(text string) string {
	return visible(text, func(r rune) string {
		if r > 0xffff {
			high, low := utf16.EncodeRune(r)
			return fmt.Sprintf(`\u%04x\u%04x`, high, low)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

// visibleYAML does so for texts of YAML in double quotes.
func visibleYAML(text string) string {
	return visible(text, func(r rune) string { return fmt.Sprintf(`\U%08X`, r) })
}

// visible replaces what is hidden, but for the ends of lines, which are the layout's.
func visible(text string, as func(rune) string) string {
	if !strings.ContainsFunc(text, hiddenIn) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if hiddenIn(r) {
			out.WriteString(as(r))
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// narrow is JSON that YAML can read, too: it knows no pairs of escapes.
func narrow(text string) string {
	return visible(text, func(r rune) string {
		if r > 0xffff {
			return string(r)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

func hiddenIn(r rune) bool { return hidden(r) && r != '\n' }
