package http

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of how often the API may be called; 0: no limit.
type Limits struct {
	// PerToken is how many calls a second one token may make, alerts apart: their inbox has a bound of its own.
	PerToken float64
	// PerAddress is how many calls a second without a token that counts one address may make.
	PerAddress float64
}

const (
	// bucketLimit bounds how many callers are told apart; who comes on top of them shares one bucket.
	bucketLimit = 10_000
	// sweepEvery is how often at most it is looked for callers who have been quiet.
	sweepEvery = time.Second
)

// buckets count the calls of each caller.
type buckets struct {
	perSecond float64
	mu        sync.Mutex
	of        map[string]*rate.Limiter
	swept     time.Time
}

func newBuckets(perSecond float64) *buckets {
	return &buckets{perSecond: perSecond, of: map[string]*rate.Limiter{}}
}

// take is nil if the caller may make one more call at that time. Twice a second's calls may come at once.
func (b *buckets) take(caller string, now time.Time) error {
	_, err := b.borrow(caller, now)
	return err
}

// borrow is take, with a way to give the call back.
func (b *buckets) borrow(caller string, now time.Time) (back func(), err error) {
	if b.perSecond <= 0 {
		return func() {}, nil
	}
	one := b.bucket(caller, now).ReserveN(now, 1)
	wait := one.DelayFrom(now)
	if wait <= 0 {
		return func() { one.CancelAt(now) }, nil
	}
	one.CancelAt(now)
	return nil, &tooManyError{after: wait}
}

func (b *buckets) bucket(caller string, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if have, ok := b.of[caller]; ok {
		return have
	}
	burst := int(math.Ceil(2 * b.perSecond))
	if len(b.of) >= bucketLimit && now.Sub(b.swept) >= sweepEvery { // to look at all of them for each call would be a flood's helper
		b.swept = now
		for name, one := range b.of { // who was quiet starts anew anyway
			if one.TokensAt(now) >= float64(burst) {
				delete(b.of, name)
			}
		}
	}
	if len(b.of) >= bucketLimit {
		caller = ""
	}
	if b.of[caller] == nil {
		b.of[caller] = rate.NewLimiter(rate.Limit(b.perSecond), burst)
	}
	return b.of[caller]
}

// tooManyError is a call too many; the next one may come after that time.
type tooManyError struct {
	after time.Duration
	what  string // that there are too many of; "": calls
}

// Error says what to do.
func (e *tooManyError) Error() string {
	if e.what != "" {
		return fmt.Sprintf("too many %s at once: end some, or try again in %s s", e.what, e.seconds())
	}
	return fmt.Sprintf("too many calls: try again in %s; limits in the configuration of the engine has how many it takes", e.seconds()+" s")
}

func (e *tooManyError) seconds() string { return strconv.Itoa(int(math.Ceil(e.after.Seconds()))) }

// network is whose calls are counted together: one address, and of IPv6 all that a host can give itself.
func network(r *http.Request) string {
	address, err := netip.ParseAddr(addressOf(r))
	if err != nil || address.Is4() {
		return addressOf(r)
	}
	const hostBits = 64
	whole, err := address.Prefix(hostBits)
	if err != nil {
		return addressOf(r)
	}
	return whole.String()
}
