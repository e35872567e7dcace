package storm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
)

// Instances of each resource; the first is the writer.
const Instances = 3

// Call is one that reached a resource.
type Call struct {
	At                       time.Time
	Intent, Resource, Target string
	Verb                     string
}

// Patients are the resources, served by HTTP to any number of engines. A reboot cures.
type Patients struct {
	// URL for [Setup].
	URL string

	server   *http.Server
	took     chan struct{} // closed when the server has ended
	callFor  time.Duration
	mu       sync.Mutex
	clusters map[string]*cluster
	calls    []Call
	repeats  int
	arrived  chan Call
}

type cluster struct {
	down  map[string]bool
	boots map[string]int64
	fence map[string]int64
	done  map[string]bool // intents
}

// Name of the n-th resource.
func Name(n int) string { return fmt.Sprintf("c%04d", n) }

// Resource of that number.
func Resource(n int) galen.Resource { return galen.Resource{Kind: fake.KindName, Name: Name(n)} }

// NewPatients serves n resources; each call to them takes that long.
func NewPatients(n int, callFor time.Duration) (*Patients, error) {
	p := &Patients{clusters: map[string]*cluster{}, callFor: callFor, took: make(chan struct{}), arrived: make(chan Call, 1<<16)}
	for i := range n {
		c := &cluster{down: map[string]bool{}, boots: map[string]int64{}, fence: map[string]int64{}, done: map[string]bool{}}
		for k := range Instances {
			c.boots[fmt.Sprint("db-", k+1)] = 1
		}
		p.clusters[Name(i)] = c
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve the resources: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /look", serves(p.look))
	mux.HandleFunc("POST /do", serves(p.do))
	mux.HandleFunc("POST /tell", serves(p.tell))
	p.URL, p.server = "http://"+l.Addr().String(), &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(p.took)
		_ = p.server.Serve(l) // ends when it is closed
	}()
	return p, nil
}

// Close ends the server.
func (p *Patients) Close() error {
	err := p.server.Close()
	<-p.took
	return err
}

// Break takes an instance of the n-th resource down.
func (p *Patients) Break(n int, instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clusters[Name(n)].down[instance] = true
}

// Down tells whether an instance of the n-th resource is down.
func (p *Patients) Down(n int, instance string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clusters[Name(n)].down[instance]
}

// Calls that reached the resources so far, in their order; repeats came with the intent of an earlier one.
func (p *Patients) Calls() (calls []Call, repeats int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls), p.repeats
}

// Arrived tells each call when it begins.
func (p *Patients) Arrived() <-chan Call { return p.arrived }

func serves[Q, A any](answer func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		err := json.NewDecoder(r.Body).Decode(&q)
		var a A
		if err == nil {
			a, err = answer(r.Context(), q)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := json.NewEncoder(w).Encode(a); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func (p *Patients) look(_ context.Context, r galen.Resource) (fake.Cluster, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, known := p.clusters[r.Name]
	if !known {
		return fake.Cluster{}, fmt.Errorf("no resource %s", r)
	}
	now := time.Now().UTC()
	out := fake.Cluster{Name: r.Name, Looked: now, Instances: []fake.Instance{}}
	for k := range Instances {
		id := fmt.Sprint("db-", k+1)
		i := fake.Instance{
			ID: id, Boots: c.boots[id], Zone: fmt.Sprintf("zone-%c", 'a'+k), Role: fake.Reader, Status: fake.Available,
			Settings: map[string]string{}, Looked: now,
		}
		says := galen.Good
		if k == 0 {
			i.Role = fake.Writer
		}
		if c.down[id] {
			says, i.Status = galen.Bad, fake.Broken
			out.Missing = append(out.Missing, id)
		}
		i.Observations = []galen.Observation{
			{Observer: "api", Kind: galen.Cloud, Says: says, At: now}, {Observer: "probe", Kind: galen.Probe, Says: says, At: now},
			{Observer: "peer", Kind: galen.Peer, Says: says, At: now},
		}
		out.Instances = append(out.Instances, i)
	}
	return out, nil
}

// tell is the call of bare Temporal: it only arrives.
func (p *Patients) tell(_ context.Context, run string) (string, error) {
	p.arrived <- Call{At: time.Now(), Intent: run}
	return "", nil
}

func (p *Patients) do(ctx context.Context, in galen.Intent) (string, error) {
	at := time.Now()
	id := in.Step.Target.ID
	p.mu.Lock()
	c, known := p.clusters[in.Resource.Name]
	call := Call{At: at, Intent: in.ID, Resource: in.Resource.Name, Target: id, Verb: in.Step.Verb}
	p.calls = append(p.calls, call)
	err := error(nil)
	switch {
	case !known || c.boots[id] == 0 || in.Step.Verb != fake.VerbReboot:
		err = fmt.Errorf("no %s of %s in %s", in.Step.Verb, id, in.Resource)
	case in.Fence < c.fence[id]:
		err = errors.New("an older fence")
	case c.done[in.ID]:
		p.repeats++
		err = errors.New("the call was repeated")
	default:
		c.fence[id], c.done[in.ID] = in.Fence, true
	}
	p.mu.Unlock()
	select {
	case p.arrived <- call:
	default:
	}
	if err != nil {
		return "", err
	}
	select {
	case <-ctx.Done(): // the engine died meanwhile; what was accepted happens all the same
	case <-time.After(p.callFor):
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.boots[id]++
	delete(c.down, id)
	return "accepted", nil
}
