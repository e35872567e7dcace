package lab

import (
	"bytes"
	_ "embed" // the templates
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed cassandra.yaml.tmpl
var yamlTemplate string

//go:embed logback.xml
var logback []byte

const extraOptions = `# More options of this node's JVM, one per line; read by bin/start.
`

// host is what one node folder is written from.
type host struct {
	Options
	network string
	n       int
	folder  string
	java    string
	lib     string
}

// write makes the folder of one host as a configuration management would leave it: never started, no data.
func (h host) write() error {
	for _, d := range []string{"bin", "conf/triggers", "log", "tmp"} {
		if err := os.MkdirAll(filepath.Join(h.folder, d), 0o750); err != nil {
			return fmt.Errorf("make the folder of a node: %w", err)
		}
	}
	yaml, err := h.yaml()
	if err != nil {
		return err
	}
	start, err := h.startCommand()
	if err != nil {
		return err
	}
	return errors.Join(
		h.file("conf/cassandra.yaml", yaml, 0o600),
		h.file("conf/cassandra-rackdc.properties", []byte("dc="+DC+"\nrack="+rack(h.n)+"\n"), 0o600),
		h.file("conf/logback.xml", logback, 0o600),
		h.file("conf/jvm-extra.options", []byte(extraOptions), 0o600),
		h.file("bin/start", start, 0o700),
	)
}

func (h host) file(name string, content []byte, mode os.FileMode) error {
	if err := os.WriteFile(filepath.Join(h.folder, name), content, mode); err != nil {
		return fmt.Errorf("write %s of a node: %w", name, err)
	}
	return nil
}

// yaml renders cassandra.yaml. A spare has no tokens of its own and bootstraps.
func (h host) yaml() ([]byte, error) {
	var seeds, own []string
	for n := 1; n <= h.Nodes; n++ {
		seeds = append(seeds, address(h.network, n))
	}
	if h.n <= h.Nodes {
		for _, t := range tokens(h.n, h.Nodes) {
			own = append(own, strconv.FormatInt(t, 10))
		}
	}
	t, err := template.New("cassandra.yaml").Parse(yamlTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse the template of cassandra.yaml: %w", err)
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Cluster": h.Name, "NumTokens": tokensPerNode, "Tokens": strings.Join(own, ","), "Seeds": strings.Join(seeds, ","),
		"Address": address(h.network, h.n), "Phi": h.Phi, "Batch": h.Batch,
	})
	if err != nil {
		return nil, fmt.Errorf("render cassandra.yaml: %w", err)
	}
	return out.Bytes(), nil
}

// startCommand writes bin/start: it execs java in the foreground, so that its process id is the node's. Nothing comes from outside but
// its arguments; options of jvm-extra.options go before them, so that an argument wins.
func (h host) startCommand() ([]byte, error) {
	jars, err := filepath.Glob(filepath.Join(h.lib, "*.jar"))
	if err != nil || len(jars) == 0 {
		return nil, fmt.Errorf("no jars in %q: leave Options.Lib empty, so that they are fetched", h.lib)
	}
	jvm, err := h.jvm()
	if err != nil {
		return nil, err
	}
	var fixed strings.Builder
	for _, o := range jvm {
		fixed.WriteString("  " + quote(o) + " \\\n")
	}
	return fmt.Appendf(nil, `#!/bin/sh
# Written by Galen's lab. Starts this node in the foreground; arguments are more JVM options.
set -eu
cd %s
exec >>log/out.log 2>&1 </dev/null
given=$#
while IFS= read -r line || [ -n "$line" ]; do
  case $line in ''|'#'*) continue;; esac
  set -- "$@" "$line"
done <conf/jvm-extra.options
while [ "$given" -gt 0 ]; do
  first=$1; shift; set -- "$@" "$first"; given=$((given - 1))
done
exec /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME=%s %s \
%s  "$@" \
  -cp %s \
  org.apache.cassandra.service.CassandraDaemon
`, quote(h.folder), quote(h.folder), quote(h.java), fixed.String(), quote(strings.Join(jars, ":"))), nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// jvm returns the node's own JVM options, as measured for small rings on Java 17.
func (h host) jvm() ([]string, error) {
	jamm, err := h.jar("jamm-*.jar")
	if err != nil {
		return nil, err
	}
	jolokia, err := h.jar("jolokia-*.jar")
	if err != nil {
		return nil, err
	}
	out := slices.Concat(modules(), []string{
		"-Xms" + h.Heap, "-Xmx" + h.Heap, "-Xss256k", "-XX:MaxDirectMemorySize=256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-XX:+PerfDisableSharedMem", "-XX:+ExitOnOutOfMemoryError", "-XX:ErrorFile=" + h.folder + "/log/hs_err.log",
	})
	if h.Profile == Fast {
		out = append(
			out, "-Dcassandra.ring_delay_ms=5000", "-Dcassandra.broadcast_interval_ms=5000",
			"-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.superuser_setup_delay_ms=0",
			"-Dcassandra.max_local_pause_in_ms=15000", "-Dcassandra.shutdown_announce_in_ms=500",
			"-Dcassandra.memtable.row_overhead_size=180", // skips an estimate of 1-2 s at boot
		)
	}
	if h.JVM != nil {
		out = append(out, h.JVM(address(h.network, h.n))...)
	}
	return append(
		out, "-Dcassandra.available_processors=2", "-Dcassandra.test.ignore_sigar=true", "-Dcassandra.size_recorder_interval=30",
		"-Djdk.attach.allowAttachSelf=true", "-Djava.net.preferIPv4Stack=true", "-Djava.io.tmpdir="+h.folder+"/tmp",
		"-Dchronicle.analytics.disable=true", "-Dio.netty.tryReflectionSetAccessible=true",
		"-Dio.netty.allocator.useCacheForAllThreads=true", "-Dio.netty.allocator.maxOrder=11",
		"-javaagent:"+jamm,
		"-javaagent:"+jolokia+"=host="+address(h.network, h.n)+",port="+portJolokia+",executor=cached,discoveryEnabled=false",
		"-Dcassandra.config=file://"+h.folder+"/conf/cassandra.yaml", storageDir+h.folder, "-Dcassandra.logdir="+h.folder+"/log",
		"-Dcassandra.triggers_dir="+h.folder+"/conf/triggers", "-Dcassandra-foreground=yes",
		"-Dlogback.configurationFile=file://"+h.folder+"/conf/logback.xml",
		"-Dcassandra-rackdc.properties=file://"+h.folder+"/conf/cassandra-rackdc.properties",
	), nil
}

func (h host) jar(pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(h.lib, pattern))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d jars match %s in %s, not one: remove that folder, so that it is fetched again", len(found), pattern, h.lib)
	}
	return found[0], nil
}

// modules opens to Cassandra what Java 17 closed.
func modules() []string {
	var out []string
	for p := range strings.FieldsSeq(`java.base/jdk.internal.misc java.base/java.lang.ref java.management.rmi/com.sun.jmx.remote.internal.rmi
		java.management/com.sun.jmx.remote.security java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql
		jdk.unsupported/sun.misc java.base/jdk.internal.ref java.base/sun.nio.ch`) {
		out = append(out, "--add-exports", p+"=ALL-UNNAMED")
	}
	for p := range strings.FieldsSeq(`java.lang.module jdk.internal.loader jdk.internal.ref jdk.internal.reflect jdk.internal.math
		jdk.internal.module jdk.internal.util.jar jdk.internal.misc sun.nio.ch java.io java.lang.reflect java.lang java.util
		java.util.concurrent java.util.concurrent.atomic java.nio`) {
		out = append(out, "--add-opens", "java.base/"+p+"=ALL-UNNAMED")
	}
	return append(out, "--add-opens", "jdk.management/com.sun.management.internal=ALL-UNNAMED")
}
