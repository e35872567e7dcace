package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
	"github.com/galenhq/galen/internal/config"
)

// closing is a driver that has connections.
type closing struct {
	*fake.Cloud
	closed int
}

func (c *closing) Close() { c.closed++ }

// TestKindsAreClosed: what a kind's driver holds open is closed with the engine, also if another kind cannot be opened.
func TestKindsAreClosed(t *testing.T) {
	for _, trouble := range []error{nil, errors.New("no such setup")} {
		c, err := config.Parse([]byte(waysConfig))
		if err != nil {
			t.Fatal(err)
		}
		c.Data = t.TempDir()
		driver := &closing{Cloud: fake.NewCloud("demo", 3, time.Now())}
		e := &Engine{o: Options{Config: c, Logger: slog.New(slog.DiscardHandler), Catalogue: Catalogue{Kinds: []Kind{
			{Name: "fake", Open: func(map[galen.Resource]json.RawMessage, *slog.Logger) (galen.ListedKind, error) {
				return galen.ListKind(fake.Kind(), driver), nil
			}},
			{Name: "other", Open: func(map[galen.Resource]json.RawMessage, *slog.Logger) (galen.ListedKind, error) {
				return galen.ListKind(fake.Kind(), fake.NewCloud("other", 1, time.Now())), trouble
			}},
		}}}}
		if err := e.open(t.Context()); !errors.Is(err, trouble) {
			t.Fatal(err)
		}
		if driver.closed > 0 {
			t.Error("closed while the engine works")
		}
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
		if driver.closed != 1 {
			t.Errorf("after %v: closed %d times, want once", trouble, driver.closed)
		}
	}
}

// TestNoDetectorTellsWhatIsOwed: two findings of one key could not be stored.
func TestNoDetectorTellsWhatIsOwed(t *testing.T) {
	for code, fits := range map[galen.Code]bool{"node-down": true, "owed": true, galen.CodeUndoOwed: false, "repair-owed": false} {
		c := Catalogue{Detectors: []galen.Detector[galen.State]{{Name: "test", Codes: []galen.Code{"odd", code}}}}
		if _, err := c.open(nil, slog.New(slog.DiscardHandler)); (err == nil) != fits {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// TestPoliciesNameWhatThereIs: a rule about a runbook or a cause that nobody knows counts for nothing.
func TestPoliciesNameWhatThereIs(t *testing.T) {
	can := Catalogue{Runbooks: []galen.ListedRunbook{galen.ListRunbook(fake.Heal()), galen.ListRunbook(fake.Tune())}}
	for policy, want := range map[string]string{
		"modes: [{runbook: fake/h*, mode: suggest}]":                                              "",
		"modes: [{runbook: fake/hee*, mode: suggest}]":                                            `policies.default: modes[0]: no runbook is called "fake/hee*"`,
		"cooldowns: [{cause: instance-unavailable, class: reversible, for: 2h}]":                  "",
		"cooldowns: [{cause: instance-is-unavailable, class: reversible, for: 2h}]":               `policies.default: cooldowns[0].cause: no runbook heals "instance-is-unavailable", so that it would count for nothing: want one of instance-unavailable`,
		"cooldowns: [{cause: '', class: reversible, for: 2h}]":                                    "", // told by who reads it
		"cooldowns: [{cause: x, class: disruptive, for: 0s}], modes: [{runbook: a/b, mode: act}]": "modes[0]: no runbook is called \"a/b\": want a pattern of one of fake/heal, fake/tune\npolicies.default: cooldowns[0].cause",
	} {
		c, err := config.Parse([]byte(waysConfig + "policies: {default: {" + policy + "}}\n"))
		if (err != nil) != strings.Contains(policy, "''") {
			t.Fatal(err)
		}
		said := ""
		if err := errors.Join(can.CheckPolicies(c)...); err != nil {
			said = err.Error()
		}
		if !strings.Contains(said, want) || (said == "") != (want == "") {
			t.Errorf("%s: %q, want %q", policy, said, want)
		}
	}
}
