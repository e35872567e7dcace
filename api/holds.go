package api

import "github.com/galenhq/galen"

// Held is a hold, with what people call its target: [StandingHold] of the generated code, which cannot embed.
type Held struct {
	galen.Hold

	// Called is the instance of the target, or else its name; "" without a target, or where it was not seen.
	Called string `json:"called,omitempty"`
}
