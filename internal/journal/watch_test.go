package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/internal/journal"
)

func finding(domain string, urgency galen.Urgency) galen.Finding {
	return galen.Finding{
		Resource: ring(), Code: "node-down", Domain: domain, Urgency: urgency, Targets: []galen.Target{{ID: "a", Generation: 1}},
		Why: "three peers say so", Evidence: []galen.Observation{{Observer: "b", Kind: galen.Peer, Says: galen.Bad}},
	}
}

func keys(fs []galen.Finding) string {
	var out []string
	for _, f := range fs {
		out = append(out, fmt.Sprint(f.Domain, " ", int(f.Urgency)))
	}
	return strings.Join(out, ", ")
}

func testFindings(t *testing.T, w world) {
	for i, step := range []struct {
		now        []galen.Finding
		news, gone string
		events     int
	}{
		{nil, "", "", 0},
		{[]galen.Finding{finding("r1", 50)}, "r1 50", "", 1},
		{[]galen.Finding{finding("r1", 50)}, "", "", 1},
		{[]galen.Finding{finding("r1", 80), finding("r2", 50)}, "r1 80, r2 50", "", 3},
		{[]galen.Finding{finding("r2", 50)}, "", "r1 80", 4},
		{nil, "", "r2 50", 5},
	} {
		news, gone, err := w.SaveFindings(t.Context(), ring(), step.now)
		must(t, err)
		equal(t, fmt.Sprint("news of step ", i), keys(news), step.news)
		equal(t, fmt.Sprint("gone in step ", i), keys(gone), step.gone)
		equal(t, fmt.Sprint("events after step ", i), w.count(t, ""), step.events)
		for _, r := range []galen.Resource{ring(), {}} {
			now, err := w.Findings(t.Context(), r)
			must(t, err)
			equal(t, fmt.Sprint("present after step ", i), keys(now), keys(step.now))
		}
	}
	if _, _, err := w.SaveFindings(t.Context(), other(), []galen.Finding{finding("r1", 50)}); err == nil {
		t.Error("a finding of another resource was saved")
	}
	if _, _, err := w.SaveFindings(t.Context(), ring(), []galen.Finding{finding("r1", 50), finding("r1", 80)}); err == nil {
		t.Error("two findings of one key were saved")
	}
}

func testFolded(t *testing.T, w world) {
	is := func(want string) {
		t.Helper()
		got, err := w.Folded(t.Context(), ring())
		must(t, err)
		equal(t, "folded", string(got), want)
	}
	save := func(body, onto string) error {
		return w.SaveFolded(t.Context(), ring(), []byte(body), "basis", []byte(onto))
	}
	is("")
	refused(t, save("one", "none"), galen.ErrStale)
	must(t, save("one", ""))
	refused(t, save("two", ""), galen.ErrStale) // whoever began before there was one
	must(t, save("two", "one"))
	must(t, save("two", "one")) // it is there
	must(t, save("three", "two"))
	refused(t, save("late", "two"), galen.ErrStale) // whoever was away for a while
	is("three")
	if save("", "three") == nil {
		t.Error("nothing was saved")
	}
}

// testFoldedRace: whoever saves has folded onto what was stored last, however many do.
func testFoldedRace(t *testing.T, w world) {
	const engines, each = 4, 5
	var wg sync.WaitGroup
	for i := range engines {
		wg.Go(func() {
			for done := 0; done < each; {
				body, err := w.Folded(t.Context(), ring())
				if err == nil {
					mine := append(slices.Clone(body), byte('a'+i))
					err = w.SaveFolded(t.Context(), ring(), mine, "basis", body)
				}
				switch {
				case err == nil:
					done++
				case !errors.Is(err, galen.ErrStale):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	body, err := w.Folded(t.Context(), ring())
	must(t, err)
	equal(t, "folds", len(body), engines*each)
}

func testVitals(t *testing.T, w world) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	w.clock.skip(start.Sub(w.clock.read()))
	save := func(at time.Duration, member, name string, value float64) {
		t.Helper()
		must(t, w.SaveVitals(t.Context(), ring(), []galen.Sample{{At: start.Add(at), Member: member, Name: name, Value: value}}))
	}
	save(10*time.Second, "n1", "load", 1)
	save(30*time.Second, "n1", "load", 2.5)
	save(20*time.Second, "n1", "load", 9) // late, and older than what the minute has
	save(30*time.Second, "n2", "load", math.MaxFloat64)
	save(70*time.Second, "n1", "load", 3)
	must(t, w.SaveVitals(t.Context(), other(), []galen.Sample{{At: start, Member: "n1", Name: "load", Value: 7}}))
	got, err := w.Vitals(t.Context(), ring(), start)
	must(t, err)
	want := []galen.Sample{
		{At: start.Add(30 * time.Second), Member: "n1", Name: "load", Value: 2.5},
		{At: start.Add(30 * time.Second), Member: "n2", Name: "load", Value: math.MaxFloat64},
		{At: start.Add(70 * time.Second), Member: "n1", Name: "load", Value: 3},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	got, err = w.Vitals(t.Context(), ring(), start.Add(40*time.Second))
	must(t, err)
	equal(t, "since", len(got), 1)

	// A day and a half, a sample each 20 minutes: only the last day is there.
	for at := 20 * time.Minute; at <= 36*time.Hour; at += 20 * time.Minute {
		save(at, "n1", "load", at.Minutes())
	}
	w.clock.skip(36 * time.Hour)
	got, err = w.Vitals(t.Context(), ring(), start)
	must(t, err)
	equal(t, "a day", len(got), 24*3)
	save(time.Minute, "n1", "load", 1) // older than the ring: does not overwrite
	got, err = w.Vitals(t.Context(), ring(), start)
	must(t, err)
	equal(t, "a day still", len(got), 24*3)
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		if w.SaveVitals(t.Context(), ring(), []galen.Sample{{At: start, Member: "n", Name: "x", Value: bad}}) == nil {
			t.Errorf("saved %v", bad)
		}
	}
	must(t, w.SaveVitals(t.Context(), ring(), nil))
}

func testResources(t *testing.T, w world) {
	must(t, w.SetResource(t.Context(), ring(), []byte(`{"mode":"approve","kinds":2}`), "ann"))
	must(t, w.SetResource(t.Context(), ring(), []byte(`{"kinds": 2, "mode": "approve"}`), "bob"))
	must(t, w.SetResource(t.Context(), ring(), []byte(`{"mode":"act","levels":["QUORUM"]}`), "bob"))
	events, err := w.Events(t.Context(), journal.EventFilter{Kind: galen.EventPolicy})
	must(t, err)
	equal(t, "changes", len(events), 2)
	var body struct{ Changed json.RawMessage }
	must(t, json.Unmarshal(events[1].Body, &body))
	equal(t, "difference", string(body.Changed), `[{"field":"kinds","from":2},{"field":"levels","to":["QUORUM"]},{"field":"mode","from":"approve","to":"act"}]`)
	equal(t, "author", events[1].By, "bob")
	got, err := w.Resources(t.Context())
	must(t, err)
	if len(got) != 1 || got[0].Resource != ring() || got[0].By != "bob" || string(got[0].Policy) != `{"levels":["QUORUM"],"mode":"act"}` {
		t.Errorf("resources: %+v", got)
	}
	for _, bad := range []string{"", "[1]", "{"} {
		if w.SetResource(t.Context(), ring(), []byte(bad), "ann") == nil {
			t.Errorf("took the policy %q", bad)
		}
	}
}

// testConfiguration: the newest counts, in every ledger; one that is told again is no news.
func testConfiguration(t *testing.T, w world) {
	ctx, run := t.Context(), w.open(t, "k")
	equal(t, "before the first", w.ledger(t, run).Configuration, "")
	if c, err := w.Configuration(ctx); err != nil || c != nil {
		t.Errorf("before the first: %v, %v", c, err)
	}
	mine, theirs := journal.Configuration{"cassandra/lab": "1", "cassandra/other": "2"}, journal.Configuration{"cassandra/lab": "1"}
	account := w.ledger(t, run).Account
	for n, c := range []journal.Configuration{mine, mine, theirs} {
		must(t, w.Configure(ctx, c, fmt.Sprint("engine ", n)))
		l := w.ledger(t, run)
		equal(t, "the configuration that counts", l.Configuration, c.Hash())
		got, err := w.Configuration(ctx)
		must(t, err)
		counts, err := w.Counts(ctx)
		must(t, err)
		equal(t, "which counts", counts, c.Hash())
		if !maps.Equal(got, c) {
			t.Errorf("%v, want %v", got, c)
		}
		if moved := l.Account != account; moved != (n != 1) {
			t.Errorf("engine %d: who judged by the one before notices: %t", n, moved)
		}
		account = l.Account
	}
	events, err := w.Events(ctx, journal.EventFilter{Kind: galen.EventPolicy})
	must(t, err)
	equal(t, "changes", len(events), 2)
	equal(t, "who", events[1].By, "engine 2")
	if body := string(events[0].Body); !strings.Contains(body, `"of":["cassandra/lab","cassandra/other"]`) {
		t.Errorf("which resources: %s", body)
	}
}

// keep puts an alert into the inbox.
func (w world) keep(t *testing.T, a journal.Alert) journal.Kept {
	t.Helper()
	kept, err := w.StoreAlerts(t.Context(), a)
	must(t, err)
	if len(kept) != 1 || kept[0].Alert.ID == "" || kept[0].Alert.Received.IsZero() {
		t.Fatalf("kept %+v, want one with an ID and a time", kept)
	}
	return kept[0]
}

// testAlertsTogether: those of one call are stored together, or none is.
func testAlertsTogether(t *testing.T, w world) {
	one := func(fingerprint string) journal.Alert {
		return journal.Alert{Source: "alertmanager", Fingerprint: fingerprint, Status: "firing"}
	}
	kept, err := w.StoreAlerts(t.Context(), one("a"), one("b"), one("a"))
	must(t, err)
	equal(t, "again", fmt.Sprint(kept[0].Again, kept[1].Again, kept[2].Again), "false false true")
	equal(t, "events", w.count(t, galen.EventAlert), 2)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if kept, err := w.StoreAlerts(gone, one("c"), one("d")); err == nil || kept != nil {
		t.Errorf("a caller who gave up is told %+v, %v", kept, err)
	}
	kept, err = w.StoreAlerts(t.Context())
	must(t, err)
	equal(t, "none", len(kept), 0)
}

// testSettledAlerts: what comes with its end is stored with it, and waits for nobody. Who comes again with another end changes nothing but
// that somebody looks: the end is of the labels that came, and another engine's configuration may be older.
func testSettledAlerts(t *testing.T, w world) {
	come := func(state, why string, again, pending bool) journal.Kept {
		t.Helper()
		kept := w.keep(t, journal.Alert{Source: "alertmanager", Fingerprint: "f", Status: "firing", State: state, Why: why})
		equal(t, "again", kept.Again, again)
		equal(t, "pending", kept.Pending, pending)
		waiting, err := w.CountPendingAlerts(t.Context(), 10)
		must(t, err)
		equal(t, "waiting", waiting == 1, pending)
		return kept
	}
	kept := come(journal.AlertUnmatched, "no rule", false, false)
	stands := func(want string) {
		t.Helper()
		a, err := w.Alert(t.Context(), kept.Alert.ID)
		must(t, err)
		equal(t, "it stands", a.State+" "+a.Why+" "+a.Run, want)
	}
	stands("unmatched no rule ")
	come(journal.AlertUnmatched, "no rule", true, false)
	come(journal.AlertUnmatched, "no resource", true, true)
	stands("pending  ")
	come(journal.AlertUnmatched, "no rule", true, true)
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: kept.Alert.ID, State: journal.AlertMatched, Why: "run r", Run: "r", Resource: ring()}))
	come(journal.AlertUnmatched, "no rule", true, false)
	stands("matched run r r")
	over := w.keep(t, journal.Alert{Source: "alertmanager", Fingerprint: "f", Status: "resolved", State: journal.AlertMatched, Why: "over", Resource: ring()})
	equal(t, "pending", over.Pending, false)
	all, err := w.Alerts(t.Context(), journal.AlertFilter{Resource: ring(), State: journal.AlertMatched})
	must(t, err)
	equal(t, "matched ones of the resource", len(all), 2)
	events, err := w.Events(t.Context(), journal.EventFilter{Kind: galen.EventAlert})
	must(t, err)
	equal(t, "events", len(events), 2)
	if strings.Contains(string(events[0].Body), "refused") {
		t.Errorf("its event says that it was refused: %s", events[0].Body)
	}
	if _, err := w.StoreAlerts(t.Context(), journal.Alert{Fingerprint: "g", State: "umatched"}); err == nil {
		t.Error("a state that is none was stored")
	}
}

func testAlerts(t *testing.T, w world) {
	a := journal.Alert{
		Source: "alertmanager", Fingerprint: "f", Status: "firing", Labels: map[string]string{"alertname": "<Down>"},
		StartsAt: w.clock.read(), Body: []byte("\xff\x00 as it came"),
	}
	for i := range 3 {
		kept := w.keep(t, a)
		equal(t, "again", kept.Again, i > 0)
		equal(t, "pending, also if nobody has dealt with it since it came first", kept.Pending, true)
	}
	resolved := a
	resolved.Status = "resolved"
	w.keep(t, resolved)
	got, err := w.PendingAlerts(t.Context(), 0, 0)
	must(t, err)
	equal(t, "pending", len(got), 2)
	equal(t, "events", w.count(t, galen.EventAlert), 2)
	equal(t, "body", string(got[0].Body), string(a.Body))
	equal(t, "label", got[0].Labels["alertname"], "<Down>")
	equal(t, "duplicates", got[0].Duplicates, 2)
	if got[0].Received.IsZero() {
		t.Error("not dated")
	}
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: got[0].ID, State: journal.AlertMatched, Why: "node-down", Run: "run-1"}))
	// Another engine that comes late changes nothing; with one that is not there, nothing is done at all.
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: got[0].ID, State: journal.AlertUnmatched}))
	refused(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: got[1].ID, State: journal.AlertUnmatched}, journal.AlertEnd{ID: "nobody"}), galen.ErrNotFound)
	got, err = w.PendingAlerts(t.Context(), got[0].N, 1)
	must(t, err)
	equal(t, "left", got[0].Status, "resolved")
	n, err := w.CountPendingAlerts(t.Context(), 10)
	must(t, err)
	equal(t, "count", n, 1)
	// An unmatched one that comes again is looked at again; a matched one is not.
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: got[0].ID, State: journal.AlertUnmatched, Why: "nobody knows it"}))
	equal(t, "pending again", w.keep(t, resolved).Pending, true)
	other := a
	other.Fingerprint = "g"
	must(t, w.AlertsDone(t.Context(), journal.AlertEnd{ID: w.keep(t, other).Alert.ID, State: journal.AlertMatched, Why: "node-down", Run: "run-1"}))
	equal(t, "pending again", w.keep(t, other).Pending, false)
	got, err = w.PendingAlerts(t.Context(), 0, 0)
	must(t, err)
	equal(t, "looked at again", len(got), 1)
	equal(t, "which", got[0].Status+got[0].State+got[0].Why, "resolvedpending")
	w.clock.skip(31 * 24 * time.Hour)
	must(t, w.Prune(t.Context()))
	equal(t, "forgotten after 30 days", w.keep(t, a).Again, false)
	got, err = w.PendingAlerts(t.Context(), 0, 0)
	must(t, err)
	equal(t, "a pending one is never pruned", len(got), 2)
}

// testAlertList: every alert can be found by where it stands, page by page; who breaks a limit is kept with the reason.
func testAlertList(t *testing.T, w world) {
	for i := range 4 {
		a := journal.Alert{Source: "alertmanager", Fingerprint: fmt.Sprint(i), Status: "firing", Body: []byte("{}"), Labels: map[string]string{"job": "<n>", "i": fmt.Sprint(i % 2)}}
		w.clock.skip(time.Minute)
		if i == 3 {
			a.State, a.Why = journal.AlertRefused, "65 labels"
		}
		w.keep(t, a)
	}
	pending, err := w.PendingAlerts(t.Context(), 0, 0)
	must(t, err)
	equal(t, "pending", len(pending), 3)
	must(t, w.AlertsDone(t.Context(),
		journal.AlertEnd{ID: pending[0].ID, State: journal.AlertMatched, Why: "node-down", Run: "run-1", Resource: ring()},
		journal.AlertEnd{ID: pending[1].ID, State: journal.AlertUnmatched, Why: "no rule"}))
	list := func(f journal.AlertFilter) string {
		all, err := w.Alerts(t.Context(), f)
		must(t, err)
		var out []string
		for _, a := range all {
			out = append(out, strings.Join([]string{a.Fingerprint, a.State, a.Why, a.Run, string(a.Body)}, "/"))
		}
		return strings.Join(out, " ")
	}
	equal(t, "all", list(journal.AlertFilter{}), "3/refused/65 labels// 2/pending/// 1/unmatched/no rule// 0/matched/node-down/run-1/")
	equal(t, "refused", list(journal.AlertFilter{State: journal.AlertRefused}), "3/refused/65 labels//")
	equal(t, "a page", list(journal.AlertFilter{Limit: 1, Before: pending[2].N}), "1/unmatched/no rule//")
	for what, c := range map[string]struct {
		filter journal.AlertFilter
		want   string
	}{
		"of a resource":                 {journal.AlertFilter{Resource: ring()}, "0"},
		"of another":                    {journal.AlertFilter{Resource: other()}, ""},
		"of whatever one":               {journal.AlertFilter{Owned: true}, "0"},
		"of a run":                      {journal.AlertFilter{Run: "run-1"}, "0"},
		"of a fingerprint":              {journal.AlertFilter{Fingerprint: "2"}, "2"},
		"of none":                       {journal.AlertFilter{}, "3 2 1 0"},
		"with a label":                  {journal.AlertFilter{Labels: map[string]string{"i": "1"}}, "3 1"},
		"with labels":                   {journal.AlertFilter{Labels: map[string]string{"i": "1", "job": "<n>"}}, "3 1"},
		"with a part of a label":        {journal.AlertFilter{Labels: map[string]string{"job": "<n"}}, ""},
		"with the name of a label":      {journal.AlertFilter{Labels: map[string]string{"job": ""}}, ""},
		"with what is no label":         {journal.AlertFilter{Labels: map[string]string{"fingerprint": "2"}}, ""},
		"with a label, page by page":    {journal.AlertFilter{Labels: map[string]string{"i": "1"}, Limit: 1, Before: pending[2].N}, "1"},
		"since then":                    {journal.AlertFilter{From: pending[1].Received}, "3 2 1"},
		"since later":                   {journal.AlertFilter{From: pending[2].Received.Add(time.Hour)}, ""},
		"since then, with a label":      {journal.AlertFilter{From: pending[1].Received, Labels: map[string]string{"i": "0"}}, "2"},
		"of a state, and of a resource": {journal.AlertFilter{State: journal.AlertUnmatched, Resource: ring()}, ""},
	} {
		all, err := w.Alerts(t.Context(), c.filter)
		must(t, err)
		var got []string
		for _, a := range all {
			got = append(got, a.Fingerprint)
		}
		equal(t, what, strings.Join(got, " "), c.want)
	}
	one, err := w.Alert(t.Context(), pending[0].ID)
	must(t, err)
	equal(t, "one", one.Run+string(one.Body)+one.Resource.String(), "run-1{}cassandra/lab")
	_, err = w.Alert(t.Context(), "nobody")
	refused(t, err, galen.ErrNotFound)
}

// testUrgentFirst: what is most urgent leaves the outbox first, and among equals the oldest.
func testUrgentFirst(t *testing.T, w world) {
	for i, urgency := range []galen.Urgency{galen.Low, galen.High, galen.Medium, galen.High} {
		run := galen.Run{Key: fmt.Sprint(i), Resource: ring(), Runbook: "cassandra/heal-node", Urgency: urgency}
		_, _, err := w.OpenRun(t.Context(), run)
		must(t, err)
	}
	items, err := w.Outbox(t.Context(), 3)
	must(t, err)
	var keys []string
	for _, item := range items {
		keys = append(keys, item.Key)
	}
	equal(t, "order", strings.Join(keys, " "), "1 3 2")
}

func testOutbox(t *testing.T, w world) {
	select {
	case <-w.OutboxSignal():
		t.Fatal("a nudge for nothing")
	default:
	}
	run := w.open(t, "k")
	select {
	case <-w.OutboxSignal():
	case <-time.After(time.Minute):
		t.Fatal("no nudge")
	}
	must(t, w.Stop(t.Context(), run.ID, galen.StopYield, "engine", "because"))
	items, err := w.Outbox(t.Context(), 0)
	must(t, err)
	if len(items) != 2 || items[0].Kind != journal.OutboxStart || items[1].Kind != journal.OutboxWake || items[1].Key != "k" || items[1].Run != run.ID {
		t.Fatalf("outbox: %+v", items)
	}
	must(t, w.OutboxDone(t.Context(), items[0].ID))
	must(t, w.OutboxDone(t.Context(), items[0].ID))
	must(t, w.OutboxDone(t.Context()))
	items, err = w.Outbox(t.Context(), 1)
	must(t, err)
	equal(t, "left", items[0].Kind, journal.OutboxWake)
	select {
	case <-w.OutboxSignal():
	case <-time.After(time.Minute):
		t.Fatal("no second nudge")
	}
}

func testEvents(t *testing.T, w world) {
	must(t, w.Append(t.Context(), galen.Event{Kind: galen.EventEngine, By: "galen\xff", Body: []byte(`{"b":1.50,"a":"<&>"}`)}))
	must(t, w.Append(t.Context(), galen.Event{Kind: galen.EventQuarantine, Resource: ring(), Run: "r"}))
	must(t, w.Append(t.Context(), galen.Event{Kind: galen.EventEngine, Resource: other(), Run: "r"}))
	for _, bad := range []galen.Event{
		{}, {Kind: "x", Body: []byte("[]")}, {Kind: "x", Body: []byte("{")}, {Kind: "x", Body: []byte(`{"cites":{}}`)},
	} {
		if w.Append(t.Context(), bad) == nil {
			t.Errorf("appended %+v", bad)
		}
	}
	for name, c := range map[string]struct {
		f    journal.EventFilter
		want string
	}{
		"all":      {journal.EventFilter{}, "[1 2 3]"},
		"newest":   {journal.EventFilter{Newest: true, Limit: 2}, "[3 2]"},
		"after":    {journal.EventFilter{After: 1, Limit: 1}, "[2]"},
		"kind":     {journal.EventFilter{Kind: galen.EventEngine}, "[1 3]"},
		"run":      {journal.EventFilter{Run: "r"}, "[2 3]"},
		"resource": {journal.EventFilter{Resource: ring()}, "[2]"},
		"nothing":  {journal.EventFilter{Resource: ring(), Kind: galen.EventEngine}, "[]"},
	} {
		got, err := w.Events(t.Context(), c.f)
		must(t, err)
		seqs := []int64{}
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		equal(t, name, fmt.Sprint(seqs), c.want)
	}
	all, err := w.Events(t.Context(), journal.EventFilter{})
	must(t, err)
	prev := ""
	for _, e := range all { // an exported line can be checked by anyone
		hash := e.Hash
		e.Hash = ""
		equal(t, "chain", e.Prev, prev)
		equal(t, "hash", galen.HashJSON(e), hash)
		prev = hash
	}
}
