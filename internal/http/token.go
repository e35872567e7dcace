package http

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// tokenBytes of randomness in a token.
const tokenBytes = 32

// Token reads the API's token from its file, and makes it, readable by its owner only, when there is none yet. made
// tells that this was the first start.
func Token(path string) (token string, made bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		token, err = makeToken(path)
		return token, err == nil, err
	}
	if err != nil {
		return "", false, fmt.Errorf("read the API's token: %w", err)
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", false, fmt.Errorf("read the API's token: %w", err)
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		return "", false, fmt.Errorf("the API's token %s has mode %04o: others may have read it; delete it and start again for a new one, or chmod 600 it", path, mode)
	}
	token = strings.TrimSpace(string(b))
	if len(token) < tokenBytes {
		return "", false, fmt.Errorf("the API's token %s is shorter than %d characters: delete it and start again for a new one", path, tokenBytes)
	}
	return token, false, nil
}

func makeToken(path string) (string, error) {
	raw := make([]byte, tokenBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make the API's token: %w", err)
	}
	token := hex.EncodeToString(raw)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("make the API's token: %w", err)
	}
	_, writeErr := f.WriteString(token + "\n")
	if err := errors.Join(writeErr, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("make the API's token: %w", err)
	}
	return token, nil
}
