package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// The engine is asked no more often than leastEvery, whatever a person wants.
const (
	watchEvery = 2 * time.Second
	leastEvery = 500 * time.Millisecond
	// frameLimit is longer than a look takes: who reads an old frame for longer must learn that it is one.
	frameLimit = 15 * time.Second
)

// watchable lets a command that shows something show it again and again.
func (c *cli) watchable(cmd *cobra.Command) *cobra.Command {
	var watch bool
	var every time.Duration
	once := cmd.RunE
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again and again until Ctrl-C; also while the engine restarts")
	cmd.Flags().DurationVar(&every, "every", watchEvery, "how often --watch asks, at least 500ms")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !watch {
			return once(cmd, args)
		}
		if every < leastEvery {
			return usage("--every %s: want %s or more, the engine has other things to do", every, leastEvery)
		}
		c.watching = true
		return c.watch(cmd.Context(), every, func(ctx context.Context) error {
			cmd.SetContext(ctx)
			return once(cmd, args)
		})
	}
	return cmd
}

// watch shows something until the context ends or a signal comes, which is no error. Whoever cannot be asked at the start is one; one
// that answered before is asked on.
func (c *cli) watch(ctx context.Context, every time.Duration, show func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	v := c.newView(every)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		frame, err := c.frame(ctx, frameLimit, show)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil, len(frame) > 0 && toldByCode(err):
			v.show(frame)
		case v.frames > 0 && errors.As(err, new(unanswered)):
			v.away(err)
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// frame is what a command prints, if it ends in time.
func (c *cli) frame(ctx context.Context, limit time.Duration, show func(context.Context) error) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var b bytes.Buffer
	out := c.out
	c.out = &b
	defer func() { c.out = out }()
	err := show(ctx)
	return b.Bytes(), err
}

// toldByCode: the command works and tells by its exit code what it printed.
func toldByCode(err error) bool {
	f := &failure{}
	return errors.As(err, &f) && f.code == exitNotDone
}

// unanswered is an error of an engine that could not be asked, or could not answer, now.
type unanswered struct{ error }

// Unwrap is the error inside.
func (u unanswered) Unwrap() error { return u.error }

// view is where frames appear: one in the place of the other on a terminal, else one below the other.
type view struct {
	c      *cli
	every  time.Duration
	frames int
	last   []byte // frame
	gone   bool   // the engine does not answer
}

func (c *cli) newView(every time.Duration) *view { return &view{c: c, every: every} }

// on is the terminal that frames are drawn on; programs get them one below the other there, too.
func (v *view) on() *terminal {
	if t := v.c.screen(); t != nil && !t.dumb && v.c.forPeople() {
		return t
	}
	return nil
}

func (v *view) show(frame []byte) {
	came := v.gone
	v.frames++
	v.last, v.gone = bytes.Clone(frame), false
	if on := v.on(); on != nil {
		v.draw(on, "every "+v.every.String()+", Ctrl-C ends it")
		return
	}
	if came {
		v.tell("the engine answers again")
	}
	switch {
	case v.c.output == formYAML:
		v.write("---\n")
	case v.c.forPeople():
		v.write(fmt.Sprintf("-- %s\n", v.c.now().UTC().Format(time.RFC3339)))
	}
	v.write(string(frame))
}

func (v *view) away(err error) {
	if wire := new(url.Error); errors.As(err, &wire) {
		err = wire.Err // without the whole question
	}
	why := fmt.Sprintf("the engine does not answer: %s; asked again every %s", oneLine(err.Error()), v.every)
	if on := v.on(); on != nil {
		v.draw(on, why)
	} else if !v.gone {
		v.tell(why)
	}
	v.gone = true
}

// tell is a line between the frames; programs get it beside them.
func (v *view) tell(line string) {
	line = fmt.Sprintf("-- %s %s\n", v.c.now().UTC().Format(time.RFC3339), oneLine(line))
	if v.c.forPeople() {
		v.write(line)
		return
	}
	_, _ = io.WriteString(v.c.errs, line)
}

func (v *view) write(s string) { _, _ = io.WriteString(v.c.out, s) } // who watches a broken pipe gets its signal

// How a terminal is drawn on anew, without a flicker: from the top, each line to its end, then the rest of the screen.
const (
	home     = "\x1b[H"
	lineEnd  = "\x1b[K\n"
	restDown = "\x1b[J"
	// A line that is too long ends at the edge: where it went on below, what stands first would leave the screen.
	wrapOff = "\x1b[?7l"
	wrapOn  = "\x1b[?7h"
)

// draw puts the newest frame in the place of the one before, as much as the terminal has room for, and a line below it.
func (v *view) draw(on *terminal, below string) {
	lines := strings.Split(strings.TrimRight(string(v.last), "\n"), "\n")
	room := max(on.rows-2, 1)
	if on.rows > 0 && len(lines) > room {
		hidden := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("… and %s more: a higher window shows them", some(hidden, "line")))
	}
	var b strings.Builder
	b.WriteString(wrapOff + home)
	for _, line := range lines {
		b.WriteString(line + lineEnd)
	}
	p := v.c.page()
	foot := cut(fmt.Sprintf("%s  %s", v.c.now().UTC().Format(time.TimeOnly+" UTC"), oneLine(below)), max(on.columns, longName))
	b.WriteString(restDown + wrapOn)
	v.write(b.String())
	fmt.Fprint(p, paint(inkDim, foot)+"\n")
}
