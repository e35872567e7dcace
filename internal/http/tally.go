package http

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/galenhq/galen"
)

// otherLabel stands for every value of a label that is not of its closed set: what comes from outside makes no new series.
const otherLabel = "other"

// Stage is how far a run has come.
type Stage string

// The stages whose times are counted.
const (
	StageConfirmed Stage = "confirmed" // a look of the run itself shows the trouble
	StageCalled    Stage = "called"    // its first guarded call was begun
	StageVerified  Stage = "verified"  // the trouble is proved gone
)

// stages are all of them.
func stages() []Stage { return []Stage{StageConfirmed, StageCalled, StageVerified} }

// Known are the closed sets of which labels are made.
type Known struct {
	Codes, Runbooks, Guards []string
	// Answers are what the gate may answer to a step.
	Answers []string
	// Verbs by kind.
	Verbs map[string][]string
}

// Tally counts what the healer does, since the engine started. It is safe for concurrent use.
type Tally struct {
	codes, runbooks, guards map[string]bool
	verbs                   map[[2]string]bool

	found, opened, held, asked, ended, steps, answers *prometheus.CounterVec
	times                                             *prometheus.HistogramVec
	ill                                               prometheus.Histogram
}

// NewTally counts nothing yet. Each series of a closed set is there from the start, so that a rate begins at zero.
func NewTally(known Known) *Tally {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help + ", since the engine started."}, labels)
	}
	t := &Tally{
		codes: set(known.Codes), runbooks: set(known.Runbooks), guards: set(known.Guards), verbs: map[[2]string]bool{},
		found:   vec("galen_findings_total", "Findings that were new, a note is nothing that a run starts for", "code", "note"),
		opened:  vec("galen_runs_opened_total", "Runs by what asked for them", "asked"),
		held:    vec("galen_runs_held_total", "How often a run was held for a person, or for something else than before", "runbook"),
		asked:   vec("galen_runs_asked_total", "How often a run began to wait for a yes", "runbook"),
		ended:   vec("galen_runs_ended_total", "Runs by how they ended", "runbook", "status"),
		steps:   vec("galen_steps_total", "Steps by what the gate answered; only sent and error were calls", "kind", "verb", "answer"),
		answers: vec("galen_guard_answers_total", "What each guard answered to steps at the gate, and before it to those that a decision did not let through, and who else turned a step away there", "guard", "answer"),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "galen_run_seconds", Buckets: bounds(),
			Help: "How long a run took from its opening until a look of its own confirmed the trouble, until its first call, and until the trouble was proved gone.",
		}, []string{"asked", "stage"}),
		ill: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "galen_trouble_seconds", Buckets: bounds(), Help: "How long a trouble lasted that a run proved gone, since it was seen first.",
		}),
	}
	t.begin(known)
	return t
}

// bounds are those of the times of runs: from the promise of milliseconds to a replacement that streams for hours.
func bounds() []float64 {
	return []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600}
}

// begin makes the series of the closed sets.
func (t *Tally) begin(known Known) {
	for _, code := range known.Codes {
		t.found.WithLabelValues(code, "false")
	}
	for _, asked := range askers() {
		t.opened.WithLabelValues(asked)
		for _, stage := range stages() {
			t.times.WithLabelValues(asked, string(stage))
		}
	}
	for _, runbook := range known.Runbooks {
		t.held.WithLabelValues(runbook)
		t.asked.WithLabelValues(runbook)
		for _, status := range galen.RunStatuses() {
			if !status.Open() {
				t.ended.WithLabelValues(runbook, string(status))
			}
		}
	}
	for _, guard := range known.Guards {
		for _, answer := range galen.Answers() {
			t.answers.WithLabelValues(guard, string(answer))
		}
	}
	t.beginSteps(known)
}

func (t *Tally) beginSteps(known Known) {
	for kind, verbs := range known.Verbs {
		for _, verb := range verbs {
			t.verbs[[2]string{kind, verb}] = true
			for _, answer := range known.Answers {
				t.steps.WithLabelValues(kind, verb, answer)
			}
		}
	}
}

// collectors are what a registry takes.
func (t *Tally) collectors() []prometheus.Collector {
	return []prometheus.Collector{t.found, t.opened, t.held, t.asked, t.ended, t.steps, t.answers, t.times, t.ill}
}

// Found counts a finding that is new.
func (t *Tally) Found(f galen.Finding) {
	code := string(f.Code)
	if !f.Code.Owed() { // what is owed is named by kinds, and by nobody else
		code = oneOf(t.codes, code)
	}
	t.found.WithLabelValues(code, yesNo(f.Note)).Inc()
}

// Opened counts a run that was opened.
func (t *Tally) Opened(run galen.Run) { t.opened.WithLabelValues(askedOf(run)).Inc() }

// Held counts that a run waits for a person.
func (t *Tally) Held(run galen.Run) { t.held.WithLabelValues(oneOf(t.runbooks, run.Runbook)).Inc() }

// Asked counts that a run waits for a yes.
func (t *Tally) Asked(run galen.Run) { t.asked.WithLabelValues(oneOf(t.runbooks, run.Runbook)).Inc() }

// Ended counts a run that has ended.
func (t *Tally) Ended(run galen.Run) {
	t.ended.WithLabelValues(oneOf(t.runbooks, run.Runbook), string(run.Status)).Inc()
	if run.Status != galen.RunVerified {
		return
	}
	t.Reached(run, StageVerified, run.Ended)
	if run.Finding != nil && !run.Finding.Since.IsZero() {
		t.ill.Observe(max(run.Ended.Sub(run.Finding.Since), 0).Seconds())
	}
}

// Reached counts that a run came so far at that time.
func (t *Tally) Reached(run galen.Run, stage Stage, at time.Time) {
	t.times.WithLabelValues(askedOf(run), string(stage)).Observe(max(at.Sub(run.Created), 0).Seconds())
}

// Judged counts what the gate answered to a step, and each guard with it.
func (t *Tally) Judged(kind string, step galen.Step, answer string, verdicts []galen.Verdict) {
	verb := step.Verb
	if !t.verbs[[2]string{kind, verb}] {
		kind, verb = otherLabel, otherLabel
	}
	t.steps.WithLabelValues(kind, verb, answer).Inc()
	t.Answered(verdicts)
}

// Answered counts what each guard answered to steps.
func (t *Tally) Answered(verdicts []galen.Verdict) {
	for _, v := range verdicts {
		t.answers.WithLabelValues(oneOf(t.guards, v.Guard), string(v.Answer)).Inc()
	}
}

// The ways in which a run is asked for.
const (
	askedDetector = "detector"
	askedAlert    = "alert"
	askedPerson   = "person"
)

func askers() []string { return []string{askedDetector, askedAlert, askedPerson} }

func askedOf(run galen.Run) string {
	switch {
	case run.FromAlert():
		return askedAlert
	case run.FromPerson():
		return askedPerson
	default:
		return askedDetector
	}
}

func set(of []string) map[string]bool {
	out := make(map[string]bool, len(of))
	for _, s := range of {
		out[s] = true
	}
	return out
}

func oneOf(known map[string]bool, s string) string {
	if known[s] {
		return s
	}
	return otherLabel
}

func yesNo(is bool) string {
	if is {
		return "true"
	}
	return "false"
}
