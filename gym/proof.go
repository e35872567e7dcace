package gym

import "slices"

// enoughIncidents are those in which each listed runbook must have a verified run: by chance alone none lacks it.
const enoughIncidents = 3000

// Unproved are the runbooks of these names of which no run was verified, so that nothing is known of them; none, if too few
// incidents were played to tell.
func (r Report) Unproved(names []string) []string {
	if r.N < enoughIncidents {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return r.Scores[name].Verified > 0 })
}
