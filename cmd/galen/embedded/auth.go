package embedded

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"

	"go.temporal.io/server/common/authorization"
)

// bearer is the value of the authorization header that this start of the server accepts. It is never written to disk:
// every other local user can reach the loopback port, and would otherwise take our tasks or end our workflows.
type bearer string

func newBearer() (bearer, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make the server's token: %w", err)
	}
	return bearer("Bearer " + hex.EncodeToString(raw)), nil
}

// GetHeaders puts the token on each call of a client.
func (b bearer) GetHeaders(context.Context) (map[string]string, error) {
	return map[string]string{"authorization": string(b)}, nil
}

// GetClaims lets the token do everything and anything else nothing. A wrong token is no error, since the server logs
// each error and a stranger could fill the log.
func (b bearer) GetClaims(info *authorization.AuthInfo) (*authorization.Claims, error) {
	if subtle.ConstantTimeCompare([]byte(info.AuthToken), []byte(b)) != 1 {
		return &authorization.Claims{}, nil
	}
	return &authorization.Claims{Subject: "galen", System: authorization.RoleAdmin, AuthType: "token"}, nil
}
