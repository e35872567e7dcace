package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/galenhq/galen"
)

// form is a schema of the file, as far as it tells a form.
type form struct {
	Ref        string          `yaml:"$ref"`
	Type       string          `yaml:"type"`
	Format     string          `yaml:"format"`
	Nullable   bool            `yaml:"nullable"`
	Required   []string        `yaml:"required"`
	Enum       []string        `yaml:"enum"`
	Properties map[string]form `yaml:"properties"`
	Items      *form           `yaml:"items"`
	More       yaml.Node       `yaml:"additionalProperties"`
	GoType     string          `yaml:"x-go-type"`
}

func schemas(t *testing.T) map[string]form {
	t.Helper()
	var file struct {
		Components struct {
			Schemas map[string]form `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(Spec, &file); err != nil {
		t.Fatal(err)
	}
	return file.Components.Schemas
}

// words are the Go types that the API writes as they are.
func words() []reflect.Type {
	return []reflect.Type{
		reflect.TypeFor[galen.Run](), reflect.TypeFor[galen.Finding](), reflect.TypeFor[galen.Member](), reflect.TypeFor[galen.Policy](),
		reflect.TypeFor[galen.Decision](), reflect.TypeFor[galen.Intent](), reflect.TypeFor[galen.Event](), reflect.TypeFor[galen.Schedule](),
		reflect.TypeFor[galen.Quarantine](), reflect.TypeFor[galen.Token](), reflect.TypeFor[galen.Hold](), reflect.TypeFor[galen.Advice](),
		reflect.TypeFor[galen.Saved](), reflect.TypeFor[galen.Change](), reflect.TypeFor[galen.ApprovedStep](), reflect.TypeFor[galen.Window](), reflect.TypeFor[galen.Grant](),
	}
}

// held compares the file with the Go types.
type held struct {
	t    *testing.T
	file map[string]form
	done map[reflect.Type]bool
}

// TestWordsAreAsTheFileSays: each field that is written is in the file and the other way round, with its form; one that may be left out is
// not required, and one that is always there is.
func TestWordsAreAsTheFileSays(t *testing.T) {
	h := held{t, schemas(t), map[reflect.Type]bool{}}
	for _, word := range words() {
		h.word(word)
	}
	for name, f := range h.file {
		if f.Type == "object" && strings.HasPrefix(f.GoType, "galen.") && f.Properties == nil && name != "Grounds" {
			t.Errorf("%s says nothing of its fields", name)
		}
	}
}

func (h held) word(t reflect.Type) {
	if h.done[t] {
		return
	}
	h.done[t] = true
	f, is := h.file[t.Name()]
	if !is || f.GoType != "galen."+t.Name() {
		h.t.Errorf("the file has no schema %s with the type galen.%s", t.Name(), t.Name())
		return
	}
	told := map[string]bool{}
	for _, field := range reflect.VisibleFields(t) {
		tag, tagged := field.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if !tagged || name == "" {
			continue
		}
		told[name] = true
		always := !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")
		at := t.Name() + "." + name
		one, known := f.Properties[name]
		if !known {
			h.t.Errorf("the file does not tell of %s", at)
			continue
		}
		if slices.Contains(f.Required, name) != always {
			h.t.Errorf("%s: always written: %t, required by the file: %t", at, always, !always)
		}
		h.value(at, field.Type, one, always)
	}
	for name := range f.Properties {
		if !told[name] {
			h.t.Errorf("the file tells of %s.%s, which is never written", t.Name(), name)
		}
	}
}

// value: always means that nothing at all is written as null, where the Go type can be nil.
func (h held) value(at string, t reflect.Type, f form, always bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch k := t.Kind(); {
	case t == reflect.TypeFor[time.Time]():
		h.is(at, f, "string", "date-time")
	case t == reflect.TypeFor[galen.Resource]():
		h.ref(at, f, "ResourceName")
	case t == reflect.TypeFor[json.RawMessage]() || k == reflect.Interface:
		h.is(at, f, "", "")
	case k == reflect.Struct:
		h.ref(at, f, t.Name())
		h.word(t)
	case t == reflect.TypeFor[galen.Duration]() && f.Ref == "": // one that a request has, too, with its pattern
		h.is(at, f, "string", "")
	case t == reflect.TypeFor[galen.Duration](), t == reflect.TypeFor[galen.Class](), t == reflect.TypeFor[galen.Grounds]():
		h.ref(at, f, t.Name())
	case k == reflect.Slice:
		h.is(at, f, "array", "")
		if f.Nullable != always {
			h.t.Errorf("%s: nothing is written as null: %t, nullable in the file: %t", at, always, f.Nullable)
		}
		if f.Items == nil {
			h.t.Errorf("%s: the file does not say of what it is a list", at)
			return
		}
		h.value(at+"[]", t.Elem(), *f.Items, false)
	case k == reflect.Map:
		h.is(at, f, "object", "")
		if f.Nullable != always {
			h.t.Errorf("%s: nothing is written as null: %t, nullable in the file: %t", at, always, f.Nullable)
		}
		var each form
		if err := f.More.Decode(&each); err != nil {
			h.t.Errorf("%s: %v", at, err)
		}
		h.value(at+".*", t.Elem(), each, false)
	default:
		h.plain(at, t, f)
	}
}

func (h held) plain(at string, t reflect.Type, f form) {
	if f.Ref != "" {
		h.ref(at, f, t.Name())
		if f = h.file[t.Name()]; f.GoType != "galen."+t.Name() {
			h.t.Errorf("%s: the file has the type %q, it is galen.%s", at, f.GoType, t.Name())
		}
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number",
	}[t.Kind()]
	if want == "" || f.Type != want {
		h.t.Errorf("%s is a %s, the file says %q", at, t, f.Type)
	}
}

func (h held) is(at string, f form, typ, format string) {
	if f.Type != typ || f.Format != format || f.Ref != "" {
		h.t.Errorf("%s: want the type %q %q, the file says %q %q %s", at, typ, format, f.Type, f.Format, f.Ref)
	}
}

func (h held) ref(at string, f form, name string) {
	if f.Ref != "#/components/schemas/"+name {
		h.t.Errorf("%s: want a reference to %s, the file says %q %s", at, name, f.Type, f.Ref)
	}
}

// TestEnumsAreWhole: what a field can be is all in the file.
func TestEnumsAreWhole(t *testing.T) {
	file := schemas(t)
	text := func(of ...any) (out []string) {
		for _, one := range of {
			out = append(out, reflect.ValueOf(one).String())
		}
		return out
	}
	var kinds, statuses, fates []string
	for _, s := range galen.ApprovalStates() {
		fates = append(fates, string(s))
	}
	for _, k := range galen.EventKinds() {
		kinds = append(kinds, string(k))
	}
	for _, s := range galen.RunStatuses() {
		statuses = append(statuses, string(s))
	}
	for name, want := range map[string][]string{
		"EventKind":    kinds,
		"Class":        {galen.Read.String(), galen.Reversible.String(), galen.Disruptive.String(), galen.Destructive.String()},
		"Mode":         text(galen.ModeObserve, galen.ModeSuggest, galen.ModeApprove, galen.ModeAct),
		"Answer":       text(galen.Allow, galen.NeedYes, galen.LookAgain, galen.Deny),
		"Opinion":      text(galen.Yes, galen.No, galen.DontKnow),
		"EffectStatus": text(galen.EffectUnknown, galen.EffectAbsent, galen.EffectUnderWay, galen.EffectDone, galen.EffectFailed),
		"ObserverKind": text(galen.Peer, galen.Probe, galen.Host, galen.Cloud),
		"Says":         text(galen.Good, galen.Bad, galen.Unknown),
		"RunStatus":    statuses, "ApprovalState": fates,
	} {
		got := slices.Sorted(slices.Values(file[name].Enum))
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s: the file has %q, it is one of %q", name, got, want)
		}
	}
}
