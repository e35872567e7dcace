package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// IdentityFile is the file of the engine's identity in the data directory: it tells the engines apart that share a journal.
// The first one also gives the journal its name in Temporal, which stays with the journal wherever that goes.
const IdentityFile = "id"

var identityForm = regexp.MustCompile(`^[a-z0-9]{8,32}$`)

// identity reads the engine's identity, and makes a random one at the first start. The directory is locked.
func identity(dir string) (string, error) {
	path := filepath.Join(dir, IdentityFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeIdentity(path)
	}
	if err != nil {
		return "", fmt.Errorf("read the engine's identity: %w", err)
	}
	id := strings.TrimSpace(string(b))
	if !identityForm.MatchString(id) {
		return "", fmt.Errorf("the engine's identity %s: want 8 to 32 characters of a-z and 0-9, got %q; put back what it was, or delete it, a new one is made", path, id)
	}
	return id, nil
}

// makeIdentity writes the file whole or not at all.
func makeIdentity(path string) (string, error) {
	id := strings.ToLower(rand.Text()[:12])
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("make the engine's identity: %w", err)
	}
	_, writeErr := f.WriteString(id + "\n")
	if err := errors.Join(writeErr, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("make the engine's identity: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return "", fmt.Errorf("make the engine's identity: %w", err)
	}
	return id, nil
}
