package storm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Target is where bodies are posted.
type Target struct {
	URL    string
	Header map[string]string
}

// Load is posts to a target over some connections that are kept.
type Load struct {
	Target      Target
	Connections int
	// Body of the i-th post.
	Body func(i int) []byte
	// Posts in all, 0: until the time is over.
	Posts int
	For   time.Duration
	// Every is the time from the begin of a post to that of the next, 0: none. Then there is one connection.
	Every time.Duration
	// Accepted is told each post that got a 2xx; nil: nobody is.
	Accepted func(i int)
}

// Result of a load.
type Result struct {
	OK, Failed int
	Took       time.Duration
	Latencies  []time.Duration // of those that got a 2xx, sorted
	// First of the failures.
	First error
}

// PerSecond is how many posts got a 2xx in a second.
func (r Result) PerSecond() float64 { return float64(r.OK) / r.Took.Seconds() }

// Percentile of the latencies.
func (r Result) Percentile(p float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(len(r.Latencies)-1, int(p/100*float64(len(r.Latencies))))]
}

// Run the load; every post that begins is answered, or has failed, when it returns.
func (l Load) Run(ctx context.Context) Result {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: l.Connections, MaxConnsPerHost: l.Connections}}
	defer client.CloseIdleConnections()
	end := time.Now().Add(l.For)
	began := time.Now()
	var next atomic.Int64
	var mu sync.Mutex
	var out Result
	var wg sync.WaitGroup
	for range l.Connections {
		wg.Go(func() {
			var mine Result
			for i := int(next.Add(1) - 1); ctx.Err() == nil && (l.Posts == 0 || i < l.Posts) && (l.Posts > 0 || time.Now().Before(end)); i = int(next.Add(1) - 1) {
				pause(ctx, time.Until(began.Add(time.Duration(i)*l.Every)))
				mine.one(ctx, client, l, i)
			}
			mu.Lock()
			defer mu.Unlock()
			out.OK, out.Failed, out.First = out.OK+mine.OK, out.Failed+mine.Failed, errors.Join(out.First, mine.First)
			out.Latencies = append(out.Latencies, mine.Latencies...)
		})
	}
	wg.Wait()
	out.Took = time.Since(began)
	slices.Sort(out.Latencies)
	return out
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (r *Result) one(ctx context.Context, client *http.Client, l Load, i int) {
	began := time.Now()
	err := l.Target.Post(ctx, client, l.Body(i))
	if err != nil {
		r.Failed++
		if r.First == nil {
			r.First = err
		}
		return
	}
	r.OK++
	r.Latencies = append(r.Latencies, time.Since(began))
	if l.Accepted != nil {
		l.Accepted(i)
	}
}

// Post one body; an answer that is no 2xx is an error.
func (t Target) Post(ctx context.Context, client *http.Client, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range t.Header {
		r.Header.Set(name, value)
	}
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	text, err := io.ReadAll(res.Body)
	err = errors.Join(err, res.Body.Close())
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("post: %s: %s", res.Status, text)
	}
	return err
}

// Alert is one alert about an instance of the n-th resource, as Alertmanager's webhook tells it.
func Alert(n int, instance, fingerprint string, starts time.Time) string {
	return fmt.Sprintf(`{"status":"firing","labels":{"alertname":%q,"cluster":%q,"instance":%q,"severity":"page"},"annotations":{"summary":"%s does not serve"},`+
		`"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus/graph","fingerprint":%q}`,
		Alertname, Name(n), instance, instance, starts.UTC().Format(time.RFC3339Nano), fingerprint)
}

// Webhook is the body of a call of version 4 with alerts.
func Webhook(alerts ...string) []byte {
	return []byte(`{"version":"4","groupKey":"{}","truncatedAlerts":0,"status":"firing","receiver":"galen","groupLabels":{},"commonLabels":{},` +
		`"commonAnnotations":{},"externalURL":"http://alertmanager","alerts":[` + strings.Join(alerts, ",") + `]}`)
}
