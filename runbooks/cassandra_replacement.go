package runbooks

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
)

// begin starts the replacement of a dead node, if it may: fence, prepare, replace, repair, clear. why tells why nothing
// milder helps.
func (s scene) begin(n cassandra.Node, why string) galen.Plan {
	if wide := s.widespread(n); wide != "" {
		return person("%s; %s, but %s: nothing is destroyed while more than one node's trouble is seen", evidence(n), why, wide)
	}
	if used := s.replaced(n.HostID); used >= s.policy.ReplacesPerRun {
		return person("%s; %s; this run has replaced %d already, more needs a person", evidence(n), why, used)
	}
	if _, all := s.attempts(cassandra.VerbFence, n.HostID); all >= maxLost {
		return person("%s; %d fences never happened; the last: %s", evidence(n), all, s.lastAnswer(cassandra.VerbFence, n.HostID))
	}
	if m := s.moving(); m != "" {
		return wait(s.policy.Fallback, "%s; %s, but %s: waiting until no range moves", evidence(n), why, m)
	}
	i, lack, found := s.vacant(n, evidence(n)+"; "+why)
	if !found {
		return lack
	}
	if old, _ := s.ring.Instance(n.Instance); old.Fenced != "" && old.Process == cassandra.Absent {
		return s.keeping(s.prepare(n, i)) // by somebody else
	}
	p := do(cassandra.Fence(n), "%s; %s: fence it, then %s takes its place", evidence(n), why, i.Name)
	p.Outline = append([]galen.Step{cassandra.Prepare(s.ring, i, n)}, s.afterPrepare(n, i)...)
	return s.keeping(p)
}

func (s scene) named() string {
	if s.spare == "" {
		return ""
	}
	return " " + s.spare
}

// replaced counts the other targets that this run has begun to replace, those among them that were fenced before.
func (s scene) replaced(target string) int {
	others := map[string]bool{}
	for k, in := range s.past {
		if place := s.placeOf(k); place != "" && place != target && in.Effect.Status != galen.EffectAbsent {
			others[place] = true
		}
	}
	return len(others)
}

func (s scene) prepare(dead cassandra.Node, i cassandra.Instance) galen.Plan {
	p := do(cassandra.Prepare(s.ring, i, dead), "%s is fenced: prepare the empty instance %s (%s) to take its place in %s", cassandra.Title(dead), i.Name, i.Address, dead.Domain())
	p.Outline = s.afterPrepare(dead, i)
	return p
}

// afterPrepare is what should follow a preparation, for the person who approves it. The new node has no host ID yet; it
// goes by its instance.
func (s scene) afterPrepare(dead cassandra.Node, i cassandra.Instance) []galen.Step {
	heir := dead
	heir.Instance, heir.Address = i.Name, i.Address
	out := []galen.Step{cassandra.Replace(dead, i)}
	for _, k := range s.ring.RepairedKeyspaces(dead.DC) {
		out = append(out, cassandra.RepairRanges(s.ring, heir, k))
	}
	out = append(out, cassandra.ClearReplace(heir))
	for k := 1; k < len(out); k++ {
		out[k].Target = i.Target()
	}
	return out
}

// replacement is one that this run has begun: its intents from the first that had an effect on.
type replacement struct {
	scene
	dead string // host ID
	own  []galen.Intent
}

// replacement finds the one of a target. It begins with the fence, or, of a node that was fenced before, with the
// preparation.
func (s scene) replacement(target string) (replacement, bool) {
	r := replacement{scene: s, dead: target}
	for k, in := range s.past {
		if in.Effect.Status != galen.EffectAbsent && s.placeOf(k) == target {
			r.own = append(r.own, in)
		}
	}
	return r, len(r.own) > 0
}

// placeOf is the host ID of the node whose place an intent of this run gives to another one, "" if it is about none. It holds
// when that node has left the ring, which it does when its place is taken: nothing of its replacement is over then.
func (s scene) placeOf(k int) string {
	in := s.past[k]
	switch in.Step.Verb {
	case cassandra.VerbFence, cassandra.VerbReplace:
		return in.Step.Target.ID
	case cassandra.VerbPrepare:
		return s.preparedFor(k)
	case cassandra.VerbDiscard, cassandra.VerbRemoveJoiner: // what was prepared there last
		for before := k - 1; before >= 0; before-- {
			if b := s.past[before]; b.Step.Verb == cassandra.VerbPrepare && b.Step.Target.ID == in.Step.Target.ID {
				return s.preparedFor(before)
			}
		}
	}
	return ""
}

// preparedFor is for whose place a preparation was made: the one in which what it prepared was started, else the node at the
// address that it names, else, if that is there no more, the one that was fenced last.
func (s scene) preparedFor(k int) string {
	for _, in := range s.past[k+1:] {
		if in.Step.Verb != cassandra.VerbReplace {
			continue
		}
		if args, err := galen.Decode[cassandra.ReplaceArgs](in.Step.Args); err == nil && args.Prepared == s.past[k].ID {
			return in.Step.Target.ID
		}
	}
	if id := s.atAddress(s.past[k]); id != "" {
		return id
	}
	for _, in := range slices.Backward(s.past[:k]) {
		if in.Step.Verb == cassandra.VerbFence && in.Effect.Status != galen.EffectAbsent {
			return in.Step.Target.ID
		}
	}
	return ""
}

// atAddress is the member at the address that a preparation names, "" if there is none.
func (s scene) atAddress(prepare galen.Intent) string {
	args, err := galen.Decode[cassandra.PrepareArgs](prepare.Step.Args)
	if err != nil {
		return ""
	}
	for _, n := range s.ring.Nodes {
		if n.Address == args.Replace && n.Status != cassandra.Joining {
			return n.HostID
		}
	}
	return ""
}

// last is the newest intent with a verb that had an effect, nil if there is none, and its place.
func (r replacement) last(verb string) (*galen.Intent, int) {
	for k := len(r.own) - 1; k >= 0; k-- {
		if r.own[k].Step.Verb == verb {
			return &r.own[k], k
		}
	}
	return nil, -1
}

func (r replacement) count(verb string) int {
	n := 0
	for _, in := range r.own {
		if in.Step.Verb == verb {
			n++
		}
	}
	return n
}

// next is the next thing to do. From the start of the new node on there is no way back but through its end: a stopped
// run finishes then, repair and flag included.
func (r replacement) next() galen.Plan {
	if fence, _ := r.last(cassandra.VerbFence); fence != nil && fence.Effect.Status == galen.EffectFailed {
		return person("the fence of %s failed: %s", fence.Step.Target, fence.Effect.Why)
	}
	started, at := r.last(cassandra.VerbReplace)
	if started != nil && started.Effect.Status == galen.EffectDone {
		return r.after(*started)
	}
	back, removed := r.last(cassandra.VerbRemoveJoiner)
	if started != nil && (at > removed || back.Effect.Status != galen.EffectDone) {
		return r.keeping(r.takeBack(*started))
	}
	return r.keeping(r.before())
}

// takeBack removes the failed joiner, so that another try begins with an empty disk.
func (r replacement) takeBack(failed galen.Intent) galen.Plan {
	args, err := galen.Decode[cassandra.ReplaceArgs](failed.Step.Args)
	if err != nil {
		return person("the arguments of intent %s cannot be read: %s", failed.ID, err)
	}
	i, found := r.ring.Instance(args.Instance)
	if !found {
		return person("the joiner on %s failed (%s), and the host plane does not know that instance any more", args.Instance, failed.Effect.Why)
	}
	if _, all := r.attempts(cassandra.VerbRemoveJoiner, i.Target().ID); all >= r.policy.JoinerRetriesPerRun+maxLost {
		return person("the failed joiner on %s could not be taken back in %d attempts; the last: %s", i.Name, all, r.lastAnswer(cassandra.VerbRemoveJoiner, i.Target().ID))
	}
	return do(cassandra.RemoveJoiner(i, failed.ID), "the joiner on %s failed: %s; take it back", i.Name, failed.Effect.Why)
}

// before: the node is fenced, and nothing has joined in its place.
func (r replacement) before() galen.Plan {
	prepared, i := r.prepared()
	if prepared != nil {
		if why := r.giveUp(*prepared); why != "" {
			return r.discard(i, why)
		}
	} else if p, ended := r.unprepared(); ended {
		return p
	}
	n, found := r.ring.Node(r.dead)
	switch {
	case n.Unlisted:
		return r.unlisted(n)
	case !found || !n.Down:
		return person("%s is fenced, and the ring does not show it dead any more: look who touched it", r.dead)
	}
	if wide := r.widespread(n); wide != "" {
		return wait(r.policy.Fallback, "%s is fenced; %s: the replacement goes on when that is healed", cassandra.Title(n), wide)
	}
	if prepared == nil {
		return r.pick(n)
	}
	return r.replace(n, *prepared, i)
}

// giveUp says why a preparation is to be taken back, "" if it is to be used.
func (r replacement) giveUp(prepared galen.Intent) string {
	switch {
	case r.stop != "":
		return "the run was stopped before the replacement began"
	case prepared.Effect.Status == galen.EffectFailed:
		return prepared.Effect.Why
	case r.count(cassandra.VerbReplace) > r.policy.JoinerRetriesPerRun:
		return "its joiner failed too often"
	}
	return ""
}

// unprepared are the ends before, or after, a preparation.
func (r replacement) unprepared() (galen.Plan, bool) {
	tries := r.count(cassandra.VerbReplace)
	switch bad := r.failedSpares(); {
	case r.stop != "":
		return finished("stopped at a safe point: %s is fenced, nothing joins in its place", r.dead), true
	case tries > r.policy.JoinerRetriesPerRun:
		return person("%d tries to join in the place of %s failed; it is fenced, the spare is clean again", tries, r.dead), true
	case len(bad) > 0:
		return person("the preparation of %s went wrong and was taken back; %s stays fenced: look at that instance", strings.Join(bad, ", "), r.dead), true
	}
	return galen.Plan{}, false
}

// prepared is the preparation that was not taken back, with its instance.
func (r replacement) prepared() (*galen.Intent, cassandra.Instance) {
	in, at := r.last(cassandra.VerbPrepare)
	discard, back := r.last(cassandra.VerbDiscard)
	if in == nil || back > at && discard.Effect.Status == galen.EffectDone {
		return nil, cassandra.Instance{}
	}
	_, instance := r.ring.Find(in.Step.Target.ID)
	if instance == nil {
		return in, cassandra.Instance{Name: strings.TrimPrefix(in.Step.Target.ID, "instance/")}
	}
	return in, *instance
}

func (r replacement) failedSpares() []string {
	var out []string
	for _, in := range r.own {
		if in.Step.Verb == cassandra.VerbPrepare && in.Effect.Status == galen.EffectFailed {
			out = append(out, strings.TrimPrefix(in.Step.Target.ID, "instance/"))
		}
	}
	return out
}

func (r replacement) discard(i cassandra.Instance, why string) galen.Plan {
	if _, all := r.attempts(cassandra.VerbDiscard, i.Target().ID); all >= maxLost {
		return person("the preparation of %s could not be taken back in %d attempts; the last: %s", i.Name, all, r.lastAnswer(cassandra.VerbDiscard, i.Target().ID))
	}
	return do(cassandra.Discard(i), "take back the preparation of %s: %s", i.Name, why)
}

func (r replacement) pick(dead cassandra.Node) galen.Plan {
	i, lack, found := r.vacant(dead, cassandra.Title(dead)+" is fenced")
	if !found {
		return lack
	}
	if _, all := r.attempts(cassandra.VerbPrepare, i.Target().ID); all >= maxLost {
		return person("%d preparations of %s never happened; the last: %s", all, i.Name, r.lastAnswer(cassandra.VerbPrepare, i.Target().ID))
	}
	return r.prepare(dead, i)
}

// replace is planned from a look that read the configuration back.
func (r replacement) replace(dead cassandra.Node, prepared galen.Intent, i cassandra.Instance) galen.Plan {
	switch _, all := r.attempts(cassandra.VerbReplace, r.dead); {
	case i.Error != "":
		return wait(r.policy.Fallback, "%s is prepared, its host could not be read: %s", i.Name, i.Error)
	case i.Prepared != prepared.ID:
		return person("%s is not prepared by this run any more (by %q): look who touched it", i.Name, i.Prepared)
	case all >= r.policy.JoinerRetriesPerRun+1+maxLost:
		return person("%d starts of %s in that place did not bring it up; the last: %s", all, i.Name, r.lastAnswer(cassandra.VerbReplace, r.dead))
	}
	p := do(cassandra.Replace(dead, i), "%s is fenced, %s reads back as prepared: start it in that place, attempt %d of at most %d",
		cassandra.Title(dead), i.Name, r.count(cassandra.VerbReplace)+1, r.policy.JoinerRetriesPerRun+1)
	p.Outline = r.afterPrepare(dead, i)[1:]
	return p
}

// after: the new node owns the dead one's tokens. It streamed each range from one replica, so it is repaired from all of
// them; then the flag goes.
func (r replacement) after(done galen.Intent) galen.Plan {
	args, err := galen.Decode[cassandra.ReplaceArgs](done.Step.Args)
	if err != nil {
		return person("the arguments of intent %s cannot be read: %s", done.ID, err)
	}
	n, found := r.find(args.Instance)
	switch {
	case !found:
		return person("%s had taken the place of %s, and is no member of the ring any more", args.Instance, args.Address)
	case n.Unlisted:
		return r.unlisted(n)
	}
	if p, hurt := r.heir(n); hurt {
		return p
	}
	if p, owed := r.catchUp(n); owed {
		return p
	}
	i, _ := r.ring.Instance(n.Instance)
	if i.Prepared != "" {
		if _, all := r.attempts(cassandra.VerbClearReplace, n.HostID); all >= maxLost {
			return person("the replace flag of %s could not be taken out in %d attempts; the last: %s", cassandra.Title(n), all, r.lastAnswer(cassandra.VerbClearReplace, n.HostID))
		}
		return do(cassandra.ClearReplace(n), "%s is repaired: take the replace flag out of its start configuration", cassandra.Title(n))
	}
	if open := r.ring.Unsettled(); len(open) > 0 {
		return wait(r.policy.LookSoon, "%s has taken the place of %s; the ring is not at rest: %s", cassandra.Title(n), args.Address, strings.Join(open, "; "))
	}
	return finished("%s has taken the place of %s: UP at every live peer, it serves, it is repaired; no node is without ownership, one schema version", cassandra.Title(n), args.Address)
}

// heir sees to a new node that is not well: it is this run's work.
func (r replacement) heir(n cassandra.Node) (galen.Plan, bool) {
	ailing := r.ring.Ailing(n)
	if len(ailing) == 0 {
		return galen.Plan{}, false
	}
	why := cassandra.Title(n) + " has taken the place and is not well: " + strings.Join(ailing, "; ")
	i, known := r.ring.Instance(n.Instance)
	if !n.Down || !known || i.Error != "" || r.ring.Booting(i, cassandra.BootTime) {
		return wait(r.policy.LookSoon, "%s", why), true
	}
	tried, all := r.attempts(cassandra.VerbStart, n.HostID)
	if i.Process == cassandra.Absent && i.Data == cassandra.DataPresent && tried < r.policy.RestartsPerRun && all < r.policy.RestartsPerRun+maxLost {
		return do(cassandra.Start(n), "%s; its process ended: restart %d of at most %d", why, tried+1, r.policy.RestartsPerRun), true
	}
	return person("%s; process %s, data %s", why, i.Process, i.Data), true
}

// maxRepairs of one keyspace that may fail before a person is asked, and asked again.
const maxRepairs = 3

// catchUp repairs what the new node still owes.
func (r replacement) catchUp(n cassandra.Node) (galen.Plan, bool) {
	var owed []string
	for _, k := range r.ring.RepairedKeyspaces(n.DC) {
		if !r.repaired(n, k) {
			owed = append(owed, k)
		}
	}
	if len(owed) == 0 {
		return galen.Plan{}, false
	}
	p := r.repair(n, owed, "streamed each range from one replica only")
	if len(p.Steps) > 0 {
		p.Outline = append(p.Outline, cassandra.ClearReplace(n))
	}
	return p, true
}

// repair plans the first of the keyspaces that a node owes.
func (s scene) repair(n cassandra.Node, owed []string, why string) galen.Plan {
	if failed := s.failures(n, owed[0]); failed >= maxRepairs {
		return person("the repair of keyspace %s on %s failed or left ranges out %d times: the run owes it, destructive steps stay denied until it is done", owed[0], cassandra.Title(n), failed)
	}
	if down := s.sharing(n, owed[0]); len(down) > 0 {
		return wait(s.policy.Fallback, "%s is to be repaired, and %s is down: a repair needs all replicas", cassandra.Title(n), names(down))
	}
	all := len(s.ring.RepairedKeyspaces(n.DC))
	p := do(cassandra.RepairRanges(s.ring, n, owed[0]), "%s %s: repair keyspace %s, %d of %d", cassandra.Title(n), why, owed[0], all-len(owed)+1, all)
	for _, k := range owed[1:] {
		p.Outline = append(p.Outline, cassandra.RepairRanges(s.ring, n, k))
	}
	return p
}

// repaired: a repair is done, and nothing is owed any more. One whose ranges were moved under its hands pays nothing.
func (r replacement) repaired(n cassandra.Node, keyspace string) bool {
	return !slices.Contains(r.owing(n), keyspace) && slices.ContainsFunc(r.past, func(in galen.Intent) bool {
		return repairs(in, n, keyspace) && in.Effect.Status == galen.EffectDone
	})
}

// failures counts the repairs of a keyspace that is still owed, since a person's last yes: those that failed, never reached the node
// or left ranges out.
func (s scene) failures(n cassandra.Node, keyspace string) int {
	failed := 0
	for _, in := range s.past {
		if !in.At.Before(s.yes) && repairs(in, n, keyspace) && in.Effect.Settled() {
			failed++
		}
	}
	return failed
}

func repairs(in galen.Intent, n cassandra.Node, keyspace string) bool {
	if in.Step.Verb != cassandra.VerbRepair || in.Step.Target.ID != n.HostID {
		return false
	}
	var of struct { // its ranges, of which there may be thousands, do not matter
		Keyspace string `json:"keyspace"`
	}
	return json.Unmarshal(in.Step.Args, &of) == nil && of.Keyspace == keyspace
}

// sharing are the nodes that are down and hold replicas of ranges that n holds too.
func (s scene) sharing(n cassandra.Node, keyspace string) []cassandra.Node {
	var out []cassandra.Node
	q := cassandra.NewQuorum(s.ring, galen.Policy{})
	for _, o := range s.ring.Nodes {
		if o.Down && o.HostID != n.HostID && q.Sharing(keyspace, o.HostID, n.HostID) {
			out = append(out, o)
		}
	}
	return out
}
