package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

const (
	pgReaders = 8
	// pgTransaction bounds each part of a transaction of the writer: the wait for other engines, the work, the commit.
	pgTransaction = 20 * time.Second
	// pgLookUp bounds the search for what became of a commit: a failover takes its time.
	pgLookUp = time.Minute
	pgRetry  = 100 * time.Millisecond
	pgTries  = 4 // a pool may have as many connections to a server that is gone
)

// postgres is a journal in a PostgreSQL database that several engines share. A transaction first locks the one row of the
// chain, so that all writers of all engines take turns: what SQLite does with its file.
type postgres struct {
	clock  func() time.Time // nil: the database's
	name   string           // of this engine among the writers
	db     *sql.DB
	conn   *sql.Conn // of the writer, nil when it broke
	number int64     // of the writer's newest transaction
	onFull string    // what to do about a full disk, empty: as an engine
}

// OpenPostgres opens the journal in the database that a connection string names (host=… dbname=…, or a URL; several hosts
// are tried for the one that can be written) and brings its tables up to date. Without Options.Now the time is the database's.
func OpenPostgres(ctx context.Context, url string, opts Options) (*Store, error) {
	p, err := openPostgres(ctx, url, opts)
	if err != nil {
		return nil, fmt.Errorf("open the journal in PostgreSQL: %w", err)
	}
	s := newStore(p, opts)
	s.writer.limit = pgTransaction
	if err := s.start(ctx, opts); err != nil {
		return nil, fmt.Errorf("open the journal in PostgreSQL: %w", err)
	}
	return s, nil
}

func openPostgres(ctx context.Context, url string, opts Options) (*postgres, error) {
	p, err := connectPostgres(url, opts)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return p.migrate(ctx) },
		func() error { return p.forget(ctx) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return nil, errors.Join(p.advise(err), p.db.Close())
	}
	return p, nil
}

// readPostgres changes nothing: an engine of another release may be at work.
func readPostgres(ctx context.Context, url string) (*postgres, error) {
	p, err := connectPostgres(url, Options{NoSync: true}) // what is only read can lose nothing
	if err != nil {
		return nil, err
	}
	v, err := p.view(ctx)
	if err == nil {
		_, err = tablesOf(ctx, v)
		err = errors.Join(err, v.end())
	}
	if err != nil {
		return nil, errors.Join(p.advise(err), p.db.Close())
	}
	return p, nil
}

func connectPostgres(url string, opts Options) (*postgres, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the connection string: %w", withoutSecrets(err))
	}
	config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error { // of each server, after a failover too
		if err := noStandby(ctx, conn); err != nil || opts.NoSync {
			return err
		}
		return durable(ctx, conn)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	// The server ends what a frozen or cut off engine left open: the others wait for its lock.
	for name, value := range map[string]string{
		"lock_timeout": "15s", "statement_timeout": "20s", "idle_in_transaction_session_timeout": "15s", "application_name": "galen",
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	p := &postgres{clock: opts.Now, name: rand.Text(), db: stdlib.OpenDB(*config)}
	if opts.Now != nil {
		p.clock = opts.clock
	}
	p.db.SetMaxOpenConns(pgReaders + 2)
	p.db.SetMaxIdleConns(pgReaders)
	return p, nil
}

// errStandby is of a server that answers and lets nobody write.
var errStandby = errors.New("it is a standby")

// noStandby is pgx's own check for target_session_attrs=read-write, with an error that can be told from a server that is away.
func noStandby(ctx context.Context, conn *pgconn.PgConn) error {
	result, err := conn.Exec(ctx, "SHOW transaction_read_only").ReadAll()
	if err != nil {
		return fmt.Errorf("ask whether it is a standby: %w", err)
	}
	if string(result[0].Rows[0][0]) == "on" {
		return errStandby
	}
	return nil
}

// CheckURL tells whether a connection string can be read, without connecting. No error holds it.
func CheckURL(url string) error {
	_, err := pgconn.ParseConfig(url)
	return withoutSecrets(err)
}

// withoutSecrets keeps a connection string, which may hold a password, out of the error.
func withoutSecrets(err error) error {
	var bad *pgconn.ParseConfigError
	if errors.As(err, &bad) {
		return errors.New("it is not a PostgreSQL connection string such as host=db.example dbname=galen user=galen")
	}
	return err
}

// durable refuses a server that acknowledges what it has not written.
func durable(ctx context.Context, conn *pgconn.PgConn) error {
	for _, setting := range []string{"fsync", "synchronous_commit"} {
		result, err := conn.Exec(ctx, "SHOW "+setting).ReadAll()
		if err != nil {
			return fmt.Errorf("ask for its %s: %w", setting, err)
		}
		if string(result[0].Rows[0][0]) == "off" {
			return fmt.Errorf("%s is off: this server loses acknowledged writes when it crashes; switch it on for the journal's database", setting)
		}
	}
	return nil
}

func (p *postgres) migrate(ctx context.Context) error {
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	const lock = 0x67616c656e // one engine at a time, by this number
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(lock)); err != nil {
		return errors.Join(err, conn.Close())
	}
	err = migrate(ctx, p.db, goose.DialectPostgres, "postgres")
	_, unlock := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", int64(lock))
	return errors.Join(err, unlock, conn.Close())
}

// forget takes away what writers left that are long gone; each process is one. One that lives writes its lease again and again.
func (p *postgres) forget(ctx context.Context) error {
	const gone = 30 * 24 * time.Hour
	_, err := p.db.ExecContext(ctx, "DELETE FROM writers WHERE at < "+pgMicros+" - $1::bigint", gone.Microseconds())
	return err
}

func (p *postgres) close() error {
	p.drop()
	return p.db.Close()
}

// drop lets go of the writer's connection; an open transaction ends with it.
func (p *postgres) drop() {
	if p.conn == nil {
		return
	}
	// Answered with ErrBadConn the pool closes it instead of lending it again; the rest is said by the next connection.
	_ = p.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = p.conn.Close()
	p.conn = nil
}

// begin waits for its turn among the writers. What was begun in vain, on a connection that broke meanwhile, is begun again.
func (p *postgres) begin(ctx context.Context) (session, time.Time, error) {
	p.number++
	var err error
	for range pgTries {
		var now time.Time
		if now, err = p.turn(ctx); err == nil {
			return p, now, nil
		}
		p.drop()
		if !broken(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, time.Time{}, err
}

// turn opens the transaction, locks the chain and leaves the transaction's number.
func (p *postgres) turn(ctx context.Context) (now time.Time, err error) {
	if p.conn == nil {
		if p.conn, err = p.db.Conn(ctx); err != nil {
			return now, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, pgTransaction)
	defer cancel()
	if _, err = p.conn.ExecContext(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED"); err != nil {
		return now, err
	}
	if err = lockChain(ctx, p.conn); err != nil {
		return now, err
	}
	var micros int64
	err = p.conn.QueryRowContext(ctx, `INSERT INTO writers (name, number, at) VALUES ($1, $2, `+pgMicros+`)
		ON CONFLICT (name) DO UPDATE SET number = excluded.number, at = excluded.at RETURNING at`, p.name, p.number).Scan(&micros)
	if p.clock != nil {
		return p.clock(), err
	}
	return time.UnixMicro(micros).UTC(), err
}

// pgMicros is the database's time in microseconds, also within a transaction.
const pgMicros = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

func lockChain(ctx context.Context, conn *sql.Conn) error {
	var events int64
	return conn.QueryRowContext(ctx, "SELECT events FROM chain WHERE one = 1 FOR UPDATE").Scan(&events)
}

func (p *postgres) query(ctx context.Context, text string, args ...any) (cursor, error) {
	return p.conn.QueryContext(ctx, numbered(text), args...) //nolint:rowserrcheck // the caller asks the cursor, see each
}

func (p *postgres) do(ctx context.Context, text string) error {
	_, err := p.conn.ExecContext(ctx, text)
	return err
}

func (p *postgres) exec(ctx context.Context, text string, args ...any) (int64, error) {
	switch text {
	case "COMMIT":
		return 0, p.commit(ctx)
	case "ROLLBACK":
		if p.conn == nil {
			return 0, nil
		}
		bounded, cancel := context.WithTimeout(ctx, pgTransaction)
		defer cancel()
		if _, err := p.conn.ExecContext(bounded, text); err != nil {
			p.drop() // rolls back, too
		}
		return 0, nil
	}
	result, err := p.conn.ExecContext(ctx, numbered(text), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// commit tells for certain whether the transaction was committed, or that nobody knows: ErrUnknown.
func (p *postgres) commit(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, pgTransaction)
	defer cancel()
	_, err := p.conn.ExecContext(bounded, "COMMIT")
	if err == nil || !broken(err) && bounded.Err() == nil {
		return err
	}
	p.drop()
	return p.lookUp(ctx, err)
}

// lookUp finds out what became of a commit whose answer was lost. The lock on the chain is free only when the lost
// transaction has ended, so what is read under it is final.
func (p *postgres) lookUp(ctx context.Context, lost error) error {
	ctx, cancel := context.WithTimeout(ctx, pgLookUp)
	defer cancel()
	for {
		number, err := p.written(ctx)
		switch {
		case err == nil && number == p.number:
			return nil
		case err == nil:
			return fmt.Errorf("the connection broke before the commit, nothing was written: %w", lost)
		}
		p.drop()
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w; and then: %w", ErrUnknown, lost, err)
		case <-time.After(pgRetry):
		}
	}
}

// written is the number of the last transaction of this writer that was committed.
func (p *postgres) written(ctx context.Context) (number int64, err error) {
	if p.conn, err = p.db.Conn(ctx); err != nil {
		return 0, err
	}
	if _, err = p.conn.ExecContext(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED"); err != nil {
		return 0, err
	}
	if err = lockChain(ctx, p.conn); err != nil {
		return 0, err
	}
	err = p.conn.QueryRowContext(ctx, "SELECT number FROM writers WHERE name = $1", p.name).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err != nil {
		return 0, err
	}
	_, err = p.conn.ExecContext(ctx, "ROLLBACK")
	return number, err
}

// broken: the connection or the server is gone, so that the answer says nothing about what was done.
func broken(err error) bool {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		// 57P01 to 57P05: the server ends the session; 08: the connection; 25006: it is a standby by now.
		return said.Severity == "FATAL" || said.Severity == "PANIC" || strings.HasPrefix(said.Code, "57P") || strings.HasPrefix(said.Code, "08") ||
			said.Code == "25006"
	}
	return err != nil && !errors.Is(err, sql.ErrNoRows)
}

func (p *postgres) view(ctx context.Context) (view, error) {
	var err error
	for range pgTries {
		var tx *sql.Tx
		tx, err = p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		if err == nil {
			return pgView{tx: tx, clock: p.clock}, nil
		}
		if !broken(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// pgView reads in a transaction of its own.
type pgView struct {
	tx    *sql.Tx
	clock func() time.Time
}

func (v pgView) query(ctx context.Context, text string, args ...any) (cursor, error) {
	return v.tx.QueryContext(ctx, numbered(text), args...) //nolint:rowserrcheck // the caller asks the cursor, see each
}

func (v pgView) do(ctx context.Context, text string) error {
	_, err := v.tx.ExecContext(ctx, text)
	return err
}

func (v pgView) now(ctx context.Context) (time.Time, error) {
	if v.clock != nil {
		return v.clock(), nil
	}
	var micros int64
	if err := v.tx.QueryRowContext(ctx, "SELECT "+pgMicros).Scan(&micros); err != nil {
		return time.Time{}, fmt.Errorf("ask the database for the time: %w", err)
	}
	return time.UnixMicro(micros).UTC(), nil
}

func (v pgView) end() error {
	// A view that cannot be rolled back has lost its connection; who read has been told so by the reading.
	_ = v.tx.Rollback()
	return nil
}

// numbered writes $1, $2 … for each ?, as PostgreSQL wants it.
func numbered(text string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		text = after
	}
}

func (p *postgres) advise(err error) error {
	var said *pgconn.PgError
	var unreached *pgconn.ConnectError
	switch {
	case errors.As(err, &said):
		return p.adviseOn(said.Code, err)
	case errors.Is(err, errStandby):
		return fmt.Errorf("%w: the server is a standby: name the primary, or both hosts: %w", ErrReadOnly, err)
	case errors.As(err, &unreached) && !errors.Is(err, context.Canceled): // by a deadline of its own, too
		return fmt.Errorf("%w: PostgreSQL cannot be reached: check that it runs and that the address is right: %w", ErrAway, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return err
	case cutOff(err):
		return fmt.Errorf("%w: the connection to PostgreSQL broke: galen connects again by itself: %w", ErrAway, err)
	}
	return err
}

// adviseOn says what to do about what the server said.
func (p *postgres) adviseOn(code string, err error) error {
	switch class := code[:min(len(code), 2)]; {
	case code == "25006":
		return fmt.Errorf("%w: the server is a standby: name the primary, or both hosts: %w", ErrReadOnly, err)
	case code == "53100" && p.onFull != "":
		return fmt.Errorf("%s: %w", p.onFull, err)
	case code == "53100":
		return fmt.Errorf("%w: free space on the database's disk; nothing was written, and galen goes on by itself then: %w", ErrFull, err)
	case code == "42501":
		return fmt.Errorf("%w: let the user of the connection string own its database: %w", ErrReadOnly, err)
	case code == "55P03":
		return fmt.Errorf("%w: another engine holds it for longer than usual: look at pg_stat_activity: %w", ErrAway, err)
	case code == "57014":
		return fmt.Errorf("PostgreSQL was too slow for galen, which gave up the statement: look at its load, its disk and pg_stat_activity: %w", err)
	case class == "57", class == "08":
		return fmt.Errorf("%w: PostgreSQL starts, stops or was told to end the connection: galen goes on by itself when it serves again: %w", ErrAway, err)
	case code == "53000", code == "53200", code == "53300":
		return fmt.Errorf("%w: PostgreSQL has no room for another connection, or no memory: look at max_connections: %w", ErrAway, err)
	case class == "28", code == "3D000":
		return fmt.Errorf("PostgreSQL does not let galen in: check user, password and database of the connection string: %w", err)
	}
	return err
}

// cutOff tells whether an error is of a connection that was there and broke.
func cutOff(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) || pgconn.SafeToRetry(err)
}
