package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// teller prints what happens, with the time since the start.
type teller struct {
	mu    sync.Mutex
	out   io.Writer
	now   func() time.Time
	start time.Time
}

func newTeller(out io.Writer, now func() time.Time) *teller {
	return &teller{out: out, now: now, start: now()}
}

func (t *teller) head(format string, args ...any) {
	t.print("\n" + fmt.Sprintf(format, args...) + "\n")
}

func (t *teller) line(text string) {
	t.print(fmt.Sprintf("%7.1fs  %s\n", t.now().Sub(t.start).Seconds(), text))
}

func (t *teller) linef(format string, args ...any) { t.line(fmt.Sprintf(format, args...)) }

// block prints what another program printed, indented.
func (t *teller) block(text string) {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("          " + line)
	}
	t.print(b.String())
}

func (t *teller) print(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.out, text) // a terminal that went away is no reason to stop healing
}
