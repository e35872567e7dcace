package trace

import (
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
)

// The bounds of what a collector that is away makes the log say.
const (
	tellAgain = time.Minute // the same error
	tellMost  = 10          // errors within that time
)

// TellErrors lets the log tell what goes wrong with the spans, such as that the collector does not answer; the libraries have one place for
// that in a process. It is called after the start of whatever else sets it.
func (t *Tracer) TellErrors(log *slog.Logger, now func() time.Time) {
	if t != nil {
		otel.SetErrorHandler(&teller{log: log, now: now, told: map[string]time.Time{}})
	}
}

// teller tells each error at most once a minute, and how many it did not tell.
type teller struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	told   map[string]time.Time
	untold int
}

// Handle implements [otel.ErrorHandler].
func (l *teller) Handle(err error) {
	if err == nil {
		return
	}
	what := short(err.Error()) // a collector may answer with a long page that differs each time
	if untold, tells := l.tells(what); tells {
		l.log.Warn("spans are lost, or not as they should be: look at the collector and the OTEL_* variables", "component", "traces", "error", what, "untold", untold)
	}
}

// tells whether an error is told now, and how many were not told since the one before.
func (l *teller) tells(what string) (untold int, tells bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for text, at := range l.told {
		if now.Sub(at) >= tellAgain {
			delete(l.told, text)
		}
	}
	if _, lately := l.told[what]; lately || len(l.told) >= tellMost {
		l.untold++
		return 0, false
	}
	l.told[what], untold, l.untold = now, l.untold, 0
	return untold, true
}
