package intake

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// webhook is what we use of Alertmanager's message; other fields are let through.
type webhook struct {
	Version   once[string]   `json:"version"`
	Alerts    once[list]     `json:"alerts"`
	GroupKey  jsontext.Value `json:"groupKey"`
	Truncated once[uint64]   `json:"truncatedAlerts"` // how many more there are, which max_alerts of the receiver has cut off
}

// sent is what we use of an alert.
type sent struct {
	Status      once[string] `json:"status"`
	Labels      once[names]  `json:"labels"`
	Annotations remarks      `json:"annotations"`
	StartsAt    once[start]  `json:"startsAt"`
	Fingerprint once[string] `json:"fingerprint"`
}

// once is what may stand there once: of two the second would take the place of the first, which nobody would ever hear of.
type once[T any] struct {
	is    T
	there bool
}

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (o *once[T]) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if o.there {
		return said(from.StackPointer().LastToken() + " stands twice")
	}
	o.there = true
	return json.UnmarshalDecode(from, &o.is)
}

// list is that of the alerts, each as it came. It is read no farther than a call may be long: what is there takes many times its size.
type list []jsontext.Value

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (l *list) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	switch kind := from.PeekKind(); kind {
	case jsontext.KindNull:
		return from.SkipValue()
	case jsontext.KindBeginArray:
	default:
		return said("alerts: want a list, not " + found(kind, nil))
	}
	if _, err := from.ReadToken(); err != nil {
		return err
	}
	*l = list{}
	for from.PeekKind() != jsontext.KindEndArray {
		value, err := from.ReadValue()
		switch {
		case err != nil:
			return err
		case len(*l) == maxAlerts:
			return said(fmt.Sprintf("more than %d alerts in one call: group by more labels", maxAlerts))
		}
		*l = append(*l, value.Clone())
	}
	_, err := from.ReadToken()
	return err
}

// names are labels: each once, for by them it is found what an alert is about, and no more than may be.
type names map[string]string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (n *names) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	return texts(from, "labels", func(name, value string) error {
		if *n == nil {
			*n = names{}
		}
		if _, has := (*n)[name]; has {
			return said(fmt.Sprintf("label %q stands twice", begin(name, maxValue)))
		}
		if len(*n) == maxLabels {
			return said(fmt.Sprintf("more than %d labels: want 1 to %d", maxLabels, maxLabels))
		}
		(*n)[name] = value
		return nil
	})
}

// remarks are annotations, which are for people: few and short ones are kept, and of those with one name the last; the body has them all.
type remarks map[string]string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (r *remarks) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	*r = remarks{}
	many := false
	err := texts(from, "annotations", func(name, value string) error {
		if _, has := (*r)[name]; !has && len(*r) == maxAnnotations {
			many = true
		}
		if !many && len(name) <= maxLabelName && len(value) <= maxLabelValue {
			(*r)[name] = value
		}
		return nil
	})
	if many {
		*r = nil
	}
	return err
}

// texts reads an object of texts, which has that name, and takes each; null has none.
func texts(from *jsontext.Decoder, what string, take func(name, value string) error) error {
	switch kind := from.PeekKind(); kind {
	case jsontext.KindNull:
		return from.SkipValue()
	case jsontext.KindBeginObject:
	default:
		return said(what + ": want an object, not " + found(kind, nil))
	}
	if _, err := from.ReadToken(); err != nil {
		return err
	}
	for from.PeekKind() == jsontext.KindString {
		token, err := from.ReadToken()
		if err != nil {
			return err
		}
		name := token.String() // before the next one is read
		kind := from.PeekKind()
		token, err = from.ReadToken()
		switch {
		case err != nil:
			return err
		case kind != jsontext.KindString:
			return said(what + ": want text, not " + found(kind, nil))
		}
		if err := take(name, token.String()); err != nil {
			return err
		}
	}
	_, err := from.ReadToken() // the end, or what is wrong there
	return err
}

// start is when an alert began to fire.
type start struct{ time.Time }

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (s *start) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	kind := from.PeekKind()
	token, err := from.ReadToken()
	if err != nil || kind == jsontext.KindNull {
		return err
	}
	text := token.String()
	if kind != jsontext.KindString || s.UnmarshalText([]byte(text)) != nil {
		return said(fmt.Sprintf("startsAt %.40q: want a time such as 2026-11-24T10:00:00Z", text))
	}
	return nil
}

// said is a fault in words that need no others.
type said string

func (s said) Error() string { return string(s) }

// read is json.Unmarshal of one value. Of a name that stands twice the last one counts, for to know of each takes memory, by which a call that
// is full of them would be dear; where that is no good, it is told by the type. What no Unicode stands for (half a surrogate) becomes U+FFFD.
func read(text []byte, into any) error {
	return plainly(json.Unmarshal(text, into, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)))
}

// plainly says what is wanted where something of another form is: the sender does not know the types of Go.
func plainly(err error) error {
	var whole said
	var wrong *json.SemanticError
	switch {
	case errors.As(err, &whole):
		return whole
	case errors.As(err, &wrong) && wrong.GoType != nil && wrong.JSONKind != 0:
		field, _, _ := strings.Cut(strings.TrimPrefix(string(wrong.JSONPointer), "/"), "/")
		return fmt.Errorf("%s: want %s, not %s", cmp.Or(field, "the whole"), wanted(wrong.GoType), found(wrong.JSONKind, wrong.JSONValue))
	}
	return err
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	case reflect.Uint64:
		return "a whole number"
	default:
		return "an object"
	}
}

func found(kind jsontext.Kind, value jsontext.Value) string {
	switch kind {
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "a list"
	default:
		return strings.TrimSpace(kind.String() + " " + begin(string(value), maxValue))
	}
}
