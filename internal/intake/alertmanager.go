package intake

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The limits of one call. Labels over them make an alert refused; annotations, which are for people only, are cut.
const (
	keptBody       = 4096 // bytes of a refused alert
	keptWhy        = 1024 // bytes of why it was refused: what breaks a limit may be quoted in it
	maxAlerts      = 10_000
	maxLabels      = 64
	maxLabelName   = 256  // bytes
	maxLabelValue  = 4096 // bytes
	maxAnnotations = 64
	maxFingerprint = 128 // bytes
	maxStatus      = 20  // bytes of one that is none
	maxValue       = 40  // bytes of a value that is quoted
	maxReason      = 3   // how many refused alerts an answer explains
)

// SourceAlertmanager is the source of alerts of Alertmanager's webhook.
const SourceAlertmanager = "alertmanager"

// The statuses of an alert.
const (
	firing   = "firing"
	resolved = "resolved"
)

// ErrBad marks a call that cannot be read, whoever sends it again.
var ErrBad = errors.New("not a webhook of Alertmanager")

// ErrRefused marks a call that can be read, and of which each alert breaks a limit.
var ErrRefused = errors.New("every alert of it was refused")

// webhook is what we use of Alertmanager's message; other fields are let through.
type webhook struct {
	Version   string `json:"version"`
	Alerts    list   `json:"alerts"`
	Truncated uint64 `json:"truncatedAlerts"` // how many more there are, which max_alerts of the receiver has cut off
}

// list is that of the alerts. Of two in one call the second would take the place of the first, which nobody would ever hear of.
type list []jsontext.Value

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (l *list) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if *l != nil {
		return said("alerts stands twice")
	}
	return json.UnmarshalDecode(from, (*[]jsontext.Value)(l))
}

type sent struct {
	Status      string            `json:"status"`
	Labels      names             `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    start             `json:"startsAt"`
	Fingerprint string            `json:"fingerprint"`
}

// names are labels. Of two of one name the second would take the place of the first, and the alert be about something else than its sender means.
type names map[string]string

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (n *names) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if *n != nil {
		return said("labels stands twice")
	}
	switch kind := from.PeekKind(); kind {
	case jsontext.KindNull:
		return from.SkipValue()
	case jsontext.KindBeginObject:
	default:
		return said("labels: want an object, not " + found(kind, nil))
	}
	if _, err := from.ReadToken(); err != nil {
		return err
	}
	*n = names{}
	for from.PeekKind() == jsontext.KindString {
		if err := n.readOne(from); err != nil {
			return err
		}
	}
	_, err := from.ReadToken() // the end, or what is wrong there
	return err
}

func (n names) readOne(from *jsontext.Decoder) error {
	token, err := from.ReadToken()
	if err != nil {
		return err
	}
	name := token.String()
	if _, has := n[name]; has {
		return said(fmt.Sprintf("label %q stands twice", begin(name, maxValue)))
	}
	kind := from.PeekKind()
	value, err := from.ReadToken()
	switch {
	case err != nil:
		return err
	case kind != jsontext.KindString:
		return said("labels: want text, not " + found(kind, nil))
	}
	n[name] = value.String()
	return nil
}

// start is when an alert began to fire.
type start struct{ time.Time }

// UnmarshalJSONFrom implements [json.UnmarshalerFrom].
func (s *start) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	text, err := from.ReadValue()
	if err != nil {
		return err
	}
	if err := s.UnmarshalJSON(text); err != nil {
		return said(fmt.Sprintf("startsAt %.40q: want a time such as 2026-11-24T10:00:00Z", strings.Trim(string(text), `"`)))
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

// parse reads a message of version 4. Alerts that break a limit come apart, each with its reason and little else.
func parse(body []byte) (alerts, refused []Alert, err error) {
	if !utf8.Valid(body) {
		return nil, nil, fmt.Errorf("%w: the body is not valid UTF-8", ErrBad)
	}
	var message webhook
	if err := read(body, &message); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrBad, err)
	}
	switch {
	case message.Version != "4":
		return nil, nil, fmt.Errorf("%w: version %.20q, want \"4\", which every Alertmanager since 0.6 sends", ErrBad, message.Version)
	case message.Alerts == nil:
		return nil, nil, fmt.Errorf("%w: no list of alerts", ErrBad)
	case len(message.Alerts) > maxAlerts:
		return nil, nil, fmt.Errorf("%w: %d alerts in one call, more than %d: group by more labels", ErrBad, len(message.Alerts), maxAlerts)
	}
	for i, raw := range message.Alerts {
		a, err := parseAlert(raw)
		if err != nil {
			refused = append(refused, refusedAlert(raw, fmt.Errorf("alerts[%d]: %w", i, err)))
			continue
		}
		alerts = append(alerts, a)
	}
	if n := message.Truncated; n > 0 {
		raw := fmt.Appendf(nil, `{"truncatedAlerts":%d}`, n)
		refused = append(refused, refusedAlert(raw, fmt.Errorf("Alertmanager has left out %d alerts of this call: set max_alerts of its receiver to 0, and group by more labels", n)))
	}
	return alerts, refused, nil
}

func parseAlert(raw []byte) (Alert, error) {
	var in sent
	if err := read(raw, &in); err != nil {
		return Alert{}, err
	}
	if in.Status != firing && in.Status != resolved {
		return Alert{}, fmt.Errorf("status %.20q: want firing or resolved", in.Status)
	}
	if in.Fingerprint == "" || len(in.Fingerprint) > maxFingerprint {
		return Alert{}, fmt.Errorf("fingerprint of %d bytes: want 1 to %d", len(in.Fingerprint), maxFingerprint)
	}
	if err := checkLabels(in.Labels); err != nil {
		return Alert{}, err
	}
	if err := checkStart(in.StartsAt.Time); err != nil {
		return Alert{}, err
	}
	return Alert{
		Source: SourceAlertmanager, Fingerprint: in.Fingerprint, Status: in.Status, Labels: in.Labels,
		Annotations: cut(in.Annotations), StartsAt: in.StartsAt.UTC(), Body: raw,
	}, nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) == 0 || len(labels) > maxLabels {
		return fmt.Errorf("%d labels: want 1 to %d", len(labels), maxLabels)
	}
	for name, value := range labels {
		if len(name) > maxLabelName || len(value) > maxLabelValue {
			return fmt.Errorf("label %.40q: name of %d and value of %d bytes, want at most %d and %d",
				name, len(name), len(value), maxLabelName, maxLabelValue)
		}
	}
	return nil
}

// checkStart refuses a start that would not tell one firing of the alert from the next, and one that JSON has no form for.
func checkStart(at time.Time) error {
	if at.IsZero() {
		return errors.New("no startsAt: want when it began to fire, which tells it from the same alert of another time")
	}
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("startsAt in the year %d of UTC: want 1 to 9999", year)
	}
	return nil
}

// refusedAlert is what is kept of an alert that breaks a limit: enough to find its sender, too little to fill a disk. What cannot
// be told of it is its hash.
func refusedAlert(raw []byte, why error) Alert {
	var in struct {
		Fingerprint jsontext.Value `json:"fingerprint"`
		Status      jsontext.Value `json:"status"`
		Labels      jsontext.Value `json:"labels"`
	}
	var labels struct {
		Alertname jsontext.Value `json:"alertname"`
	}
	if read(raw, &in) != nil || read(in.Labels, &labels) != nil { // of another form: what is there is told
		labels.Alertname = nil
	}
	sum := sha256.Sum256(raw)
	hash := hex.EncodeToString(sum[:])
	out := Alert{
		ID: "refused-" + hash, Source: SourceAlertmanager, Fingerprint: textOf(in.Fingerprint), Status: begin(textOf(in.Status), maxStatus),
		State: Refused, Why: begin(why.Error(), keptWhy), Body: raw[:min(len(raw), keptBody)],
	}
	if out.Fingerprint == "" || len(out.Fingerprint) > maxFingerprint {
		out.Fingerprint = hash
	}
	if name := textOf(labels.Alertname); name != "" {
		out.Labels = map[string]string{"alertname": begin(name, maxLabelName)}
	}
	return out
}

// textOf is a text, or "" of what is none.
func textOf(value jsontext.Value) string {
	var text string
	if value.Kind() != jsontext.KindString || read(value, &text) != nil {
		return ""
	}
	return text
}

// begin is a text, or its beginning if it is longer than n bytes.
func begin(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}

// cut keeps annotations only if they are few and short; the body has them all.
func cut(annotations map[string]string) map[string]string {
	if len(annotations) > maxAnnotations {
		return nil
	}
	for name, value := range annotations {
		if len(name) > maxLabelName || len(value) > maxLabelValue {
			delete(annotations, name)
		}
	}
	return annotations
}
