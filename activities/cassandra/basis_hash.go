package cassandra

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/galenhq/galen"
)

// hash is galen.HashJSON of the basis, written out: it is taken at every look.
func (b basis) hash() string {
	w := make(factWriter, 0, 512*(1+len(b.Nodes)+len(b.Instances)+len(b.Troubled)))
	w.begin('{', "instances")
	w.list(len(b.Instances), b.Instances == nil, func(k int) { w.instance(b.Instances[k]) })
	w.name("lost")
	w = strconv.AppendInt(w, int64(b.Lost), 10)
	w.name("nodes")
	w.list(len(b.Nodes), b.Nodes == nil, func(k int) { w.node(b.Nodes[k]) })
	w.name("pending")
	w.any(b.Pending)
	w.name("schemas")
	w.any(b.Schemas)
	w.name("troubled")
	w.list(len(b.Troubled), b.Troubled == nil, func(k int) { w.node(b.Troubled[k]) })
	w = append(w, '}')
	sum := sha256.Sum256(w)
	return hex.EncodeToString(sum[:])
}

// factWriter writes canonical JSON, names in their order.
type factWriter []byte

func (w *factWriter) begin(open byte, name string) {
	*w = append(append(append(*w, open, '"'), name...), '"', ':')
}

func (w *factWriter) name(name string) { w.begin(',', name) }

func (w *factWriter) list(n int, null bool, item func(int)) {
	if null {
		*w = append(*w, "null"...)
		return
	}
	*w = append(*w, '[')
	for k := range n {
		if k > 0 {
			*w = append(*w, ',')
		}
		item(k)
	}
	*w = append(*w, ']')
}

// text writes a string; what JSON escapes is left to encoding/json.
func (w *factWriter) text(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.any(s)
			return
		}
	}
	*w = append(append(append(*w, '"'), s...), '"')
}

func (w *factWriter) any(v any) {
	b, err := galen.Canonical(v)
	if err != nil {
		b = []byte(err.Error()) // as galen.HashJSON does: plain data cannot fail
	}
	*w = append(*w, b...)
}

func (w *factWriter) flag(name string, is bool) {
	w.name(name)
	*w = strconv.AppendBool(*w, is)
}

func (w *factWriter) field(name, value string) {
	w.name(name)
	w.text(value)
}

func (w *factWriter) node(n basisNode) {
	w.begin('{', "address")
	w.text(n.Address)
	w.flag("bad", n.Bad)
	w.field("dc", n.DC)
	w.flag("down", n.Down)
	w.name("generation")
	*w = strconv.AppendInt(*w, n.Generation, 10)
	w.field("host_id", n.HostID)
	w.field("instance", n.Instance)
	w.field("rack", n.Rack)
	w.field("replacing", n.Replacing)
	w.field("status", string(n.Status))
	w.field("tokens", n.Tokens)
	w.flag("unlisted", n.Unlisted)
	*w = append(*w, '}')
}

func (w *factWriter) instance(i basisInstance) {
	w.begin('{', "address")
	w.text(i.Address)
	w.name("config")
	w.any(i.Config)
	w.field("data", string(i.Data))
	w.field("fenced", i.Fenced)
	w.field("name", i.Name)
	w.field("prepared", i.Prepared)
	w.field("process", string(i.Process))
	w.field("replace", i.Replace)
	*w = append(*w, '}')
}
