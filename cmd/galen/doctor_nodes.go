package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/app"
)

const tokenWarn = 7 * 24 * time.Hour

// nodes looks at each resource once, as the watch would.
func (d *doctor) nodes(ctx context.Context) []symptom {
	found := make([][]symptom, len(d.cfg.Resources))
	var all sync.WaitGroup
	for i, r := range d.cfg.Resources {
		all.Go(func() { found[i] = d.node(ctx, r.Resource) })
	}
	all.Wait()
	return slices.Concat(found...)
}

func (d *doctor) node(ctx context.Context, r galen.Resource) []symptom {
	state, err := app.ExamineResource(ctx, d.cfg, d.can, r)
	if err != nil {
		return []symptom{{"node", r.String(), isBad, "nothing of it can be seen: " + err.Error(), "look at the network, the addresses and the credentials in its setup"}}
	}
	var out []symptom
	if ring, is := state.(cassandra.Ring); is {
		out = ofRing(r, ring)
	} else if _, missing := state.Seen(); len(missing) > 0 {
		out = []symptom{{"node", r.String(), isBad, fmt.Sprintf("not heard: %q", missing), "look at the network and the setup"}}
	}
	if clocked, is := state.(galen.Clocked); is {
		out = append(out, d.offsets(r, clocked)...)
	}
	if len(out) == 0 {
		out = []symptom{{"node", r.String(), isOK, "all observers answer", ""}}
	}
	return out
}

func (d *doctor) offsets(r galen.Resource, s galen.Clocked) []symptom {
	var out []symptom
	most := d.cfg.Policy(r).ClockSkew.D()
	for _, c := range s.Clocks() {
		if c.Offset.Abs() > most {
			out = append(out, symptom{"clock", r.String() + " " + c.Observer, isBad, fmt.Sprintf("its clock is %s off this one, at most %s is allowed", c.Offset.Round(time.Millisecond), most), "run NTP on both machines"})
		}
	}
	return out
}

// ofRing tells of each node of a ring whether its three ways in answer: Jolokia, CQL and its host.
func ofRing(r galen.Resource, ring cassandra.Ring) []symptom {
	var out []symptom
	versions := map[string]bool{}
	for _, in := range ring.Instances {
		about := r.String() + " " + in.Name
		if in.Error != "" {
			out = append(out, symptom{"node", about, isBad, "its host cannot be read: " + in.Error, "Galen runs as the user of the node, on its machine: look at folder and pid_file in its setup, and at their modes"})
		}
		if in.CannotStart != "" {
			out = append(out, symptom{"node", about, isBad, "Galen could not start it: " + in.CannotStart, "put it there, executable for the user that Galen runs as, or name it under start in its setup"})
		}
		if in.Spare {
			continue
		}
		v, asked := ring.View(in.Name)
		if !asked {
			out = append(out, symptom{"node", about, isBad, "it was not asked", "report it"})
			continue
		}
		out = append(out, waysIn(about, v)...)
		if v.Version != "" {
			versions[v.Version] = true
		}
	}
	if len(versions) > 1 {
		var all []string
		for v := range versions {
			all = append(all, v)
		}
		slices.Sort(all)
		out = append(out, symptom{"node", r.String(), isWarn, "its nodes have different versions: " + strings.Join(all, ", "), "end the upgrade"})
	}
	return out
}

func waysIn(about string, v cassandra.View) []symptom {
	var out []symptom
	ok := "Jolokia and CQL answer, version " + v.Version
	if v.Jolokia != cassandra.Answered {
		out = append(out, symptom{"node", about, isBad, strings.TrimSuffix(fmt.Sprintf("Jolokia: %s: %s", v.Jolokia, v.JolokiaError), ": "), "does the node run, is the agent loaded, and is the URL right? galen findings says what Galen makes of it"})
	}
	if v.CQL != cassandra.Answered {
		out = append(out, symptom{"node", about, isBad, strings.TrimSuffix(fmt.Sprintf("CQL: %s: %s", v.CQL, v.CQLError), ": "), "does the node serve, are address and port right, and does a read at LOCAL_QUORUM have its replicas?"})
	}
	if len(out) == 0 {
		out = append(out, symptom{"node", about, isOK, ok, ""})
	}
	return out
}

// tokens tells of those that end, and of the administrator's.
func (d *doctor) tokens(context.Context) []symptom {
	out := d.bootstrap()
	if d.unseen != nil {
		return out
	}
	now, counting := d.now(), 0
	for _, t := range d.seen.Tokens {
		switch left := t.Expires.Sub(now); {
		case !t.Revoked.IsZero():
		case left <= 0:
			out = append(out, symptom{"token", t.Name, isWarn, "it ended " + t.Expires.UTC().Format(time.DateTime) + " UTC: whoever still uses it is refused", "galen token create another name for whoever needs it; galen token revoke " + t.Name})
		case left < tokenWarn:
			counting++
			out = append(out, symptom{"token", t.Name, isWarn, fmt.Sprintf("it ends %s UTC, within a week", t.Expires.UTC().Format(time.DateTime)), "galen token create another name, put its secret in place, then galen token revoke " + t.Name})
		default:
			counting++
			out = append(out, symptom{"token", t.Name, isOK, "counts until " + t.Expires.UTC().Format(time.DateTime) + " UTC", ""})
		}
	}
	if counting == 0 {
		out = append(out, symptom{"token", "", isWarn, "no named token counts: people, Prometheus and Alertmanager would all work with the administrator's", "galen token create NAME --scope …, one for each of them"})
	}
	return out
}

// bootstrap is the administrator's token, in the file that the engine makes.
func (d *doctor) bootstrap() []symptom {
	file := filepath.Join(d.cfg.Data, app.TokenFile)
	st, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist) && d.runs:
		return []symptom{{"token", file, isWarn, "the administrator's token is not there; the engine that runs takes the one that it read at its start, and at its next start makes another one", "put it back; if it is lost, or you do not know who moved it, start the engine again and read the new one"}}
	case errors.Is(err, os.ErrNotExist):
		return nil // the engine makes it at its start
	case err != nil:
		return []symptom{{"token", file, isWarn, err.Error(), "run galen doctor as the user that the engine runs as"}}
	case st.Mode().Perm()&0o077 != 0:
		return []symptom{{"token", file, isBad, fmt.Sprintf("others may read the administrator's token (mode %04o)", st.Mode().Perm()), "delete the file and start the engine again: it makes another one"}}
	}
	return []symptom{{"token", file, isOK, "the administrator's token, for its owner alone; keep it for what named tokens cannot do", ""}}
}
