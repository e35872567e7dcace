package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// witness is a small file beside the engine that knows the end of the chain as the engine last wrote it. The journal is
// written and synced first, so a journal that does not have that event is an older one: a backup, a snapshot, a standby
// that had not followed.
type witness struct {
	file *os.File
	seq  int64
}

const witnessForm = "%019d %s\n" // of one length, in one sector: old or new, never half

// openWitness opens the file, makes it if need be, and gives what it says; 0 when it is new.
func openWitness(path string) (w *witness, seq int64, hash string, err error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, "", fmt.Errorf("read the journal's witness: %w", err)
	}
	if len(text) > 0 {
		if _, err := fmt.Sscanf(string(text), "%d %64s", &seq, &hash); err != nil || len(hash) != 64 {
			return nil, 0, "", fmt.Errorf("the journal's witness %s cannot be read (%q): look with galen journal verify whether the journal is whole, then remove the witness", path, cutWords(string(text)))
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, "", fmt.Errorf("open the journal's witness: %w", err)
	}
	return &witness{file: file, seq: seq}, seq, hash, nil
}

func cutWords(text string) string {
	const enough = 100
	return strings.TrimSpace(text[:min(len(text), enough)])
}

// write remembers the end of the chain.
func (w *witness) write(seq int64, hash string) error {
	if w == nil || seq == w.seq {
		return nil
	}
	if _, err := w.file.WriteAt(fmt.Appendf(nil, witnessForm, seq, hash), 0); err != nil {
		return fmt.Errorf("write the journal's witness: %w", err)
	}
	w.seq = seq
	return nil
}

func (w *witness) close() error {
	if w == nil {
		return nil
	}
	return w.file.Close()
}

// compare disarms a journal whose end was cut off or changed, that does not have the event which the witness knows, or whose newest
// event is of the future.
func (s *Store) compare(ctx context.Context, seq int64, hash string) error {
	return s.write(ctx, "compare the journal with its witness", func(ctx context.Context, t *tx) error {
		why, err := t.doubt(ctx, seq, hash)
		if err != nil || why == "" {
			return err
		}
		return t.disarm(ctx, why)
	})
}

func (t *tx) doubt(ctx context.Context, seq int64, hash string) (string, error) {
	says, why, err := ending(ctx, t)
	if err != nil {
		return "", err
	}
	if why != "" {
		why = fmt.Sprintf("somebody changed the end of the journal: %s (galen journal verify)", why)
		if ahead, err := first(ctx, t, []any{new(int64)}, "SELECT seq FROM events WHERE seq > ?", says.seq); err != nil || ahead {
			return "", errors.Join(err, fmt.Errorf("%s: no event can follow: keep a copy, restore a backup", why))
		}
		return why, nil
	}
	var is string
	var last int64
	if _, err := first(ctx, t, []any{&is}, "SELECT hash FROM events WHERE seq = ?", seq); err != nil {
		return "", err
	}
	if _, err := first(ctx, t, []any{&last}, "SELECT at FROM events WHERE seq = ?", says.seq); err != nil {
		return "", err
	}
	switch {
	case seq > says.seq:
		return fmt.Sprintf("the journal was restored from an old backup, or its newest events were lost: it ends at event %d, event %d was written before", says.seq, seq), nil
	case seq > 0 && is != hash:
		return fmt.Sprintf("this is another journal than before: its event %d is not the one that was written", seq), nil
	case last > stamp(t.now.Add(maxJump)):
		return fmt.Sprintf("the clock went back: it is %s, the newest event is of %s", t.now.Format("2006-01-02 15:04:05"), moment(last).Format("2006-01-02 15:04:05")), nil
	}
	return "", nil
}

// own makes the engine the owner of a journal in a file.
func (s *Store) own(ctx context.Context, engine string) error {
	return s.write(ctx, "take over the journal", func(ctx context.Context, t *tx) error {
		return t.exec(ctx, "INSERT INTO owner (one, engine) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET engine = excluded.engine", engine)
	})
}
