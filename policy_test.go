package galen

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPolicyBounds(t *testing.T) {
	if err := SafePolicy().Valid(); err != nil {
		t.Fatalf("the safe policy: %v", err)
	}
	for _, c := range []struct {
		says   string // "" for a policy that is good
		change func(*Policy)
	}{
		{"", func(p *Policy) { p.DestructiveWindow = Duration(24 * time.Hour) }},
		{"", func(p *Policy) {
			p.Cooldown, p.HoldFor, p.ReplaceAfter, p.DownFor, p.RestartAfter, p.ReplaceSpacing = 0, 0, 0, 0, 0, 0
		}},
		{"", func(p *Policy) { p.DestructivePerResource, p.RestartsPerRun, p.UnhealthyShare = 0, 0, 0 }},
		{"destructive_window: 0s is less than 1s", func(p *Policy) { p.DestructiveWindow = 0 }},
		{"destructive_window: 24h0m1s is more than 24h0m0s: the journal counts no further back", func(p *Policy) { p.DestructiveWindow = Duration(24*time.Hour + time.Second) }},
		{"cooldown: 48h0m0s is more than 24h0m0s: the journal counts no further back", func(p *Policy) { p.Cooldown = Duration(48 * time.Hour) }},
		{"cooldown: -1s is less than 0s", func(p *Policy) { p.Cooldown = Duration(-time.Second) }},
		{"view_age: 0s is less than 1s", func(p *Policy) { p.ViewAge = 0 }},
		{"view_age: 11s is more than 10s: I-05", func(p *Policy) { p.ViewAge = Duration(11 * time.Second) }},
		{"restore_point_age: 24h0m1s is more than 24h0m0s: I-25", func(p *Policy) { p.RestorePointAge = Duration(24*time.Hour + time.Second) }},
		{"delete_delay: 0s is less than 1h0m0s", func(p *Policy) { p.DeleteDelay = 0 }},
		{"", func(p *Policy) { p.RestorePointAge, p.DeleteDelay = 0, Duration(time.Hour) }},
		{"gone_apart: 0s is less than 1ms", func(p *Policy) { p.GoneApart = 0 }},
		{"hold_for: -1ns is less than 0s", func(p *Policy) { p.HoldFor = -1 }},
		{"replace_after: -1ns is less than 0s", func(p *Policy) { p.ReplaceAfter = -1 }},
		{"confirm_for: 0s is less than 1s", func(p *Policy) { p.ConfirmFor = 0 }},
		{"look_every: 0s is less than 100ms", func(p *Policy) { p.LookEvery = 0 }},
		{"observers: 0 is less than 1", func(p *Policy) { p.Observers = 0 }},
		{"replaces_per_run: -1 is less than 0", func(p *Policy) { p.ReplacesPerRun = -1 }},
		{"shrink_share: NaN is not a share", func(p *Policy) { p.ShrinkShare = math.NaN() }},
		{"", func(p *Policy) { p.KeyspaceLevels = map[string][]string{"audit": {"ONE"}} }},
		{"keyspace_levels.audit: empty", func(p *Policy) { p.KeyspaceLevels = map[string][]string{"audit": {}} }},
		{"", func(p *Policy) {
			p.Floors = map[string]int{"dc1": 0}
			p.Cooldowns = []Cooldown{{Cause: "node-down", Class: Destructive, For: Duration(24 * time.Hour)}}
			p.Windows = []Window{{Name: "backup", From: "01:00", For: Duration(time.Hour)}}
			p.DiskHeadroom, p.ClockSkew, p.RestorePointAge, p.ClockSettle = 1, Duration(2*time.Second), 0, Duration(30*time.Second)
		}},
		{"floors.dc1: -1 is less than 0", func(p *Policy) { p.Floors = map[string]int{"dc1": -1} }},
		{"floor_share: 1.5 is not a share", func(p *Policy) { p.FloorShare = 1.5 }},
		{"disk_headroom: 0.9 is less than 1", func(p *Policy) { p.DiskHeadroom = 0.9 }},
		{"disk_headroom: NaN is less than 1", func(p *Policy) { p.DiskHeadroom = math.NaN() }},
		{"cooldowns[0]: cause: empty", func(p *Policy) { p.Cooldowns = []Cooldown{{Class: Reversible}} }},
		{"cooldowns[0]: class: want reversible", func(p *Policy) { p.Cooldowns = []Cooldown{{Cause: "x", Class: Read}} }},
		{"cooldowns[0]: for: 25h0m0s", func(p *Policy) {
			p.Cooldowns = []Cooldown{{Cause: "x", Class: Reversible, For: Duration(25 * time.Hour)}}
		}},
		{"windows[0]: from", func(p *Policy) { p.Windows = []Window{{Name: "x", From: "1", For: 1}} }},
		{"quarantine_after: 0 is less than 1", func(p *Policy) { p.QuarantineAfter = 0 }},
		{"quarantine_window: 25h0m0s is more", func(p *Policy) { p.QuarantineWindow = Duration(25 * time.Hour) }},
		{"release_per_second: 0 is less than 1", func(p *Policy) { p.ReleasePerSecond = 0 }},
		{"release_per_second: 101 is more than 100", func(p *Policy) { p.ReleasePerSecond = 101 }},
		{"load_pending: 0 is less than 1", func(p *Policy) { p.LoadPending = 0 }},
		{"clock_skew: 2.001s is more than 2s: I-34", func(p *Policy) { p.ClockSkew = Duration(2001 * time.Millisecond) }},
		{"clock_skew: 0s is less", func(p *Policy) { p.ClockSkew = 0 }},
		{"delete_delay: -1s is less", func(p *Policy) { p.DeleteDelay = Duration(-time.Second) }},
		{"hint_window: -1s is less", func(p *Policy) { p.HintWindow = Duration(-time.Second) }},
		{"", func(p *Policy) { p.HintWindow = 0 }},
		{"hint_window: 240h0m1s is more than 240h0m0s: past gc_grace", func(p *Policy) { p.HintWindow = Duration(240*time.Hour + time.Second) }},
		{"gc_grace: 59m59s is less than 1h", func(p *Policy) { p.GCGrace, p.HintWindow = Duration(time.Hour-time.Second), 0 }},
		{"levels: empty", func(p *Policy) { p.Levels = nil }},
		{`mode "dare"`, func(p *Policy) { p.Mode = "dare" }},
	} {
		p := SafePolicy()
		c.change(&p)
		err := p.Valid()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want %q", err, c.says)
		}
	}
}

// TestWeakNumbersAreNamed: a number weaker than what an invariant promises is allowed, and told; as strong or stronger is not. Each field
// of the policy is either such a number or no promise.
func TestWeakNumbersAreNamed(t *testing.T) {
	if weak := SafePolicy().Weak(); len(weak) > 0 {
		t.Errorf("the safe policy is weak: %v", weak)
	}
	up, down := 1, -1
	promises := map[string]struct {
		invariant string
		weaker    int // the direction
	}{
		"view_age": {"I-05", up}, "destructive_window": {"I-10", down}, "quarantine_window": {"I-12", down}, "replace_spacing": {"I-13", down},
		"cooldown": {"I-14", down}, "replace_after": {"I-15", down}, "gone_apart": {"I-15", down}, "hold_for": {"I-21", down},
		"approval_for": {"I-22", up}, "restore_point_age": {"I-25", up}, "delete_delay": {"I-25", down}, "run_deadline": {"I-26", up},
		"step_deadline": {"I-26", up}, "clock_skew": {"I-34", up}, "clock_settle": {"I-34", down}, "unhealthy_share": {"I-03", up},
		"observers": {"I-04", down}, "kinds": {"I-04", down}, "shrink_share": {"I-09", up}, "destructive_per_resource": {"I-10", up},
		"destructive_per_account": {"I-10", up}, "destructive_approvals": {"approval", down}, "floor_share": {"I-11", down}, "quarantine_after": {"I-12", up}, "restarts_per_run": {"I-14", up},
		"replaces_per_run": {"I-14", up}, "joiner_retries_per_run": {"I-14", up}, "hold_looks": {"I-21", down}, "release_per_second": {"I-23", up},
		"disk_headroom": {"I-24", down}, "load_pending": {"I-30", up}, "stream_ceiling": {"I-30", up},
		"hint_window": {"N12", up}, "gc_grace": {"N12", up},
	}
	apart := map[string]string{
		"levels": "below", "keyspace_levels": "below", "cooldowns": "below", "floors": "below",
		"mode": "what a person allows", "modes": "what a person allows", "engine_needs": "only adds", "windows": "only add", "guard_keyspaces": "only add",
		"look_every": "pace", "look_soon": "pace", "fallback": "pace", "confirm_for": "pace", "down_for": "pace", "restart_after": "pace", "flap_flips": "a finding's",
		"flap_window": "a finding's",
	}
	for i := range reflect.TypeFor[Policy]().NumField() {
		field, _, _ := strings.Cut(reflect.TypeFor[Policy]().Field(i).Tag.Get("json"), ",")
		promise, is := promises[field]
		if _, no := apart[field]; is == no {
			t.Errorf("%s: is it a promise (%t) or not (%t)?", field, is, no)
		}
		if !is {
			continue
		}
		weaker, stronger := SafePolicy(), SafePolicy()
		nudge(reflect.ValueOf(&weaker).Elem().Field(i), promise.weaker)
		nudge(reflect.ValueOf(&stronger).Elem().Field(i), -promise.weaker)
		if weak := weaker.Weak(); len(weak) != 1 || weak[field] != promise.invariant {
			t.Errorf("%s is weaker: %v", field, weak)
		}
		if weak := stronger.Weak(); len(weak) > 0 {
			t.Errorf("%s is stronger: %v", field, weak)
		}
	}
	for field, change := range map[string]func(p *Policy){
		"levels":          func(p *Policy) { p.Levels = []string{"ONE", "ANY"} },
		"keyspace_levels": func(p *Policy) { p.KeyspaceLevels = map[string][]string{"orders": {"ONE"}} },
		"floors":          func(p *Policy) { p.Floors = map[string]int{"dc1": 0} },
		"cooldowns":       func(p *Policy) { p.Cooldowns = []Cooldown{{Cause: "node-down", Class: Disruptive}} },
	} {
		p := SafePolicy()
		change(&p)
		if weak := p.Weak(); len(weak) != 1 || weak[field] == "" {
			t.Errorf("%s is weaker: %v", field, weak)
		}
	}
}

// nudge changes a number by the least.
func nudge(v reflect.Value, by int) {
	if v.CanFloat() {
		v.SetFloat(v.Float() + float64(by)/100)
		return
	}
	v.SetInt(v.Int() + int64(by))
}
