// Command testnode joins a hub as a node with the kinds "recorder", whose workers log each request that
// they handle, for the checker in e2e/history, and "register", whose workers are registers, for the
// checker in e2e/register.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/protocol"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "testnode: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	opts := phub.Options{}
	flag.StringVar(&opts.Hub, "hub", "", "hub to join")
	flag.StringVar(&opts.Name, "name", "", "name of this node")
	flag.StringVar(&opts.URL, "url", "", "NATS servers")
	busy := flag.Duration("busy", 0, "how long a handler works")
	path := flag.String("record", "", "file to append what is handled to")
	only := flag.String("record-only", "", "record only requests whose payload begins with this")
	store := flag.String("store", "", "URL of what registers are written to")
	inOrder := flag.Bool("in-order", false, "connect to the first NATS server that can be reached")
	lease := flag.Duration("lease", 0, "the hub's lease; 0: the default")
	authority := flag.Duration("authority", 0, "the hub's authority; 0: the default")
	failover := flag.String("failover", "", "the hub's failover: auto, strict or fast")
	rule := flag.String("unsafe", "", "safety rule to switch off, in a program built with the tag phub_unsafe")
	flag.Parse()
	if err := os.Setenv("PHUB_UNSAFE", *rule); err != nil {
		return err
	}
	opts.Config = phub.Config{Failover: protocol.Failover(*failover), Lease: phub.Duration(*lease), Authority: phub.Duration(*authority)}
	if *inOrder {
		opts.NATS = append(opts.NATS, nats.DontRandomize())
	}

	log, err := os.OpenFile(*path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	opts.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts.Kinds = map[string]phub.Kind{
		"recorder": func(r phub.Replica) (phub.Worker, error) { return newRecorder(r, log, *only, *busy), nil },
		"register": func(phub.Replica) (phub.Worker, error) { return newRegisters(*store), nil },
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return phub.Run(ctx, opts)
}
