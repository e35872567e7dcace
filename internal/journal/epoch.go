package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// Epoch says whether galen may act on what the journal says. A journal that may be older than the world, or whose clock or
// owner is in doubt, is disarmed: galen only observes until a person has looked and begins a new epoch.
type Epoch struct {
	Number int64 `json:"number"`
	Armed  bool  `json:"armed"`
	// Why it was disarmed, or re-armed.
	Why string `json:"why,omitempty"`
	// Runs are those that were held for it; they go on when it is re-armed.
	Runs []string  `json:"runs,omitempty"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at,omitzero"`
}

// Observe is what people are told while it is not armed, else "".
func (e Epoch) Observe() string {
	if e.Armed {
		return ""
	}
	return "observe only: " + e.Why + ". Galen looks and plans, but makes no call; open runs are held until a person re-arms it: " +
		"look at what happened, then galen rearm --why '…'"
}

// Epoch is the present one.
func (s *Store) Epoch(ctx context.Context) (Epoch, error) {
	var out Epoch
	err := s.read(ctx, "read the epoch", func(ctx context.Context, q querier) (err error) {
		out, err = epochOf(ctx, q)
		return err
	})
	return out, err
}

// Disarm makes galen observe only, and holds every run under way; while it does so already, nothing changes.
func (s *Store) Disarm(ctx context.Context, why string) error {
	if why == "" {
		return errors.New("disarm: why is required")
	}
	return s.write(ctx, "disarm", func(ctx context.Context, t *tx) error { return t.disarm(ctx, why) })
}

// Rearm begins a new epoch; only a person does. The runs that were held when it was disarmed go on: they look afresh, and a
// yes that was given before does not count any more.
func (s *Store) Rearm(ctx context.Context, by, why string) (Epoch, error) {
	if by == "" || why == "" {
		return Epoch{}, errors.New("re-arm: who does it and why are required")
	}
	var out Epoch
	err := s.write(ctx, "re-arm", func(ctx context.Context, t *tx) (err error) {
		out, err = t.rearm(ctx, by, why)
		return err
	})
	if err != nil {
		return Epoch{}, err
	}
	return out, nil
}

func epochOf(ctx context.Context, q querier) (Epoch, error) {
	e := Epoch{}
	var at int64
	var runs []byte
	found, err := first(ctx, q, []any{&e.Number, &e.Armed, &e.Why, &runs, &e.By, &at}, "SELECT number, armed, why, runs, by, at FROM epoch")
	if err != nil {
		return e, err
	}
	if !found {
		return e, errors.New("the journal has lost its epoch: keep a copy, look with galen journal verify, restore a backup")
	}
	e.At = moment(at)
	if err := json.Unmarshal(runs, &e.Runs); err != nil {
		return e, fmt.Errorf("read the epoch's runs: %w", err)
	}
	return e, nil
}

func (t *tx) disarm(ctx context.Context, why string) error {
	e, err := epochOf(ctx, t)
	if err != nil || !e.Armed {
		return err
	}
	e.Armed, e.Why, e.By, e.At, e.Runs = false, why, "", t.now, []string{}
	open, err := docs[galen.Run](ctx, t, "SELECT doc FROM runs WHERE open = 1 ORDER BY n")
	if err != nil {
		return err
	}
	for _, run := range open {
		if run.Status == galen.RunHeld || run.Status == galen.RunOpened {
			continue // for a reason of its own; or it has decided nothing, so there is nothing to hold yet: the gate refuses what it will want
		}
		e.Runs = append(e.Runs, run.ID)
		if err := t.setStatus(ctx, run, standing{status: galen.RunHeld, why: e.Observe()}); err != nil {
			return err
		}
	}
	if err := t.saveEpoch(ctx, e, galen.Event{Kind: galen.EventDisarmed}); err != nil {
		return err
	}
	return t.wakeAll(ctx, galen.Resource{})
}

func (t *tx) rearm(ctx context.Context, by, why string) (Epoch, error) {
	e, err := epochOf(ctx, t)
	if err != nil {
		return e, err
	}
	if e.Armed {
		return e, ErrArmed
	}
	held := e.Runs
	e = Epoch{Number: e.Number + 1, Armed: true, Why: why, By: by, At: t.now, Runs: []string{}}
	if err := t.saveEpoch(ctx, e, galen.Event{Kind: galen.EventRearmed, By: by}); err != nil {
		return e, err
	}
	for _, id := range held {
		run, err := runOf(ctx, t, id)
		if err != nil {
			return e, err
		}
		if run.Status != galen.RunHeld {
			continue // cancelled meanwhile
		}
		if err := t.setStatus(ctx, run, standing{status: galen.RunRunning, why: "re-armed by " + by + ", goes on", by: by}); err != nil {
			return e, err
		}
	}
	return e, t.wakeAll(ctx, galen.Resource{})
}

// keepHeld: a person has said no to a run that was held for the epoch; re-arming does not let it go on.
func (t *tx) keepHeld(ctx context.Context, run string) error {
	e, err := epochOf(ctx, t)
	if err != nil || !slices.Contains(e.Runs, run) {
		return err
	}
	e.Runs = slices.DeleteFunc(e.Runs, func(id string) bool { return id == run })
	return t.putEpoch(ctx, e)
}

func (t *tx) saveEpoch(ctx context.Context, e Epoch, event galen.Event) error {
	if err := t.putEpoch(ctx, e); err != nil {
		return err
	}
	if err := t.event(ctx, event, map[string]any{"epoch": e}); err != nil {
		return err
	}
	return t.raise(ctx, account)
}

// putEpoch writes the row; the next event cites it.
func (t *tx) putEpoch(ctx context.Context, e Epoch) error {
	runs, err := asDoc(e.Runs)
	if err != nil {
		return err
	}
	t.cite("epoch", e)
	return t.exec(ctx, "UPDATE epoch SET number = ?, armed = ?, why = ?, runs = ?, by = ?, at = ?", e.Number, flag(e.Armed), e.Why, runs, e.By, stamp(e.At))
}

// armed refuses a step while galen only observes.
func (t *tx) armed(ctx context.Context) error {
	e, err := epochOf(ctx, t)
	if err == nil && !e.Armed {
		err = fmt.Errorf("%s: %w", e.Observe(), galen.ErrDisarmed)
	}
	return err
}

// maxJump is how far the store's clock may leave the monotonic one between two transactions before nobody knows
// any more which lease, yes or cool-down is over.
const maxJump = 10 * time.Second

// clocks are the store's clock beside the monotonic one: it was read between from and to. A commit that takes long, or a
// process that was stopped while it read, is no jump.
type clocks struct {
	now      time.Time
	from, to time.Duration
}

// jump is how far the store's clock has left the monotonic one since an earlier moment, at least.
func (c clocks) jump(earlier clocks) time.Duration {
	passed := c.now.Sub(earlier.now)
	switch least, most := c.from-earlier.to, c.to-earlier.from; {
	case passed < least:
		return passed - least
	case passed > most:
		return passed - most
	}
	return 0
}

// doubt is why what the journal says may not be acted on any more, "" for none.
func (w *writer) doubt(ctx context.Context, t *tx, at clocks) (string, error) {
	if w.mono != nil && !w.last.now.IsZero() {
		if jump := at.jump(w.last); jump.Abs() > maxJump {
			return fmt.Sprintf("the clock jumped by %s at %s", jump.Round(time.Second), t.now.Format(time.RFC3339)), nil
		}
	}
	if why, err := w.lost(ctx, t); err != nil || why != "" {
		return why, err
	}
	if w.engine == "" {
		return "", nil
	}
	var owner string
	if _, err := first(ctx, t, []any{&owner}, "SELECT engine FROM owner"); err != nil {
		return "", err
	}
	if owner != w.engine {
		return "two engines write the same journal: stop one of them", nil
	}
	return "", nil
}

// end is how the chain ended when this process had written to it.
type end struct {
	seq  int64
	hash string
}

// lost: the store does not have any more what this process has written and was told to be on disk. A standby that had not followed was
// promoted; whether an engine is then started or goes on makes no difference.
func (w *writer) lost(ctx context.Context, t *tx) (string, error) {
	if w.witness == nil || w.wrote.seq == 0 {
		return "", nil
	}
	if err := t.loadHead(ctx); err != nil {
		return "", err
	}
	is := t.headHash
	if t.headSeq > w.wrote.seq { // another engine has written since
		if _, err := first(ctx, t, []any{&is}, "SELECT hash FROM events WHERE seq = ?", w.wrote.seq); err != nil {
			return "", err
		}
	}
	switch {
	case t.headSeq < w.wrote.seq:
		return fmt.Sprintf("the newest events of the journal were lost: it ends at event %d, event %d was written before; was a standby promoted that had not followed?", t.headSeq, w.wrote.seq), nil
	case is != w.wrote.hash:
		return fmt.Sprintf("this is another journal than before: its event %d is not the one that was written; was a standby promoted that had not followed?", w.wrote.seq), nil
	}
	return "", nil
}

// examine disarms at the beginning of a transaction what is in doubt, and tells that it did.
func (w *writer) examine(ctx context.Context, t *tx, at clocks) (bool, error) {
	why, err := w.doubt(ctx, t, at)
	if err != nil || why == "" {
		return false, err
	}
	e, err := epochOf(ctx, t)
	if err != nil || !e.Armed {
		return false, err
	}
	t.begin()
	return true, t.disarm(ctx, why)
}
