package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galenhq/galen"
)

// CreateSchedule stores a schedule. A name that one has which nobody deleted is taken: ErrScheduleName.
func (s *Store) CreateSchedule(ctx context.Context, want galen.Schedule) (galen.Schedule, error) {
	if err := want.Check(); err != nil {
		return galen.Schedule{}, fmt.Errorf("create a schedule: %w", err)
	}
	var out galen.Schedule
	err := s.write(ctx, "create the schedule "+want.Name, func(ctx context.Context, t *tx) error {
		before, found, err := doc[galen.Schedule](ctx, t, "SELECT doc FROM schedules WHERE name = ?", want.Name)
		if err != nil {
			return err
		}
		if found && !before.Deleted {
			return ErrScheduleName
		}
		out = want
		out.At, out.Paused, out.Deleted, out.Last = t.now, false, false, nil
		return t.saveSchedule(ctx, out, out.By, map[string]any{"is": "created", "schedule": out})
	})
	if err != nil {
		return galen.Schedule{}, err
	}
	return out, nil
}

// saveSchedule writes the row with its event.
func (t *tx) saveSchedule(ctx context.Context, s galen.Schedule, by string, body map[string]any) error {
	text, err := asDoc(s)
	if err != nil {
		return err
	}
	err = t.exec(ctx, "INSERT INTO schedules (name, doc) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET doc = excluded.doc", s.Name, text)
	if err != nil {
		return err
	}
	t.cite(scheduleRow(s.Name), s)
	e := galen.Event{Resource: s.Resource, Kind: galen.EventSchedule, By: by}
	if run, is := body["run"].(string); is {
		e.Run = run
	}
	return t.event(ctx, e, body)
}

func scheduleRow(name string) string { return "schedule/" + name }

func scheduleCited(rows cursor) (string, string, error) {
	var name string
	var text []byte
	if err := rows.Scan(&name, &text); err != nil {
		return "", "", err
	}
	s, err := undoc[galen.Schedule](text)
	return scheduleRow(name), galen.HashJSON(s), atOdds(err, s.Name == name)
}

// Schedules are those that nobody deleted, by name.
func (s *Store) Schedules(ctx context.Context) ([]galen.Schedule, error) {
	var out []galen.Schedule
	err := s.read(ctx, "list the schedules", func(ctx context.Context, q querier) (err error) {
		out, err = schedulesOf(ctx, q, func(s galen.Schedule) bool { return !s.Deleted })
		return err
	})
	return out, err
}

// DueSchedules are those whose next time has come, with the journal's time.
func (s *Store) DueSchedules(ctx context.Context) ([]galen.Schedule, time.Time, error) {
	var out []galen.Schedule
	var at time.Time
	err := s.readNow(ctx, "list the schedules that are due", func(ctx context.Context, q querier, now time.Time) (err error) {
		at = now
		out, err = schedulesOf(ctx, q, func(s galen.Schedule) bool { return s.Due(now) })
		return err
	})
	return out, at, err
}

func schedulesOf(ctx context.Context, q querier, wanted func(galen.Schedule) bool) ([]galen.Schedule, error) {
	all, err := docs[galen.Schedule](ctx, q, "SELECT doc FROM schedules ORDER BY name")
	var out []galen.Schedule
	for _, s := range all {
		if wanted(s) {
			out = append(out, s)
		}
	}
	return out, err
}

// scheduleNamed is one that nobody deleted.
func scheduleNamed(ctx context.Context, q querier, name string) (galen.Schedule, error) {
	s, found, err := doc[galen.Schedule](ctx, q, "SELECT doc FROM schedules WHERE name = ?", name)
	if err == nil && (!found || s.Deleted) {
		err = fmt.Errorf("schedule %q: %w", name, galen.ErrNotFound)
	}
	return s, err
}

// PauseSchedule stops a schedule from firing.
func (s *Store) PauseSchedule(ctx context.Context, name, by, why string) (galen.Schedule, error) {
	return s.changeSchedule(ctx, name, by, map[string]any{"is": "paused", "why": why}, func(one *galen.Schedule) { one.Paused, one.Next = true, time.Time{} })
}

// ResumeSchedule has it fire again, at that time first.
func (s *Store) ResumeSchedule(ctx context.Context, name string, next time.Time, by string) (galen.Schedule, error) {
	return s.changeSchedule(ctx, name, by, map[string]any{"is": "resumed"}, func(one *galen.Schedule) {
		if one.Paused {
			one.Paused, one.Next = false, next
		}
	})
}

// DeleteSchedule ends it for good; its name may be given again.
func (s *Store) DeleteSchedule(ctx context.Context, name, by string) error {
	_, err := s.changeSchedule(ctx, name, by, map[string]any{"is": "deleted"}, func(one *galen.Schedule) { one.Deleted, one.Next = true, time.Time{} })
	return err
}

func (s *Store) changeSchedule(ctx context.Context, name, by string, body map[string]any, change func(*galen.Schedule)) (galen.Schedule, error) {
	if by == "" {
		return galen.Schedule{}, errors.New("change a schedule: who does so is required")
	}
	var out galen.Schedule
	err := s.write(ctx, "change the schedule "+name, func(ctx context.Context, t *tx) (err error) {
		if out, err = scheduleNamed(ctx, t, name); err != nil {
			return err
		}
		change(&out)
		told := map[string]any{"schedule": out}
		for key, value := range body {
			told[key] = value
		}
		return t.saveSchedule(ctx, out, by, told)
	})
	if err != nil {
		return galen.Schedule{}, err
	}
	return out, nil
}

// Fire notes what became of a time of a schedule and sets the next one, in one transaction with the run that it opens, if it is given one:
// each time is somebody's once, over crashes and engines. It is false if another one was first, or a person has changed the schedule. What
// its author may not do any more is refused, and so is what an open run does already.
func (s *Store) Fire(ctx context.Context, of galen.Schedule, f galen.Firing, next time.Time, run *galen.Run) (galen.Firing, bool, error) {
	var out galen.Firing
	var mine bool
	err := s.write(ctx, "fire the schedule "+of.Name, func(ctx context.Context, t *tx) error {
		out, mine = f, false
		is, err := scheduleNamed(ctx, t, of.Name)
		if errors.Is(err, galen.ErrNotFound) {
			return nil
		}
		if err != nil || is.Paused || !is.At.Equal(of.At) || !is.Next.Equal(of.Next) {
			return err
		}
		mine, out.At = true, t.now
		if run != nil {
			if err := t.openScheduled(ctx, is, &out, *run); err != nil {
				return err
			}
		}
		is.Last, is.Next = &out, next.UTC()
		body := map[string]any{"is": out.Is, "schedule": is.Name, "due": out.Due.UTC(), "next": is.Next}
		if out.Why != "" {
			body["why"] = out.Why
		}
		if out.Run != "" {
			body["run"] = out.Run
		}
		return t.saveSchedule(ctx, is, is.By, body)
	})
	if err != nil {
		return galen.Firing{}, false, err
	}
	return out, mine, nil
}

// openScheduled opens the run of a firing, or notes why not.
func (t *tx) openScheduled(ctx context.Context, s galen.Schedule, f *galen.Firing, run galen.Run) error {
	refuse := func(why string) { f.Is, f.Why, f.Run = galen.FiringRefused, why, "" }
	why, err := t.authorMayNot(ctx, s)
	if err != nil {
		return err
	}
	if why != "" {
		refuse(why)
		return nil
	}
	opened, _, err := t.open(ctx, run, alone)
	var already *galen.AlreadyError
	switch {
	case errors.As(err, &already):
		refuse(already.Error())
		return nil
	case err != nil:
		return err
	}
	f.Is, f.Run = galen.FiringOpened, opened.ID
	return nil
}

// authorMayNot tells why the author of a schedule may not ask for its run any more, "": they may.
func (t *tx) authorMayNot(ctx context.Context, s galen.Schedule) (string, error) {
	if s.By == galen.Operator {
		return "", nil
	}
	token, found, err := doc[galen.Token](ctx, t, "SELECT doc FROM tokens WHERE name = ?", s.By)
	switch {
	case err != nil:
		return "", err
	case !found:
		return fmt.Sprintf("its author %s has no token", s.By), nil
	case !token.Counts(t.now):
		return fmt.Sprintf("the token of its author %s counts no more", s.By), nil
	case token.Person == "" && token.At.After(s.At): // a name can be given to somebody else
		return fmt.Sprintf("the token of its author %s was made anew since: make the schedule anew, too", s.By), nil
	case !token.May(galen.ScopePropose, s.Resource):
		return fmt.Sprintf("its author %s may not ask for runs on %s any more", s.By, s.Resource), nil
	}
	return "", nil
}
