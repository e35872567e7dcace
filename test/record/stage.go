package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/live"
	"github.com/galenhq/galen/activities/cassandra/live/jolokia"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/test/lab"
	"github.com/galenhq/galen/test/lab/client"
)

// stage is a real ring on which scenes are played by hand, past Galen's gate, while its live driver looks on.
type stage struct {
	ring   *lab.Ring
	driver *live.Driver
	agents map[string]*jolokia.Client
	tape   *ring.Recorder
	last   cassandra.Ring
	repair command
}

// command is a repair that a person ordered.
type command struct {
	node   string
	number int
}

func resource() galen.Resource { return galen.Resource{Kind: cassandra.KindName, Name: "demo"} }

func newStage(r *lab.Ring) (*stage, error) {
	var setup live.Setup
	s := &stage{ring: r, agents: map[string]*jolokia.Client{}}
	for i, n := range slices.Concat(r.Nodes(), r.Spares()) {
		setup.Nodes = append(setup.Nodes, live.NodeSetup{
			Instance: n.Instance, Address: n.Address, Jolokia: n.JolokiaURL, CQL: n.CQLAddress, Folder: n.Folder,
			Start: n.StartCommand, PIDFile: n.PidFile, Spare: i >= len(r.Nodes()),
		})
		agent, err := jolokia.New(n.JolokiaURL, 5*time.Second, 3*time.Second)
		if err != nil {
			return nil, err
		}
		s.agents[n.Instance] = agent
	}
	raw, err := json.Marshal(setup)
	if err != nil {
		return nil, fmt.Errorf("setup of the ring: %w", err)
	}
	s.driver, err = live.Open(map[galen.Resource]json.RawMessage{resource(): raw}, time.Now)
	return s, err
}

func (s *stage) close() {
	for _, a := range s.agents {
		a.Close()
	}
	s.driver.Close()
}

func (s *stage) node(instance string) (*lab.Node, error) {
	for _, n := range slices.Concat(s.ring.Nodes(), s.ring.Spares()) {
		if n.Instance == instance {
			return n, nil
		}
	}
	return nil, fmt.Errorf("no instance %q", instance)
}

// play plays a scene. What is not seen in time is no fault: the recording shows what was.
func (s *stage) play(ctx context.Context, of scene) error {
	s.tape, s.repair = &ring.Recorder{}, command{}
	if _, err := s.look(ctx); err != nil {
		return err
	}
	for _, a := range of.acts {
		s.tape.Did(time.Now(), a.do)
		if err := s.do(ctx, a.do); err != nil {
			return fmt.Errorf("%s: %w", a.do, err)
		}
		if err := s.watch(ctx, a.until, a.limit); err != nil {
			return fmt.Errorf("%s: %w", a.do, err)
		}
		if err := s.watch(ctx, nil, a.more); err != nil {
			return fmt.Errorf("%s: %w", a.do, err)
		}
	}
	return nil
}

func (s *stage) recording(of scene) ring.Recording {
	out := s.tape.Recording
	out.About = of.about
	return out
}

func (s *stage) watch(ctx context.Context, until []string, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		sight, err := s.look(ctx)
		if err != nil {
			return err
		}
		if len(until) > 0 && seen(sight, until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
	if len(until) > 0 {
		fmt.Printf("          not seen in %s: %q\n", limit, until)
	}
	return nil
}

func (s *stage) look(ctx context.Context) (ring.Sight, error) {
	now := time.Now()
	seen, err := s.driver.Look(ctx, resource(), nil, nil)
	if err != nil {
		return nil, err
	}
	s.last = seen
	if s.repair.node != "" {
		seen.Repairs = []cassandra.Repair{{Status: s.repairStatus(ctx)}}
	}
	sight := ring.Reduce(seen)
	s.tape.Saw(now, sight)
	return sight, nil
}

func (s *stage) repairStatus(ctx context.Context) string {
	answers, err := s.agents[s.repair.node].Bulk(ctx, jolokia.Query(jolokia.StorageService, "getParentRepairStatus(int)", s.repair.number))
	var told []string
	if err != nil || answers[0].Into(&told) != nil || len(told) == 0 {
		return "" // the coordinator cannot tell
	}
	return told[0]
}

// do does to the real ring what happens.
func (s *stage) do(ctx context.Context, h ring.Happening) error {
	n, err := s.node(h.Instance)
	if err != nil {
		return err
	}
	switch h.Trouble {
	case ring.Kill:
		return n.Kill()
	case ring.Freeze:
		return n.Freeze()
	case ring.Thaw:
		return n.Resume()
	case ring.Start:
		return n.Start()
	case ring.LoseData:
		return n.LoseData()
	case ring.ForeignAdd:
		return n.Start()
	case ring.ForeignReplace:
		dead, err := s.node(h.Of)
		if err != nil {
			return err
		}
		return n.Start("-Dcassandra.replace_address_first_boot=" + dead.Address)
	case ring.Hibernate:
		return s.replaceItself(n)
	default:
		return s.nodetool(ctx, h, n)
	}
}

// nodetool orders something from a node. Most of it blocks: it goes on after the call's deadline.
func (s *stage) nodetool(ctx context.Context, h ring.Happening, n *lab.Node) error {
	exec := func(mbean, operation string, arguments ...any) error {
		_, err := s.agents[n.Instance].Exec(ctx, mbean, operation, arguments...)
		if jolokia.KindOf(err) == jolokia.Timeout {
			return nil
		}
		return err
	}
	switch h.Trouble {
	case ring.Stop:
		if err := exec(jolokia.StorageService, "drain()"); err != nil {
			return err
		}
		pid, _ := n.Pid()
		return syscall.Kill(pid, syscall.SIGTERM)
	case ring.Leave:
		return exec(jolokia.StorageService, "decommission(boolean)", false)
	case ring.RemoveNode:
		id := ""
		for _, of := range s.last.Nodes {
			if of.Instance == h.Of {
				id = of.HostID
			}
		}
		return exec(jolokia.StorageService, "removeNode(java.lang.String)", id)
	case ring.Assassinate:
		of, err := s.node(h.Of)
		if err != nil {
			return err
		}
		return exec(jolokia.Gossiper, "assassinateEndpoint(java.lang.String)", of.Address)
	case ring.ForeignRepair:
		return s.orderRepair(ctx, h, n)
	default:
		return errors.New("the stage cannot do it")
	}
}

func (s *stage) orderRepair(ctx context.Context, h ring.Happening, n *lab.Node) error {
	options := map[string]string{"incremental": "false", "parallelism": "parallel", "primaryRange": "false"}
	if h.Of != "" {
		with, err := s.node(h.Of)
		if err != nil {
			return err
		}
		options["hosts"] = n.Address + "," + with.Address
	}
	got, err := s.agents[n.Instance].Exec(ctx, jolokia.StorageService, "repairAsync(java.lang.String,java.util.Map)", client.Keyspace, options)
	if err != nil {
		return err
	}
	s.repair = command{node: n.Instance}
	return json.Unmarshal(got, &s.repair.number)
}

// replaceItself lets an empty node take its own place: bootstrap on, no tokens of its own, not among its seeds.
func (s *stage) replaceItself(n *lab.Node) error {
	path := filepath.Join(n.Folder, "conf", "cassandra.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	b = regexp.MustCompile(`(?m)^initial_token: .*$`).ReplaceAll(b, nil)
	b = regexp.MustCompile(`(?m)^auto_bootstrap: .*$`).ReplaceAll(b, []byte("auto_bootstrap: true"))
	b = regexp.MustCompile(`(?m)- seeds: .*$`).ReplaceAll(b, fmt.Appendf(nil, "- seeds: %q", s.ring.Node(1).Address+","+s.ring.Node(2).Address))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return n.Start("-Dcassandra.replace_address_first_boot=" + n.Address)
}
