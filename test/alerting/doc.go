// Package alerting tries Galen with a real Prometheus and a real Alertmanager, as Debian has them: the rules that are
// shipped, the webhook, and the silences.
package alerting
