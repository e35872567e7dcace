package galen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// HashJSON is the SHA-256, in hex, of v's canonical JSON (object keys sorted, no spaces). v must be JSON-encodable
// plain data; a value that is not is a programming error and hashes to the error's text.
func HashJSON(v any) string {
	b, err := Canonical(v)
	if err != nil {
		b = []byte("unencodable: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Canonical is v as JSON with object keys sorted, without spaces and with numbers as they were written.
func Canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode for hashing: %w", err)
	}
	if s, is := v.(string); is && utf8.ValidString(s) { // as encoding/json writes it already
		return b, nil
	}
	s := sorter{in: b, out: make([]byte, 0, len(b))}
	if err := s.value(); err != nil {
		return nil, fmt.Errorf("re-read for hashing: %w", err)
	}
	return s.out, nil
}

// sorter copies JSON as encoding/json wrote it, valid and without spaces, and sorts the members of each object on the
// way: a State has thousands of values, and is hashed at every look.
type sorter struct {
	in   []byte
	at   int
	out  []byte
	page []byte // an object as it stood before it was sorted
}

func (s *sorter) value() error {
	switch s.in[s.at] {
	case '{':
		return s.object()
	case '[':
		return s.list()
	case '"':
		return s.text()
	}
	from := s.at
	for s.at < len(s.in) && s.in[s.at] != ',' && s.in[s.at] != '}' && s.in[s.at] != ']' {
		s.at++
	}
	s.out = append(s.out, s.in[from:s.at]...)
	return nil
}

// text copies a string; what can be escaped in several ways is written anew, as encoding/json writes it.
func (s *sorter) text() error {
	raw := s.in[s.at : s.at+2+bytes.IndexByte(s.in[s.at+1:], '"')]
	oneWay := bytes.IndexByte(raw, '\\') < 0
	if !oneWay {
		raw, oneWay = escaped(s.in[s.at:])
	}
	s.at += len(raw)
	if oneWay && utf8.Valid(raw) { // nearly always
		s.out = append(s.out, raw...)
		return nil
	}
	var t string
	if err := json.Unmarshal(raw, &t); err != nil {
		return err
	}
	again, err := json.Marshal(t)
	s.out = append(s.out, again...)
	return err
}

// escaped is the string that a text begins with, and whether each escape in it is the one that encoding/json writes.
func escaped(in []byte) (raw []byte, oneWay bool) {
	oneWay = true
	at := 1
	for ; in[at] != '"'; at++ {
		if in[at] == '\\' {
			at++
			oneWay = oneWay && strings.IndexByte(`"\nrtbf`, in[at]) >= 0
		}
	}
	return in[:at+1], oneWay
}

func (s *sorter) list() error {
	s.out = append(s.out, '[')
	s.at++
	for s.in[s.at] != ']' {
		if s.in[s.at] == ',' {
			s.at++
			s.out = append(s.out, ',')
		}
		if err := s.value(); err != nil {
			return err
		}
	}
	s.at++
	s.out = append(s.out, ']')
	return nil
}

// member is one name with its value, as it stands in the output; the name without its quotes.
type member struct {
	from, named, to int
	name            string // what an escaped name says, by which it is sorted; else empty
}

func (s *sorter) object() error {
	start := len(s.out)
	var room [32]member
	members, inOrder := room[:0], true
	s.out = append(s.out, '{')
	s.at++
	for s.in[s.at] != '}' {
		if s.in[s.at] == ',' {
			s.at++
			s.out = append(s.out, ',')
		}
		m, err := s.member()
		if err != nil {
			return err
		}
		inOrder = inOrder && (len(members) == 0 || members[len(members)-1].compare(m, s.out) < 0)
		members = append(members, m)
	}
	s.at++
	s.out = append(s.out, '}')
	if !inOrder {
		s.reorder(start, members)
	}
	return nil
}

func (s *sorter) member() (member, error) {
	m := member{from: len(s.out)}
	if err := s.text(); err != nil {
		return m, err
	}
	m.named = len(s.out)
	if bytes.IndexByte(s.out[m.from:m.named], '\\') >= 0 {
		if err := json.Unmarshal(s.out[m.from:m.named], &m.name); err != nil {
			return m, err
		}
	}
	s.at++ // the colon
	s.out = append(s.out, ':')
	if err := s.value(); err != nil {
		return m, err
	}
	m.to = len(s.out)
	return m, nil
}

// compare orders members that stand in text by what their names say.
func (m member) compare(o member, text []byte) int {
	if m.name == "" && o.name == "" {
		return bytes.Compare(text[m.from+1:m.named-1], text[o.from+1:o.named-1])
	}
	return compareText(m.says(text), o.says(text))
}

func (m member) says(text []byte) string {
	if m.name != "" {
		return m.name
	}
	return string(text[m.from+1 : m.named-1])
}

// reorder sorts the members of an object that stands in the output from start on. Of two of the same name the last one
// counts, as everywhere.
func (s *sorter) reorder(start int, members []member) {
	s.page = append(s.page[:0], s.out[start:]...)
	page := s.page
	for i := range members {
		m := &members[i]
		m.from, m.named, m.to = m.from-start, m.named-start, m.to-start
	}
	slices.SortStableFunc(members, func(a, b member) int { return a.compare(b, page) })
	s.out = append(s.out[:start], '{')
	for i, m := range members {
		if i+1 < len(members) && m.compare(members[i+1], page) == 0 {
			continue
		}
		if len(s.out) > start+1 {
			s.out = append(s.out, ',')
		}
		s.out = append(s.out, page[m.from:m.to]...)
	}
	s.out = append(s.out, '}')
}
