// Package login logs people in by a real OpenID Connect provider (the certified one of zitadel/oidc), with the built galen on both sides.
package login
