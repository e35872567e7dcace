//go:build failpoint

package failpoint

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/galenhq/galen"
)

// Enabled tells whether this build has failpoints.
const Enabled = true

// At passes a point: it is traced, and the process obeys its order. Trouble with the order or the trace panics, because
// a test whose engine did not die proves nothing.
func At(p Point, of string) {
	text, ordered := os.LookupEnv(Variable)
	if !ordered {
		return
	}
	o, err := galen.Decode[Order]([]byte(text))
	if err != nil {
		panic(fmt.Sprintf("failpoint: %s: %v", Variable, err))
	}
	hit := o.Signal != "" && o.At == p && o.Of == of && earlier(o)+1 == max(o.Nth, 1)
	line := Passage{At: p, Of: of}
	if hit {
		line.Signal = o.Signal
	}
	trace(o.Trace, line)
	if !hit {
		return
	}
	if o.After > 0 {
		time.AfterFunc(o.After.D(), func() { obey(o.Signal) })
		return
	}
	obey(o.Signal)
}

func obey(s Signal) {
	signal := syscall.SIGKILL
	if s == Stop {
		signal = syscall.SIGSTOP
	}
	if err := syscall.Kill(os.Getpid(), signal); err != nil {
		panic(fmt.Sprintf("failpoint: %s: %v", s, err))
	}
	if s == Kill {
		select {} // nothing more happens here
	}
	time.Sleep(stopTakes)
}

// stopTakes is how long a stop may take to reach every thread; the passage ends after it, however long the stop was.
const stopTakes = 200 * time.Millisecond

// earlier is how often the ordered point was passed before.
func earlier(o Order) int {
	passed, err := Trace(o.Trace)
	if err != nil {
		panic(fmt.Sprintf("failpoint: %v", err))
	}
	n := 0
	for _, was := range passed {
		if was.At == o.At && was.Of == o.Of {
			n++
		}
	}
	return n
}

func trace(file string, p Passage) {
	line, err := json.Marshal(p)
	if err == nil {
		err = appendTo(file, append(line, '\n'))
	}
	if err != nil {
		panic(fmt.Sprintf("failpoint: trace: %v", err))
	}
}

func appendTo(file string, line []byte) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, writeErr := f.Write(line)
	if err := f.Close(); err != nil {
		return err
	}
	return writeErr
}
