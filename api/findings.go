package api

import "github.com/galenhq/galen"

// Found is a finding, with who works on it: [FoundProblem] of the generated code, which cannot embed.
type Found struct {
	galen.Finding

	// Runs are the open ones that have one of its targets in scope.
	Runs []InHand `json:"runs,omitempty"`
}
