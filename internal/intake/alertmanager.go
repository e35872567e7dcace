package intake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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

// parse reads a message of version 4 that comes now. Alerts that break a limit come apart, each with its reason and little else.
func parse(body []byte, now time.Time) (alerts, refused []Alert, err error) {
	if bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		return nil, nil, fmt.Errorf("%w: the body is compressed (gzip): send it as it is", ErrBad)
	}
	if !utf8.Valid(body) {
		return nil, nil, fmt.Errorf("%w: the body is not valid UTF-8", ErrBad)
	}
	var message webhook
	if err := read(body, &message); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrBad, err)
	}
	switch {
	case message.Version.is != "4":
		return nil, nil, fmt.Errorf("%w: version %.20q, want \"4\", which every Alertmanager since 0.6 sends", ErrBad, message.Version.is)
	case message.Alerts.is == nil:
		return nil, nil, fmt.Errorf("%w: no list of alerts", ErrBad)
	}
	for i, raw := range message.Alerts.is {
		a, err := parseAlert(raw)
		if err != nil {
			refused = append(refused, refusedAlert(raw, fmt.Errorf("alerts[%d]: %w", i, err)))
			continue
		}
		alerts = append(alerts, a)
	}
	if n := message.Truncated.is; n > 0 {
		refused = append(refused, leftOut(n, textOf(message.GroupKey), now))
	}
	return alerts, refused, nil
}

// leftOut is what is kept of alerts that the sender has cut off a call: once a day of each group, for which ones it were nobody can tell.
func leftOut(n uint64, group string, now time.Time) Alert {
	raw, err := json.Marshal(struct {
		Truncated uint64 `json:"truncatedAlerts"`
		GroupKey  string `json:"groupKey"`
		Day       string `json:"day"`
	}{n, begin(group, keptWhy), now.UTC().Format(time.DateOnly)})
	why := fmt.Errorf("Alertmanager has left out %d alerts of this call: set max_alerts of its receiver to 0, and group by more labels", n)
	return refusedAlert(raw, errors.Join(why, err))
}

func parseAlert(raw []byte) (Alert, error) {
	var in sent
	if err := read(raw, &in); err != nil {
		return Alert{}, err
	}
	if s := in.Status.is; s != firing && s != resolved {
		return Alert{}, fmt.Errorf("status %.20q: want firing or resolved", s)
	}
	if f := in.Fingerprint.is; f == "" || len(f) > maxFingerprint {
		return Alert{}, fmt.Errorf("fingerprint of %d bytes: want 1 to %d", len(f), maxFingerprint)
	}
	if err := checkLabels(in.Labels.is); err != nil {
		return Alert{}, err
	}
	if err := checkStart(in.StartsAt.is.Time); err != nil {
		return Alert{}, err
	}
	return Alert{
		Source: SourceAlertmanager, Fingerprint: in.Fingerprint.is, Status: in.Status.is, Labels: in.Labels.is,
		Annotations: in.Annotations, StartsAt: in.StartsAt.is.UTC(), Body: raw,
	}, nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) == 0 {
		return fmt.Errorf("no labels: want 1 to %d", maxLabels)
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
