package journal

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// idMaker makes UUIDs of version 7 that also grow within a millisecond, so that IDs sort by age.
type idMaker struct {
	last int64 // milliseconds, then 12 bits of counter
}

func (m *idMaker) next(now time.Time) string {
	stamp := max(now.UnixMilli()<<12, m.last+1)
	m.last = stamp
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	millis := uint64(stamp >> 12)
	binary.BigEndian.PutUint32(b[0:4], uint32(millis>>16))
	binary.BigEndian.PutUint16(b[4:6], uint16(millis))
	binary.BigEndian.PutUint16(b[6:8], 0x7000|uint16(stamp&0xfff))
	b[8] = 0x80 | b[8]&0x3f
	text := hex.EncodeToString(b[:])
	return text[0:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
