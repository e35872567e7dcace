package galen

import (
	"maps"
	"slices"
)

// Weak are the fields of the policy whose value is weaker than what an invariant promises by default, with that invariant. They are
// allowed, for a resource on which nothing depends, and shown wherever a policy is.
func (p Policy) Weak() map[string]string {
	safe, out := SafePolicy(), map[string]string{}
	for _, f := range slices.Concat(p.weakWaits(safe), p.weakCounts(safe)) {
		if f.weak {
			out[f.field] = f.invariant
		}
	}
	return out
}

type weakness struct {
	field, invariant string
	weak             bool
}

// weakWaits are the times: what is looked back on, waited for or allowed to be old.
func (p Policy) weakWaits(safe Policy) []weakness {
	return []weakness{
		{"view_age", "I-05", p.ViewAge > safe.ViewAge},
		{"destructive_window", "I-10", p.DestructiveWindow < safe.DestructiveWindow},
		{"quarantine_window", "I-12", p.QuarantineWindow < safe.QuarantineWindow},
		{"replace_spacing", "I-13", p.ReplaceSpacing < safe.ReplaceSpacing},
		{"cooldown", "I-14", p.Cooldown < safe.Cooldown},
		{"cooldowns", "I-14", slices.ContainsFunc(p.Cooldowns, func(c Cooldown) bool { return c.For < safe.Cooldown })},
		{"replace_after", "I-15", p.ReplaceAfter < safe.ReplaceAfter},
		{"gone_apart", "I-15", p.GoneApart < safe.GoneApart},
		{"hint_window", "N12", p.HintWindow > safe.HintWindow},
		{"gc_grace", "N12", p.GCGrace > safe.GCGrace},
		{"hold_for", "I-21", p.HoldFor < safe.HoldFor},
		{"approval_for", "I-22", p.ApprovalFor > safe.ApprovalFor},
		{"restore_point_age", "I-25", p.RestorePointAge > safe.RestorePointAge},
		{"delete_delay", "I-25", p.DeleteDelay < safe.DeleteDelay},
		{"run_deadline", "I-26", p.RunDeadline > safe.RunDeadline},
		{"step_deadline", "I-26", p.StepDeadline > safe.StepDeadline},
		{"clock_skew", "I-34", p.ClockSkew > safe.ClockSkew},
		{"clock_settle", "I-34", p.ClockSettle < safe.ClockSettle},
	}
}

// weakCounts are the numbers, shares and lists.
func (p Policy) weakCounts(safe Policy) []weakness {
	return []weakness{
		{"levels", "I-02", !slices.ContainsFunc(p.Levels, majority)},
		{"keyspace_levels", "I-02", slices.ContainsFunc(slices.Collect(maps.Values(p.KeyspaceLevels)), func(l []string) bool { return !slices.ContainsFunc(l, majority) })},
		{"unhealthy_share", "I-03", p.UnhealthyShare > safe.UnhealthyShare},
		{"observers", "I-04", p.Observers < safe.Observers},
		{"kinds", "I-04", p.Kinds < safe.Kinds},
		{"shrink_share", "I-09", p.ShrinkShare > safe.ShrinkShare},
		{"destructive_per_resource", "I-10", p.DestructivePerResource > safe.DestructivePerResource},
		{"destructive_per_account", "I-10", p.DestructivePerAccount > safe.DestructivePerAccount},
		{"destructive_approvals", "approval", p.DestructiveApprovals < safe.DestructiveApprovals},
		{"floors", "I-11", slices.Contains(slices.Collect(maps.Values(p.Floors)), 0)},
		{"floor_share", "I-11", p.FloorShare < safe.FloorShare},
		{"quarantine_after", "I-12", p.QuarantineAfter > safe.QuarantineAfter},
		{"restarts_per_run", "I-14", p.RestartsPerRun > safe.RestartsPerRun},
		{"replaces_per_run", "I-14", p.ReplacesPerRun > safe.ReplacesPerRun},
		{"joiner_retries_per_run", "I-14", p.JoinerRetriesPerRun > safe.JoinerRetriesPerRun},
		{"hold_looks", "I-21", p.HoldLooks < safe.HoldLooks},
		{"release_per_second", "I-23", p.ReleasePerSecond > safe.ReleasePerSecond},
		{"disk_headroom", "I-24", p.DiskHeadroom < safe.DiskHeadroom},
		{"load_pending", "I-30", p.LoadPending > safe.LoadPending},
		{"stream_ceiling", "I-30", p.StreamCeiling > safe.StreamCeiling},
	}
}

// majority levels stay possible only while most replicas are up; a list that names one guards for the others, too.
func majority(level string) bool {
	return slices.Contains([]string{"QUORUM", "LOCAL_QUORUM", "EACH_QUORUM", "ALL", "SERIAL", "LOCAL_SERIAL"}, level)
}
