package galen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
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
	s := sorter{in: b, out: make([]byte, 0, len(b))}
	if err := s.value(); err != nil {
		return nil, fmt.Errorf("re-read for hashing: %w", err)
	}
	return s.out, nil
}

// sorter copies JSON as encoding/json wrote it, valid and without spaces, and sorts the members of each object on the
// way: a State has thousands of values, and is hashed at every look.
type sorter struct {
	in  []byte
	at  int
	out []byte
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

// text copies a string; what is escaped is written anew, for one text can be escaped in several ways.
func (s *sorter) text() error {
	from := s.at
	escaped := false
	for s.at++; s.in[s.at] != '"'; s.at++ {
		if s.in[s.at] == '\\' {
			escaped = true
			s.at++
		}
	}
	s.at++
	raw := s.in[from:s.at]
	if !escaped && utf8.Valid(raw) {
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

// member is one name with its value, as it stands in the output.
type member struct {
	name     string
	from, to int
}

func (s *sorter) object() error {
	start := len(s.out)
	var room [32]member
	members, sorted := room[:0], true
	s.at++
	for s.in[s.at] != '}' {
		if s.in[s.at] == ',' {
			s.at++
		}
		m, err := s.member()
		if err != nil {
			return err
		}
		sorted = sorted && (len(members) == 0 || members[len(members)-1].name < m.name)
		members = append(members, m)
	}
	s.at++
	if !sorted {
		slices.SortStableFunc(members, func(a, b member) int { return compareText(a.name, b.name) })
	}
	s.write(start, members)
	return nil
}

func (s *sorter) member() (member, error) {
	m := member{from: len(s.out)}
	if err := s.text(); err != nil {
		return m, err
	}
	name := s.out[m.from+1 : len(s.out)-1]
	m.name = string(name)
	if bytes.IndexByte(name, '\\') >= 0 { // sorted by what it says
		if err := json.Unmarshal(s.out[m.from:], &m.name); err != nil {
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

// write puts the members of an object, which stand in the output from start on without anything between them, in order. Of
// two of the same name the last one counts, as everywhere.
func (s *sorter) write(start int, members []member) {
	whole := bytes.Clone(s.out[start:])
	s.out = append(s.out[:start], '{')
	for i, m := range members {
		if i+1 < len(members) && members[i+1].name == m.name {
			continue
		}
		if len(s.out) > start+1 {
			s.out = append(s.out, ',')
		}
		s.out = append(s.out, whole[m.from-start:m.to-start]...)
	}
	s.out = append(s.out, '}')
}
