package galen

import (
	"slices"
	"strings"
	"testing"
)

func TestModeOf(t *testing.T) {
	p := SafePolicy()
	p.Mode = ModeAct
	p.Modes = []ModeRule{
		{Runbook: "cassandra/replace-node", Mode: ModeSuggest},
		{Runbook: "cassandra/*", Class: Destructive, Mode: ModeApprove},
		{Class: Disruptive, Mode: ModeObserve},
	}
	if err := p.Valid(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		runbook string
		class   Class
		want    Mode
	}{
		{"cassandra/replace-node", Destructive, ModeSuggest},
		{"cassandra/replace-node", Reversible, ModeSuggest},
		{"cassandra/heal-node", Destructive, ModeApprove},
		{"cassandra/heal-node", Reversible, ModeAct},
		{"cassandra/heal-node", Disruptive, ModeObserve},
		{"rds/reboot", Destructive, ModeAct},
	} {
		if got := p.ModeOf(c.runbook, c.class); got != c.want {
			t.Errorf("%s steps of %s: mode %s, want %s", c.class, c.runbook, got, c.want)
		}
	}
}

// TestModeOfPlan: what is to follow counts where something is taken out of service, and only there.
func TestModeOfPlan(t *testing.T) {
	p := SafePolicy()
	p.Mode, p.Modes = ModeAct, []ModeRule{{Class: Reversible, Mode: ModeSuggest}, {Class: Destructive, Mode: ModeApprove}}
	for _, c := range []struct {
		steps, follow []Class
		want          Mode
	}{
		{[]Class{Disruptive}, nil, ModeAct},
		{[]Class{Disruptive}, []Class{Reversible}, ModeSuggest},
		{[]Class{Disruptive}, []Class{Destructive}, ModeApprove},
		{[]Class{Destructive}, []Class{Destructive, Reversible}, ModeSuggest},
		{[]Class{Read}, []Class{Reversible}, ModeAct},
		{[]Class{Reversible}, []Class{Disruptive}, ModeSuggest},
		{[]Class{Disruptive, Destructive}, nil, ModeApprove},
	} {
		if got := p.ModeOfPlan("cassandra/heal-node", c.steps, c.follow); got != c.want {
			t.Errorf("%v, then %v: mode %s, want %s", c.steps, c.follow, got, c.want)
		}
	}
}

func TestModes(t *testing.T) {
	all := Modes()
	if !slices.IsSortedFunc(all, func(a, b Mode) int { return a.rank() - b.rank() }) || Mode("").Less(ModeObserve) != true || ModeAct.Less(ModeAct) {
		t.Errorf("the order of %q", all)
	}
	for _, m := range append(all, "") {
		if want := m == ModeApprove || m == ModeAct; m.Acts() != want {
			t.Errorf("mode %q acts: %t", m, m.Acts())
		}
	}
	for said, rule := range map[string]ModeRule{
		"is no pattern":                 {Runbook: "[", Mode: ModeAct},
		"neither a runbook nor a class": {Mode: ModeAct},
		"want reversible":               {Class: Read, Mode: ModeAct},
		`mode "": want observe`:         {Runbook: "a/x", Mode: ""},
		`mode "yolo": want observe`:     {Runbook: "a/x", Mode: "yolo"},
		`"replace-node" names none`:     {Runbook: "replace-node", Mode: ModeObserve},
		`"cassandra*" names none`:       {Runbook: "cassandra*", Mode: ModeObserve},
		"set mode instead":              {Runbook: "*", Mode: ModeObserve},
	} {
		p := SafePolicy()
		p.Modes = []ModeRule{rule}
		if err := p.Valid(); err == nil || !strings.Contains(err.Error(), "modes[0]: ") || !strings.Contains(err.Error(), said) {
			t.Errorf("%+v: %v, want %q", rule, err, said)
		}
	}
}
