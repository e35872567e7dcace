package journal

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/galenhq/galen"
)

// TestAway: what goes away by itself is told apart from what was asked for wrongly, and says what to do.
func TestAway(t *testing.T) {
	said := func(code string) error { return &pgconn.PgError{Code: code, Message: "said " + code} }
	for name, c := range map[string]struct {
		err  error
		away bool
		says string
	}{
		"starts":               {said("57P03"), true, "goes on by itself when it serves again"},
		"told to end":          {said("57P01"), true, "goes on by itself"},
		"cut off":              {said("08006"), true, "goes on by itself"},
		"too many":             {said("53300"), true, "max_connections"},
		"locked":               {said("55P03"), true, "pg_stat_activity"},
		"full":                 {said("53100"), true, "free space"},
		"a standby":            {said("25006"), true, "name the primary"},
		"unreached":            {&pgconn.ConnectError{}, true, "cannot be reached"},
		"silent":               {connectError(t), true, "cannot be reached"},
		"too slow":             {said("57014"), false, "look at its load"},
		"a limit of theirs":    {said("53400"), false, "said 53400"},
		"a broken one":         {driver.ErrBadConn, true, "connects again by itself"},
		"the end of it":        {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true, "connects again by itself"},
		"a wrong password":     {said("28P01"), false, "check user, password"},
		"a fault of ours":      {said("42601"), false, "said 42601"},
		"who gave up":          {context.Canceled, false, ""},
		"took too long":        {context.DeadlineExceeded, false, ""},
		"a rule":               {galen.ErrMoved, false, ""},
		"who knows":            {ErrUnknown, false, "look before you repeat"},
		"something unheard of": {errors.New("x"), false, "x"},
	} {
		err := fmt.Errorf("list runs: %w", (&postgres{}).advise(c.err))
		if Away(err) != c.away || !strings.Contains(err.Error(), c.says) || !errors.Is(err, c.err) {
			t.Errorf("%s: %v (away: %t), want away: %t, %q", name, err, Away(err), c.away, c.says)
		}
	}
}

// connectError is that of a server that says nothing.
func connectError(t *testing.T) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgconn.ParseConfig("host=127.0.0.1 port=" + port + " user=galen dbname=galen sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.ConnectTimeout = 50 * time.Millisecond
	_, err = pgconn.ConnectConfig(t.Context(), config)
	return err
}
