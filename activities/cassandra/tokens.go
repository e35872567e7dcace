package cassandra

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// HashOwners names a token map: who owns which token, by address. Order does not matter.
func HashOwners(owners []Owner) string {
	byToken := func(a, b Owner) int { return cmp.Or(cmp.Compare(a.Token, b.Token), cmp.Compare(a.Address, b.Address)) }
	if !slices.IsSortedFunc(owners, byToken) {
		owners = slices.SortedFunc(slices.Values(owners), byToken)
	}
	h := sha256.New()
	var b []byte
	for _, o := range owners {
		b = binary.BigEndian.AppendUint64(b[:0], uint64(o.Token))
		b = append(b, o.Address...)
		h.Write(append(b, 0))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// HashTokens names a set of tokens, whoever owns them.
func HashTokens(tokens []Token) string {
	if !slices.IsSorted(tokens) {
		tokens = slices.Sorted(slices.Values(tokens))
	}
	h := sha256.New()
	var b []byte
	for _, t := range tokens {
		b = binary.BigEndian.AppendUint64(b[:0], uint64(t))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}
