package cassandra

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/galenhq/galen"
)

// TestBasisHashIsHashJSON of the same facts, whatever texts, numbers and gaps are in them.
func TestBasisHashIsHashJSON(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "dc1", "NORMAL", `a"b\\c`, "<&>", "\xff", "\u2028", "é"}))
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) basisNode {
			return basisNode{
				Address: text.Draw(t, "address"), DC: text.Draw(t, "dc"), Down: rapid.Bool().Draw(t, "down"), Generation: rapid.Int64().Draw(t, "generation"),
				HostID: text.Draw(t, "id"), Instance: text.Draw(t, "instance"), Rack: text.Draw(t, "rack"), Replacing: text.Draw(t, "replacing"),
				Status: NodeStatus(text.Draw(t, "status")), Tokens: text.Draw(t, "tokens"), Unlisted: rapid.Bool().Draw(t, "unlisted"),
			}
		}), 0, 3)
		instances := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) basisInstance {
			return basisInstance{
				Address: text.Draw(t, "address"), Data: DataState(text.Draw(t, "data")), Fenced: text.Draw(t, "fenced"), Name: text.Draw(t, "name"),
				Prepared: text.Draw(t, "prepared"), Process: ProcessState(text.Draw(t, "process")), Replace: text.Draw(t, "replace"),
				Config: Config{DC: text.Draw(t, "config"), Seeds: rapid.SliceOfN(text, 0, 2).Draw(t, "seeds"), AutoBootstrap: rapid.Bool().Draw(t, "bootstrap")},
			}
		}), 0, 3)
		b := basis{
			Instances: instances.Draw(t, "instances"), Lost: rapid.Int().Draw(t, "lost"), Nodes: nodes.Draw(t, "nodes"), Troubled: nodes.Draw(t, "troubled"),
			Schemas: rapid.SliceOfN(text, 0, 2).Draw(t, "schemas"),
		}
		if rapid.Bool().Draw(t, "bare") {
			b.Instances, b.Nodes, b.Troubled = nil, nil, nil
		} else if rapid.Bool().Draw(t, "pending") {
			b.Pending = []Pending{{Keyspace: text.Draw(t, "keyspace"), Range: Range{Start: -1, End: 7}, Address: text.Draw(t, "to")}}
		}
		if got, want := b.hash(), galen.HashJSON(b); got != want {
			t.Fatalf("%s, want %s of %+v", got, want, b)
		}
	})
}
