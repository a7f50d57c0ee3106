// Command myprocess is a node with a worker kind of its own, "my_process": each replica remembers its
// mode and says, when it is asked, who it is.
//
// Start two nodes on a NATS server (nats-server -js), each in a terminal of its own:
//
//	go run ./examples/myprocess -name node1
//	go run ./examples/myprocess -name node2
//
// Start a child with a replica on each, and ask it:
//
//	phub --hub my_hub child start child1 --kind my_process --replicas 2 --model active_passive --signal all
//	nats req phub.my_hub.req.child1 hello
//
// Then kill the node that answered (kill -9), and ask again.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/phub-io/phub"
)

func main() {
	opts := phub.Options{Kinds: map[string]phub.Kind{"my_process": newMyProcess}}
	flag.StringVar(&opts.Hub, "hub", "my_hub", "hub to join")
	flag.StringVar(&opts.Name, "name", "", "name of this node; by default the host's")
	flag.StringVar(&opts.URL, "server", os.Getenv("NATS_URL"), "NATS servers; by default 127.0.0.1:4222 (NATS_URL)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := phub.Run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "myprocess:", err)
		os.Exit(1)
	}
}

// myProcess is one replica of a child. phub calls its methods one at a time, so that it needs no lock.
type myProcess struct {
	self phub.Replica
	mode phub.Mode
}

func newMyProcess(r phub.Replica) (phub.Worker, error) {
	return &myProcess{self: r, mode: phub.Passive}, nil
}

// ModeChanged is called after the start and at each change, because the child is started with
// --signal all.
func (p *myProcess) ModeChanged(_ context.Context, m phub.ModeChange) {
	slog.Info("my mode changed", "child", p.self.Child, "from", p.mode, "to", m.Mode, "epoch", m.Epoch, "reason", m.Reason)
	p.mode = m.Mode
}

// Handle answers a request. Only the active replica gets any.
func (p *myProcess) Handle(_ context.Context, m *phub.Message) ([]byte, error) {
	return fmt.Appendf(nil, "%s on %s, %s in epoch %d, got %q", m.Child, m.Node, p.mode, m.Epoch, m.Data), nil
}
