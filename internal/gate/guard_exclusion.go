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
	for _, h := range a.Ledger.Holds {
		for _, id := range touched(a) {
			if h.Covers(a.Ledger.Run.Resource, id) {
				return lookAgain("%s holds all changes here since %s: %s; waiting for its release", h.By, h.At.UTC().Format(time.RFC3339), h.Why)
			}
		}
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

// domain: one live run per failure domain (I-19); live is who holds a claim there or waits for an effect there.
func domain(a galen.Ask[galen.State]) galen.Verdict {
	members := a.State.Members()
	m, found := memberOf(members, a.Step.Target.ID)
	if !mutates(a) || !found || m.Domain == "" {
		return allow("")
	}
	for _, in := range a.Ledger.Open {
		if other, known := memberUnder(members, in); in.Run != a.Ledger.Run.ID && known && other.Domain == m.Domain {
			return lookAgain("run %s is at work in the same failure domain %s (%s)", in.Run, m.Domain, in.Step)
		}
	}
	for _, held := range a.Ledger.Claims {
		if held.Run != a.Ledger.Run.ID && claimedDomain(members, held.Name) == m.Domain {
			return lookAgain("run %s is at work in the same failure domain %s (it holds %s)", held.Run, m.Domain, held.Name)
		}
	}
	return allow("")
}

// Holders are the claims of other runs that are in a step's way: on the same, or in its failure domain.
func Holders(a galen.Ask[galen.State]) []galen.HeldClaim {
	members := a.State.Members()
	m, found := memberOf(members, a.Step.Target.ID)
	var out []galen.HeldClaim
	for _, held := range a.Ledger.Claims {
		same := found && m.Domain != "" && claimedDomain(members, held.Name) == m.Domain
		if held.Run != a.Ledger.Run.ID && (same || slices.ContainsFunc(a.Claims, held.Excludes)) {
			out = append(out, held)
		}
	}
	return out
}

// claimedDomain is the failure domain that a claim lies in, "" if in none.
func claimedDomain(members []galen.Member, claim string) string {
	head, rest, _ := strings.Cut(claim, "/")
	switch head {
	case "rack":
		return rest
	case "node":
		if m, found := memberOf(members, rest); found {
			return m.Domain
		}
	}
	return ""
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
