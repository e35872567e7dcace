// Package storm puts an engine under storms of alerts: the whole engine as a child process, as `galen serve` runs it with the embedded
// Temporal server, over many small resources of the kind fake. The resources live in the test's own process, so that they outlive a
// killed engine and remember each call that reached them.
package storm
