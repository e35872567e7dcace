// Package api is the engine's API: openapi.yaml is written first, the server interface, the Go client and the messages
// are generated from it. The words in the messages are those of package galen.
package api

import _ "embed"

// Spec is the OpenAPI file, as the engine serves it.
//
//go:embed openapi.yaml
var Spec []byte
