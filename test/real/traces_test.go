package real

import (
	"testing"

	"github.com/galenhq/galen/test/lab"
)

// tracesOf reads the traces of a node.
func tracesOf(t *testing.T, n *lab.Node) lab.Traces {
	t.Helper()
	out, err := n.Traces()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
