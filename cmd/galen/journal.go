package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/api"
	"github.com/galenhq/galen/internal/journal"
)

func (c *cli) journalCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "journal",
		Short: "The record of all that was seen, decided, refused and done",
	})
	cmd.AddCommand(c.journalListCommand(), c.journalVerifyCommand(), c.journalExportCommand(), c.journalBackupCommand(), c.journalRestoreCommand(), c.journalMoveCommand())
	return cmd
}

type listFlags struct {
	resource, run, kind, from, to, cursor string
	after                                 int64
	limit                                 int
}

// choose are the flags that list and export have alike.
func (f *listFlags) choose(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.resource, "resource", "", "only those of this resource (kind/name); an alert, a hold of a pattern and what is of the engine are of none")
	cmd.Flags().StringVar(&f.run, "run", "", "only those of this run")
	cmd.Flags().StringVar(&f.kind, "kind", "", "only those that tell this: decided, refused, policy, held, ...")
	cmd.Flags().StringVar(&f.from, "from", "", "only those at this time or later: 2026-11-24T10:00:00Z, or 24h or 30d for so long ago")
	cmd.Flags().StringVar(&f.to, "to", "", "only those before this time, given likewise")
}

// params ask the API for what was chosen.
func (f *listFlags) params(now time.Time) (*api.ListEventsParams, error) {
	p := &api.ListEventsParams{
		Resource: optional(f.resource), Run: optional(f.run), Kind: optional(galen.EventKind(f.kind)), After: optional(f.after), Limit: &f.limit, Cursor: optional(f.cursor),
	}
	for _, end := range []struct {
		flag, text string
		at         **time.Time
	}{{"from", f.from, &p.From}, {"to", f.to, &p.To}} {
		if end.text == "" {
			continue
		}
		at, err := moment(end.text, now, ago)
		if err != nil {
			return nil, usage("--%s %q: %w", end.flag, end.text, err)
		}
		*end.at = &at
	}
	if p.From != nil && p.To != nil && !p.From.Before(*p.To) {
		return nil, usage("--from %q is not before --to %q: nothing lies between", f.from, f.to)
	}
	return p, nil
}

func (c *cli) journalListCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "The newest events, or those after a number",
		Long: `Lists events of the journal, oldest first: the newest ones, or with --after those that follow a number. --cursor goes on where a list ended, with
the flags that it was given (times as times, for 24h is another moment later). galen runs show
tells the story of one run in words; this is the raw record. BODY leaves out the hashes of the rows that an event cites; -o json
has the whole of each event.`,
		Example: "  galen journal list --limit 20\n  galen journal list --kind policy --from 30d\n  galen journal list --resource cassandra/orders --after 1200\n  galen journal list --run 0198f2a1-7c3e-7b1a-9d55-2f0c6a1b8e44 -o json",
		Args:    takes(0, 0, "no arguments: choose with flags"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.journalList(cmd.Context(), f, cmd.Flags().Changed("after"))
		},
	}
	f.choose(cmd)
	cmd.Flags().Int64Var(&f.after, "after", 0, "those after the event of this number, instead of the newest")
	cmd.Flags().StringVar(&f.cursor, "cursor", "", "go on where a list ended: the next that it printed")
	cmd.Flags().IntVar(&f.limit, "limit", 50, "how many at most")
	return cmd
}

func (c *cli) journalList(ctx context.Context, f listFlags, after bool) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	ask, err := f.params(c.now())
	if err != nil {
		return err
	}
	newest := !after
	ask.Newest = &newest
	res, err := client.ListEventsWithResponse(ctx, ask)
	if err := c.fault("list the journal", res, err, res != nil && res.JSON200 != nil); err != nil {
		return err
	}
	if newest {
		sortEvents(res.JSON200.Events)
	}
	return c.print(res.JSON200, func(w io.Writer) error {
		if len(res.JSON200.Events) == 0 {
			fmt.Fprintln(w, f.none(after))
		} else if err := printEvents(w, res.JSON200.Events); err != nil {
			return err
		}
		printMore(w, res.JSON200.Next)
		return nil
	})
}

// none says that there is nothing, and what was looked for.
func (f *listFlags) none(after bool) string {
	out := "no events"
	for _, chosen := range []struct{ how, what string }{{"of resource ", f.resource}, {"of run ", f.run}, {"of the kind ", f.kind}, {"from ", f.from}, {"before ", f.to}} {
		if chosen.what != "" {
			out += " " + chosen.how + oneLine(chosen.what)
		}
	}
	if after {
		out += fmt.Sprintf(" after number %d", f.after)
	}
	if f.cursor != "" {
		out += " beyond that cursor"
	}
	return out + ", in what your token may view"
}

// bodyShown is how many columns of an event's body are a digest of it.
const bodyShown = 100

func printEvents(w io.Writer, all []galen.Event) error {
	rows := make([][]string, 0, len(all))
	for _, e := range all {
		rows = append(rows, []string{
			strconv.FormatInt(e.Seq, 10), e.At.UTC().Format(time.DateTime), string(e.Kind), e.Resource.String(), e.Run, e.By, cut(oneLine(told(e.Body)), bodyShown), told(e.Body),
		})
	}
	return table(w, []string{"seq", "at (UTC)", "kind", "resource", "run?", "by?", "body", "whole body+"}, rows)
}

// told is what an event's body says to people, as name=value: without the hashes of what it cites, the reasons first, and then what
// is shortest.
func told(body json.RawMessage) string {
	fields := leaves("", body)
	rank := func(d detail) int {
		if d.name == "why" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(fields, func(a, b detail) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a.text), len(b.text)))
	})
	parts := make([]string, 0, len(fields))
	for _, f := range fields {
		parts = append(parts, f.name+"="+f.text)
	}
	return strings.Join(parts, " ")
}

// leaves are the fields of an object and of those in it, by name; what is none has the name that it was found under.
func leaves(name string, value json.RawMessage) []detail {
	var fields map[string]json.RawMessage
	var text string
	switch {
	case json.Unmarshal(value, &fields) == nil && fields != nil:
	case json.Unmarshal(value, &text) == nil:
		return []detail{{name, text}}
	default:
		return []detail{{name, string(value)}}
	}
	var out []detail
	for _, inner := range slices.Sorted(maps.Keys(fields)) {
		if inner != "cites" {
			out = append(out, leaves(inner, fields[inner])...)
		}
	}
	return out
}

func (c *cli) journalVerifyCommand() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove offline that a journal was not changed",
		Long: `Reads a journal without an engine, from its first event to its last: numbers without gaps, the hash of each event, the
chain, and every row that an event cites, with the bodies of States that are kept and what each approval is held against
now. Nothing is written. It is the journal in FILE (a backup, or galen.db of a data directory), or else the one that the
configuration names, also in PostgreSQL while engines work.

Not covered, because no event cites them: the inbox of alerts, counts of refusals, revisions, vitals, the outbox; and the
reasons and margin of a decision that was only repeated. What was refused, and why, is in the events themselves.

Whoever keeps the head that it prints can prove later that no event before it was changed or taken away.
Exit code 1 if anything is wrong, with every place, and if there is no event at all: that is no backup.`,
		Example: "  galen journal verify --config /etc/galen/galen.yaml\n  galen journal verify /backup/galen.db\n  galen journal verify galen.db -o json | jq .head",
		Args:    takes(0, 1, "the file of one journal, or none: the one of the configuration"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, place, err := journalOf(config)
				if err != nil {
					return err
				}
				return c.journalVerify(cmd.Context(), place)
			}
			if cmd.Flags().Changed("config") {
				return usage("FILE and --config name two journals: give one of them")
			}
			return c.journalVerify(cmd.Context(), journal.Place{Path: args[0]})
		},
	}
	cmd.Flags().StringVar(&config, "config", "galen.yaml", "the configuration file")
	return cmd
}

// proof is the answer of journal verify.
type proof struct {
	Journal string  `json:"journal"` // its file, or PostgreSQL
	OK      bool    `json:"ok"`
	Events  int64   `json:"events"`
	Head    string  `json:"head"`
	Faults  []fault `json:"faults"`
}

type fault struct {
	Seq  int64  `json:"seq,omitempty"`
	Row  string `json:"row,omitempty"`
	What string `json:"what"`
}

// looksLikeAJournal spares a person who named the wrong file the alarm of a damaged one.
func looksLikeAJournal(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("%w; name the file galen.db of a data directory", err)
	}
	defer f.Close()
	head := make([]byte, 15)
	if _, err := io.ReadFull(f, head); err != nil || string(head) != "SQLite format 3" {
		return fmt.Errorf("%s is no journal; name the file galen.db of a data directory", file)
	}
	return nil
}

func (c *cli) journalVerify(ctx context.Context, place journal.Place) error {
	if place.URL == "" {
		if err := looksLikeAJournal(place.Path); err != nil {
			return err
		}
	}
	report, err := place.Verify(ctx)
	if err != nil {
		return err
	}
	p := proof{Journal: place.String(), OK: report.OK(), Events: report.Events, Head: report.Head, Faults: []fault{}}
	for _, f := range report.Faults {
		p.Faults = append(p.Faults, fault{Seq: f.Seq, Row: f.Row, What: f.What})
	}
	if report.Events == 0 && p.OK {
		p.OK, p.Faults = false, []fault{{What: "there is no event in it: no engine has ever worked with it, so it proves nothing and is no backup"}}
	}
	if err := c.print(p, func(w io.Writer) error { return printProof(w, p) }); err != nil {
		return err
	}
	if report.Events == 0 {
		return fmt.Errorf("%s: a journal without an event is no backup", place)
	}
	if !p.OK {
		return fmt.Errorf("%s: the journal does not agree with itself in %s: keep a copy, compare with a backup", place, some(len(p.Faults), "place"))
	}
	return nil
}

func printProof(w io.Writer, p proof) error {
	if p.OK {
		fmt.Fprintf(w, "sound: %s without a gap, every hash and every cited row agrees\nhead   %s\n", some(int(p.Events), "event"), p.Head)
		return nil
	}
	fmt.Fprintf(w, "NOT SOUND: %s, head %s\n\n", some(int(p.Events), "event"), p.Head)
	rows := make([][]string, 0, len(p.Faults))
	for _, f := range p.Faults {
		seq := ""
		if f.Seq > 0 {
			seq = strconv.FormatInt(f.Seq, 10)
		}
		rows = append(rows, []string{seq, f.Row, f.What})
	}
	return table(w, []string{"event", "row", "what is wrong"}, rows)
}

func (c *cli) journalExportCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "All events as JSON lines",
		Long: `Writes events to stdout, oldest first, one canonical JSON object per line. The hash of a line is the SHA-256 of it with
an empty "hash", so that anyone can check it; "prev" is the hash of the event before, which is the line before if nothing was chosen.`,
		Example: "  galen journal export > journal.jsonl\n  galen journal export --after $(tail -1 journal.jsonl | jq .seq) >> journal.jsonl\n  galen journal export --kind approved --from 2026-11-01T00:00:00Z --to 2026-12-01T00:00:00Z > november.jsonl",
		Args:    takes(0, 0, "no arguments: choose with flags"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.journalExport(cmd.Context(), f) },
	}
	f.choose(cmd)
	cmd.Flags().Int64Var(&f.after, "after", 0, "those after the event of this number")
	return cmd
}

// exportPage is how many events are asked for at once.
const exportPage = 1000

func (c *cli) journalExport(ctx context.Context, f listFlags) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	f.limit = exportPage
	ask, err := f.params(c.now())
	if err != nil {
		return err
	}
	for {
		res, err := client.ListEventsWithResponse(ctx, ask)
		if err := c.fault("export the journal", res, err, res != nil && res.JSON200 != nil); err != nil {
			return err
		}
		var page bytes.Buffer // it is written whole, so that a file never ends within a line
		for _, e := range res.JSON200.Events {
			line, err := galen.Canonical(e)
			if err != nil {
				return fmt.Errorf("export event %d: %w", e.Seq, err)
			}
			if c.screen() != nil {
				line = []byte(visibleJSON(string(line))) // a file gets the bytes that were hashed
			}
			page.Write(append(line, '\n'))
		}
		if _, err := c.out.Write(page.Bytes()); err != nil {
			return fmt.Errorf("export the journal: %w", err)
		}
		if ask.Cursor = res.JSON200.Next; ask.Cursor == nil {
			return nil
		}
	}
}
