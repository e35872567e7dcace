package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/galenhq/galen/app"
	"github.com/galenhq/galen/internal/config"
)

// Serve makes of this process, which was started as "serve --config FILE", an engine that says when it is ready and ends on SIGTERM or with
// its parent. The options lack the configuration and the logger.
func Serve(o app.Options) error {
	began := time.Now()
	if len(os.Args) != 4 || os.Args[1] != "serve" || os.Args[2] != "--config" {
		return fmt.Errorf("arguments %q: want serve --config FILE", os.Args[1:])
	}
	var err error
	if o.Config, err = config.Load(os.Args[3]); err != nil {
		return err
	}
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	EndWithParent()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	served, err := app.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf("ready in %d ms  api http://%s\n", time.Since(began).Milliseconds(), served.Address())
	select {
	case <-ctx.Done():
	case err = <-served.Fatal():
	}
	return errors.Join(err, served.Stop())
}

// EndWithParent ends this process when its parent has gone: a test that was killed leaves nothing behind.
func EndWithParent() {
	parent := os.Getppid()
	go func() {
		for tick := time.NewTicker(time.Second); os.Getppid() == parent; {
			<-tick.C
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			panic(err)
		}
	}()
}
