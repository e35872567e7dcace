package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wrapped calls deploy/nodetool/nodetool with a fake nodetool and a fake galen that ends with a code; both write down how they were called.
func wrapped(t *testing.T, code string, env []string, args ...string) (exit int, said, asked, done string) {
	t.Helper()
	dir := t.TempDir()
	for name, does := range map[string]string{"galen": "exit " + code, "nodetool": "exit 7"} {
		script := "#!/bin/sh\nfor a in \"$@\"; do printf '%s\\n' \"$a\"; done > " + filepath.Join(dir, name+".args") + "\n" + does + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	script, err := filepath.Abs("../../deploy/nodetool/nodetool")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, script, args...)
	cmd.Env = append([]string{"PATH=" + filepath.Dir(script) + ":" + dir + ":/usr/bin:/bin", "GALEN_RESOURCE=cassandra/orders", "GALEN_MEMBER=n3"}, env...)
	out, err := cmd.CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatalf("%v: %s", err, out)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name+".args"))
		if err != nil {
			return ""
		}
		return strings.ReplaceAll(strings.TrimSuffix(string(b), "\n"), "\n", " ")
	}
	return cmd.ProcessState.ExitCode(), string(out), read("galen"), read("nodetool")
}

func TestNodetoolAsksFirst(t *testing.T) {
	const ran = 7 // what the fake nodetool ends with
	for _, c := range []struct {
		name, code, args string
		env              []string
		exit             int
		asked            string
	}{
		{"yes", "0", "drain", nil, ran, "can-i -- drain cassandra/orders n3"},
		{"no", "1", "drain", nil, 1, "can-i -- drain cassandra/orders n3"},
		{"unknown", "2", "decommission", nil, 2, "can-i -- decommission cassandra/orders n3"},
		{"no answer", "3", "stopdaemon", nil, 3, "can-i -- drain cassandra/orders n3"},
		{"another host", "0", "-h 10.0.0.7 -p 7199 -u me -pw drain drain", nil, ran, "can-i -- drain cassandra/orders 10.0.0.7"},
		{"another host, glued", "1", "-h10.0.0.9 -p7199 -ume -pwx decommission", nil, 1, "can-i -- decommission cassandra/orders 10.0.0.9"},
		{"what nobody knows", "0", "--jmx 10.0.0.9 decommission", nil, 3, ""},
		{"another host, by name and equals", "1", "--host=10.0.0.9 --port=7199 -pp drain", nil, 1, "can-i -- drain cassandra/orders 10.0.0.9"},
		{"this host by name", "1", "--host localhost disablegossip", nil, 1, "can-i -- drain cassandra/orders n3"},
		{"another node of this host", "1", "-h 127.0.0.3 drain", nil, 1, "can-i -- drain cassandra/orders 127.0.0.3"},
		{"another node of this host, glued", "1", "-h127.0.0.3 decommission", nil, 1, "can-i -- decommission cassandra/orders 127.0.0.3"},
		{"this host by address", "1", "-h 127.0.0.1 drain", nil, 1, "can-i -- drain cassandra/orders n3"},
		{"behind another port", "0", "-p 7203 drain", nil, 3, ""},
		{"behind another port, glued", "0", "-p7203 drain", nil, 3, ""},
		{"behind another port, by name and equals", "0", "--port=7203 drain", nil, 3, ""},
		{"behind another port, behind the command", "0", "drain -p 7203", nil, 3, ""},
		{"behind another port, behind the command, by name", "0", "stopdaemon --port 7203", nil, 3, ""},
		{"behind another port of another address here", "0", "-h 127.0.0.2 -p 7203 drain", []string{"GALEN_PORT=7203"}, 3, ""},
		{"behind another port of another host", "0", "-h 10.0.0.7 -p 7203 drain", nil, 3, ""},
		{"another host, whose port nobody names", "0", "-h 10.0.0.7 drain", []string{"GALEN_PORT=7203"}, 3, ""},
		{"another host, where all have that port", "1", "-h 10.0.0.7 -p 7203 drain", []string{"GALEN_PORT=7203"}, 1, "can-i -- drain cassandra/orders 10.0.0.7"},
		{"two ports", "0", "-p 7199 drain -p 7203", nil, 3, ""},
		{"two hosts", "0", "-h 10.0.0.7 drain -h 10.0.0.8", nil, 3, ""},
		{"a host behind the command", "1", "drain -h 10.0.0.7", nil, 1, "can-i -- drain cassandra/orders 10.0.0.7"},
		{"over TLS", "1", "--ssl drain", nil, 1, "can-i -- drain cassandra/orders n3"},
		{"a member like a flag", "3", "drain", []string{"GALEN_MEMBER=--help"}, 3, "can-i -- drain cassandra/orders --help"},
		{"a host like a flag", "3", "-h --help drain", nil, 3, "can-i -- drain cassandra/orders --help"},
		{"behind its own port", "1", "-p 7203 drain", []string{"GALEN_PORT=7203"}, 1, "can-i -- drain cassandra/orders n3"},
		{"another one is removed, by whatever port", "1", "-p 7203 removenode 10.0.0.9", nil, 1, "can-i -- removenode cassandra/orders 10.0.0.9"},
		{"a password, glued", "1", "-pwx drain", nil, 1, "can-i -- drain cassandra/orders n3"},
		{"a password called status", "1", "-pw status decommission", nil, 1, "can-i -- decommission cassandra/orders n3"},
		{"who is removed", "1", "removenode 00000001-0000-4000-8000-000000000000", nil, 1, "can-i -- removenode cassandra/orders 00000001-0000-4000-8000-000000000000"},
		{"assassinate", "0", "assassinate 10.0.0.9", nil, 1, ""},
		{"somebody assassinates all the same", "1", "assassinate 10.0.0.9", []string{"GALEN_OVERRIDE=removenode hangs"}, ran, ""},
		{"harmless", "1", "status orders", nil, ran, ""},
		{"how far it is", "1", "removenode status", nil, ran, ""},
		{"nothing", "1", "", nil, ran, ""},
		{"somebody knows better", "1", "drain", []string{"GALEN_OVERRIDE=galen is down"}, ran, ""},
		{"no galen", "0", "drain", []string{"GALEN_COMMAND=/nowhere/galen"}, 3, ""},
		{"no resource", "0", "drain", []string{"GALEN_RESOURCE="}, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, said, asked, done := wrapped(t, c.code, c.env, strings.Fields(c.args)...)
			want := ""
			if c.exit == ran {
				want = c.args
				if strings.HasPrefix(c.args, "drain") || strings.HasPrefix(c.args, "assassinate") { // on the node that was asked about
					want = "-p 7199 " + c.args
				}
			}
			if exit != c.exit || asked != c.asked || done != want {
				t.Errorf("exit %d, asked %q, ran %q; want %d, %q, %q\n%s", exit, asked, done, c.exit, c.asked, want, said)
			}
			if asked == "" {
				return
			}
			// The command line understands the question: it is one of the answers, or the member is none of this ring.
			path, _ := savedRing(t, nil)
			got := galenCLI(t, "", append([]string{"can-i", "--state", path}, strings.Fields(asked)[1:]...)...)
			if !slices.Contains([]int{exitOK, exitNo, exitUnknown}, got.code) && !strings.Contains(got.errs, "its members are") {
				t.Errorf("%s: exit %d: %s", asked, got.code, got.errs)
			}
		})
	}
}

// TestNodetoolGoesWhereItAsked: the node that was asked about is the one that it acts on.
func TestNodetoolGoesWhereItAsked(t *testing.T) {
	for args, want := range map[string]string{
		"drain": "-p 7203 drain", "-p 7203 drain": "-p 7203 drain", "drain -p 7203": "drain -p 7203", "-h localhost drain": "-p 7203 -h localhost drain",
		"status": "-p 7203 status", "-h 10.0.0.7 status": "-h 10.0.0.7 status", "removenode status": "-p 7203 removenode status", "-h 10.0.0.7 removenode x": "-h 10.0.0.7 removenode x", "": "",
	} {
		for _, why := range []string{"", "galen is down"} { // whoever knows better acts on the same node
			if exit, said, _, done := wrapped(t, "0", []string{"GALEN_PORT=7203", "GALEN_OVERRIDE=" + why}, strings.Fields(args)...); exit != 7 || done != want {
				t.Errorf("nodetool %s, override %q: exit %d, ran %q, want %q\n%s", args, why, exit, done, want, said)
			}
		}
	}
	if exit, said, asked, done := wrapped(t, "0", nil, "drain", "", "-h", "10.0.0.7"); exit != 3 || asked != "" || done != "" {
		t.Errorf("behind an empty argument: exit %d, asked %q, ran %q\n%s", exit, asked, done, said)
	}
}

// TestNodetoolRefusesWordsThatAreSeveral: Cassandra's script reads its arguments anew, at blanks and with patterns, and dash what stands behind a
// backslash, so that one word can hide a command, a host or a port. What the script takes out wherever it stands is no value of an option.
func TestNodetoolRefusesWordsThatAreSeveral(t *testing.T) {
	for _, args := range [][]string{
		{"drain "}, {" drain"}, {"removenode force"}, {"assassinate 10.0.0.9"}, {"-h 127.0.0.2 drain"}, {"-u", "me drain"}, {"-u me", "decommission --force"},
		{"-p", "7199 drain"}, {"-p7199 drain"}, {"--port=7199 drain"}, {"-Dx=y drain"}, {"drain\n"}, {"status\tdrain"}, {"status", "a b"}, {" "},
		{"dr*"}, {"drai?"}, {"[d]rain"}, {"status", "*"}, {"-pw", "a*", "drain"}, {`drain\0040`}, {`status\c`}, {"@words"}, {"-u", "me", "@words"},
		{"-u", "--archive-command", "a b", "drain"}, {"--archive-command", "a b", "drain"}, {"status", "--archive-command", "a", "b c"},
		{"-u", "-Dx", "me", "drain"}, {"-h", "--ssl", "10.0.0.7", "drain"}, {"-h", "-p", "7199", "10.0.0.9", "drain"}, {"-u", "--port=7199", "me", "drain"}, {"-u", "--port", "7199", "me", "drain"},
		{"-u", "--archive-command", "me", "drain"}, {"7203", "drain", "-p"}, {"7203", "drain", "-p", ""},
	} {
		exit, said, asked, done := wrapped(t, "0", nil, args...)
		if exit != 3 || asked != "" || done != "" || !strings.Contains(said, "is not known here") {
			t.Errorf("nodetool %q: exit %d, asked %q, ran %q\n%s", args, exit, asked, done, said)
		}
	}
	for _, args := range [][]string{{"enablefullquerylog", "--archive-command", "/bin/keep %path"}, {"-pw", "@x", "status"}, {"status"}} { // which the script keeps as it is
		if exit, said, asked, done := wrapped(t, "1", nil, args...); exit != 7 || asked != "" || done != strings.Join(args, " ") {
			t.Errorf("nodetool %q: exit %d, asked %q, ran %q\n%s", args, exit, asked, done, said)
		}
	}
	if exit, said, _, done := wrapped(t, "1", []string{"GALEN_OVERRIDE=it is so"}, "status", "a b"); exit != 7 || done != "status a b" {
		t.Errorf("who knows better: exit %d, ran %q\n%s", exit, done, said)
	}
	if _, said, _, _ := wrapped(t, "1", nil, "-pw", "my secret", "status"); strings.Contains(said, "secret") {
		t.Errorf("it tells a password: %s", said)
	}
}

// TestNodetoolGuardsJMX: sjk can call anything of a node; what only reads passes.
func TestNodetoolGuardsJMX(t *testing.T) {
	for args, want := range map[string]int{
		"sjk mx -b org.apache.cassandra.db:type=StorageService -op drain --call": 3, "sjk --verbose mx -op drain -mc": 3, "sjk @words": 3, "sjk ttop -n 5": 7, "sjk --help": 7, "-h 10.0.0.7 sjk hh": 7, "-h 10.0.0.7 sjk mx": 3,
	} {
		if exit, said, asked, done := wrapped(t, "0", nil, strings.Fields(args)...); exit != want || asked != "" || (done != "") != (want == 7) {
			t.Errorf("nodetool %s: exit %d, want %d, asked %q, ran %q\n%s", args, exit, want, asked, done, said)
		}
	}
	if exit, said, _, done := wrapped(t, "0", []string{"GALEN_OVERRIDE=galen is down"}, "sjk", "mx"); exit != 7 || done != "-p 7199 sjk mx" {
		t.Errorf("who knows better: exit %d, ran %q\n%s", exit, done, said)
	}
}

// TestNodetoolTwiceInPath: a copy of it is no real one, and would call this one again.
func TestNodetoolTwiceInPath(t *testing.T) {
	text, err := os.ReadFile("../../deploy/nodetool/nodetool")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nodetool"), text, 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	here, err := filepath.Abs("../../deploy/nodetool")
	if err != nil {
		t.Fatal(err)
	}
	exit, said, _, done := wrapped(t, "0", []string{"PATH=" + here + ":" + dir + ":/usr/bin:/bin"}, "status")
	if exit != 3 || done != "" || !strings.Contains(said, "set NODETOOL to the real one") {
		t.Errorf("exit %d, ran %q\n%s", exit, done, said)
	}
}
