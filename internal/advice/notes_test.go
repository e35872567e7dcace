package advice

import (
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
)

// TestAnOpenRunIsTold: a run that is about the member, by whatever of its names, is told beside the answer.
func TestAnOpenRunIsTold(t *testing.T) {
	r := heard(1, 3)
	about := func(id string) []galen.Run {
		return []galen.Run{{ID: "r9", Resource: r.Resource(), Runbook: "cassandra/heal-node", Status: galen.RunAsking, Scope: []galen.Target{{ID: id}}}}
	}
	for _, c := range []struct {
		runs []galen.Run
		told bool
	}{{nil, false}, {about("host-0001"), true}, {about("instance/n0001"), true}, {about("host-0002"), false}} {
		v := viewOf(r)
		v.Runs = c.runs
		a := asked(t, v, "stop", "host-0001")
		if a.Answer != galen.Yes || (len(a.Notes) == 1) != c.told || c.told && !strings.Contains(a.Notes[0].Why, "r9 (cassandra/heal-node, asking)") {
			t.Errorf("%+v: %s, %+v", c.runs, a.Answer, a.Notes)
		}
	}
}

// TestWhoIsAtWorkThere: somebody else's hold and a tool's lock are a no, one's own hold and a window are told beside the answer. What has
// to do with another resource or member is not told.
func TestWhoIsAtWorkThere(t *testing.T) {
	r := heard(1, 3)
	ada := func(h galen.Hold) galen.Hold {
		h.ID, h.By, h.At, h.Why = "h1", "ada", noon(), "the disks are swapped"
		return h
	}
	window := galen.Window{Name: "backup", From: "11:00", For: galen.Duration(2 * time.Hour)}
	for name, c := range map[string]struct {
		by          string
		since       time.Time
		holds       []galen.Hold
		windows     []galen.Window
		facts       map[string]galen.Fact
		want        galen.Opinion
		says, notes string
	}{
		"nothing":                               {by: "bob", want: galen.Yes, says: "to spare"},
		"a hold of somebody else":               {by: "bob", holds: []galen.Hold{ada(galen.Hold{})}, want: galen.No, says: "I-17 hold: ada holds all changes here since 2026-11-29T12:00:00Z: the disks are swapped"},
		"and nobody knows who asks":             {by: "", holds: []galen.Hold{ada(galen.Hold{})}, want: galen.No, says: "I-17 hold: ada"},
		"one's own hold":                        {by: "ada", holds: []galen.Hold{ada(galen.Hold{})}, want: galen.Yes, says: "to spare", notes: "I-17 hold"},
		"one's own hold, by a name given since": {by: "ada", since: noon().Add(-time.Hour), holds: []galen.Hold{ada(galen.Hold{})}, want: galen.Yes, says: "to spare", notes: "I-17 hold"},
		"a hold of who had the name before":     {by: "ada", since: noon().Add(time.Second), holds: []galen.Hold{ada(galen.Hold{})}, want: galen.No, says: "ada holds"},
		"own and another one's":                 {by: "ada", holds: []galen.Hold{ada(galen.Hold{}), {ID: "h2", By: "eve", At: noon()}}, want: galen.No, says: "eve holds", notes: "I-17 hold"},
		"a hold on another member":              {by: "bob", holds: []galen.Hold{ada(galen.Hold{Resource: r.Resource(), Target: "host-0002"})}, want: galen.Yes, says: "to spare"},
		"a hold on this member":                 {by: "bob", holds: []galen.Hold{ada(galen.Hold{Resource: r.Resource(), Target: "host-0001"})}, want: galen.No, says: "ada holds"},
		"a hold on another resource":            {by: "bob", holds: []galen.Hold{ada(galen.Hold{Resource: galen.Resource{Kind: "cassandra", Name: "other"}})}, want: galen.Yes, says: "to spare"},
		"a window":                              {by: "bob", windows: []galen.Window{window}, want: galen.Yes, says: "to spare", notes: "I-32"},
		"no window now":                         {by: "bob", windows: []galen.Window{{Name: "night", From: "22:00", For: galen.Duration(time.Hour)}}, want: galen.Yes, says: "to spare"},
		"a window that has no sense":            {by: "bob", windows: []galen.Window{{Name: "odd", From: "25:00", For: galen.Duration(time.Hour)}}, want: galen.Yes, says: "to spare", notes: "I-32"},
		"a tool of others":                      {by: "bob", facts: map[string]galen.Fact{"lock/reaper": {Key: "lock/reaper", At: noon()}}, want: galen.No, says: "reaper is at work"},
		"a tool of others and a window":         {by: "bob", windows: []galen.Window{window}, facts: map[string]galen.Fact{"lock/reaper": {Key: "lock/reaper", At: noon()}}, want: galen.No, says: "reaper is at work", notes: "I-32"},
	} {
		t.Run(name, func(t *testing.T) {
			v := viewOf(r)
			v.By, v.Since, v.Ledger.Holds, v.Policy.Windows, v.Ledger.Facts = c.by, c.since, c.holds, c.windows, c.facts
			a := asked(t, v, "stop", "host-0001")
			if a.Answer != c.want || !strings.Contains(a.Why, c.says) {
				t.Errorf("%s (%s), want %s with %q", a.Answer, a.Why, c.want, c.says)
			}
			if (len(a.Notes) == 0) != (c.notes == "") || c.notes != "" && (len(a.Notes) != 1 || !strings.Contains(a.Notes[0].Guard, c.notes) || a.Notes[0].Why == "") {
				t.Errorf("notes %+v, want %q", a.Notes, c.notes)
			}
		})
	}
}
