// Package contract holds the engine to its OpenAPI file: Schemathesis calls a running engine as the file says, and as it does not.
package contract
