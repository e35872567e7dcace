package galen

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// owedCode ends each code of what ended runs still owe, and the first part of the fact that it rests on.
const owedCode = "-owed"

// Owed tells whether the code is one of what ended runs still owe: [CodeUndoOwed], and that of a [Duty]. No detector finds such a code.
func (c Code) Owed() bool { return strings.HasSuffix(string(c), owedCode) }

// Duty is what a run owes to a member, other than an undo: the fact "<what>-owed/<instance>/<of>" of a verb ("repair-owed/n4/orders"),
// which an effect of another intent takes away.
type Duty struct {
	// What is owed: "repair".
	What string
	// Instance is the host plane's name of who needs it, without "instance/".
	Instance string
	// Of is what of it: a keyspace. It may be empty.
	Of string
	// Intent wrote the fact, Run is the one of that intent.
	Intent string
	Run    string
	At     time.Time
}

// Code is that of the note that tells it.
func (d Duty) Code() Code { return Code(d.What + owedCode) }

// Duties are the duties among the facts of a resource, sorted. Their runs are not in the facts.
func Duties(facts map[string]Fact) []Duty {
	var out []Duty
	for key, f := range facts {
		name, rest, _ := strings.Cut(key, "/")
		what, owed := strings.CutSuffix(name, owedCode)
		if !owed || what == "" || f.Gone || strings.HasPrefix(key, UndoOwed) {
			continue
		}
		d := Duty{What: what, Intent: f.Intent, At: f.At}
		d.Instance, d.Of, _ = strings.Cut(rest, "/")
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Duty) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Of, b.Of))
	})
	return out
}
