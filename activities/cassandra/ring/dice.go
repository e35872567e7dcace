package ring

import "time"

// dice are chance that can be repeated: the same seed throws the same (splitmix64).
type dice struct{ state uint64 }

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// float is at least 0 and below 1.
func (d *dice) float() float64 { return float64(d.next()>>11) / (1 << 53) }

// Longest is how many times [Timing.Jitter] of its length a duration is made longer at most.
const Longest = 4

// vary makes a duration longer by chance: by up to Jitter of it, and one in ten by up to [Longest] times as much.
func (c *Cluster) vary(d time.Duration) time.Duration {
	if c.spec.Timing.Jitter == 0 {
		return d
	}
	more := c.spec.Timing.Jitter * c.dice.float()
	if c.dice.next()%10 == 0 {
		more *= Longest
	}
	return d + time.Duration(float64(d)*more)
}
