package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
)

const (
	// followWait is how long one call waits in the engine for a change.
	followWait = 30 * time.Second
	// followEvery is how soon an engine is asked again that did not answer, or knows of no waiting.
	followEvery = 500 * time.Millisecond
	// turnEvery is how often a run is drawn on a terminal meanwhile, and how often it is asked after at most.
	turnEvery = 125 * time.Millisecond
)

// errInterrupted: who followed a run has had enough.
var errInterrupted = errors.New("interrupted")

// errTimeout: the time that was to be spent on following a run is over.
var errTimeout = errors.New("timeout")

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
	first := f.ask(ctx, nil)
	switch {
	case first.err != nil && ctx.Err() != nil:
		return galen.Run{}, errInterrupted
	case first.err != nil:
		return galen.Run{}, first.err
	}
	f.last = first.detail
	f.nameMembers(ctx)
	news := make(chan heard)
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	go f.await(ctx, f.last.Seq, news)
	turns, still := f.turns()
	defer still()
	for {
		if err := f.show(); err != nil || !f.goesOn() {
			return f.last.Run, err
		}
		select {
		case <-ctx.Done():
			return f.last.Run, errInterrupted
		case <-turns:
		case now := <-news:
			if err := f.take(ctx, now); err != nil {
				return f.last.Run, err
			}
		}
	}
}

// heard is what came of a call for the run.
type heard struct {
	detail api.RunDetail
	err    error
	// unknown: the engine has a journal that ends before what we have seen.
	unknown bool
}

// await asks for the run each time that it has changed: the engine answers when it has.
func (f *follower) await(ctx context.Context, seq int64, to chan<- heard) {
	for ctx.Err() == nil {
		began, wait := time.Now(), followWait.String()
		now := f.ask(ctx, &api.GetRunParams{Wait: &wait, After: &seq})
		pause := turnEvery
		switch {
		case now.unknown:
			seq = 0
			continue
		case now.err != nil, now.detail.Seq == seq && time.Since(began) < followEvery:
			pause = followEvery
		}
		if now.err == nil {
			seq = now.detail.Seq
		}
		select {
		case to <- now:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// goesOn: the run is open, and not in the hands of a person.
func (f *follower) goesOn() bool {
	r := f.last.Run
	return r.Status.Open() && r.Status != galen.RunHeld
}

// take takes what came; an engine that is away meanwhile is no error.
func (f *follower) take(ctx context.Context, now heard) error {
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case errors.As(now.err, new(unanswered)):
		f.view.away(now.err)
		return nil
	case now.err != nil:
		return now.err
	}
	f.last = now.detail
	if f.view.gone && f.view.on() == nil {
		f.view.tell("the engine answers again")
	}
	f.view.gone = false
	return nil
}

// turns come while something is drawn on a terminal; elsewhere only news is shown.
func (f *follower) turns() (turns <-chan time.Time, still func()) {
	if f.view.on() == nil {
		return nil, func() {}
	}
	tick := time.NewTicker(turnEvery)
	return tick.C, tick.Stop
}

func (f *follower) ask(ctx context.Context, params *api.GetRunParams) heard {
	res, err := f.client.GetRunWithResponse(ctx, f.id, params)
	if err := f.c.fault("follow run "+f.id, res, err, res != nil && res.JSON200 != nil); err != nil {
		unknown := res != nil && res.StatusCode() == http.StatusUnprocessableEntity && params != nil && *params.After > 0
		return heard{err: err, unknown: unknown}
	}
	return heard{detail: *res.JSON200}
}

// nameMembers lets targets be called by their names; a token that may not view the resource gets their IDs.
func (f *follower) nameMembers(ctx context.Context) {
	r := f.last.Run.Resource
	if res, err := wholeResource(ctx, f.client, r); err == nil && res.JSON200 != nil {
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
