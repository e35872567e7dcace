package http

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/galenhq/galen"
)

// The bounds of what refused calls can make the journal write, however many there are.
const (
	refusalsEvery  = time.Minute // one event in it, in the long run
	refusalsAtOnce = 10          // events, after minutes without one
	refusalsTold   = 50          // that are told apart in an event; what is more is only counted
	tooManyTold    = 10          // of them for calls too many: a flood of those hides no other refusal
	flushWithin    = 5 * time.Second
	keptNeeds      = 254 // bytes of what a call was about: more than any pattern has
)

// keptOut is a sort of call, or of TLS handshake, that was refused for who made it, or a yes that was none.
type keptOut struct {
	// Status is none of a handshake, and of a yes that was taken and is not counted.
	Status int `json:"status,omitempty"`
	// Call is none of calls too many: they are told for each who makes them, whatever they are.
	Call string `json:"call,omitempty"`
	// Run and Why are those of a yes.
	Run string `json:"run,omitempty"`
	Why string `json:"why,omitempty"`
	// Token is the name of the one that the call carried, if there is such a one.
	Token string `json:"token,omitempty"`
	Needs string `json:"needs,omitempty"`
	From  string `json:"from"`
}

type countedOut struct {
	keptOut
	Count int64 `json:"count"`
}

// Refusals tells the journal of every call that was refused for who made it (401, 403, 429, 503 of a sender of alerts that may be a good one),
// of each yes that was refused or does not count, and of each handshake without a client certificate that counts: the first ones at once each,
// then counted and folded into one event a minute, so that a flood of them is no flood of events. Handshakes that fail otherwise are counted for the
// metrics only.
type Refusals struct {
	write func(ctx context.Context, e galen.Event) error
	every time.Duration
	fresh chan struct{} // there is something to tell

	mu      sync.Mutex
	pending map[keptOut]int64
	more    int64 // that found no place in pending
	total   map[int]int64
	// handshakes that failed, by reason
	handshakes map[string]int64
	strangers  int64
}

// NewRefusals tells them to write, which must be durable when it returns nil; what it could not write is told with the next.
func NewRefusals(write func(ctx context.Context, e galen.Event) error) *Refusals {
	return &Refusals{write: write, every: refusalsEvery, fresh: make(chan struct{}, 1), pending: map[keptOut]int64{}, total: map[int]int64{}, handshakes: map[string]int64{}}
}

// Counts are the refused calls by status, since the start of the engine.
func (r *Refusals) Counts() map[int]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.total)
}

// Handshakes are those of TLS that failed by reason, since the start of the engine.
func (r *Refusals) Handshakes() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.handshakes)
}

// Strangers are the calls with alerts whose token nobody knows and that were told to come again, since the start of the engine.
func (r *Refusals) Strangers() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.strangers
}

func (r *Refusals) stranger() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.strangers++
}

// Run writes until ctx ends, and then what is left.
func (r *Refusals) Run(ctx context.Context, failed func(error)) {
	often := rate.NewLimiter(rate.Every(r.every), refusalsAtOnce)
	for {
		select {
		case <-ctx.Done():
		case <-r.fresh:
			_ = often.Wait(ctx) // an error is that ctx ends
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		err := r.flush(last)
		cancel()
		often.SetBurst(refusalsAtOnce)
		if err != nil {
			often.SetBurst(1) // what is broken is not asked at once again
			failed(err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (r *Refusals) note(one keptOut) {
	r.mu.Lock()
	if one.Status != 0 {
		r.total[one.Status]++
	}
	r.add(one, 1)
	r.mu.Unlock()
	r.nudge()
}

// add needs the lock.
func (r *Refusals) add(one keptOut, n int64) {
	room := refusalsTold - tooManyTold
	if one.Status == http.StatusTooManyRequests {
		room = tooManyTold
	}
	if _, known := r.pending[one]; known || r.told(one.Status) < room {
		r.pending[one] += n
	} else {
		r.more += n
	}
}

// told is how many sorts of refusals are told apart that share their room with those of a status.
func (r *Refusals) told(status int) (n int) {
	for one := range r.pending {
		if (one.Status == http.StatusTooManyRequests) == (status == http.StatusTooManyRequests) {
			n++
		}
	}
	return n
}

func (r *Refusals) nudge() {
	select {
	case r.fresh <- struct{}{}:
	default:
	}
}

// flush writes one event of all that is pending.
func (r *Refusals) flush(ctx context.Context) error {
	r.mu.Lock()
	pending, more := r.pending, r.more
	r.pending, r.more = map[keptOut]int64{}, 0
	r.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	told := make([]countedOut, 0, len(pending))
	for one, n := range pending {
		told = append(told, countedOut{one, n})
	}
	slices.SortFunc(told, func(a, b countedOut) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(fmt.Sprint(a.keptOut), fmt.Sprint(b.keptOut)))
	})
	body, err := json.Marshal(map[string]any{"refusals": told, "more": more})
	if err == nil {
		err = r.write(ctx, galen.Event{Kind: galen.EventKeptOut, Body: body})
	}
	if err == nil {
		return nil
	}
	r.mu.Lock()
	for one, n := range pending {
		r.add(one, n)
	}
	r.more += more
	r.mu.Unlock()
	r.nudge()
	return fmt.Errorf("tell the journal of refused calls: %w", err)
}

// refused notes a call that is refused with that status. Of what the caller wrote nothing is kept but a resource's name.
func (s *server) refused(r *http.Request, status int, err error) {
	if s.o.Refusals == nil {
		return
	}
	one := keptOut{Status: status, Call: s.callOf(r), Token: by(r.Context()), From: addressOf(r)}
	if status == http.StatusTooManyRequests {
		one.Call = ""
	}
	var no *forbiddenError
	if errors.As(err, &no) {
		one.Needs = string(no.scope) + " on " + no.what[:min(len(no.what), keptNeeds)]
	}
	s.o.Refusals.note(one)
}

// refusedYes notes a yes to a run that is none: what is otherwise than the person thought, or that they may not say it.
func (s *server) refusedYes(r *http.Request, run string, err error) {
	p := problemOf(err)
	if p.status != http.StatusConflict && p.status != http.StatusUnprocessableEntity {
		return // whatever else it is, it is taken down elsewhere or no yes
	}
	s.noteYes(r, keptOut{Status: p.status, Run: run, Why: p.name})
}

// uncounted notes a yes that was taken and is not counted as that of another person.
func (s *server) uncounted(r *http.Request, run string, not []galen.NotCounted) {
	for _, one := range not {
		if one.By == by(r.Context()) {
			s.noteYes(r, keptOut{Run: run, Why: one.String()})
		}
	}
}

func (s *server) noteYes(r *http.Request, one keptOut) {
	if s.o.Refusals == nil {
		return
	}
	one.Call, one.Token, one.From = s.callOf(r), by(r.Context()), addressOf(r)
	s.o.Refusals.note(one)
}

// callOf is the call as the OpenAPI file has it.
func (s *server) callOf(r *http.Request) string {
	pattern := r.Pattern
	if pattern == "" {
		_, pattern = s.mux.Handler(r)
	}
	if pattern == "" {
		return "no call of the API"
	}
	return pattern
}

// addressOf is where a call comes from, without the port.
func addressOf(r *http.Request) string { return addressIn(r.RemoteAddr) }

func addressIn(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "unknown"
	}
	return at.Addr().Unmap().WithZone("").String()
}
