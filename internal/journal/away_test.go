package journal

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

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
		"a broken one":         {driver.ErrBadConn, true, "connects again by itself"},
		"the end of it":        {fmt.Errorf("read: %w", io.ErrUnexpectedEOF), true, "connects again by itself"},
		"a wrong password":     {said("28P01"), false, "check user, password"},
		"a fault of ours":      {said("42601"), false, "said 42601"},
		"who gave up":          {context.Canceled, false, ""},
		"took too long":        {context.DeadlineExceeded, false, ""},
		"a rule":               {galen.ErrMoved, false, ""},
		"who knows":            {ErrUnknown, true, "look before you repeat"},
		"something unheard of": {errors.New("x"), false, "x"},
	} {
		err := fmt.Errorf("list runs: %w", (&postgres{}).advise(c.err))
		if Away(err) != c.away || !strings.Contains(err.Error(), c.says) || !errors.Is(err, c.err) {
			t.Errorf("%s: %v (away: %t), want away: %t, %q", name, err, Away(err), c.away, c.says)
		}
	}
}
