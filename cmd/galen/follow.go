package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

// How often a run that is followed is asked after, and how often it is drawn on a terminal meanwhile.
const (
	followEvery = 500 * time.Millisecond
	turnEvery   = 125 * time.Millisecond
)

// errInterrupted: who followed a run has had enough.
var errInterrupted = errors.New("interrupted")

// follower shows a run while it goes on: as a tree on a terminal, one line per event elsewhere, nothing for programs.
type follower struct {
	c       *cli
	client  *api.ClientWithResponses
	id      string
	view    *view
	members []galen.Member
	last    api.RunDetail
	told    int64 // seq of the newest event that was told
	turn    int
}

// follow shows a run until it ends or a person must decide, through restarts of the engine, and returns it.
func (c *cli) follow(ctx context.Context, client *api.ClientWithResponses, id string) (galen.Run, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	f := &follower{c: c, client: client, id: id, view: c.newView(followEvery)}
	if err := f.ask(ctx); err != nil {
		return galen.Run{}, err
	}
	f.nameMembers(ctx)
	tick := time.NewTicker(f.pace())
	defer tick.Stop()
	for asked := time.Now(); ; {
		if err := f.show(); err != nil || !f.goesOn() {
			return f.last.Run, err
		}
		select {
		case <-ctx.Done():
			return f.last.Run, errInterrupted
		case <-tick.C:
		}
		if time.Since(asked) < followEvery {
			continue
		}
		asked = time.Now()
		if err := f.askOn(ctx); err != nil {
			return f.last.Run, err
		}
	}
}

// goesOn: the run is open, and not in the hands of a person.
func (f *follower) goesOn() bool {
	r := f.last.Run
	return r.Status.Open() && r.Status != galen.RunHeld
}

// askOn asks again; an engine that is away meanwhile is no error.
func (f *follower) askOn(ctx context.Context) error {
	err := f.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case errors.As(err, new(unanswered)):
		f.view.away(err)
		return nil
	}
	return err
}

// pace is how often something is to be done.
func (f *follower) pace() time.Duration {
	if f.view.on() != nil {
		return turnEvery
	}
	return followEvery
}

func (f *follower) ask(ctx context.Context) error {
	res, err := f.client.GetRunWithResponse(ctx, f.id)
	if err := f.c.fault("follow run "+f.id, res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	f.last = *res.JSON200
	if f.view.gone && f.view.on() == nil {
		f.view.tell("the engine answers again")
	}
	f.view.gone = false
	return nil
}

// nameMembers lets targets be called by their names; a token that may not view the resource gets their IDs.
func (f *follower) nameMembers(ctx context.Context) {
	r := f.last.Run.Resource
	if res, err := f.client.GetResourceWithResponse(ctx, r.Kind, r.Name); err == nil && res.JSON200 != nil {
		f.members = res.JSON200.Members
	}
}

func (f *follower) show() error {
	if !f.c.forPeople() {
		return nil
	}
	on := f.view.on()
	if on == nil {
		return f.tellNew()
	}
	if f.view.gone {
		return nil // what was seen last stays, with the line that says so
	}
	var b bytes.Buffer
	p := f.c.page()
	p.to = &b
	if err := printTree(p, treeOf(f.last, f.members, f.c.now()), f.turn); err != nil {
		return err
	}
	f.turn++
	f.view.last = b.Bytes()
	below := ""
	if f.last.Run.Status.Open() {
		below = "Ctrl-C ends this view, not the run"
	}
	f.view.draw(on, below)
	return nil
}

// tellNew writes one line for each event since the last time.
func (f *follower) tellNew() error {
	s := &story{run: f.last.Run, intents: map[string]galen.Intent{}}
	for _, in := range f.last.Intents {
		s.intents[in.ID] = in
	}
	sortEvents(f.last.Events)
	for _, e := range f.last.Events {
		s.lines = s.lines[:0]
		s.add(e)
		if e.Seq <= f.told {
			continue
		}
		f.told = e.Seq
		for _, l := range s.lines {
			if err := tellLine(f.c.page(), l, f.last.Run.Created); err != nil {
				return err
			}
		}
	}
	return nil
}

// labelled is how wide a label is at most, but for those that this version does not know.
const labelled = len("unconfirmed")

func tellLine(w io.Writer, l line, opened time.Time) error {
	_, err := fmt.Fprintf(w, "%s  %6s  %s%s\n", l.at.UTC().Format(time.RFC3339), offset(l.at.Sub(opened)), padded(oneLine(l.label), labelled+gap), l.text)
	return err
}
