package http

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/galenhq/galen"
)

// Measures are what the metrics say, as of one moment.
type Measures struct {
	// OpenRuns are all of them; the ended ones are in the journal.
	OpenRuns []galen.Run
	Findings []galen.Finding
	Holds    []galen.Hold
	// OpenIntents are the intents whose effect is not settled, per resource.
	OpenIntents map[galen.Resource]int
	// Faults is how many runbooks this engine asks no more.
	Faults int
	// Outbox is how many messages wait for the workflow engine, at most as many as a look at them reads.
	Outbox int
	Alerts AlertCounts
	// Beat is when the watch last ended a round of the resource that is furthest behind; zero: it has not begun.
	Beat time.Time
	// Quarantines are the runbooks that act nowhere.
	Quarantines []galen.Quarantine
	// Waiting findings have no run yet, for more were found at once than runs are opened for.
	Waiting int
	// Armed is whether the engine may act; else it observes only, for its journal is in doubt.
	Armed bool
	// Works is whether the engine can look and act, which it finds out again and again.
	Works bool
	// Refused calls by status, since the start of the engine.
	Refused map[int]int64
	// Handshakes of TLS that failed by reason, since then, too.
	Handshakes map[string]int64
	// Strangers are calls with alerts whose token nobody knows, since then, too.
	Strangers int64
	// Tokens are the named ones.
	Tokens []galen.Token
	// Looks per resource, as far as they are counted.
	Looks map[galen.Resource]LookCounts
	// LookAges is how long ago each resource was seen last, by whatever look of this engine; since its start, if none saw anything.
	LookAges map[galen.Resource]time.Duration
}

// AlertCounts are since the start of the engine; TurnedAway counts calls, Matched and Unmatched what became of alerts, and Pending those that
// wait now, the first of them for so long.
type AlertCounts struct {
	Stored, Duplicates, Refused, TurnedAway, Pending, Matched, Unmatched int64
	Oldest                                                               time.Duration
}

// LookCounts are since the start of the engine.
type LookCounts struct {
	Total, Errors int64
	// Took is the time of all of them together.
	Took time.Duration
	// Within counts those that took at most so long, per upper bound of a histogram.
	Within map[time.Duration]uint64
}

// metricsHandler is nil when nothing is measured.
func (s *server) metricsHandler() http.Handler {
	if s.o.Measure == nil {
		return nil
	}
	process := prometheus.NewRegistry()
	all := []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s.build()}
	for _, form := range streamForms() {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "galen_streams", Help: "Calls that wait for something to happen: streams of events, and single ones (wait); and exports of the journal.", ConstLabels: prometheus.Labels{"form": form},
		}, func() float64 { return s.crowd.count(form) }))
	}
	if s.o.Tally != nil {
		all = append(all, s.o.Tally.collectors()...)
	}
	for _, c := range all {
		if err := process.Register(c); err != nil {
			s.o.Logger.Error("a metric is left out", "error", err.Error())
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, err := s.o.Measure(r.Context())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		now := prometheus.NewRegistry()
		if err := now.Register(snapshot{m: m, at: s.o.Now()}); err != nil {
			s.fail(w, r, err)
			return
		}
		promhttp.HandlerFor(prometheus.Gatherers{process, now}, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// MetricNames are the names of the metrics that measures and a tally become, sorted; those of the process itself are left out.
func MetricNames(m Measures, t *Tally) []string {
	out := make(chan prometheus.Metric)
	go func() {
		defer close(out)
		snapshot{m: m, at: m.Beat}.Collect(out)
		for _, c := range t.collectors() {
			c.Collect(out)
		}
	}()
	names := map[string]bool{}
	form := regexp.MustCompile(`fqName: "([^"]+)"`)
	for metric := range out {
		if got := form.FindStringSubmatch(metric.Desc().String()); got != nil {
			names[got[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// build tells the version; its value is 1.
func (s *server) build() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "galen_build_info", Help: "The version of this engine.", ConstLabels: prometheus.Labels{"version": s.o.Version},
	})
	g.Set(1)
	return g
}

// GetMetrics implements [api.ServerInterface].
func (s *server) GetMetrics(w http.ResponseWriter, r *http.Request) {
	if s.metrics == nil {
		s.fail(w, r, galen.ErrNotFound)
		return
	}
	s.metrics.ServeHTTP(w, r)
}

// snapshot hands measures to Prometheus once.
type snapshot struct {
	m  Measures
	at time.Time
}

// Describe sends nothing: which metrics there are depends on what is seen.
func (snapshot) Describe(chan<- *prometheus.Desc) {}

// Collect sends every number.
func (c snapshot) Collect(out chan<- prometheus.Metric) {
	send := sender(out)
	runs := counted(c.m.OpenRuns)
	for _, status := range galen.RunStatuses() {
		if status.Open() {
			send("galen_open_runs", "Open runs by status; held and asking ones wait for a person.", float64(runs.by[status]), "status", string(status))
		}
	}
	for _, mode := range galen.Modes() {
		if !mode.Acts() {
			send("galen_idle_runs", "Open runs that do nothing about what they see, for that is their mode.", float64(runs.idle[mode]), "mode", string(mode))
		}
	}
	type finding struct{ resource, code, note string }
	findings := map[finding]int{}
	for _, f := range c.m.Findings {
		findings[finding{f.Resource.String(), string(f.Code), yesNo(f.Note)}]++
	}
	for f, n := range findings {
		send("galen_findings", "Problems seen now; a note is nothing that a run starts for.", float64(n), "resource", f.resource, "code", f.code, "note", f.note)
	}
	for r, n := range c.m.OpenIntents {
		send("galen_open_intents", "Calls whose effect is not settled.", float64(n), "resource", r.String())
	}
	send("galen_runbooks_at_fault", "Runbooks that panicked, hung or contradicted themselves, and are asked no more until the engine is restarted.", float64(c.m.Faults))
	c.holds(send)
	send("galen_quarantines", "Runbooks that act nowhere until a person clears them.", float64(len(c.m.Quarantines)))
	send("galen_findings_waiting", "Findings that wait for their run, for more were found at once than runs are opened for.", float64(c.m.Waiting))
	send("galen_armed", "1 while the engine may act; 0: observe only, its journal is in doubt until a person re-arms it.", oneIf(c.m.Armed))
	send("galen_working", "1 while the engine can look and act: journal, Temporal and watch do their work, as found out lately.", oneIf(c.m.Works))
	if !c.m.Beat.IsZero() {
		send("galen_heartbeat_timestamp_seconds", "When the watch last ended a round of the resource that is furthest behind.", float64(c.m.Beat.UnixMilli())/1000)
	}
	send("galen_alerts_pending", "Alerts in the inbox that nobody has dealt with, as counted last.", float64(c.m.Alerts.Pending))
	send("galen_alerts_oldest_pending_seconds", "For how long the first of them waits; 0: none does.", c.m.Alerts.Oldest.Seconds())
	send("galen_outbox_depth", "Messages that wait for the workflow engine.", float64(c.m.Outbox))
	for r, age := range c.m.LookAges {
		send("galen_look_age_seconds", "How long ago a look saw the resource.", age.Seconds(), "resource", r.String())
	}
	c.tokens(send)
	c.counters(out)
}

func (c snapshot) holds(send emit) {
	overdue := 0
	for _, h := range c.m.Holds {
		if !h.Until.IsZero() && c.at.After(h.Until) {
			overdue++
		}
	}
	send("galen_holds", "Kill switches that are set.", float64(len(c.m.Holds)))
	send("galen_holds_overdue", "Kill switches past their end; they still hold until a person releases them.", float64(overdue))
}

func (c snapshot) tokens(send emit) {
	count := 0
	defer func() { send("galen_tokens", "Named tokens that count.", float64(count)) }()
	for _, t := range c.m.Tokens {
		if t.Counts(c.at) {
			count++
		}
		if t.Revoked.IsZero() { // of one that has ended, too: whoever still uses it is refused now
			send("galen_token_expires_timestamp_seconds", "When a named token that nobody revoked ends.", float64(t.Expires.Unix()), "token", t.Name)
			send("galen_token_created_timestamp_seconds", "When a named token that nobody revoked was made.", float64(t.At.Unix()), "token", t.Name)
		}
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// counters are since the start of the engine.
func (c snapshot) counters(out chan<- prometheus.Metric) {
	count := counter(out)
	const alerts = "Alerts by what became of them at the door, since the engine started."
	count("galen_alerts_total", alerts, float64(c.m.Alerts.Stored), "outcome", "stored")
	count("galen_alerts_total", alerts, float64(c.m.Alerts.Duplicates), "outcome", "duplicate")
	count("galen_alerts_total", alerts, float64(c.m.Alerts.Refused), "outcome", "refused")
	const ends = "What became of alerts, each time that one was dealt with, since the engine started: unmatched ones start nothing, for nothing that is known is what they name, and each repeat is dealt with anew."
	count("galen_alerts_dealt_with_total", ends, float64(c.m.Alerts.Matched), "state", "matched")
	count("galen_alerts_dealt_with_total", ends, float64(c.m.Alerts.Unmatched), "state", "unmatched")
	count("galen_alert_calls_turned_away_total", "Calls with alerts that were told to come again: the inbox was full or busy, the journal did not store them, they came cut off, or the token of the sender had ended or lacked the scope.", float64(c.m.Alerts.TurnedAway))
	count("galen_alert_calls_of_strangers_total", "Calls with alerts that were told to come again, for nobody knows the token of the sender.", float64(c.m.Strangers))
	for _, status := range []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable,
	} {
		count("galen_calls_refused_total", "Calls of the API that were refused for who made them, or how often, and yeses that are none (409, 422), since the engine started.",
			float64(c.m.Refused[status]), "status", strconv.Itoa(status))
	}
	for _, reason := range []string{noCertificate, badCertificate, otherHandshake} {
		count("galen_tls_handshakes_failed_total", "TLS handshakes that failed: for want of a client certificate that counts, or for another reason, since the engine started.",
			float64(c.m.Handshakes[reason]), "reason", reason)
	}
	for r, n := range c.m.Looks {
		count("galen_looks_total", "Looks at a resource, since the engine started.", float64(n.Total), "resource", r.String())
		count("galen_look_errors_total", "Looks that failed as a whole.", float64(n.Errors), "resource", r.String())
		out <- n.histogram(r)
	}
}

// histogram is how long looks took.
func (n LookCounts) histogram(r galen.Resource) prometheus.Metric {
	buckets := make(map[float64]uint64, len(n.Within))
	for bound, count := range n.Within {
		buckets[bound.Seconds()] = count
	}
	desc := prometheus.NewDesc("galen_look_seconds", "How long looks at a resource took.", []string{"resource"}, nil)
	metric, err := prometheus.NewConstHistogram(desc, uint64(max(n.Total, 0)), n.Took.Seconds(), buckets, r.String())
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return metric
}

// emit sends one number; pairs are label names and values in turn.
type emit func(name, help string, value float64, pairs ...string)

func sender(out chan<- prometheus.Metric) emit  { return emitter(out, prometheus.GaugeValue) }
func counter(out chan<- prometheus.Metric) emit { return emitter(out, prometheus.CounterValue) }

func emitter(out chan<- prometheus.Metric, sort prometheus.ValueType) emit {
	return func(name, help string, value float64, pairs ...string) {
		var names, values []string
		for i := 0; i+1 < len(pairs); i += 2 {
			names, values = append(names, pairs[i]), append(values, pairs[i+1])
		}
		desc := prometheus.NewDesc(name, help, names, nil)
		metric, err := prometheus.NewConstMetric(desc, sort, value, values...)
		if err != nil {
			metric = prometheus.NewInvalidMetric(desc, err)
		}
		out <- metric
	}
}
