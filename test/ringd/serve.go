package ringd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// Options of a ring process.
type Options struct {
	// Name is the resource's name.
	Name string `json:"name"`
	// Log is the file to which each call that has an effect is appended, one JSON line each, on disk before the effect.
	Log string `json:"log"`
	// Faster divides all durations of the fast profile: 20 lets a replacement take 1.3 s instead of 26. 0 is 1.
	Faster float64 `json:"faster,omitempty"`
	// Spares is the number of empty instances, at least 1.
	Spares int `json:"spares,omitempty"`
}

type lookRequest struct {
	Resource galen.Resource `json:"resource"`
	Scope    []galen.Target `json:"scope"`
	Open     []galen.Intent `json:"open"`
}

type doAnswer struct {
	Reply string `json:"reply"`
	// Error of the call; "" is success.
	Error string `json:"error,omitempty"`
	// Overtaken by that intent, see [galen.OvertakenError].
	Overtaken string `json:"overtaken,omitempty"`
}

// faultRequest is either trouble for an instance or a fault for the next calls.
type faultRequest struct {
	Trouble  ring.Trouble `json:"trouble,omitempty"`
	Instance string       `json:"instance,omitempty"`
	Strike   *ring.Fault  `json:"strike,omitempty"`
}

type errorAnswer struct {
	Error string `json:"error"`
}

// maxBody of a request: States are not sent, intents are small.
const maxBody = 8 << 20

// journal appends accepted calls to a file.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

func (j *journal) accept(c ring.Call) error {
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write call of %s: %w", c.Intent, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write call of %s: %w", c.Intent, err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("write call of %s: %w", c.Intent, err)
	}
	return nil
}

// newCluster is the demo's ring, on the real clock.
func newCluster(o Options, accept func(ring.Call) error) (*ring.Cluster, error) {
	spec := ring.Three(func() time.Time { return time.Now().UTC() })
	spec.Name, spec.Accept = o.Name, accept
	if o.Faster > 0 {
		spec.Timing = spec.Timing.Faster(o.Faster)
	}
	for i := 2; i <= o.Spares; i++ {
		spec.Hosts = append(spec.Hosts, ring.HostSpec{
			Name: fmt.Sprintf("n%d", i+3), Address: fmt.Sprintf("127.0.0.%d", i+3), DC: "dc1", Rack: "r1", Spare: true,
		})
	}
	spec.Hang = func(ctx context.Context, _ ring.Call) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return ring.New(spec)
}

// serve answers on the listener until stop ends.
func serve(stop context.Context, l net.Listener, o Options) error {
	file, err := os.OpenFile(o.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of calls: %w", err)
	}
	defer file.Close()
	j := &journal{file: file}
	c, err := newCluster(o, j.accept)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(c, o.Name), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-stop.Done():
		return server.Close() // who hangs here hangs by a fault
	}
}

func handler(c *ring.Cluster, name string) http.Handler {
	of := galen.Resource{Kind: cassandra.KindName, Name: name}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /look", answer(func(ctx context.Context, r lookRequest) (any, error) {
		seen, err := c.Look(ctx, r.Resource, r.Scope, r.Open)
		return told(seen), err
	}))
	mux.HandleFunc("POST /do", answer(func(ctx context.Context, in galen.Intent) (any, error) {
		reply, err := c.Do(ctx, in)
		a := doAnswer{Reply: reply}
		if err != nil {
			a.Error = err.Error() // the question was answered: the call failed
			var overtaken *galen.OvertakenError
			if errors.As(err, &overtaken) {
				a.Error, a.Overtaken = overtaken.Why, overtaken.By
			}
		}
		return a, nil
	}))
	mux.HandleFunc("POST /fault", answer(func(_ context.Context, f faultRequest) (any, error) {
		switch {
		case f.Strike != nil:
			c.Strike(*f.Strike)
			return struct{}{}, nil
		case f.Trouble != "":
			return struct{}{}, c.Make(f.Trouble, f.Instance)
		}
		return nil, errors.New("neither trouble nor strike is given")
	}))
	mux.HandleFunc("POST /calls", answer(func(context.Context, struct{}) (any, error) { return list(c.Calls()), nil }))
	mux.HandleFunc("GET /metrics/{instance}", func(w http.ResponseWriter, r *http.Request) { metrics(c, of, w, r) })
	mux.HandleFunc("POST /harms", answer(func(context.Context, struct{}) (any, error) { return list(c.Harms()), nil }))
	return mux
}

// metrics is the exporter of a node, which is gone with its node.
func metrics(c *ring.Cluster, of galen.Resource, w http.ResponseWriter, r *http.Request) {
	seen, err := c.Look(r.Context(), of, nil, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	for _, m := range seen.Members() {
		if m.Instance == "instance/"+r.PathValue("instance") && !m.Bad && !m.Spare {
			fmt.Fprintf(w, "cassandra_node_info{address=%q} 1\n", m.Name)
			return
		}
	}
	http.Error(w, "the node does not run", http.StatusServiceUnavailable)
}

// told is a Ring in its strict form: while no node lives, it holds none, and null is not a list.
func told(r cassandra.Ring) cassandra.Ring {
	r.Nodes, r.Instances, r.Views, r.Keyspaces = list(r.Nodes), list(r.Instances), list(r.Views), list(r.Keyspaces)
	return r
}

func list[T any](of []T) []T {
	if of == nil {
		return []T{}
	}
	return of
}

// answer reads a request, and writes what comes of it.
func answer[Q any](do func(context.Context, Q) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			write(w, http.StatusBadRequest, errorAnswer{Error: err.Error()})
			return
		}
		q, err := galen.Decode[Q](body)
		if err != nil {
			write(w, http.StatusBadRequest, errorAnswer{Error: err.Error()})
			return
		}
		a, err := do(r.Context(), q)
		if err != nil {
			write(w, http.StatusUnprocessableEntity, errorAnswer{Error: err.Error()})
			return
		}
		write(w, http.StatusOK, a)
	}
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return // the caller is gone; it will look
	}
}
