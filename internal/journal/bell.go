package journal

import "sync"

// bell tells everybody who waits for the next commit. It is safe for concurrent use.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

// listen is closed by the next ring.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil { // else nobody listens
		close(b.next)
		b.next = nil
	}
}

// Committed is closed once this process has committed something since it was asked for. Of what other processes write it knows nothing.
func (s *Store) Committed() <-chan struct{} { return s.writer.bell.listen() }
