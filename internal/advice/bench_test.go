package advice

import (
	"fmt"
	"testing"

	"github.com/galenhq/galen"
	"github.com/galenhq/galen/activities/cassandra"
	"github.com/galenhq/galen/activities/cassandra/ring"
)

// BenchmarkCanI asks about a ring of 1,000 nodes with 16 tokens each and 10 keyspaces, from a State that was never asked about.
func BenchmarkCanI(b *testing.B) {
	alike := heard(3, 1000)
	one := alike.Keyspaces[0]
	alike.Keyspaces = nil
	for i := range 10 {
		one.Name = fmt.Sprintf("ks%d", i)
		alike.Keyspaces = append(alike.Keyspaces, one)
	}
	for name, r := range map[string]cassandra.Ring{"alike": alike, "varied": ring.Varied(heard(3, 1000), 10)} {
		b.Run(name, func(b *testing.B) {
			v := viewOf(r)
			for b.Loop() {
				if a, err := CanI(v, "stop", "host-0100"); err != nil || a.Answer != galen.Yes {
					b.Fatal(a.Why, err)
				}
			}
		})
	}
}
