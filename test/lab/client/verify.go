package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gocql/gocql"
)

// NodeReport says what one node holds.
type NodeReport struct {
	Host    string  // coordinator
	Missing int     // acknowledged rows that it did not return, or with another value
	First   []int64 // the first few of them
}

// Report is the outcome of Verify.
type Report struct {
	Rows int          // acknowledged rows, each read once per node and once at ALL
	One  []NodeReport // read at ONE, by coordinator, in the order asked for
	All  NodeReport   // read at ALL
}

// Missing is the number of all missing rows.
func (r Report) Missing() int {
	n := r.All.Missing
	for _, one := range r.One {
		n += one.Missing
	}
	return n
}

// String is one line for people.
func (r Report) String() string {
	out := fmt.Sprintf("%d acknowledged rows; missing", r.Rows)
	for _, one := range r.One {
		out += fmt.Sprintf(" at ONE by %s: %d,", one.Host, one.Missing)
	}
	return out + fmt.Sprintf(" at ALL: %d", r.All.Missing)
}

// Verify reads every acknowledged row at ONE with each of hosts as coordinator, and only then at ALL: a read at ALL repairs what it reads.
// On a ring of three (RF 3) the coordinator holds every row itself, and without dynamic snitch and speculative retry it answers
// from its own disk. A read that fails for 10 s is an error, not a missing row.
func (c *Client) Verify(ctx context.Context, hosts []string) (Report, error) {
	if err := c.session.Query(speculateNever).WithContext(ctx).Exec(); err != nil {
		return Report{}, fmt.Errorf("turn speculative retry off before the rows are read: %w", err)
	}
	c.mu.Lock()
	rows := slices.Clone(c.rows)
	c.mu.Unlock()
	report := Report{Rows: len(rows)}
	for _, host := range hosts {
		one := cluster(gocql.One, host)
		one.HostFilter = gocql.WhiteListHostFilter(host)
		node, err := readAll(ctx, one, rows)
		if err != nil {
			return report, fmt.Errorf("read all rows at ONE by %s: %w", host, err)
		}
		node.Host = host
		report.One = append(report.One, node)
	}
	all, err := readAll(ctx, cluster(gocql.All, hosts...), rows)
	if err != nil {
		return report, fmt.Errorf("read all rows at ALL: %w", err)
	}
	report.All = all
	return report, nil
}

// readAll reads each row once, in a session of its own, and gives up at the first error.
func readAll(ctx context.Context, c *gocql.ClusterConfig, rows []int64) (NodeReport, error) {
	session, err := connect(ctx, c)
	if err != nil {
		return NodeReport{}, err
	}
	defer session.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu     sync.Mutex
		report NodeReport
		wg     sync.WaitGroup
	)
	for i := range parallel {
		wg.Go(func() {
			for n := i; n < len(rows) && ctx.Err() == nil; n += parallel {
				found, err := fetchPatiently(ctx, session, rows[n])
				mu.Lock()
				switch {
				case err != nil:
					cancel(err)
				case !found:
					report.Missing++
					if len(report.First) < 5 {
						report.First = append(report.First, rows[n])
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return report, context.Cause(ctx)
}

// fetchPatiently repeats a read that fails, for 10 s: after a restart the peers need a moment to see a node.
func fetchPatiently(ctx context.Context, s *gocql.Session, id int64) (bool, error) {
	patience, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		found, err := fetch(ctx, s, id)
		if err == nil {
			return found, nil
		}
		select {
		case <-patience.Done():
			return false, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}
