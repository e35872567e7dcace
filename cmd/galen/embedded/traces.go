package embedded

import (
	"errors"
	"fmt"
	"os"
)

// tracesVariable asks the engine for traces of its runs. The server reads it, too, and has no option instead: it would send spans of its own,
// by gRPC only, and not start beside a collector that speaks HTTP. Without it the server reads no other OTEL_* variable for anything.
const tracesVariable = "OTEL_TRACES_EXPORTER"

// untraced starts what is not to see that variable; the process has it again afterwards.
func untraced(start func() error) (err error) {
	said, is := os.LookupEnv(tracesVariable)
	if !is {
		return start()
	}
	if err := os.Unsetenv(tracesVariable); err != nil {
		return fmt.Errorf("keep %s from the server: %w", tracesVariable, err)
	}
	defer func() { err = errors.Join(err, os.Setenv(tracesVariable, said)) }()
	return start()
}
