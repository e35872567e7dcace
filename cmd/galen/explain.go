package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/docs"
	"github.com/galenhq/galen/internal/advice"
	"github.com/galenhq/galen/internal/gate"
)

// topic is what galen explain tells of one word.
type topic struct {
	Name  string   `json:"name"`
	Sort  string   `json:"sort"` // guard, promise, finding, runbook or status
	About string   `json:"about"`
	More  []string `json:"more,omitempty"` // "label: text"

	held string // by what, in Markdown, of a promise
}

func (c *cli) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [GUARD | CODE | RUNBOOK | STATUS]",
		Short: "What a guard, a finding, a runbook or the status of a run means",
		Long: `Explains a word of Galen's answers: a guard, its number or its name (I-02, quorum), a finding's code (node-down), a
runbook (cassandra/heal-node) or the status of a run (held). It asks no engine: it tells what this binary has, and of the promises what
docs/safety.md says. Without a word it lists all, each with the beginning of what it means; -o wide lists it whole.`,
		Example: "  galen explain\n  galen explain I-02\n  galen explain node-down\n  galen explain cassandra/heal-node\n  galen explain held",
		Args:    takes(0, 1, "at most one word, in quotes if it has a space"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return topicNames(topics(catalogue())), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.explain(args) },
	}
}

func (c *cli) explain(args []string) error {
	all := topics(catalogue())
	if len(args) == 0 {
		return c.print(all, func(w io.Writer) error { return printTopics(w, all) })
	}
	if strings.TrimSpace(args[0]) == "" {
		return usage("an empty word explains nothing: galen explain lists them all")
	}
	found := topicsNamed(all, args[0])
	if len(found) == 0 {
		meant := ""
		if near := topicsNear(all, args[0]); len(near) > 0 {
			meant = "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return usage("%q is no guard, code, runbook or status of this binary: galen explain lists them all%s", args[0], meant)
	}
	return c.print(found, func(w io.Writer) error {
		for i, t := range found {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "%s (%s)\n", t.Name, t.Sort)
			for _, line := range append([]string{t.About}, t.More...) {
				for _, part := range wrap(line, lineWidth(w)-2) {
					fmt.Fprintln(w, "  "+part)
				}
			}
		}
		return nil
	})
}

// topicsNamed are the topics of that name, whole or without its number, or of that number.
func topicsNamed(all []topic, word string) []topic {
	named := func(of func(string) string) []topic {
		return slices.DeleteFunc(slices.Clone(all), func(t topic) bool { return !strings.EqualFold(of(t.Name), word) })
	}
	if exact := named(func(name string) string { return name }); len(exact) > 0 {
		return exact
	}
	if called := named(func(name string) string { // I-02 quorum by its name alone
		number, called, _ := strings.Cut(name, " ")
		if !strings.ContainsAny(number, "0123456789") {
			return ""
		}
		return called
	}); len(called) > 0 {
		return called
	}
	word = bareNumber(word)
	return named(func(name string) string {
		number, _, _ := strings.Cut(name, " ")
		return bareNumber(number)
	})
}

// bareNumber is I-2 of I-02.
func bareNumber(word string) string {
	letter, number, _ := strings.Cut(word, "-")
	return letter + "-" + strings.TrimLeft(number, "0")
}

// topicsNear are the first few whose name, or a word of it, begins like the word or is nearly it.
func topicsNear(all []topic, word string) []string {
	const most = 4
	var out []string
	for _, t := range all {
		parts := strings.FieldsFunc(t.Name, func(r rune) bool { return r == ' ' || r == '/' })
		if slices.ContainsFunc(append(parts, t.Name), func(part string) bool { return alike(part, word) }) && !slices.Contains(out, t.Name) {
			out = append(out, t.Name)
		}
	}
	return first(out, most)
}

// alike is what cobra means by it for commands.
func alike(name, word string) bool {
	const few = 4
	asked := &cobra.Command{SuggestionsMinimumDistance: 2}
	if len(word) <= few {
		asked.SuggestionsMinimumDistance = 1
	}
	asked.AddCommand(&cobra.Command{Use: strings.ReplaceAll(name, " ", "-"), Run: func(*cobra.Command, []string) {}})
	return len(asked.SuggestionsFor(strings.ReplaceAll(word, " ", "-"))) > 0
}

func topicNames(all []topic) []string {
	var out []string
	for _, t := range all {
		out = append(out, t.Name)
	}
	return out
}

func printTopics(w io.Writer, all []topic) error {
	rows := make([][]string, 0, len(all))
	for _, t := range all {
		about := t.About
		if !shape(w).wide {
			about = gist(about)
		}
		rows = append(rows, []string{t.Name, t.Sort, about})
	}
	return table(w, []string{"word", "sort", "about"}, rows)
}

// aside is what stands in brackets.
var aside = regexp.MustCompile(` ?\([^()]*\)`)

// gist is how a text begins, without what stands in brackets, up to the end of the first thought.
func gist(about string) string {
	out := aside.ReplaceAllString(about, "")
	for _, end := range []string{". ", "; "} {
		out, _, _ = strings.Cut(out, end)
	}
	return strings.TrimSuffix(out, ".")
}

// tests are the names in brackets of those that hold what is said; they tell a reader of the page, and nobody else.
var tests = regexp.MustCompile(` ?\((?:each )?Test[A-Z][^()]*\)`)

// topics are all words that can be explained: guards in the order in which they are asked, promises that no one guard holds, findings,
// runbooks, and how runs stand.
func topics(can app.Catalogue) []topic {
	promises := promisesOf(docs.Safety)
	var out []topic
	guards := map[string]bool{}
	for _, name := range guardNames() {
		number, _, _ := strings.Cut(name, " ")
		guards[number] = true
		p := promises[number]
		if p.About == "" {
			p = besides(docs.Safety, name, promises)
		}
		out = append(out, topic{Name: name, Sort: "guard", About: p.About, More: p.More})
	}
	for _, number := range slices.Sorted(maps.Keys(promises)) {
		if !guards[number] {
			out = append(out, promises[number])
		}
	}
	return slices.Concat(out, findingsOf(docs.Cassandra, can), runbooksOf(can), statusesOf(docs.Glossary))
}

func guardNames() []string {
	var out []string
	for _, g := range gate.CommonGuards() {
		out = append(out, g.Name)
	}
	for _, g := range cassandra.Guards() {
		out = append(out, g.Name)
	}
	return append(append(out, cassandra.ByHandGuards()...), advice.OpenRun)
}

// promisesOf reads the rows of the table of invariants, by number.
func promisesOf(page string) map[string]topic {
	out := map[string]topic{}
	for _, cells := range rowsOf(page, "The invariants", 4) {
		number := plain(cells[1])
		if !strings.HasPrefix(number, "I-") && !strings.HasPrefix(number, "L-") {
			continue
		}
		t := topic{Name: number, Sort: "promise", About: plain(cells[2]), More: []string{"held by: " + plain(cells[3])}, held: cells[3]}
		if value := plain(cells[4]); value != "" && value != "–" {
			t.More = append(t.More, "numbers: "+value)
		}
		out[number] = t
	}
	return out
}

// besides is what the page says of a guard without a row of its own: what stands behind its name in brackets, the promise that it helps
// to hold, or the paragraph that names it; nothing if none does.
func besides(page, name string, promises map[string]topic) topic {
	mark := "`" + name + "`"
	if _, after, found := strings.Cut(page, mark+" ("); found {
		text, _, _ := strings.Cut(after, ")")
		return topic{About: plain(text)}
	}
	for _, number := range slices.Sorted(maps.Keys(promises)) {
		if p := promises[number]; strings.Contains(p.held, mark) {
			return p
		}
	}
	before, after, found := strings.Cut(page, mark)
	if !found {
		return topic{}
	}
	from := max(strings.LastIndex(before, "\n- "), 0)
	for _, end := range []string{"\n- ", "\n\n"} {
		after, _, _ = strings.Cut(after, end)
	}
	text := strings.Join(strings.Fields(before[from:]+mark+after), " ")
	return topic{About: plain(strings.TrimPrefix(text, "- "))}
}

// plain is Markdown without its marks and the targets of its links.
func plain(s string) string {
	for {
		before, rest, open := strings.Cut(s, "](")
		_, after, closed := strings.Cut(rest, ")")
		if !open || !closed {
			break
		}
		if i := strings.LastIndex(before, "["); i >= 0 {
			before = before[:i] + before[i+1:]
		}
		s = before + after
	}
	return strings.TrimSpace(tests.ReplaceAllString(strings.NewReplacer("`", "", "**", "").Replace(s), ""))
}

// rowsOf are the lines of the tables of a chapter that have so many cells or more. The first cell of each, and the last, stand beside the table and
// are empty.
func rowsOf(page, chapter string, cells int) [][]string {
	var out [][]string
	_, page, _ = strings.Cut(page, "\n## "+chapter+"\n")
	page, _, _ = strings.Cut(page, "\n## ")
	for line := range strings.Lines(page) {
		if row := strings.Split(line, "|"); len(row) >= cells+2 {
			out = append(out, row)
		}
	}
	return out
}

// isWord tells a row about a word of Galen's from the head of its table.
func isWord(cell string) bool { return strings.HasPrefix(strings.TrimSpace(cell), "`") }

// findingsOf reads the rows of the table of what Galen finds, which a test holds against the codes.
func findingsOf(page string, can app.Catalogue) []topic {
	var out []topic
	for _, cells := range rowsOf(page, "What Galen finds", 3) {
		if !isWord(cells[1]) {
			continue
		}
		code := galen.Code(plain(cells[1]))
		t := topic{Name: string(code), Sort: "finding", About: plain(cells[2]), More: []string{"what follows: " + plain(cells[3])}}
		for _, d := range can.Detectors {
			if slices.Contains(d.Codes, code) {
				t.More = append(t.More, "found by the detector "+d.Name)
			}
		}
		healers := healersOf(can, code)
		if len(healers) == 0 {
			t.More = append(t.More, "no runbook starts for it")
		}
		for _, rb := range healers {
			t.More = append(t.More, rb.Name+" starts for it: "+rb.About)
		}
		out = append(out, t)
	}
	return out
}

func healersOf(can app.Catalogue, code galen.Code) []galen.ListedRunbook {
	return slices.DeleteFunc(slices.Clone(can.Runbooks), func(rb galen.ListedRunbook) bool { return !slices.Contains(rb.Heals, code) })
}

func runbooksOf(can app.Catalogue) []topic {
	var out []topic
	for _, rb := range can.Runbooks {
		t := topic{Name: rb.Name, Sort: "runbook", About: rb.About, More: []string{fmt.Sprintf("version %d", rb.Version)}}
		if len(rb.Heals) > 0 {
			t.More = append(t.More, "starts by itself for: "+joinCodes(rb.Heals))
		}
		t.More = append(t.More, parameterLines(rb.Schema())...)
		out = append(out, t)
	}
	return out
}

// statusesOf reads the rows of the table of how a run stands, which a test holds against the statuses.
func statusesOf(page string) []topic {
	var out []topic
	for _, cells := range rowsOf(page, "How a run stands", 2) {
		if !isWord(cells[1]) {
			continue
		}
		out = append(out, topic{Name: plain(cells[1]), Sort: "status", About: plain(cells[2])})
	}
	return out
}

func joinCodes(codes []galen.Code) string {
	words := make([]string, 0, len(codes))
	for _, c := range codes {
		words = append(words, string(c))
	}
	return strings.Join(words, ", ")
}
