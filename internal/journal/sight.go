package journal

import (
	"errors"
	"io/fs"
	"os"
)

// sights is how often a journal is looked at again because an engine was started or stopped meanwhile.
const sights = 3

// sight is a journal's file when somebody began to read it. Beside a file that is all there is, SQLite would make a write-ahead log and
// its index even to read it, and leave them there: such a file is read as one that nobody changes, and looked at again afterwards.
type sight struct {
	path  string
	alone bool
	was   fs.FileInfo
}

func look(path string) sight {
	s := sight{path: path, alone: true}
	for _, ending := range []string{"-wal", "-journal"} {
		_, err := os.Lstat(path + ending)
		s.alone = s.alone && errors.Is(err, fs.ErrNotExist)
	}
	var err error
	if s.was, err = os.Stat(path); err != nil {
		s.alone = false // whoever opens it is told
	}
	return s
}

// source is the name under which the driver opens it to read.
func (s sight) source() string {
	query := "mode=ro"
	if s.alone {
		query += "&immutable=1"
	}
	return source(s.path, query, "query_only(1)")
}

// changed tells that what was read of a file without a log may be no consistent moment of it.
func (s sight) changed() error {
	if !s.alone {
		return nil
	}
	is := look(s.path)
	if !is.alone || !os.SameFile(s.was, is.was) || is.was.Size() != s.was.Size() || !is.was.ModTime().Equal(s.was.ModTime()) {
		return errors.New("it was written while it was read, an engine was started or stopped: say it again")
	}
	return nil
}
