package galen

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Policy holds the numbers of the guards and of the loop for a resource. [SafePolicy] has the defaults.
type Policy struct {
	Mode Mode `json:"mode"`
	// Modes are those of some runbooks and classes of steps instead; the first that fits counts.
	Modes []ModeRule `json:"modes"`
	// LookEvery is the interval of the watch; LookSoon that of a run that waits for its own effect or verifies.
	LookEvery Duration `json:"look_every"`
	LookSoon  Duration `json:"look_soon"`
	// Fallback: a waiting run looks again at the latest then.
	Fallback Duration `json:"fallback"`
	// HoldLooks looks over at least HoldFor must all say done before a run is verified.
	HoldLooks int      `json:"hold_looks"`
	HoldFor   Duration `json:"hold_for"`
	// ConfirmFor: an alert that nothing confirms is looked at that long.
	ConfirmFor Duration `json:"confirm_for"`
	// DownFor: a node is a finding when it was seen down that long; RestartAfter: it is started again when it was
	// down that long (the first rung: wait).
	DownFor      Duration `json:"down_for"`
	RestartAfter Duration `json:"restart_after"`
	// ViewAge is the greatest age of a view at a call (I-05).
	ViewAge Duration `json:"view_age"`
	// Observers of Kinds kinds must agree before a destructive step (I-04).
	Observers int `json:"observers"`
	Kinds     int `json:"kinds"`
	// UnhealthyShare of a data centre may be bad outside one failure domain (I-03); 0.2 = 20 %.
	UnhealthyShare float64 `json:"unhealthy_share"`
	// Floors are the least numbers of members in service, by group (I-11); FloorShare is that of a group without one, as a
	// share of its members.
	Floors     map[string]int `json:"floors"`
	FloorShare float64        `json:"floor_share"`
	// ShrinkShare: a listing that lost more members than max(1, this share) is not believed (I-09).
	ShrinkShare float64 `json:"shrink_share"`
	// DestructivePerResource targets in DestructiveWindow, DestructivePerAccount in an hour (I-10).
	DestructivePerResource int      `json:"destructive_per_resource"`
	DestructiveWindow      Duration `json:"destructive_window"`
	DestructivePerAccount  int      `json:"destructive_per_account"`
	// DestructiveApprovals is how many people must say yes to a destructive step that needs a yes.
	DestructiveApprovals int `json:"destructive_approvals"`
	// ReplaceSpacing is the stable time after the last replacement in a data centre (I-13).
	ReplaceSpacing Duration `json:"replace_spacing"`
	// FlapFlips changes of a node between up and down within FlapWindow are flapping, until it was quiet for as long.
	FlapFlips  int      `json:"flap_flips"`
	FlapWindow Duration `json:"flap_window"`
	// Cooldown between automatic recoveries of one target (I-14). Cooldowns are those between two of one cause and class.
	Cooldown  Duration   `json:"cooldown"`
	Cooldowns []Cooldown `json:"cooldowns"`
	// QuarantineAfter targets on which a verb of one runbook failed in QuarantineWindow: the runbook acts no more (I-12).
	QuarantineAfter  int      `json:"quarantine_after"`
	QuarantineWindow Duration `json:"quarantine_window"`
	// ReleasePerSecond bounds the calls of the whole account (I-23).
	ReleasePerSecond int `json:"release_per_second"`
	// DiskHeadroom: who takes a place has that many times the bytes that it has to take free (I-24).
	DiskHeadroom float64 `json:"disk_headroom"`
	// RestorePointAge is the greatest age of the restore point without which nothing is deleted for good, DeleteDelay how
	// long before that a second person has said yes (I-25).
	RestorePointAge Duration `json:"restore_point_age"`
	DeleteDelay     Duration `json:"delete_delay"`
	// LoadPending requests waiting at one member mean that the resource suffers from load (I-30).
	LoadPending int `json:"load_pending"`
	// Windows are when nobody but a person changes anything: maintenance, backups (I-32).
	Windows []Window `json:"windows"`
	// ClockSkew is how far two clocks may be apart; after a step the engine observes for ClockSettle (I-34).
	ClockSkew   Duration `json:"clock_skew"`
	ClockSettle Duration `json:"clock_settle"`
	// EngineNeeds says why the engine itself cannot do without the resource; "" if it can (I-22).
	EngineNeeds string `json:"engine_needs"`
	// Inside one run (I-14).
	RestartsPerRun      int `json:"restarts_per_run"`
	ReplacesPerRun      int `json:"replaces_per_run"`
	JoinerRetriesPerRun int `json:"joiner_retries_per_run"`
	// ReplaceAfter: no replacement before a target was down that long or the longest restart seen, save when its data
	// are proved gone (I-15).
	ReplaceAfter Duration `json:"replace_after"`
	// HintWindow is how long the nodes of a ring keep hints for one that is down (max_hint_window): who was silent for longer is
	// repaired after its start. GCGrace is the smallest gc_grace_seconds of its tables: who was silent for longer is started no
	// more, for rows that were deleted would come back (N12).
	HintWindow Duration `json:"hint_window"`
	GCGrace    Duration `json:"gc_grace"`
	// GoneApart: the two looks that prove data gone lie at least that far apart (I-15).
	GoneApart Duration `json:"gone_apart"`
	// RunDeadline: an open run is held at its end. ApprovalFor: how long a yes is valid. StepDeadline bounds retries
	// of look-again.
	RunDeadline  Duration `json:"run_deadline"`
	ApprovalFor  Duration `json:"approval_for"`
	StepDeadline Duration `json:"step_deadline"`
	// Levels are the consistency levels that must stay possible (I-02), for every keyspace of RF > 2.
	Levels []string `json:"levels"`
	// KeyspaceLevels are, by keyspace, the levels that its clients use instead of Levels; a keyspace that is named here
	// is guarded whatever its RF (I-02).
	KeyspaceLevels map[string][]string `json:"keyspace_levels"`
	// GuardKeyspaces of RF <= 2 that are guarded too (I-02).
	GuardKeyspaces []string `json:"guard_keyspaces"`
	// StreamCeiling is the highest stream throughput to which a node may be raised, in MiB/s; 0: never raised.
	StreamCeiling int `json:"stream_ceiling"`
}

// SafePolicy is the policy of a resource that names none.
func SafePolicy() Policy {
	return Policy{
		Mode:                   ModeApprove,
		Modes:                  []ModeRule{},
		LookEvery:              Duration(5 * time.Second),
		LookSoon:               Duration(2 * time.Second),
		Fallback:               Duration(time.Minute),
		HoldLooks:              3,
		HoldFor:                Duration(30 * time.Second),
		ConfirmFor:             Duration(5 * time.Minute),
		DownFor:                Duration(10 * time.Second),
		RestartAfter:           Duration(time.Minute),
		ViewAge:                Duration(10 * time.Second),
		Observers:              3,
		Kinds:                  2,
		UnhealthyShare:         0.2,
		Floors:                 map[string]int{},
		FloorShare:             0.5,
		ShrinkShare:            0.3,
		DestructivePerResource: 1,
		DestructiveWindow:      Duration(30 * time.Minute),
		DestructivePerAccount:  3,
		DestructiveApprovals:   2,
		ReplaceSpacing:         Duration(15 * time.Minute),
		FlapFlips:              6,
		FlapWindow:             Duration(10 * time.Minute),
		Cooldown:               Duration(time.Hour),
		Cooldowns:              []Cooldown{},
		QuarantineAfter:        2,
		QuarantineWindow:       Duration(24 * time.Hour),
		ReleasePerSecond:       5,
		DiskHeadroom:           1.3,
		RestorePointAge:        Duration(24 * time.Hour),
		DeleteDelay:            Duration(24 * time.Hour),
		LoadPending:            1000,
		Windows:                []Window{},
		ClockSkew:              Duration(500 * time.Millisecond),
		ClockSettle:            Duration(time.Minute),
		RestartsPerRun:         3,
		ReplacesPerRun:         1,
		JoinerRetriesPerRun:    2,
		ReplaceAfter:           Duration(10 * time.Minute),
		HintWindow:             Duration(3 * time.Hour),
		GCGrace:                Duration(240 * time.Hour),
		GoneApart:              Duration(10 * time.Second),
		RunDeadline:            Duration(6 * time.Hour),
		ApprovalFor:            Duration(30 * time.Minute),
		StepDeadline:           Duration(10 * time.Minute),
		Levels:                 []string{"QUORUM", "LOCAL_QUORUM"},
		KeyspaceLevels:         map[string][]string{},
		GuardKeyspaces:         []string{},
		StreamCeiling:          200,
	}
}

// Valid tells every fault of the policy at once.
func (p Policy) Valid() error {
	errs := slices.Concat(p.counts(), p.times(), p.shares(), p.lists())
	if len(p.Levels) == 0 {
		errs = append(errs, errors.New("levels: empty; name at least one consistency level, such as QUORUM"))
	}
	for keyspace, levels := range p.KeyspaceLevels {
		if len(levels) == 0 {
			errs = append(errs, fmt.Errorf("keyspace_levels.%s: empty; name at least one consistency level, such as ONE", keyspace))
		}
	}
	if err := p.Mode.valid(); err != nil {
		errs = append(errs, fmt.Errorf("mode %w", err))
	}
	return errors.Join(errs...)
}

func (p Policy) shares() []error {
	var errs []error
	for _, s := range []struct {
		name  string
		value float64
	}{{"unhealthy_share", p.UnhealthyShare}, {"shrink_share", p.ShrinkShare}, {"floor_share", p.FloorShare}} {
		if !(s.value >= 0 && s.value <= 1) {
			errs = append(errs, fmt.Errorf("%s: %g is not a share from 0 to 1", s.name, s.value))
		}
	}
	if !(p.DiskHeadroom >= 1) {
		errs = append(errs, fmt.Errorf("disk_headroom: %g is less than 1: what has to be taken would not fit", p.DiskHeadroom))
	}
	return errs
}

func (p Policy) lists() []error {
	var errs []error
	for _, group := range slices.Sorted(maps.Keys(p.Floors)) {
		if p.Floors[group] < 0 {
			errs = append(errs, fmt.Errorf("floors.%s: %d is less than 0", group, p.Floors[group]))
		}
	}
	for i, r := range p.Modes {
		if err := r.valid(); err != nil {
			errs = append(errs, fmt.Errorf("modes[%d]: %w", i, err))
		}
	}
	for i, c := range p.Cooldowns {
		if err := c.valid(); err != nil {
			errs = append(errs, fmt.Errorf("cooldowns[%d]: %w", i, err))
		}
	}
	for i, w := range p.Windows {
		for _, err := range w.faults() {
			errs = append(errs, fmt.Errorf("windows[%d]: %w", i, err))
		}
	}
	return errs
}

// MaxReleasePerSecond is the greatest [Policy.ReleasePerSecond]: so many of the newest intents a ledger tells (I-23).
const MaxReleasePerSecond = 100

func (p Policy) counts() []error {
	var errs []error
	for _, n := range []struct {
		name         string
		value, least int
		most         int // 0: no bound
	}{
		{"hold_looks", p.HoldLooks, 1, 0}, {"observers", p.Observers, 1, 0}, {"kinds", p.Kinds, 1, 0},
		{"destructive_per_resource", p.DestructivePerResource, 0, 0}, {"destructive_per_account", p.DestructivePerAccount, 0, 0},
		{"destructive_approvals", p.DestructiveApprovals, 1, 0},
		{"quarantine_after", p.QuarantineAfter, 1, 0}, {"release_per_second", p.ReleasePerSecond, 1, MaxReleasePerSecond}, {"load_pending", p.LoadPending, 1, 0},
		{"restarts_per_run", p.RestartsPerRun, 0, 0}, {"replaces_per_run", p.ReplacesPerRun, 0, 0}, {"joiner_retries_per_run", p.JoinerRetriesPerRun, 0, 0},
		{"stream_ceiling", p.StreamCeiling, 0, 0}, {"flap_flips", p.FlapFlips, 2, 0},
	} {
		switch {
		case n.value < n.least:
			errs = append(errs, fmt.Errorf("%s: %d is less than %d", n.name, n.value, n.least))
		case n.most > 0 && n.value > n.most:
			errs = append(errs, fmt.Errorf("%s: %d is more than %d: the journal counts no further", n.name, n.value, n.most))
		}
	}
	return errs
}

// MaxLookBack is how far back the journal counts what tokens, recoveries and failures say; a longer window would be cut in silence.
const MaxLookBack = 24 * time.Hour

// Bounds of durations.
const (
	maxViewAge   = 10 * time.Second // I-05
	maxClockSkew = 2 * time.Second  // I-34
	// minClockSettle: what was on its way when the clock was set has arrived by then, and absence is not believed before.
	minClockSettle = 30 * time.Second // I-20, I-34
	// maxRestorePointAge and minDeleteDelay: what cannot be taken back rests on a restore point of today, and leaves time to say no.
	maxRestorePointAge = 24 * time.Hour // I-25
	minDeleteDelay     = time.Hour      // I-25
	// minGCGrace leaves room for a start, which may take ten minutes.
	minGCGrace = time.Hour // N12
)

func (p Policy) times() []error {
	const noFurther = "the journal counts no further back"
	var errs []error
	for _, d := range []struct {
		name        string
		value       Duration
		least, most time.Duration // most 0: no bound
		why         string
	}{
		{"look_every", p.LookEvery, 100 * time.Millisecond, 0, ""}, {"look_soon", p.LookSoon, 100 * time.Millisecond, 0, ""},
		{"fallback", p.Fallback, time.Second, 0, ""}, {"hold_for", p.HoldFor, 0, 0, ""}, {"confirm_for", p.ConfirmFor, time.Second, 0, ""},
		{"down_for", p.DownFor, 0, 0, ""}, {"restart_after", p.RestartAfter, 0, 0, ""},
		{"view_age", p.ViewAge, time.Second, maxViewAge, "I-05 lets no call rest on an older view"},
		{"destructive_window", p.DestructiveWindow, time.Second, MaxLookBack, noFurther}, {"cooldown", p.Cooldown, 0, MaxLookBack, noFurther}, {"flap_window", p.FlapWindow, time.Second, MaxLookBack, "older changes are forgotten"},
		{"replace_spacing", p.ReplaceSpacing, 0, 0, ""}, {"replace_after", p.ReplaceAfter, 0, 0, ""}, {"gone_apart", p.GoneApart, time.Millisecond, 0, ""},
		{"hint_window", p.HintWindow, 0, p.GCGrace.D(), "past gc_grace no repair helps"}, {"gc_grace", p.GCGrace, minGCGrace, 0, ""},
		{"run_deadline", p.RunDeadline, time.Second, 0, ""}, {"approval_for", p.ApprovalFor, time.Second, 0, ""}, {"step_deadline", p.StepDeadline, time.Second, 0, ""},
		{"quarantine_window", p.QuarantineWindow, time.Second, MaxLookBack, noFurther}, {"restore_point_age", p.RestorePointAge, 0, maxRestorePointAge, "I-25 lets nothing be deleted that was saved longer ago"},
		{"delete_delay", p.DeleteDelay, minDeleteDelay, 0, ""}, {"clock_settle", p.ClockSettle, minClockSettle, 0, ""},
		{"clock_skew", p.ClockSkew, time.Millisecond, maxClockSkew, "I-34 believes no clock that is further off"},
	} {
		switch {
		case d.value.D() < d.least:
			errs = append(errs, fmt.Errorf("%s: %s is less than %s", d.name, d.value, d.least))
		case d.most > 0 && d.value.D() > d.most:
			errs = append(errs, fmt.Errorf("%s: %s is more than %s: %s", d.name, d.value, d.most, d.why))
		}
	}
	return errs
}
