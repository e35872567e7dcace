//go:build !failpoint

package failpoint

// Enabled tells whether this build has failpoints.
const Enabled = false

// At does nothing in this build.
func At(Point, string) {}
