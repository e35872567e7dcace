package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// writeWithin bounds each piece of an answer that is written piece by piece: a caller who reads no more is cut off.
const writeWithin = 20 * time.Second

// stream writes an answer piece by piece.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	now     func() time.Time
}

func (s *server) streamTo(w http.ResponseWriter) stream {
	return stream{w: w, control: http.NewResponseController(w), now: s.o.Now}
}

// rest lets an answer wait for its next piece for as long as it takes, where HTTP/2 ends one whose bound is over, written or not; back
// bounds it again.
func (o stream) rest() (back func()) {
	_ = o.control.SetWriteDeadline(time.Time{})
	return func() { _ = o.control.SetWriteDeadline(o.now().Add(writeWithin)) }
}

// send writes and flushes.
func (o stream) send(text []byte) error {
	if err := o.control.SetWriteDeadline(o.now().Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bound a write: %w", err)
	}
	if _, err := o.w.Write(text); err != nil {
		return fmt.Errorf("write to the caller: %w", err)
	}
	if err := o.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("write to the caller: %w", err)
	}
	return nil
}

// streaming bounds an answer that is not bound by callTimeout. It ends when the server stops, too.
func (s *server) streaming(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// cutOff ends a connection without the end of its answer, so that nobody takes it for whole.
func (s *server) cutOff(r *http.Request, err error) {
	s.o.Logger.Debug("an answer was cut off", "path", r.URL.Path, "error", err.Error())
	panic(http.ErrAbortHandler)
}
