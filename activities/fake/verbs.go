package fake

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/galenhq/galen"
)

// The verbs by name.
const (
	VerbSet      = "set"      // reversible: change one setting; undo: the old value
	VerbReboot   = "reboot"   // disruptive
	VerbFailover = "failover" // disruptive, on the writer: a reader takes over
	VerbReplace  = "replace"  // destructive, on a reader: a new one, then the old is deleted
)

// factReplaced begins the fact that a replacement leaves: "replaced/<instance>".
const factReplaced = "replaced/"

// SetArgs of set.
type SetArgs struct {
	Setting string `json:"setting"`
	Value   string `json:"value"`
}

// FailoverArgs of failover.
type FailoverArgs struct {
	To string `json:"to"` // the reader that takes over
}

// callLimit bounds each call; lateness is how late the API may be in showing what it accepted.
const (
	callLimit = 5 * time.Second
	lateness  = 20 * time.Second
	settle    = callLimit + lateness + 5*time.Second
)

// Kind is the pure half.
func Kind() galen.Kind[Cluster] {
	verb := func(name string, class galen.Class, effect func(Cluster, galen.Intent) galen.Effect) galen.Verb[Cluster] {
		return galen.Verb[Cluster]{
			Name: name, Class: class, Settle: settle, Call: callLimit, Check: check, Claims: claims, Effect: effect, Facts: facts,
		}
	}
	change := verb(VerbSet, galen.Reversible, effectOfSet)
	change.Undo = VerbSet // to the old value
	return galen.Kind[Cluster]{
		Name: KindName, Fold: Fold,
		Verbs: []galen.Verb[Cluster]{
			change,
			verb(VerbReboot, galen.Disruptive, effectOfReboot),
			verb(VerbFailover, galen.Disruptive, effectOfFailover),
			verb(VerbReplace, galen.Destructive, effectOfReplace),
		},
		Margin: func(c Cluster, _ []galen.Intent, _ galen.Policy) string { return c.outlook(nil).Margin },
		ByHand: byHand(),
		Vitals: func(c Cluster) []galen.Sample {
			return []galen.Sample{{At: c.Looked, Member: c.Name, Name: "connections", Value: c.Connections}}
		},
	}
}

// Set changes one setting of an instance; its undo brings back the value that the State shows now.
func Set(i Instance, setting, value, why string) galen.Step {
	s := set(i, setting, value, why)
	back := set(i, setting, i.Settings[setting], "bring the old value back")
	s.Undo = &back
	return s
}

func set(i Instance, setting, value, why string) galen.Step {
	return galen.Step{
		Verb: VerbSet, Why: why, Target: i.Target(), Args: encode(SetArgs{Setting: setting, Value: value}),
		Within: galen.Duration(5 * time.Minute),
	}
}

// Reboot starts an instance again.
func Reboot(i Instance, why string) galen.Step {
	return galen.Step{Verb: VerbReboot, Why: why, Target: i.Target(), Within: galen.Duration(10 * time.Minute)}
}

// Failover makes a reader the writer.
func Failover(writer, to Instance, why string) galen.Step {
	return galen.Step{
		Verb: VerbFailover, Why: why, Target: writer.Target(), Args: encode(FailoverArgs{To: to.ID}), Within: galen.Duration(5 * time.Minute),
	}
}

// Replace creates a new reader in the old one's zone and deletes the old one.
func Replace(reader Instance, why string) galen.Step {
	return galen.Step{Verb: VerbReplace, Why: why, Target: reader.Target(), Within: galen.Duration(time.Hour)}
}

// encode writes arguments; those types cannot fail.
func encode(v any) json.RawMessage {
	b, err := galen.Canonical(v)
	if err != nil {
		return nil // Check refuses a step without arguments
	}
	return b
}

func check(c Cluster, s galen.Step) error {
	i, known := c.Instance(s.Target.ID)
	if !known {
		return fmt.Errorf("%s is no instance of %s", s.Target.ID, c.Name)
	}
	if s.Within <= 0 {
		return fmt.Errorf("%s has no deadline", s)
	}
	switch s.Verb {
	case VerbSet:
		return checkSet(i, s)
	case VerbFailover:
		return checkFailover(c, i, s)
	case VerbReboot, VerbReplace:
		if len(s.Args) > 0 {
			return fmt.Errorf("%s takes no arguments", s.Verb)
		}
		if s.Verb == VerbReplace && i.Role != Reader {
			return fmt.Errorf("%s is the writer: only readers are replaced", i.ID)
		}
		return nil
	}
	return fmt.Errorf("no verb %q", s.Verb)
}

func checkSet(i Instance, s galen.Step) error {
	args, err := galen.Decode[SetArgs](s.Args)
	if err != nil {
		return fmt.Errorf("arguments of set: %w", err)
	}
	if _, has := i.Settings[args.Setting]; !has {
		return fmt.Errorf("%s has no setting %q", i.ID, args.Setting)
	}
	return nil
}

func checkFailover(c Cluster, i Instance, s galen.Step) error {
	args, err := galen.Decode[FailoverArgs](s.Args)
	if err != nil {
		return fmt.Errorf("arguments of failover: %w", err)
	}
	if to, is := c.Instance(args.To); !is || to.Role != Reader || to.Bad() || i.Role != Writer {
		return fmt.Errorf("failover goes from the writer to a reader that is well, not from %s to %q", i.ID, args.To)
	}
	return nil
}

// claims: what changes roles or members has the cluster for itself, which is the widest claim.
func claims(_ Cluster, s galen.Step) []galen.Claim {
	switch args, err := galen.Decode[FailoverArgs](s.Args); {
	case s.Verb == VerbFailover && err == nil:
		return []galen.Claim{{Name: "ring"}, {Name: "node/" + s.Target.ID}, {Name: "node/" + args.To}}
	case s.Verb == VerbFailover, s.Verb == VerbReplace:
		return []galen.Claim{{Name: "ring"}}
	}
	return []galen.Claim{{Name: "ring", Shared: true}, {Name: "node/" + s.Target.ID}}
}

func facts(_ Cluster, in galen.Intent, _ galen.Policy) []galen.Fact {
	if in.Step.Verb != VerbReplace || in.Effect.Status != galen.EffectDone {
		return nil
	}
	return []galen.Fact{{Key: factReplaced + in.Step.Target.ID, Intent: in.ID, At: in.Effect.At}}
}

func effect(status galen.EffectStatus, format string, args ...any) galen.Effect {
	return galen.Effect{Status: status, Why: fmt.Sprintf(format, args...)}
}

func effectOfSet(c Cluster, in galen.Intent) galen.Effect {
	i, known := c.Instance(in.Step.Target.ID)
	args, err := galen.Decode[SetArgs](in.Step.Args)
	switch {
	case err != nil || !known || i.Unlisted:
		return effect(galen.EffectUnknown, "%s cannot be seen", in.Step.Target.ID)
	case i.Settings[args.Setting] == args.Value:
		return effect(galen.EffectDone, "%s is %s", args.Setting, args.Value)
	case i.Status == Modifying:
		return effect(galen.EffectUnderWay, "the API says %s", i.Status)
	}
	return effect(galen.EffectAbsent, "%s is %s", args.Setting, i.Settings[args.Setting])
}

// effectOfReboot goes by the count of boots, not by the status, which is late.
func effectOfReboot(c Cluster, in galen.Intent) galen.Effect {
	i, known := c.Instance(in.Step.Target.ID)
	switch {
	case !known || i.Unlisted:
		return effect(galen.EffectUnknown, "%s cannot be seen", in.Step.Target.ID)
	case i.Boots > in.Step.Target.Generation && i.Status == Broken:
		return effect(galen.EffectFailed, "%s did not come back", i.ID)
	case i.Boots > in.Step.Target.Generation && i.Status == Available:
		return effect(galen.EffectDone, "boot %d", i.Boots)
	case i.Boots > in.Step.Target.Generation || i.Status == Rebooting:
		return effect(galen.EffectUnderWay, "the API says %s", i.Status)
	}
	return effect(galen.EffectAbsent, "still boot %d", i.Boots)
}

func effectOfFailover(c Cluster, in galen.Intent) galen.Effect {
	old, known := c.Instance(in.Step.Target.ID)
	w := slices.IndexFunc(c.Instances, func(i Instance) bool { return i.Role == Writer && i.ID != in.Step.Target.ID })
	switch {
	case w >= 0:
		return effect(galen.EffectDone, "%s is the writer", c.Instances[w].ID)
	case !known || old.Unlisted:
		return effect(galen.EffectUnknown, "%s cannot be seen", in.Step.Target.ID)
	case old.Status == FailingOver:
		return effect(galen.EffectUnderWay, "the API says %s", old.Status)
	}
	return effect(galen.EffectAbsent, "%s is still the writer", old.ID)
}

// effectOfReplace goes by the client token, which the new instance shows.
func effectOfReplace(c Cluster, in galen.Intent) galen.Effect {
	n := slices.IndexFunc(c.Instances, func(i Instance) bool { return i.Token != "" && i.Token == in.ID })
	if n < 0 {
		return effect(galen.EffectAbsent, "no instance has the token %s", in.ID)
	}
	fresh := c.Instances[n]
	_, old := c.Instance(in.Step.Target.ID)
	switch {
	case fresh.Status == Broken:
		return effect(galen.EffectFailed, "%s failed", fresh.ID)
	case fresh.Status != Available || old:
		return effect(galen.EffectUnderWay, "%s is %s", fresh.ID, fresh.Status)
	}
	return effect(galen.EffectDone, "%s has taken the place", fresh.ID)
}
