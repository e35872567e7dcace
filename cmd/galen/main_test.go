package main

import (
	"os"
	"testing"
)

// envMain turns this test binary into galen itself, for what only a process of its own can show: signals.
const envMain = "GALEN_TEST_IS_GALEN"

func TestMain(m *testing.M) {
	if os.Getenv(envMain) != "" {
		main()
	}
	os.Exit(m.Run())
}
