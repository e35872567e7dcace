// Package schema holds the JSON Schemas of runbooks' parameters to what the engine reads, with a validator that others use.
package schema
