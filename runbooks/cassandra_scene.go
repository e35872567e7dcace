package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// scene is what the runbooks of a ring look at; the same for each of them, whatever its parameters are.
type scene struct {
	ring   cassandra.Ring
	now    time.Time
	policy galen.Policy
	past   []galen.Intent // of this run, oldest first
	facts  map[string]galen.Fact
	yes    time.Time // of a person, the newest
	stop   string
	spare  string // the instance to be used for a replacement; "" is any that fits
}

func sceneOf[P any](s galen.Situation[cassandra.Ring, P], spare string) scene {
	return scene{ring: s.State, now: s.Now, policy: s.Policy, past: s.Past, facts: s.Facts, yes: s.LastYes, stop: s.Stop, spare: spare}
}

// attempts are the intents of this run with a verb on a target: those that had, or may have had, an effect, and all. What
// turned out absent before a person's last yes is left out of all: the yes was to trying again.
func (s scene) attempts(verb, target string) (effective, all int) {
	for _, in := range s.past {
		absent := in.Effect.Status == galen.EffectAbsent
		if in.Step.Verb != verb || in.Step.Target.ID != target || absent && in.At.Before(s.yes) {
			continue
		}
		all++
		if !absent {
			effective++
		}
	}
	return effective, all
}

// answerShown is how many characters of a target's answer a reason quotes.
const answerShown = 1000

// lastAnswer is what was answered to the newest intent of this run with a verb on a target, or else what became of it.
func (s scene) lastAnswer(verb, target string) string {
	for _, in := range slices.Backward(s.past) {
		if in.Step.Verb != verb || in.Step.Target.ID != target {
			continue
		}
		answer := in.Effect.Why
		if in.Sent != galen.SentYes && in.Reply != "" {
			answer = in.Reply
		}
		if runes := []rune(answer); len(runes) > answerShown {
			answer = string(runes[:answerShown]) + "…"
		}
		return answer
	}
	return ""
}

// maxLost is how many calls of one step may turn out never to have happened before a person is asked, and asked again.
const maxLost = 3

// underWay waits for the effect of an open intent of this run.
func (s scene) underWay() (galen.Plan, bool) {
	for _, in := range s.past {
		if in.Effect.Settled() {
			continue
		}
		why := in.Effect.Why
		if why == "" {
			why = "not seen yet"
		}
		p := wait(s.policy.LookSoon, "%s is under way: %s", in.Step, why)
		p.Keep = s.keep()
		return p, true
	}
	return galen.Plan{}, false
}

// keep is the claim on the whole ring from the fence, or the preparation in the place of a node that was fenced before, to the
// end of the replacement: nobody else may move ranges while a node is fenced and its place is empty.
func (s scene) keep() []galen.Claim {
	empty := map[string]bool{}
	for k, in := range s.past {
		if place := s.placeOf(k); place != "" && in.Effect.Status != galen.EffectAbsent {
			empty[place] = in.Step.Verb != cassandra.VerbReplace || in.Effect.Status != galen.EffectDone
		}
	}
	for _, is := range empty {
		if is {
			return []galen.Claim{{Name: "ring"}}
		}
	}
	return nil
}

// keeping adds the ring's claim to a plan that goes on.
func (s scene) keeping(p galen.Plan) galen.Plan {
	if p.End == "" {
		p.Keep = []galen.Claim{{Name: "ring"}}
	}
	return p
}

// moment is a time for people.
func moment(t time.Time) string { return t.UTC().Format(time.TimeOnly) }

// evidence says who calls a node down and since when.
func evidence(n cassandra.Node) string {
	return cassandra.Title(n) + " is down since " + moment(n.DownSince) + ": " + strings.Join(cassandra.SaysBad(n), ", ") + " say so"
}

// find resolves a node by host ID, address or instance; an empty name is nobody. One that is unlisted is found if no
// listed one goes by that name: a short listing is no proof that it left, see [scene.unlisted].
func (s scene) find(name string) (found cassandra.Node, is bool) {
	for _, n := range s.ring.Nodes {
		if name == "" || n.HostID != name && n.Address != name && n.Instance != name {
			continue
		}
		if !n.Unlisted {
			return n, true
		}
		found, is = n, true
	}
	return found, is
}

// unlisted waits for a look that lists the node: of one that lacks it nothing follows, whatever was begun.
func (s scene) unlisted(n cassandra.Node) galen.Plan {
	return wait(s.policy.LookSoon, "the newest look lists fewer nodes than are known; waiting for one that lists %s", cassandra.Title(n))
}

// caughtUp ends a plan well when the node has got the writes that it missed.
func (s scene) caughtUp(n cassandra.Node, format string, args ...any) galen.Plan {
	if missed := s.ring.Missed(n); len(missed) > 0 {
		return wait(s.policy.LookSoon, "%s; it still misses writes: %s", fmt.Sprintf(format, args...), strings.Join(missed, "; "))
	}
	if owed := s.owing(n); len(owed) > 0 {
		if s.stop != "" {
			return finished("stopped at a safe point: %s serves, and the repair of %s is still owed on it", cassandra.Title(n), strings.Join(owed, ", "))
		}
		return s.repair(n, owed, "was silent for longer than its peers keep hints")
	}
	return finished(format, args...)
}

// owing are the keyspaces whose repair somebody owes on a node.
func (s scene) owing(n cassandra.Node) []string {
	return slices.DeleteFunc(s.ring.RepairedKeyspaces(n.DC), func(k string) bool {
		f, owed := s.facts[cassandra.FactRepairOwed+n.Instance+"/"+k]
		return !owed || f.Gone
	})
}

// named is the scope of a request that names one node.
func named(r cassandra.Ring, node string) []galen.Target {
	n, found := scene{ring: r}.find(node)
	if !found || n.Unlisted {
		return nil
	}
	return []galen.Target{n.Target()}
}

// elsewhere are the nodes of the same data centre that are down in other racks than n.
func (s scene) elsewhere(n cassandra.Node) []cassandra.Node {
	var out []cassandra.Node
	for _, o := range s.ring.Nodes {
		if o.Down && o.DC == n.DC && o.Rack != n.Rack {
			out = append(out, o)
		}
	}
	return out
}

// widespread says why too much is down for a destructive step (I-03 in the words of a ring). "" if it is one node's trouble.
func (s scene) widespread(n cassandra.Node) string {
	others := s.elsewhere(n)
	ill := func(of galen.Share) bool { return of.Group == n.DC && of.TooMany() }
	if len(others) == 0 || !slices.ContainsFunc(galen.Shares(s.ring.Members(), s.policy), ill) {
		return ""
	}
	return names(others) + " in another rack " + isAre(len(others)) + " down too"
}

func names(nodes []cassandra.Node) string {
	out := make([]string, 0, len(nodes))
	for _, n := range nodes {
		out = append(out, cassandra.Title(n))
	}
	return strings.Join(out, ", ")
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// moving says which range movement is under way, "" if none.
func (s scene) moving() string {
	for _, n := range s.ring.Nodes {
		if n.Status != cassandra.Normal {
			return cassandra.Title(n) + " is " + string(n.Status)
		}
	}
	if len(s.ring.Pending) > 0 {
		return "ranges are pending"
	}
	return ""
}

// lame tells of a spare that is not taken since it could not be started, "" if there is none; unsure: only one look says so yet.
func (s scene) lame() (why string, unsure bool) {
	for _, i := range s.ring.Instances {
		if i.Spare && i.Process == cassandra.Absent && i.CannotStart != "" {
			return "; the spare " + i.Name + " could not be started: " + i.CannotStart, i.LameLooks < 2
		}
	}
	return "", false
}

// endedForGood: a process that was ended, and would not start again, is for a person; known is what is known of the node.
func (s scene) endedForGood(i cassandra.Instance, known string) (p galen.Plan, lost bool) {
	switch why, sure := i.StartsAgain(); {
	case why == "":
		return galen.Plan{}, false
	case sure:
		return person("%s; it would not start again: %s", known, why), true
	default:
		return wait(s.policy.LookSoon, "%s; another look must tell whether it would start again: %s", known, why), true
	}
}

// vacant picks the empty instance for a dead node: the one that was asked for, else of those that have room for what it held
// the first that is configured for its rack, else for its data centre, else one that is configured for none yet. If there is
// none, it gives the plan that says so, after what is known of the node.
func (s scene) vacant(dead cassandra.Node, known string) (best cassandra.Instance, lack galen.Plan, found bool) {
	empty := slices.DeleteFunc(slices.Clone(s.ring.Instances), func(i cassandra.Instance) bool {
		// One of another data centre would serve its ranges from there.
		return !i.Vacant() || s.spare != "" && i.Name != s.spare || i.Config.DC != "" && i.Config.DC != dead.DC
	})
	if len(empty) == 0 {
		lame, unsure := s.lame()
		if unsure {
			return best, wait(s.policy.LookSoon, "%s%s: another look must tell", known, lame), false
		}
		return best, person("%s%s, and there is no empty spare instance%s to take its place: add one", known, lame, s.named()), false
	}
	room := s.ring.RoomFor(dead, s.policy)
	switch why, silent := room.Missing(empty); {
	case silent:
		return best, wait(s.policy.Fallback, "%s, and no empty instance is known to have room for what it held: %s", known, why), false
	case why != "":
		return best, person("%s, and no empty instance%s has room for what it held: %s: make room there, or add one", known, s.named(), why), false
	}
	near := func(i cassandra.Instance) int {
		switch {
		case i.Config.DC != dead.DC:
			return 0
		case i.Config.Rack != dead.Rack:
			return 1
		}
		return 2
	}
	roomy := slices.DeleteFunc(empty, func(i cassandra.Instance) bool { return !room.In(i) })
	return slices.MaxFunc(roomy, func(i, k cassandra.Instance) int { return cmp.Compare(near(i), near(k)) }), galen.Plan{}, true
}
