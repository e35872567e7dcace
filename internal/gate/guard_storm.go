package gate

import (
	"fmt"
	"strings"

	"github.com/galenhq/galen"
)

// share: when many members are bad, and not just those of one failure domain, the cause is larger than any of them, and
// destroying members makes it worse. So it is when a whole failure domain of several members is bad (I-03).
func share(a galen.Ask[galen.State]) galen.Verdict {
	if a.Class < galen.Destructive || a.Own {
		return allow("")
	}
	members := a.State.Members()
	shares := galen.Shares(members, a.Policy)
	margins := make([]string, 0, len(shares))
	for _, s := range shares {
		if s.TooMany() {
			return deny("%d of %d members of %s are bad, in %d failure domains; at most %d or one domain: look for the common cause first",
				s.Bad, s.All, s.Group, s.Domains, s.Allowed)
		}
		margins = append(margins, fmt.Sprintf("%d of %d bad in %s, %d allowed", s.Bad, s.All, s.Group, s.Allowed))
	}
	for _, t := range patients(a) {
		m, found := memberOf(members, t.ID)
		if !found {
			continue
		}
		if n, whole := galen.WholeDomain(members, m.Domain); whole {
			return needYesFor(a, "all %d members of %s are bad: its power or its network is more likely gone than each of them, so that none is replaced by itself", n, m.Domain)
		}
	}
	return allow(strings.Join(margins, "; "))
}

// storm: when even more are bad the engine only observes, until it is over (I-03). A start would hide the cause, too.
func storm(a galen.Ask[galen.State]) galen.Verdict {
	if !mutates(a) || a.Own {
		return allow("")
	}
	for _, s := range galen.Shares(a.State.Members(), a.Policy) {
		if s.Storm() {
			return lookAgain("a storm: %d of %d members of %s are bad, in %d failure domains; observing only until at most %d are", s.Bad, s.All, s.Group, s.Domains, s.Allowed)
		}
	}
	return allow("")
}

// needYesFor asks for a person's yes to this very step, or says by whom it was given.
func needYesFor(a galen.Ask[galen.State], format string, args ...any) galen.Verdict {
	if missing := a.Approved(); missing != nil {
		return needYes("%s; %s", fmt.Sprintf(format, args...), missing)
	}
	return allow(fmt.Sprintf(format, args...) + "; " + a.Ledger.Approval.By + " said yes")
}
