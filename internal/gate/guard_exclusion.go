package gate

import (
	"slices"
	"strings"
	"time"

	"github.com/galenhq/galen"
)

// hold: the kill switch (I-17). Past its end it still holds: only a person releases it. The run waits.
func hold(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) {
		return allow("")
	}
	if h, _, held := galen.HeldBy(a.Ledger.Holds, a.Ledger.Run.Resource, touched(a)); held {
		return lookAgain("%s holds all changes here since %s: %s; waiting for its release", h.By, h.At.UTC().Format(time.RFC3339), h.Why)
	}
	return allow("")
}

// touched are the IDs of all that a step acts on: its target, and each member that it claims (the instance that takes a
// dead node's place).
func touched(a galen.Ask[galen.State]) []string {
	members := a.State.Members()
	out := galen.NamesOf(members, a.Step.Target.ID)
	for _, c := range a.Claims {
		if id := c.Target(); id != "" && !slices.Contains(out, id) {
			out = append(out, galen.NamesOf(members, id)...)
		}
	}
	return out
}

// unsettled: as long as it is unknown what became of an earlier call, nothing else is done to its target (I-20).
func unsettled(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) {
		return allow("")
	}
	ids := galen.NamesOf(a.State.Members(), a.Step.Target.ID)
	for _, in := range slices.Concat(a.Ledger.Open, a.Ledger.Past) {
		if !in.Effect.Settled() && in.On(ids...) {
			return lookAgain("%s of run %s is not settled yet (%s); waiting to see its effect, intent %s", in.Step, in.Run, in.Effect.Status, in.ID)
		}
	}
	return allow("")
}

// claims: what another run holds is not touched (I-19).
func claims(a galen.Ask[galen.State]) galen.Verdict {
	for _, want := range a.Claims {
		for _, held := range a.Ledger.Claims {
			if held.Run != a.Ledger.Run.ID && held.Excludes(want) {
				return lookAgain("%s is claimed by run %s since %s", want.Name, held.Run, held.Since.UTC().Format(time.RFC3339))
			}
		}
	}
	return allow("")
}

// domain: one live run per failure domain (I-19); live is who holds a claim there or waits for an effect there. Who is at work on what
// no member goes by any more may be in any domain: until that is settled nobody is taken out of service.
func domain(a galen.Ask[galen.State]) galen.Verdict {
	members := a.State.Members()
	m, found := memberOf(members, a.Step.Target.ID)
	if !mutates(a) || !found || m.Domain == "" {
		return allow("")
	}
	for _, in := range a.Ledger.Open {
		other, known := memberUnder(members, namesOf(in))
		if in.Run != a.Ledger.Run.ID && near(a, m.Domain, other.Domain, known) {
			return lookAgain("run %s is at work %s (%s)", in.Run, where(m.Domain, known), in.Step)
		}
	}
	for _, held := range a.Ledger.Claims {
		at, known := claimedDomain(a, held.Claim)
		if held.Run != a.Ledger.Run.ID && near(a, m.Domain, at, known) {
			return lookAgain("run %s is at work %s (it holds %s)", held.Run, where(m.Domain, known), held.Name)
		}
	}
	return allow("")
}

// near tells whether work in a failure domain, if it is known in which, is in the way of a step in the domain here.
func near(a galen.Ask[galen.State], here, there string, known bool) bool {
	if !known {
		return a.Class >= galen.Disruptive
	}
	return there == here
}

func where(here string, known bool) string {
	if !known {
		return "on what is no member any more, in which failure domain is not known"
	}
	return "in the same failure domain " + here
}

// Holders are the claims of other runs that are in a step's way: on the same, or in its failure domain.
func Holders(a galen.Ask[galen.State]) []galen.HeldClaim {
	m, found := memberOf(a.State.Members(), a.Step.Target.ID)
	var out []galen.HeldClaim
	for _, held := range a.Ledger.Claims {
		at, known := claimedDomain(a, held.Claim)
		same := found && m.Domain != "" && near(a, m.Domain, at, known)
		if held.Run != a.Ledger.Run.ID && (same || slices.ContainsFunc(a.Claims, held.Excludes)) {
			out = append(out, held)
		}
	}
	return out
}

// claimedDomain is the failure domain that a claim lies in, "" if in none. known is false if no member goes by what it names, nor by
// another name that an unsettled intent on it tells.
func claimedDomain(a galen.Ask[galen.State], c galen.Claim) (domain string, known bool) {
	if rack, is := strings.CutPrefix(c.Name, "rack/"); is {
		return rack, true
	}
	id := c.Target()
	if id == "" {
		return "", true
	}
	names := []string{id}
	for _, in := range a.Ledger.Open {
		if in.On(id) {
			names = append(names, namesOf(in)...)
		}
	}
	m, found := memberUnder(a.State.Members(), names)
	return m.Domain, found
}

// order: a claim taken while others are held ranks lower than each of them, so that two runs never wait for each other
// for ever.
func order(a galen.Ask[galen.State]) galen.Verdict {
	var mine []galen.Claim
	for _, h := range a.Ledger.Claims {
		if h.Run == a.Ledger.Run.ID {
			mine = append(mine, h.Claim)
		}
	}
	for _, want := range a.Claims {
		covered := func(has galen.Claim) bool { return has.Name == want.Name && (!has.Shared || want.Shared) }
		if slices.ContainsFunc(mine, covered) {
			continue
		}
		for _, has := range mine {
			if want.Rank() >= has.Rank() {
				return deny("the run holds %s and wants %s; claims are taken in the order ring, rack, node, so keep the wider one first", has.Name, want.Name)
			}
		}
	}
	return allow("")
}

// paysDebt tells which intent's owed undo the step is, by its hash.
func paysDebt(a galen.Ask[galen.State]) (intent string, pays bool) {
	debts, err := galen.Debts(a.Ledger.Facts)
	if err != nil {
		return "", false // the guard "undo owed" denies
	}
	hash := a.Step.Hash()
	for _, d := range debts {
		if d.Step.Hash() == hash {
			return d.Intent, true
		}
	}
	return "", false
}

// undo: old values come back newest first, and a second run does not change what another still has to put back.
func undo(a galen.Ask[galen.State]) galen.Verdict {
	debts, err := galen.Debts(a.Ledger.Facts)
	if err != nil {
		return deny("an owed undo cannot be read (%s); nothing is changed before a person has looked", err)
	}
	pays, _ := paysDebt(a)
	ids := galen.NamesOf(a.State.Members(), a.Step.Target.ID)
	for _, d := range debts {
		switch {
		case d.Intent == pays:
			return allow("") // the newer ones came first
		case !slices.Contains(ids, d.Step.Target.ID):
		case pays != "" && d.Step.Verb == a.Step.Verb:
			return lookAgain("the undo of intent %s on %s is newer and comes first", d.Intent, d.Step.Target.ID)
		case pays == "" && sameUndo(a.Step, d.Step) && !ours(a, d.Intent):
			return lookAgain("the undo of intent %s on %s is still owed (%s); the old value comes back first", d.Intent, d.Step.Target.ID, d.Step)
		}
	}
	return allow("")
}

// sameUndo: both take back the same sort of change.
func sameUndo(s, undo galen.Step) bool { return s.Undo != nil && s.Undo.Verb == undo.Verb }

func ours(a galen.Ask[galen.State], intent string) bool {
	return slices.ContainsFunc(a.Ledger.Past, func(in galen.Intent) bool { return in.ID == intent })
}
