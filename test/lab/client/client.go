// Package client is a client of a test ring that writes and reads at QUORUM all the time, remembers every row that was
// acknowledged, and afterwards proves row by row what each node holds of them.
package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gocql/gocql"

	"github.com/galenhq/galen/test/lab"
)

// Where the rows are: a keyspace with three replicas in the lab's one data centre.
const (
	Keyspace = "patient"
	Table    = "rows"
)

// All statements are constants: nothing of a row or an option becomes CQL.
const (
	createKeyspace = `CREATE KEYSPACE IF NOT EXISTS ` + Keyspace + ` WITH replication =
		{'class': 'NetworkTopologyStrategy', '` + lab.DC + `': 3}`
	// No speculative retry: it would answer a read at ONE from another node than the coordinator.
	createTable = `CREATE TABLE IF NOT EXISTS ` + Keyspace + `.` + Table + ` (id bigint PRIMARY KEY, value text)
		WITH speculative_retry = 'NONE' AND additional_write_policy = 'NONE'`
	speculate      = `ALTER TABLE ` + Keyspace + `.` + Table + ` WITH speculative_retry = '50ms' AND additional_write_policy = '50ms'`
	speculateNever = `ALTER TABLE ` + Keyspace + `.` + Table + ` WITH speculative_retry = 'NONE' AND additional_write_policy = 'NONE'`

	insertRow = `INSERT INTO ` + Keyspace + `.` + Table + ` (id, value) VALUES (?, ?)`
	selectRow = `SELECT value FROM ` + Keyspace + `.` + Table + ` WHERE id = ?`
)

// Options of a client. Zero values are the defaults.
type Options struct {
	Hosts []string // addresses known at first, without port; others are learned from them
	Rate  int      // operations per second of Run, half of them writes; 0 is 50
	Limit int      // rows remembered at most, then Run only reads; 0 is 50,000

	// Speculate gives the table speculative retry (50ms) until Verify turns it off. Without it every read
	// that counts on a node that just died fails until the failure detector has convicted that node.
	Speculate bool
}

// Figures are what a client has lived through.
type Figures struct {
	Operations   int           // finished, failed ones included
	Writes       int           // acknowledged writes, Seed included
	Reads        int           // reads that found their row
	Failed       int           // operations that failed after the driver's retries
	Lost         int           // reads at QUORUM that did not find an acknowledged row
	LongestPause time.Duration // longest time of Run without a success
	LastError    string        // of the last failed operation, "" if none
}

// Client is one session with a ring. Its methods may be called at the same time.
type Client struct {
	options Options
	session *gocql.Session

	mu      sync.Mutex
	next    int64   // id of the next row; starts at random, so that an old table can't hide a loss
	rows    []int64 // every acknowledged row
	figures Figures
	last    time.Time // last success of Run; zero while it does not run
}

// Open connects to the ring and makes keyspace and table when they are missing.
func Open(ctx context.Context, o Options) (*Client, error) {
	if o.Rate == 0 {
		o.Rate = 50
	}
	if o.Limit == 0 {
		o.Limit = 50_000
	}
	session, err := connect(ctx, cluster(gocql.Quorum, o.Hosts...))
	if err != nil {
		return nil, err
	}
	statements := []string{createKeyspace, createTable, speculateNever}
	if o.Speculate {
		statements[2] = speculate
	}
	for _, statement := range statements {
		if err := session.Query(statement).WithContext(ctx).Exec(); err != nil {
			session.Close()
			return nil, fmt.Errorf("make the client's table: %w", err)
		}
	}
	return &Client{options: o, session: session, next: rand.Int64N(1 << 60)}, nil
}

// cluster configures the driver for a ring whose nodes die and move: fast to reconnect, writes may be repeated.
func cluster(consistency gocql.Consistency, hosts ...string) *gocql.ClusterConfig {
	c := gocql.NewCluster(hosts...)
	c.ProtoVersion = 4
	c.Consistency = consistency
	c.Timeout, c.ConnectTimeout = 2*time.Second, 2*time.Second
	c.ReconnectInterval = time.Second
	c.ReconnectionPolicy = &gocql.ConstantReconnectionPolicy{MaxRetries: 1, Interval: 100 * time.Millisecond}
	c.MaxWaitSchemaAgreement = 5 * time.Second
	c.DefaultIdempotence = true
	c.RetryPolicy = &gocql.SimpleRetryPolicy{NumRetries: 3}
	c.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.RoundRobinHostPolicy())
	c.Logger = quiet{}
	return c
}

// quiet drops the driver's own log: what goes wrong comes back as an error.
type quiet struct{}

func (quiet) Print(...any)          {}
func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// connect retries until ctx ends, at most 15 s: a node accepts connections a moment before it answers.
func connect(ctx context.Context, c *gocql.ClusterConfig) (*gocql.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		session, err := c.CreateSession()
		if err == nil {
			return session, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to Cassandra at %v: %w", c.Hosts, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Close ends the session.
func (c *Client) Close() { c.session.Close() }

// Seed writes n rows at QUORUM. Each must be acknowledged.
func (c *Client) Seed(ctx context.Context, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan struct{}, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for range work {
				if err := c.write(ctx); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("write %d rows: %w", n, err)
	}
	return nil
}

// Bulk is a table that [Client.Fill] makes.
const Bulk = "bulk"

// Fill writes as many MiB that do not compress into the table Bulk, at QUORUM.
func (c *Client) Fill(ctx context.Context, mib int) error {
	create := `CREATE TABLE IF NOT EXISTS ` + Keyspace + `.` + Bulk + ` (id bigint PRIMARY KEY, value blob)`
	if err := c.session.Query(create).WithContext(ctx).Exec(); err != nil {
		return fmt.Errorf("make the table %s: %w", Bulk, err)
	}
	noise := rand.NewChaCha8([32]byte{})
	for id := range mib {
		value := make([]byte, 1<<20)
		if _, err := noise.Read(value); err != nil {
			return fmt.Errorf("make a value: %w", err)
		}
		if err := c.session.Query(`INSERT INTO `+Keyspace+`.`+Bulk+` (id, value) VALUES (?, ?)`, int64(id), value).WithContext(ctx).Exec(); err != nil {
			return fmt.Errorf("write 1 MiB: %w", err)
		}
	}
	return nil
}

// Empty takes the table Bulk away, until ctx ends: a busy node keeps a snapshot first, and may answer too late.
func (c *Client) Empty(ctx context.Context) error {
	for {
		err := c.session.Query(`DROP TABLE IF EXISTS ` + Keyspace + `.` + Bulk).WithContext(ctx).Exec()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("drop the table %s: %w", Bulk, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// parallel operations: enough for 2 cores, few enough for a small heap.
const parallel = 16

// Run writes and reads at QUORUM, Options.Rate operations per second, until ctx ends. What fails is counted.
func (c *Client) Run(ctx context.Context) {
	const loops = 8 // an operation that hangs holds up one of them
	c.mu.Lock()
	c.last = time.Now()
	c.mu.Unlock()
	var wg sync.WaitGroup
	for i := range loops {
		wg.Go(func() {
			tick := time.NewTicker(time.Second * loops / time.Duration(c.options.Rate))
			defer tick.Stop()
			for n := i; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					c.operate(ctx, n%2 == 0)
				}
			}
		})
	}
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pause(time.Now())
	c.last = time.Time{}
}

// operate does one operation of Run and counts it.
func (c *Client) operate(ctx context.Context, write bool) {
	var err error
	if id, has := c.some(write); has {
		err = c.read(ctx, id)
	} else {
		err = c.write(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.pause(time.Now())
		c.last = time.Now()
	case ctx.Err() != nil:
		return // ended in the middle: neither a success nor a failure
	default:
		c.figures.Failed++
		c.figures.LastError = err.Error()
	}
	c.figures.Operations++
}

// pause needs the lock.
func (c *Client) pause(now time.Time) {
	if !c.last.IsZero() {
		c.figures.LongestPause = max(c.figures.LongestPause, now.Sub(c.last))
	}
}

// some returns an acknowledged row to read; none if a write is wanted and there is room, or nothing was written yet.
func (c *Client) some(write bool) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rows) == 0 || write && len(c.rows) < c.options.Limit {
		return 0, false
	}
	return c.rows[rand.IntN(len(c.rows))], true
}

func (c *Client) write(ctx context.Context) error {
	c.mu.Lock()
	id := c.next
	c.next++
	c.mu.Unlock()
	if err := c.session.Query(insertRow, id, value(id)).WithContext(ctx).Exec(); err != nil {
		return fmt.Errorf("write row %d: %w", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = append(c.rows, id)
	c.figures.Writes++
	return nil
}

func (c *Client) read(ctx context.Context, id int64) error {
	found, err := fetch(ctx, c.session, id)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !found {
		c.figures.Lost++
		return fmt.Errorf("read row %d: acknowledged, but not found at QUORUM", id)
	}
	c.figures.Reads++
	return nil
}

// fetch says whether a row is there, with the value that was written.
func fetch(ctx context.Context, s *gocql.Session, id int64) (bool, error) {
	var got string
	err := s.Query(selectRow, id).WithContext(ctx).Scan(&got)
	if errors.Is(err, gocql.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read row %d: %w", id, err)
	}
	return got == value(id), nil
}

// value is what row id holds.
func value(id int64) string { return fmt.Sprintf("%064x", uint64(id)*0x9e3779b97f4a7c15) }

// Figures returns the figures so far, a pause that still goes on included.
func (c *Client) Figures() Figures {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pause(time.Now())
	return c.figures
}

// Rows is the number of acknowledged rows.
func (c *Client) Rows() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rows)
}
