package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra/ring"
	"github.com/galenhq/galen/test/crash/victim"
	"github.com/galenhq/galen/test/engine"
)

// block of a page: what a reader types, what is printed, and what happens to the ring before.
type block struct {
	line         int
	happens      []string
	typed, shown string
}

// blocks of a page, in its order.
func blocks(page string) (all []block, err error) {
	var happens []string
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		if what, is := strings.CutPrefix(lines[i], "<!-- test: "); is {
			happens = append(happens, strings.TrimSuffix(what, " -->"))
		}
		language, is := strings.CutPrefix(lines[i], "```")
		if !is {
			continue
		}
		end := slices.Index(lines[i+1:], "```")
		if end < 0 {
			return nil, fmt.Errorf("line %d: a block without an end", i+1)
		}
		text := strings.Join(lines[i+1:i+1+end], "\n")
		switch {
		case language == "sh":
			all, happens = append(all, block{line: i + 1, happens: happens, typed: text}), nil
		case language == "text" && len(all) > 0 && all[len(all)-1].shown == "":
			all[len(all)-1].shown = text
		default:
			return nil, fmt.Errorf("line %d: a block that is neither typed nor printed: %q", i+1, language)
		}
		i += end + 1
	}
	return all, nil
}

// TestTheAPIPage types what docs/api.md says, in its order, and compares what is printed.
func TestTheAPIPage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	s, err := victim.SetStage(ctx, victim.StageOptions{Dir: dir, Faster: 20, Policy: map[string]any{
		"down_for": "1h", // people are first
		"modes":    []any{map[string]any{"runbook": "cassandra/replace-node", "mode": "approve"}},
	}})
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(s.End(), s.Ring.Close())) })
	_, err = s.Start(ctx, nil)
	must(t, err)
	must(t, s.AwaitHealth(ctx))
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	must(t, err)
	all, err := blocks(string(page))
	must(t, err)
	r := newReader(t, s)
	for _, b := range all {
		for _, what := range b.happens {
			must(t, happen(ctx, s, what))
		}
		got, err := r.types(ctx, b.typed)
		if err != nil {
			t.Fatalf("docs/api.md:%d: %v\n%s\nthe engine's log ends with:\n%s", b.line, err, got, engine.Tail(s.Engine.Log, 20))
		}
		if !printed(b.shown).MatchString(got) {
			t.Errorf("docs/api.md:%d prints\n%s\nand the page says\n%s", b.line, got, b.shown)
		}
	}
}

// printed is what a page shows, where … stands for anything.
func printed(shown string) *regexp.Regexp {
	parts := strings.Split(strings.TrimSpace(shown), "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`^(?s:\s*` + strings.Join(parts, ".*?") + `\s*)$`)
}

// happen to the ring: a trouble and an instance.
func happen(ctx context.Context, s *victim.Stage, what string) error {
	trouble, instance, _ := strings.Cut(what, " ")
	all, known := map[string][]ring.Trouble{"kill": {ring.Kill}, "lose": {ring.Kill, ring.LoseData}}[trouble]
	if !known {
		return fmt.Errorf("nobody knows how to %q", what)
	}
	if err := s.Break(ctx, instance, all...); err != nil {
		return err
	}
	return awaitBad(ctx, s, instance)
}

// awaitBad returns when the engine shows a member bad.
func awaitBad(ctx context.Context, s *victim.Stage, instance string) error {
	client, err := s.Engine.Client()
	if err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := client.GetResourceWithResponse(ctx, victim.Resource().Kind, victim.Resource().Name)
		if err == nil && res.JSON200 != nil && slices.ContainsFunc(res.JSON200.Members, func(m galen.Member) bool { return m.Bad && m.Instance == "instance/"+instance }) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited until %s is seen bad: %w", instance, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// reader is who types: an interpreter of the shell's language, so that no shell is needed, with the programs that the page may use.
type reader struct {
	runner *interp.Runner
	said   *bytes.Buffer
}

func newReader(t *testing.T, s *victim.Stage) *reader {
	t.Helper()
	said := &bytes.Buffer{}
	env := append(os.Environ(), "GALEN="+s.Engine.Server(), "TOKEN_FILE="+filepath.Join(s.Engine.Data, "token"))
	only := func(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
		return func(ctx context.Context, args []string) error {
			if !slices.Contains([]string{"cat", "curl", "jq", "mkdir"}, args[0]) {
				return fmt.Errorf("the page may not use %s", args[0])
			}
			return next(ctx, args)
		}
	}
	runner, err := interp.New(interp.Env(expand.ListEnviron(env...)), interp.Dir(t.TempDir()), interp.StdIO(nil, said, said), interp.ExecHandlers(only))
	must(t, err)
	return &reader{runner, said}
}

// types runs it and returns what was printed.
func (r *reader) types(ctx context.Context, text string) (string, error) {
	r.said.Reset()
	file, err := syntax.NewParser().Parse(strings.NewReader(text), "docs/api.md")
	if err == nil {
		err = r.runner.Run(ctx, file)
	}
	return r.said.String(), err
}
