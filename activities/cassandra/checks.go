package cassandra

import (
	"errors"
	"fmt"
	"slices"

	"github.com/galenhq/galen"
)

// A check refuses what the constructor would not have made from this State. It does not judge whether the step is wise:
// that is the guards'.

// nodeAndInstance resolves a target that must be a node, run by the named instance that its host lets us see.
func nodeAndInstance(r Ring, t galen.Target, instance string) (Node, Instance, error) {
	n, found := r.Node(t.ID)
	if !found || n.Unlisted {
		return Node{}, Instance{}, errors.New("no such node in the ring")
	}
	if n.Instance != instance || instance == "" {
		return Node{}, Instance{}, fmt.Errorf("the node is run by instance %q, not %q", n.Instance, instance)
	}
	i, err := readable(r, instance)
	return n, i, err
}

func readable(r Ring, instance string) (Instance, error) {
	i, found := r.Instance(instance)
	if !found {
		return Instance{}, fmt.Errorf("the host plane does not know instance %q", instance)
	}
	if i.Error != "" {
		return Instance{}, fmt.Errorf("the host of %s could not be read: %s", instance, i.Error)
	}
	return i, nil
}

// spare resolves a target that must be an instance which is no NORMAL node and never was since it was prepared.
func spare(r Ring, t galen.Target, instance string) (Instance, error) {
	if t.ID != instancePrefix+instance {
		return Instance{}, fmt.Errorf("the arguments name instance %q", instance)
	}
	i, err := readable(r, instance)
	if err != nil {
		return i, err
	}
	if n, found := r.NodeOf(instance); found && n.Status != Joining || i.EverNormal {
		return i, errors.New("it is a node in service, or was one since it was prepared")
	}
	return i, nil
}

func checkStart(r Ring, s galen.Step, args StartArgs) error {
	_, i, err := nodeAndInstance(r, s.Target, args.Instance)
	switch {
	case err != nil:
		return err
	case i.Fenced != "":
		return fmt.Errorf("the instance is fenced by %s", i.Fenced)
	case i.Process != Absent:
		return fmt.Errorf("process %d is alive (%s)", i.PID, i.Process)
	case i.Data != DataPresent:
		return fmt.Errorf("its data are %s: it would start empty", i.Data)
	case i.preparedBy() != "" && !i.EverNormal:
		return errors.New("it is prepared to replace another node; only replace starts it")
	}
	return nil
}

func checkStop(r Ring, s galen.Step, args StopArgs) error {
	n, i, err := nodeAndInstance(r, s.Target, args.Instance)
	switch {
	case err != nil:
		return err
	case n.Status != Normal:
		return fmt.Errorf("the node is %s", n.Status)
	case i.Process != Running:
		return fmt.Errorf("its process is %s", i.Process)
	}
	return nil
}

func checkKill(r Ring, s galen.Step, args KillArgs) error {
	n, i, err := nodeAndInstance(r, s.Target, args.Instance)
	switch {
	case err != nil:
		return err
	case !args.same(i):
		return fmt.Errorf("process %d of %s is not the one that runs there now", args.PID, args.Started)
	case !n.Down:
		return errors.New("somebody still hears the node: only a stuck process is killed")
	}
	return nil
}

func checkFence(r Ring, s galen.Step, args FenceArgs) error {
	n, i, err := nodeAndInstance(r, s.Target, args.Instance)
	switch {
	case err != nil:
		return err
	case !n.Down:
		return errors.New("the node is not down")
	case n.Status == Joining:
		return errors.New("the node is joining: a failed joiner is taken back, not fenced")
	case i.Fenced != "" && i.Process == Absent:
		return fmt.Errorf("it is fenced already, by %s", i.Fenced)
	}
	return nil
}

func checkPrepare(r Ring, s galen.Step, args PrepareArgs) error {
	_, instance := r.Find(s.Target.ID)
	if instance == nil || s.Target.ID != instancePrefix+instance.Name {
		return errors.New("the host plane does not know it")
	}
	if !instance.Vacant() {
		return fmt.Errorf("it is no unused spare (spare %t, process %s, data %s, fenced %q, prepared %q, start %q, error %q)",
			instance.Spare, instance.Process, instance.Data, instance.Fenced, instance.preparedBy(), instance.CannotStart, instance.Error)
	}
	dead := slices.IndexFunc(r.Nodes, func(n Node) bool { return n.Address == args.Replace && n.Status != Joining })
	if dead < 0 {
		return fmt.Errorf("no node at %s", args.Replace)
	}
	if dc := instance.Config.DC; dc != "" && dc != r.Nodes[dead].DC {
		return fmt.Errorf("it stands in %s, %s in %s: no place goes to another data centre", dc, Title(r.Nodes[dead]), r.Nodes[dead].DC)
	}
	return args.fits(r, r.Nodes[dead], instance.Address)
}

// fits refuses a configuration that is not what the live ring tells.
func (a PrepareArgs) fits(r Ring, dead Node, address string) error {
	switch {
	case !dead.Down:
		return fmt.Errorf("%s is not down", Title(dead))
	case a.Cluster == "" || a.Cluster != r.Cluster:
		return fmt.Errorf("cluster %q, the ring is %q", a.Cluster, r.Cluster)
	case a.DC != dead.DC || a.Rack != dead.Rack || a.DC == "" || a.Rack == "":
		return fmt.Errorf("%s/%s, %s stands in %s", a.DC, a.Rack, Title(dead), dead.Domain())
	case a.NumTokens != len(dead.Tokens) || a.NumTokens < 1:
		return fmt.Errorf("%d tokens, %s has %d", a.NumTokens, Title(dead), len(dead.Tokens))
	}
	return a.seedsLive(r, address)
}

func (a PrepareArgs) seedsLive(r Ring, address string) error {
	if len(a.Seeds) == 0 {
		return errors.New("no seed")
	}
	for _, seed := range a.Seeds {
		i := slices.IndexFunc(r.Nodes, func(n Node) bool { return n.Address == seed })
		if seed == address || i < 0 || r.Nodes[i].Down || r.Nodes[i].Status != Normal {
			return fmt.Errorf("seed %s is no live NORMAL other node", seed)
		}
	}
	return nil
}

func checkDiscard(r Ring, s galen.Step, args DiscardArgs) error {
	i, err := spare(r, s.Target, args.Instance)
	switch {
	case err != nil:
		return err
	case i.Process != Absent:
		return fmt.Errorf("process %d is alive", i.PID)
	case i.Data != DataGone:
		return fmt.Errorf("its data are %s: take the joiner back first", i.Data)
	case i.preparedBy() == "":
		return errors.New("nothing is prepared there")
	}
	return nil
}

func checkReplace(r Ring, s galen.Step, args ReplaceArgs) error {
	n, found := r.Node(s.Target.ID)
	if !found || n.Unlisted {
		return errors.New("no such node in the ring")
	}
	i, err := spare(r, galen.Target{ID: instancePrefix + args.Instance}, args.Instance)
	if err != nil {
		return err
	}
	if err := errors.Join(args.replaceable(n), args.ready(i)); err != nil {
		return err
	}
	old, err := readable(r, n.Instance)
	if err != nil {
		return err
	}
	if old.Fenced == "" || old.Process != Absent {
		return fmt.Errorf("%s is not fenced: it could come back and take its tokens", n.Instance)
	}
	want := PrepareArgs{Cluster: r.Cluster, DC: n.DC, Rack: n.Rack, Seeds: i.Config.Seeds, Replace: n.Address, NumTokens: len(n.Tokens)}
	if why := want.differs(i); why != "" {
		return fmt.Errorf("the configuration of %s does not fit: %s", i.Name, why)
	}
	return nil
}

func (a ReplaceArgs) replaceable(n Node) error {
	switch {
	case !n.Down || n.Status == Joining:
		return errors.New("the node is not dead")
	case a.Address != n.Address || a.Tokens != HashTokens(n.Tokens) || len(n.Tokens) == 0:
		return errors.New("address or tokens are not the node's")
	}
	return nil
}

func (a ReplaceArgs) ready(i Instance) error {
	switch {
	case a.Prepared == "" || i.Prepared != a.Prepared:
		return fmt.Errorf("%s is prepared by %q, not by %q", i.Name, i.Prepared, a.Prepared)
	case i.Process != Absent:
		return fmt.Errorf("process %d of %s is alive", i.PID, i.Name)
	}
	return nil
}

// checkRemoveJoiner refuses what anybody calls a member; that somebody is there to say so is asked by a guard, which
// looks again where this would refuse for good.
func checkRemoveJoiner(r Ring, s galen.Step, args RemoveJoinerArgs) error {
	i, err := spare(r, s.Target, args.Instance)
	why := r.joined(args.Instance)
	switch {
	case err != nil:
		return err
	case why != "":
		return errors.New(why)
	case i.Prepared == "":
		return errors.New("nothing is prepared there")
	case args.Replace == "" || !slices.Contains(i.Attempts, args.Replace):
		return fmt.Errorf("intent %q started nothing there", args.Replace)
	case i.Process != Absent && i.Intent != args.Replace:
		return fmt.Errorf("process %d was started by %q", i.PID, i.Intent)
	}
	return nil
}

func checkClear(r Ring, s galen.Step, args ClearReplaceArgs) error {
	n, i, err := nodeAndInstance(r, s.Target, args.Instance)
	switch {
	case err != nil:
		return err
	case n.Status != Normal:
		return fmt.Errorf("the node is %s", n.Status)
	case i.Prepared == "" && i.ReplaceFlag == "":
		return errors.New("there is no replace flag")
	}
	return nil
}

func checkRepair(r Ring, s galen.Step, args RepairArgs) error {
	n, _, err := nodeAndInstance(r, s.Target, args.Instance)
	switch {
	case err != nil:
		return err
	case n.Status != Normal || n.Down:
		return fmt.Errorf("the coordinator is %s, down %t", n.Status, n.Down)
	case !slices.Contains(r.RepairedKeyspaces(n.DC), args.Keyspace):
		return fmt.Errorf("keyspace %q is not one that is repaired", args.Keyspace)
	case len(args.Ranges) == 0:
		return errors.New("no range")
	}
	mine := map[Range]bool{}
	for _, own := range NewQuorum(r, galen.Policy{}).Ranges(args.Keyspace, n.HostID) {
		mine[own] = true
	}
	for _, want := range args.Ranges {
		if !mine[want] {
			return fmt.Errorf("the node has no replica of the whole range (%d, %d]", want.Start, want.End)
		}
	}
	return nil
}
