package fake_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/fake"
)

func look(t *testing.T, c *fake.Cloud, prev fake.Cluster, scope ...galen.Target) fake.Cluster {
	t.Helper()
	seen, err := c.Look(t.Context(), billing, scope, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fake.Fold(prev, seen)
}

func intent(id string, fence int64, s galen.Step) galen.Intent {
	return galen.Intent{ID: id, Resource: billing, Step: s, Fence: fence}
}

func TestFaultsOfTheProvider(t *testing.T) {
	for _, c := range []struct {
		fault    fake.Fault
		accepted int
	}{
		{fake.LostReply, 1}, {fake.Throttled, 0}, {fake.HangsBefore, 0}, {fake.HangsAfter, 1},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		cloud := fake.NewCloud("billing", 3, noon)
		cloud.Fail(c.fault)
		if reply, err := cloud.Do(ctx, intent("a", 1, fake.Reboot(instance(look(t, cloud, fake.Cluster{}), "db-2"), "a test"))); err == nil {
			t.Errorf("fault %d: answered %q", c.fault, reply)
		}
		if got, _ := cloud.Accepted(); got["a"] != c.accepted {
			t.Errorf("fault %d: accepted %d times, want %d", c.fault, got["a"], c.accepted)
		}
	}
}

func TestTokensAndFences(t *testing.T) {
	cloud := fake.NewCloud("billing", 3, noon)
	reboot := fake.Reboot(instance(look(t, cloud, fake.Cluster{}), "db-2"), "a test")
	for range 2 {
		if _, err := cloud.Do(t.Context(), intent("a", 2, reboot)); err != nil {
			t.Fatal(err)
		}
	}
	if got, repeats := cloud.Accepted(); got["a"] != 1 || repeats != 1 {
		t.Errorf("accepted %v, %d repeats", got, repeats)
	}
	if _, err := cloud.Do(t.Context(), intent("b", 1, reboot)); err == nil {
		t.Error("an older fence is accepted")
	}
	cloud.Fail(fake.Forgets)
	if _, err := cloud.Do(t.Context(), intent("a", 2, reboot)); err != nil {
		t.Fatal(err)
	}
	if got, _ := cloud.Accepted(); got["a"] != 2 {
		t.Errorf("a forgotten token: accepted %v", got)
	}
}

func TestTheAPIIsLateAndProbesAreNot(t *testing.T) {
	cloud := fake.NewCloud("billing", 3, noon)
	cloud.Advance(time.Minute)
	cloud.Crash("db-1", false)
	c := look(t, cloud, fake.Cluster{})
	if i := instance(c, "db-1"); i.Status != fake.Available || i.Bad() || i.Observations[1].Says != galen.Bad {
		t.Errorf("right after the crash: %+v", i)
	}
	cloud.Advance(fake.APILag)
	c = look(t, cloud, c)
	since := cloud.Now()
	if i := instance(c, "db-1"); i.Status != fake.Broken || !i.Bad() || !i.BadSince.Equal(since) || i.Flips != 1 {
		t.Errorf("after the lag: %+v", i)
	}
	if got := fake.Detectors()[0].Detect(cloud.Now(), c, galen.SafePolicy()); len(got) != 0 {
		t.Errorf("found before it was down for a while: %+v", got)
	}
	cloud.Advance(galen.SafePolicy().DownFor.D())
	c = look(t, cloud, c)
	got := fake.Detectors()[0].Detect(cloud.Now(), c, galen.SafePolicy())
	if len(got) != 1 || got[0].Domain != "billing/zone-a" || !got[0].Has("db-1") || got[0].Urgency != galen.High || !got[0].Since.Equal(since) {
		t.Errorf("findings: %+v", got)
	}
}

func TestWhoIsSilentIsMissingAndWhoVanishesStays(t *testing.T) {
	cloud := fake.NewCloud("billing", 3, noon)
	c := look(t, cloud, fake.Cluster{})
	cloud.Silence("probe", true)
	cloud.Silence("db-3", true)
	c = look(t, cloud, c)
	if _, missing := c.Seen(galen.Target{ID: "db-3"}); len(missing) != 1 || missing[0] != "probe" {
		t.Errorf("a target is never missing: %q", missing)
	}
	cloud.Silence("probe", false)
	cloud.Silence("db-3", false)
	cloud.Hide("db-2", true)
	c = look(t, cloud, c)
	if i := instance(c, "db-2"); !i.Unlisted || !c.Members()[1].Unlisted {
		t.Errorf("a member that a page left out: %+v", i)
	}
	cloud.Silence("api", true)
	c = look(t, cloud, c)
	if len(c.Members()) != 3 {
		t.Errorf("without the API %d of 3 members are left", len(c.Members()))
	}
	cloud.Silence("api", false)
	cloud.Hide("db-2", false)
	if c = look(t, cloud, c); instance(c, "db-2").Unlisted {
		t.Error("listed again, and still marked")
	}
	if _, err := cloud.Look(t.Context(), galen.Resource{Kind: "fake", Name: "other"}, nil, nil); err == nil {
		t.Error("another resource is shown")
	}
}

func TestCheckRefusesWhatNoConstructorMakes(t *testing.T) {
	cloud := fake.NewCloud("billing", 3, noon)
	c := look(t, cloud, fake.Cluster{})
	raw := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	writer, reader := instance(c, "db-1"), instance(c, "db-2")
	steps := map[string]galen.Step{
		"an unknown setting":       fake.Set(reader, "no_such", "1", ""),
		"failover from a reader":   fake.Failover(reader, instance(c, "db-3"), ""),
		"failover to the writer":   fake.Failover(writer, writer, ""),
		"failover to a stranger":   {Verb: fake.VerbFailover, Target: writer.Target(), Args: raw(fake.FailoverArgs{To: "x"}), Within: 1},
		"replacing the writer":     fake.Replace(writer, ""),
		"a reboot with arguments":  {Verb: fake.VerbReboot, Target: reader.Target(), Args: raw(1), Within: 1},
		"a reboot without a limit": {Verb: fake.VerbReboot, Target: reader.Target()},
	}
	for name, s := range steps {
		for _, v := range fake.Kind().Verbs {
			if v.Name == s.Verb && v.Check(c, s) == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	}
}
