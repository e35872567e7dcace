package cql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"github.com/galenhq/galen/activities/cassandra"
)

// Keyspaces are all keyspaces of the ring with their replication, by name.
func (n *Node) Keyspaces(ctx context.Context) ([]cassandra.Keyspace, error) {
	var out []cassandra.Keyspace
	err := n.read(ctx, "read the keyspaces", func(ctx context.Context, s *gocql.Session) error {
		out = nil
		rows := s.Query("SELECT keyspace_name, replication FROM system_schema.keyspaces").WithContext(ctx).Iter()
		var name string
		var replication map[string]string
		for rows.Scan(&name, &replication) {
			out = append(out, keyspace(name, replication))
			replication = nil
		}
		return rows.Close()
	})
	slices.SortFunc(out, func(a, b cassandra.Keyspace) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// keyspace reads a replication map. A factor that is no plain number makes the keyspace transient, which every verdict
// refuses.
func keyspace(name string, replication map[string]string) cassandra.Keyspace {
	class := replication["class"]
	k := cassandra.Keyspace{Name: name, Strategy: class[strings.LastIndexByte(class, '.')+1:]}
	for dc, text := range replication {
		if dc == "class" {
			continue
		}
		if k.Strategy == "SimpleStrategy" && dc == "replication_factor" {
			dc = ""
		}
		full, _, divided := strings.Cut(text, "/")
		rf, err := strconv.Atoi(full)
		if divided || err != nil || rf < 0 {
			k.Transient = true
		}
		if k.RF == nil {
			k.RF = map[string]int{}
		}
		k.RF[dc] = max(rf, 0)
	}
	return k
}

// proof is a read of a table that every ring has. Its keys belong to nobody; they spread over the ring.
type proof struct {
	keyspace, query string
	keys            []any
}

func proofs() []proof {
	names := []any{"galen-0", "galen-1", "galen-2", "galen-3"}
	return []proof{
		{"system_distributed", "SELECT status FROM system_distributed.view_build_status WHERE keyspace_name = ? AND view_name = 'galen'", names},
		{"system_auth", "SELECT role FROM system_auth.roles WHERE role = ?", names},
	}
}

// Serves proves that the node serves clients: as coordinator it answers a LOCAL_QUORUM read that touches replicas, of
// one of several keys, so that one range that lost its quorum does not speak for the node. A nil error is the proof.
// keyspaces tells where the replication factor is 2 or more; without such a system keyspace there is no proof.
func (n *Node) Serves(ctx context.Context, keyspaces []cassandra.Keyspace) error {
	p, err := choose(keyspaces)
	if err != nil {
		return &Error{Answer: cassandra.BadAnswer, Doing: "prove that it serves", Err: err}
	}
	return n.read(ctx, "read at LOCAL_QUORUM", func(ctx context.Context, s *gocql.Session) error {
		var errs []error
		for _, key := range p.keys {
			err := s.Query(p.query, key).Consistency(gocql.LocalQuorum).WithContext(ctx).Exec()
			if err == nil {
				return nil
			}
			errs = append(errs, err)
			if isTimeout(err) || ctx.Err() != nil {
				break
			}
		}
		return errors.Join(errs...)
	})
}

func choose(keyspaces []cassandra.Keyspace) (proof, error) {
	for _, p := range proofs() {
		for _, k := range keyspaces {
			if k.Name == p.keyspace && !k.Transient && len(k.RF) > 0 && least(k.RF) >= 2 {
				return p, nil
			}
		}
	}
	return proof{}, errors.New("no system keyspace has a replication factor of 2 or more: raise that of system_auth")
}

func least(rf map[string]int) int {
	out := -1
	for _, n := range rf {
		if out < 0 || n < out {
			out = n
		}
	}
	return out
}

// Repair is one row of system_views.repairs (5.0): a repair that this node coordinated since its start.
type Repair struct {
	Command  int
	Keyspace string
	Type     string // full, incremental, ...; the column options_incremental lies
	Status   string // IN_PROGRESS, COMPLETED or FAILED
	Message  string
	Ranges   []string // "(start,end]", sorted
	Began    time.Time
}

// Repairs are the repairs that the node remembers, oldest first. They are lost at a restart.
func (n *Node) Repairs(ctx context.Context) ([]Repair, error) {
	var out []Repair
	err := n.read(ctx, "read the repairs", func(ctx context.Context, s *gocql.Session) error {
		out = nil
		rows := s.Query("SELECT command_id, keyspace_name, type, status, completed, failure_cause, options_ranges, state_init_timestamp FROM system_views.repairs").
			WithContext(ctx).Iter()
		var r Repair
		var status, cause string
		var completed bool
		for rows.Scan(&r.Command, &r.Keyspace, &r.Type, &status, &completed, &cause, &r.Ranges, &r.Began) {
			r.Status, r.Message = outcome(status, cause, completed)
			slices.Sort(r.Ranges)
			out = append(out, r)
			r = Repair{}
		}
		return rows.Close()
	})
	slices.SortFunc(out, func(a, b Repair) int { return a.Began.Compare(b.Began) })
	return out, err
}

// Tasks are what the node does to its sstables at this moment, how many by kind ("compaction", "validation", "cleanup", ...).
// A repair shows at each replica while that is read for it, whoever coordinates; system_views.repairs would show it at its
// coordinator from begin to end, but makes up a row for each repair of the last days at each look. An error of the node itself,
// which may be too old or deny it, leaves the session as it is.
func (n *Node) Tasks(ctx context.Context) (map[string]int, error) {
	var out map[string]int
	var refused gocql.RequestError
	err := n.read(ctx, "read the tasks", func(ctx context.Context, s *gocql.Session) error {
		out, refused = map[string]int{}, nil
		rows := s.Query("SELECT kind FROM system_views.sstable_tasks").WithContext(ctx).Iter()
		var kind string
		for rows.Scan(&kind) {
			out[strings.ToLower(kind)]++
		}
		err := rows.Close()
		if errors.As(err, &refused) {
			return nil
		}
		return err
	})
	if err == nil && refused != nil {
		err = &Error{Answer: cassandra.BadAnswer, Doing: "read the tasks at " + n.host, Err: refused}
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func outcome(status, cause string, completed bool) (state, message string) {
	switch {
	case !completed:
		return "IN_PROGRESS", status
	case status == "success" && cause == "":
		return "COMPLETED", status
	default:
		return "FAILED", fmt.Sprintf("%s: %s", status, cause)
	}
}
