// Package arch holds the architecture as tests: which package may import which (table_test.go), and the laws of shape
// that reviewers would otherwise have to remember (laws_test.go). It has no code of its own; go test ./internal/arch
// reads the source of all three modules and names each breach with its file and line.
package arch
