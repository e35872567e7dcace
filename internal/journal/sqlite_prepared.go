package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// prepared is a connection that keeps its statements prepared: preparing one takes as long as running it.
type prepared struct {
	conn  *sql.Conn // nil: not opened
	stmts map[string]*sql.Stmt
}

func (p *prepared) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := p.stmts[text]; ok {
		return stmt, nil
	}
	stmt, err := p.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	if p.stmts == nil {
		p.stmts = map[string]*sql.Stmt{}
	}
	p.stmts[text] = stmt
	return stmt, nil
}

// forget closes the statements. They are nobody's but ours, and must go before their connection.
func (p *prepared) forget() error {
	var errs []error
	for _, stmt := range p.stmts {
		errs = append(errs, stmt.Close())
	}
	p.stmts = nil
	return errors.Join(errs...)
}

// hangUp closes the connection and all of it.
func (p *prepared) hangUp() error {
	if p.conn == nil {
		return nil
	}
	errs := []error{p.forget(), p.conn.Close()}
	p.conn = nil
	return errors.Join(errs...)
}
