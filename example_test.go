package phub_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/phub-io/phub"
	"github.com/phub-io/phub/internal/natsembed"
)

func hello(r phub.Replica) (phub.Worker, error) {
	return phub.HandlerFunc(func(_ context.Context, m *phub.Message) ([]byte, error) {
		return fmt.Appendf(nil, "hello %s, says %s on %s", m.Data, r.Child, r.Node), nil
	}), nil
}

func run(ctx context.Context, nc *nats.Conn) (*nats.Msg, error) {
	node, err := phub.Join(ctx, phub.Options{
		Hub: "my_hub", Name: "node1", Dial: phub.DialLike(nc), Kinds: map[string]phub.Kind{"hello": hello},
	})
	if err != nil {
		return nil, err
	}
	defer node.Leave(ctx)
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		return nil, err
	}
	if _, err := client.Start(ctx, []phub.Spec{{Child: "greeter", Kind: "hello"}}, nil); err != nil {
		return nil, err
	}
	return nc.RequestWithContext(ctx, "phub.my_hub.req.greeter", []byte("Joe")) // any NATS client can ask
}

// A node, a child and a request: the program at the top of the README.
func Example() {
	ctx, nc, end := exampleNATS()
	defer end()
	reply, err := run(ctx, nc)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(reply.Data))
	// Output: hello Joe, says greeter on node1
}

// Two nodes join a hub. The child has an active replica on one of them and a passive one on the other;
// when the active one's node leaves, the other becomes active, in a later epoch.
func ExampleJoin() {
	ctx, nc, end := exampleNATS()
	defer end()
	nodes := map[string]*phub.Node{}
	for _, name := range []string{"node1", "node2"} {
		node, err := phub.Join(ctx, phub.Options{
			Hub: "my_hub", Name: name, Dial: phub.DialLike(nc), Kinds: map[string]phub.Kind{"hello": hello},
			Labels: map[string]string{"zone": name},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Leave(ctx)
		nodes[name] = node
	}
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := client.Start(ctx, []phub.Spec{{
		Child: "greeter", Kind: "hello",
		Redundancy: phub.Redundancy{Strategy: phub.Replication, Factor: 2, Model: phub.ActivePassive},
	}}, nil)
	if err != nil || results[0].Error != nil {
		fmt.Println(err, results)
		return
	}
	active := results[0].Replicas[0]
	if err := nodes[active.Node].Leave(ctx); err != nil {
		fmt.Println(err)
		return
	}
	reply, err := client.Request(ctx, "greeter", []byte("Joe"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("another node answers:", reply.Node != active.Node)
	fmt.Println("in a later epoch:", reply.Epoch > active.Epoch)
	// Output:
	// another node answers: true
	// in a later epoch: true
}

// A client needs a NATS connection and the name of the hub. Request tries again where that is safe,
// and its errors say what is known of the request.
func ExampleClient_Request() {
	ctx, nc, end := exampleNATS()
	defer end()
	node, err := phub.Join(ctx, phub.Options{
		Hub: "my_hub", Name: "node1", Dial: phub.DialLike(nc), Kinds: map[string]phub.Kind{"hello": hello},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Leave(ctx)
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Start(ctx, []phub.Spec{{Child: "greeter", Kind: "hello"}}, nil); err != nil {
		fmt.Println(err)
		return
	}
	for _, child := range []string{"greeter", "nobody"} {
		reply, err := client.Request(ctx, child, []byte("Joe"))
		switch {
		case err == nil:
			fmt.Printf("%s (from %s)\n", reply.Data, reply.Node)
		case errors.Is(err, phub.ErrNoChild):
			fmt.Println("there is no child", child)
		case errors.Is(err, phub.ErrNoActive):
			fmt.Println("nothing was done, send it again later")
		default: // ErrNoAnswer, or an error of the worker's own
			fmt.Println(err)
		}
	}
	// Output:
	// hello Joe, says greeter on node1 (from node1)
	// there is no child nobody
}

// ledger numbers the entries it is sent, and remembers its mode. Handle and ModeChanged of one replica
// never run at the same time.
type ledger struct {
	mode    phub.Mode
	entries []string
}

func (l *ledger) ModeChanged(_ context.Context, m phub.ModeChange) { l.mode = m.Mode }

func (l *ledger) Handle(_ context.Context, m *phub.Message) ([]byte, error) {
	if len(m.Data) == 0 {
		return nil, &phub.HandlerError{Code: 400, Message: "an entry is needed"}
	}
	l.entries = append(l.entries, string(m.Data))
	return fmt.Appendf(nil, "entry %d by the %s replica", len(l.entries), l.mode), nil
}

// A worker of your own is a type with a Handle method. Other methods are optional: this one has
// ModeChanged, so phub tells it its mode.
func ExampleWorker() {
	ctx, nc, end := exampleNATS()
	defer end()
	node, err := phub.Join(ctx, phub.Options{
		Hub: "my_hub", Name: "node1", Dial: phub.DialLike(nc),
		Kinds: map[string]phub.Kind{
			"ledger": func(phub.Replica) (phub.Worker, error) { return &ledger{}, nil },
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Leave(ctx)
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		fmt.Println(err)
		return
	}
	specs := []phub.Spec{{Child: "books.2026", Kind: "ledger", Redundancy: phub.Redundancy{Signal: phub.SignalAll}}}
	if _, err := client.Start(ctx, specs, nil); err != nil {
		fmt.Println(err)
		return
	}
	for _, entry := range []string{"rent", "bread", ""} {
		reply, err := client.Request(ctx, "books.2026", []byte(entry))
		var refused *phub.RemoteError
		switch {
		case errors.As(err, &refused):
			fmt.Println(refused.Code, refused.Message)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Printf("%s\n", reply.Data)
		}
	}
	// Output:
	// entry 1 by the active replica
	// entry 2 by the active replica
	// 400 an entry is needed
}

// A watch shows what happens in a hub, from now on. It is for people and for programs that look on.
func ExampleClient_Watch() {
	ctx, nc, end := exampleNATS()
	defer end()
	node, err := phub.Join(ctx, phub.Options{
		Hub: "my_hub", Name: "node1", Dial: phub.DialLike(nc), Kinds: map[string]phub.Kind{"hello": hello},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Leave(ctx)
	client, err := phub.NewClient(nc, "my_hub")
	if err != nil {
		fmt.Println(err)
		return
	}
	changes, err := client.Watch(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := client.Start(ctx, []phub.Spec{{Child: "greeter", Kind: "hello"}}, nil); err != nil {
		fmt.Println(err)
		return
	}
	for change, err := range changes {
		switch {
		case err != nil: // a message was lost or is no good; the watch goes on
			fmt.Println(err)
		case change.Mode != nil:
			fmt.Println(change.Mode.Child, "is", change.Mode.Mode, "on", change.Mode.Node)
			return
		}
	}
	// Output: greeter is active on node1
}

// Child specs in YAML or JSON. Errors say which field is wrong, what was found and what is allowed.
func ExampleParseSpecs() {
	specs, err := phub.ParseSpecs([]byte(`
children:
  - child: orders.eu
    kind: echo
    metadata: {tag: orders}
    redundancy: {replication_factor: 2, replication_model: active_passive}
  - {child: cache, kind: counter}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range specs {
		fmt.Println(s.Child, s.Kind, s.Redundancy.Factor)
	}
	_, err = phub.ParseSpecs([]byte("{child: cache, kind: counter, redundancy: {replication_factor: 5000}}"))
	fmt.Println(err)
	// Output:
	// orders.eu echo 2
	// cache counter 0
	// document 1: redundancy.replication_factor: found "5000", allowed is 1 to 1000, or cluster_size
}

// exampleNATS starts an embedded NATS server and connects to it. The function that it returns ends both.
func exampleNATS() (context.Context, *nats.Conn, func()) {
	server, err := natsembed.StartServer(natsembed.Config{})
	if err != nil {
		panic(err)
	}
	nc, err := nats.Connect(server.URL())
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	return ctx, nc, func() {
		cancel()
		nc.Close()
		if err := server.Close(); err != nil {
			fmt.Println(err)
		}
	}
}
