package galen

import (
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	orders := Resource{Kind: "cassandra", Name: "orders-eu"}
	for _, c := range []struct {
		pattern              Pattern
		valid, matches, wild bool
	}{
		{"cassandra/orders-eu", true, true, false},
		{"cassandra/orders-us", true, false, false},
		{"cassandra/*-eu", true, true, true},
		{"*/*", true, true, true},
		{"cassandra/orders-e?", true, true, true},
		{"cassandra/orders-[a-f]u", true, true, true},
		{"rds/*", true, false, true},
		{"*", false, false, true},
		{"cassandra/*/x", false, false, true},
		{"cassandra/[", false, false, true},
		{"", false, false, false},
		{"cassandra/*\x1b\n", false, false, true},
		{"cassandra/*Eu", false, false, true},
		{Pattern("cassandra/*" + strings.Repeat("a", 300)), false, false, true},
	} {
		if err := c.pattern.Check(); (err == nil) != c.valid {
			t.Errorf("%q: %v, want valid %t", c.pattern, err, c.valid)
		}
		if got := c.pattern.Matches(orders); got != c.matches {
			t.Errorf("%q matches %s: %t", c.pattern, orders, got)
		}
		if got := c.pattern.Wild(); got != c.wild {
			t.Errorf("%q is wild: %t", c.pattern, got)
		}
	}
}
