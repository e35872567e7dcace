package cassandra

import "github.com/galenhq/galen"

// throttled: streams take the disks and the network from what a node serves, so they are let run faster only up to the
// policy's ceiling, and on nodes that are up. Back goes only what was raised: a throttle is never set to any other value.
func throttled(a galen.Ask[Ring]) galen.Verdict {
	switch a.Step.Verb {
	case VerbRestoreStream:
		if !a.Own {
			return deny("it puts back no raise that is owed")
		}
		return allow("takes back what this run, or one that has ended, did")
	case VerbRaiseStream:
		return raisable(a)
	}
	return allow("%s leaves the throttles alone", a.Step.Verb)
}

func raisable(a galen.Ask[Ring]) galen.Verdict {
	args, err := galen.Decode[RaiseArgs](a.Step.Args)
	node, _ := a.State.Find(a.Step.Target.ID)
	ceiling := Rate{Value: float64(a.Policy.StreamCeiling), Unit: Mebibytes}
	switch {
	case err != nil:
		return deny("arguments of %s: %s", a.Step.Verb, err)
	case node == nil:
		return deny("%s is no node of the ring", a.Step.Target)
	case args.above(ceiling):
		return deny("%s is more than the policy's ceiling of %s", args.To, ceiling)
	case node.Down:
		return lookAgain("%s is down", node.Address)
	}
	return allow("to %s, the ceiling is %s", args.To, ceiling)
}
