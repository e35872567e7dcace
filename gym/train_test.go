package gym

import "testing"

// TestHealed: nearly all of many incidents with a single trouble are to be verified, of a few at least one, and one or two prove nothing.
func TestHealed(t *testing.T) {
	for _, c := range []struct {
		of Tally
		ok bool
	}{
		{Tally{}, true},
		{Tally{4, 0}, true},
		{Tally{5, 0}, false},
		{Tally{5, 1}, true},
		{Tally{99, 1}, true},
		{Tally{100, 94}, false},
		{Tally{100, 95}, true},
		{Tally{2000, 1899}, false},
	} {
		if err := c.of.Healed(); (err == nil) != c.ok {
			t.Errorf("%d of %d verified: %v", c.of.Verified, c.of.Incidents, err)
		}
	}
}
