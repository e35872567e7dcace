package intake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galenhq/galen"
)

// directory finds the resources that an alert names. There may be thousands, and thousands of alerts a second.
type directory struct {
	all []Resource
	by  []shelf
}

// shelf has the resources whose labels have the same names, by their values.
type shelf struct {
	names []string
	with  map[string][]int // places in the directory
}

func newDirectory(all []Resource) directory {
	d := directory{all: all}
	for i, r := range all {
		names := slices.Sorted(maps.Keys(r.Labels))
		at := slices.IndexFunc(d.by, func(s shelf) bool { return slices.Equal(s.names, names) })
		if at < 0 {
			at = len(d.by)
			d.by = append(d.by, shelf{names: names, with: map[string][]int{}})
		}
		key := d.by[at].key(r.Labels)
		d.by[at].with[key] = append(d.by[at].with[key], i)
	}
	return d
}

// asks is by which labels resources are told apart, as far as equal values go.
func (d directory) asks() string {
	var names []string
	for _, s := range d.by {
		names = append(names, strings.Join(s.names, " and "))
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	if len(names) == 0 {
		return fmt.Sprintf("none of %d that are configured", len(d.all))
	}
	return "they are told apart by " + strings.Join(names, ", or by ")
}

// named are the resources that an alert's labels name, in the order of the directory.
func (d directory) named(labels map[string]string) []galen.Resource {
	var at []int
	for _, s := range d.by {
		for _, i := range s.with[s.key(labels)] {
			if d.all[i].Matches(labels) {
				at = append(at, i)
			}
		}
	}
	slices.Sort(at)
	var out []galen.Resource
	for _, i := range at {
		out = append(out, d.all[i].Resource)
	}
	return out
}

// key is where the labels of the shelf's names have these values; a label that is not there is empty, and no two lists of values have the
// same key.
func (s shelf) key(labels map[string]string) string {
	if len(s.names) == 1 {
		return labels[s.names[0]]
	}
	var b strings.Builder
	for _, name := range s.names {
		value := labels[name]
		b.WriteString(strings.ReplaceAll(value, "\x00", "\x00\x01"))
		b.WriteString("\x00\x02")
	}
	return b.String()
}
