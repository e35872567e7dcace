package intake

import "log/slog"

// outcomes are what became of some alerts, for the log: one line for all of which the same did. The journal has each.
type outcomes struct {
	of    map[string]*outcome // by the words for it
	order []string
}

type outcome struct {
	first Alert
	end   End
	count int
}

func (o *outcomes) add(a Alert, end End) {
	if o.of == nil {
		o.of = map[string]*outcome{}
	}
	if same := o.of[end.Why]; same != nil {
		same.count++
		return
	}
	o.of[end.Why] = &outcome{first: a, end: end, count: 1}
	o.order = append(o.order, end.Why)
}

func (o *outcomes) log(to *slog.Logger, t *Triage) {
	for _, why := range o.order {
		one := o.of[why]
		to.Info("alerts dealt with", "alerts", one.count, "first", one.first.ID, "alertname", brief(one.first.Labels["alertname"]), "named", brief(t.names(one.first)),
			"state", one.end.State, "outcome", why)
	}
}

// logged is how many characters of a label the log shows.
const logged = 200

func brief(label string) string {
	if runes := []rune(label); len(runes) > logged {
		return string(runes[:logged]) + "…"
	}
	return label
}
